/** `StoredLog`: what the manifests in a store say of the logs, and a collector that deletes of them what it may. */
import { type Random, randomBelow } from "../../src/common/random.js";
import { type Manifest, RetiredKind, WalLocation } from "../../src/format/manifest.js";
import { decodeManifest } from "../../src/format/manifest-codec.js";
import { decodeWalObject } from "../../src/format/wal-object.js";
import { ObjectPaths } from "../../src/object-store/paths.js";
import type { SimulatedObjects } from "./simulated-objects.js";

export class StoredLog {
  readonly #objects: SimulatedObjects;
  /** The path of the logs. */
  readonly #path: string;
  /** The epochs of the writers that had a log. */
  #withLog: ReadonlySet<number> = new Set();
  readonly #gone = new Set<number>();

  constructor(objects: SimulatedObjects, path: string) {
    this.#objects = objects;
    this.#path = path;
    this.refresh();
  }

  /** Looks at the manifests that have come since. */
  refresh(): void {
    const withLog = this.#manifests().filter(
      ({ pinned }) => pinned.walLocation !== WalLocation.none,
    );
    this.#withLog = new Set(withLog.map(({ writerEpoch }) => writerEpoch));
  }

  /** Whether the writer of this epoch had a log. */
  hasLog(epoch: number): boolean {
    return this.#withLog.has(epoch);
  }

  /** Whether what had this seq has been deleted. */
  isGone(seq: number): boolean {
    return this.#gone.has(seq);
  }

  /** Deletes some of what the newest manifest has retired, as a collector may. */
  collect(random: Random): void {
    const manifest = this.#manifests().at(-1)!;
    // Mostly the oldest go first.
    const upTo = randomBelow(random, 12);
    let count = 0;
    for (const { kind, epoch, fromId, toId } of manifest.retired) {
      if (kind !== RetiredKind.wal) continue;
      for (let id = fromId; id < toId; id++) {
        if (count++ >= upTo && randomBelow(random, 10) > 0) continue;
        this.#delete(manifest, epoch, id);
      }
    }
  }

  #delete({ databaseId }: Manifest, epoch: number, id: number): void {
    const key = `${this.#path}/${ObjectPaths.wal(epoch, id)}`;
    const found = this.#objects.get("", key);
    if (found === undefined) return;
    const { firstSeq, lastSeq } = decodeWalObject(found.bytes, key, databaseId, { epoch, id });
    this.#objects.delete("", [key]);
    for (let seq = firstSeq; seq <= lastSeq; seq++) this.#gone.add(seq);
  }

  #manifests(): Manifest[] {
    return this.#objects
      .list("", "db/manifest/")
      .filter(({ key }) => key.endsWith(".manifest"))
      .map(({ key }) => decodeManifest(this.#objects.get("", key)!.bytes, key));
  }
}
