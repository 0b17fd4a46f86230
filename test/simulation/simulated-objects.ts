/** `SimulatedObjects`: what the store of a simulated world holds. Each operation happens in one step; planted bugs override them. */
import { type Bytes, copyBytes } from "../../src/common/bytes.js";
import type { ByteRange, ListedObject, StoredObject } from "../../src/object-store/object-store.js";

/** Is told of each object that is stored or deleted; what it throws is what is wrong. */
export interface Audit {
  put(key: string, bytes: Bytes, process: string): void;
  deleted(keys: readonly string[]): void;
}

interface SimulatedObject {
  readonly bytes: Bytes;
  readonly lastModified: number;
}

/** `process` says on whose behalf a thing happens, for stores that lose the writes of a process that dies. */
export class SimulatedObjects {
  protected readonly objects: Map<string, SimulatedObject> = new Map();
  readonly #now: () => number;
  /** Is told of what is stored and deleted. */
  audit: Audit | undefined;

  constructor(now: () => number) {
    this.#now = now;
  }

  get(_process: string, key: string, range?: ByteRange): StoredObject | undefined {
    const object = this.objects.get(key);
    if (object === undefined) return undefined;
    const size = object.bytes.length;
    let start = 0;
    let end = size;
    if (range !== undefined && "suffix" in range) start = Math.max(0, size - range.suffix);
    else if (range !== undefined) {
      start = Math.min(range.offset, size);
      end = Math.min(range.offset + range.length, size);
    }
    return {
      bytes: copyBytes(object.bytes, start, end),
      size,
      lastModified: object.lastModified,
    };
  }

  create(process: string, key: string, bytes: Bytes): "created" | "exists" {
    if (this.objects.has(key)) return "exists";
    this.put(process, key, bytes);
    return "created";
  }

  put(process: string, key: string, bytes: Bytes): void {
    this.objects.set(key, { bytes, lastModified: this.#now() });
    this.audit?.put(key, bytes, process);
  }

  list(_process: string, prefix: string, after?: string): ListedObject[] {
    const found: ListedObject[] = [];
    for (const [key, { bytes, lastModified }] of this.objects) {
      if (!key.startsWith(prefix) || (after !== undefined && key <= after)) continue;
      found.push({ key, size: bytes.length, lastModified });
    }
    return found.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  delete(_process: string, keys: readonly string[]): void {
    for (const key of keys) this.objects.delete(key);
    this.audit?.deleted(keys);
  }

  /** Called when a process has been killed. */
  died(_process: string): void {}
}
