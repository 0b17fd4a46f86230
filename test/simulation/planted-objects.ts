/** Stores with defects, and stores that show what an engine with a defect would see: what the checks must find. */
import type { Bytes } from "../../src/common/bytes.js";
import { decodeManifest } from "../../src/format/manifest-codec.js";
import { decodeWalObject, encodeWalFence } from "../../src/format/wal-object.js";
import type { ByteRange, StoredObject } from "../../src/object-store/object-store.js";
import { SimulatedObjects } from "./simulated-objects.js";

const walName = /^(?:db|log)\/wal\/(\d+)\/(\d+)\.wal$/;
const manifestName = /^db\/manifest\/\d+\.manifest$/;

abstract class DefectiveObjects extends SimulatedObjects {
  /** The header of a WAL object; undefined for anything else. */
  protected walHeader(
    key: string,
    bytes: Bytes,
  ): { epoch: number; id: number; fence: boolean } | undefined {
    const match = walName.exec(key);
    const databaseId = this.databaseId();
    if (match === null || databaseId === undefined) return undefined;
    const position = { epoch: Number(match[1]), id: Number(match[2]) };
    return decodeWalObject(bytes, key, databaseId, position);
  }

  protected databaseId(): string | undefined {
    const key = [...this.objects.keys()].find((name) => manifestName.test(name));
    return key && decodeManifest(this.objects.get(key)!.bytes, key).databaseId;
  }
}

/** Its creates replace what is there. The probe sees nothing of it: it only begins later. */
export class IgnoresCondition extends DefectiveObjects {
  override create(process: string, key: string, bytes: Bytes): "created" | "exists" {
    if (key.includes("/probe/")) return super.create(process, key, bytes);
    this.put(process, key, bytes);
    return "created";
  }
}

/** Acknowledges WAL objects when they arrive, and stores them with the next request; a crash comes in between. */
export class AcknowledgesFirst extends DefectiveObjects {
  #waiting: { process: string; key: string; bytes: Bytes }[] = [];

  override create(process: string, key: string, bytes: Bytes): "created" | "exists" {
    if (this.objects.has(key)) return "exists";
    if (!walName.test(key)) return super.create(process, key, bytes);
    for (const earlier of this.#waiting.splice(0)) {
      super.create(earlier.process, earlier.key, earlier.bytes);
    }
    this.#waiting.push({ process, key, bytes });
    return "created";
  }

  override died(process: string): void {
    this.#waiting = this.#waiting.filter((write) => write.process !== process);
  }
}

/** Says that fences are created, and stores none: an opener that leaves the fence out. */
export class SkipsFences extends DefectiveObjects {
  override create(process: string, key: string, bytes: Bytes): "created" | "exists" {
    if (!this.walHeader(key, bytes)?.fence) return super.create(process, key, bytes);
    return this.objects.has(key) ? "exists" : "created";
  }
}

/** Drops the third WAL object of every log once it has been stored. */
export class DropsWalObject extends DefectiveObjects {
  protected isDropped(key: string): boolean {
    return Number(walName.exec(key)?.[2]) === 3;
  }

  override get(process: string, key: string, range?: ByteRange): StoredObject | undefined {
    return this.isDropped(key) ? undefined : super.get(process, key, range);
  }
}

/** The same, and a fence in its place: an engine that takes an absent object for the end of the log. */
export class EndsAtDroppedWalObject extends DropsWalObject {
  override get(process: string, key: string, range?: ByteRange): StoredObject | undefined {
    const found = this.objects.get(key);
    if (!this.isDropped(key) || found === undefined) return super.get(process, key, range);
    const [, epoch, id] = walName.exec(key)!;
    const token = new Uint8Array(16);
    const header = { epoch: Number(epoch), id: Number(id), token, closerEpoch: Number(epoch) + 1 };
    const bytes = encodeWalFence(this.databaseId()!, header);
    return { bytes, size: bytes.length, lastModified: found.lastModified };
  }
}

/** Says that manifests are created which exist already: a commit that does not look at the answer. */
export class CommitsOverExisting extends DefectiveObjects {
  override create(process: string, key: string, bytes: Bytes): "created" | "exists" {
    const outcome = super.create(process, key, bytes);
    return manifestName.test(key) ? "created" : outcome;
  }
}

/** Forgets the last object that a process has written when that process dies. */
export class LosesLastWrite extends DefectiveObjects {
  readonly #last = new Map<string, string>();

  override put(process: string, key: string, bytes: Bytes): void {
    super.put(process, key, bytes);
    this.#last.set(process, key);
  }

  override died(process: string): void {
    const key = this.#last.get(process);
    if (key !== undefined) this.objects.delete(key);
  }
}
