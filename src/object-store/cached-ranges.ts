/**
 * `cachedRanges`: a store whose SSTs are read through a disk cache. Everything else passes by: SSTs alone never change.
 *
 * A read is made of whole parts, on the disk and from the store: so reads of different ranges find what others have left, and a part
 * is kept once. What is missing is one request, however many parts it has. Bytes that are read come before nothing: they are
 * written to the disk afterwards, in the background.
 */

import { allocateBytes, type Bytes } from "../common/bytes.js";
import type { Ulid } from "../common/ids.js";
import type { CachedPart } from "./cached-part.js";
import type { DiskCache } from "./disk-cache.js";
import type { GetOptions, ObjectMeta, ObjectStore, StoredObject } from "./object-store.js";
import { parseSstPath } from "./paths.js";
import { wrapperOf } from "./wrappers.js";

/** Parts that one read opens at once. */
const readsAtOnce = 16;

/** `databaseId` is that of the database at the store's root. The bytes that `get` answers must not be changed. */
export function cachedRanges(store: ObjectStore, cache: DiskCache, databaseId: Ulid): ObjectStore {
  const wrapper: ObjectStore = {
    ...plainCalls(store),
    get(key, options) {
      const id = parseSstPath(key);
      const range = options?.range;
      if (id === undefined || (range !== undefined && "suffix" in range)) {
        return store.get(key, options);
      }
      if (range !== undefined && range.length === 0) return store.get(key, options);
      return new CachedRead(store, cache, { databaseId, id, key, options }).run(range);
    },
  };
  return wrapperOf(wrapper, store);
}

function plainCalls(store: ObjectStore): Omit<ObjectStore, "get"> {
  return {
    id: store.id,
    head: (key, options) => store.head(key, options),
    create: (key, bytes, options) => store.create(key, bytes, options),
    put: (key, source, options) => store.put(key, source, options),
    list: (options) => store.list(options),
    delete: (keys, options) => store.delete(keys, options),
  };
}

interface Wanted {
  readonly databaseId: Ulid;
  readonly id: Ulid;
  readonly key: string;
  readonly options: GetOptions | undefined;
}

class CachedRead {
  readonly #store: ObjectStore;
  readonly #cache: DiskCache;
  readonly #wanted: Wanted;
  readonly #parts = new Map<number, CachedPart>();
  #object: ObjectMeta | undefined;

  constructor(store: ObjectStore, cache: DiskCache, wanted: Wanted) {
    this.#store = store;
    this.#cache = cache;
    this.#wanted = wanted;
  }

  async run(
    range: { offset: number; length: number } | undefined,
  ): Promise<StoredObject | undefined> {
    const { partBytes } = this.#cache;
    const start = range?.offset ?? 0;
    const first = Math.floor(start / partBytes);
    let end = range === undefined ? Number.POSITIVE_INFINITY : range.offset + range.length;
    // Of a whole object the first part says how many there are.
    if (range === undefined) await this.#readParts(0, 0);
    if (this.#object !== undefined) end = Math.min(end, this.#object.size);
    if (end < Number.POSITIVE_INFINITY) {
      await this.#readParts(first, Math.ceil(end / partBytes) - 1);
      if (this.#object !== undefined) end = Math.max(start, Math.min(end, this.#object.size));
    }
    const missing = this.#missing(first, end);
    this.#cache.count(missing === undefined);
    if (missing === undefined) {
      return { ...this.#object!, bytes: this.#assemble(start, end, undefined) };
    }
    return this.#fetch(range, start, missing);
  }

  async #readParts(first: number, last: number): Promise<void> {
    const { databaseId, id } = this.#wanted;
    const numbers: number[] = [];
    for (let part = first; part <= last; part++) if (!this.#parts.has(part)) numbers.push(part);
    for (let i = 0; i < numbers.length; i += readsAtOnce) {
      const some = numbers.slice(i, i + readsAtOnce);
      const found = await Promise.all(some.map((part) => this.#cache.read(databaseId, id, part)));
      for (const [j, part] of found.entries()) this.#take(some[j]!, part);
    }
  }

  #take(number: number, part: CachedPart | undefined): void {
    if (part === undefined) return;
    this.#object ??= part.object;
    const { size } = this.#object;
    const { partBytes } = this.#cache;
    // Shorter than a whole one, only the last can be.
    const length = Math.min(partBytes, size - number * partBytes);
    if (part.object.size === size && part.bytes.length === length) this.#parts.set(number, part);
  }

  /** The bytes from the first part that is missing to the last one; undefined when none is. */
  #missing(first: number, end: number): { start: number; end: number } | undefined {
    const { partBytes } = this.#cache;
    if (this.#object === undefined && end === Number.POSITIVE_INFINITY) return { start: 0, end };
    const last = Math.ceil(end / partBytes) - 1;
    let from: number | undefined;
    let to = 0;
    for (let part = first; part <= last; part++) {
      if (this.#parts.has(part)) continue;
      from ??= part;
      to = part + 1;
    }
    return from === undefined ? undefined : { start: from * partBytes, end: to * partBytes };
  }

  async #fetch(
    range: { offset: number; length: number } | undefined,
    start: number,
    missing: { start: number; end: number },
  ): Promise<StoredObject | undefined> {
    const { key, options, databaseId, id } = this.#wanted;
    const isWhole = missing.end === Number.POSITIVE_INFINITY;
    const fetched = await this.#store.get(
      key,
      isWhole
        ? options
        : { ...options, range: { offset: missing.start, length: missing.end - missing.start } },
    );
    if (fetched === undefined) return undefined;
    const { size, lastModified, bytes } = fetched;
    const fetchedEnd = Math.min(missing.end, size);
    const isOther = this.#object !== undefined && this.#object.size !== size;
    if (isOther) void this.#cache.drop(databaseId, id);
    if (isOther || bytes.length !== Math.max(0, fetchedEnd - missing.start)) {
      return this.#store.get(key, options);
    }
    const end = Math.max(
      start,
      range === undefined ? size : Math.min(range.offset + range.length, size),
    );
    const result = this.#assemble(start, end, { start: missing.start, bytes });
    this.#keep(missing.start, fetchedEnd, bytes, { size, lastModified });
    return { size, lastModified, bytes: result };
  }

  #keep(start: number, end: number, bytes: Bytes, object: ObjectMeta): void {
    const { partBytes } = this.#cache;
    const { databaseId, id } = this.#wanted;
    for (let at = start; at < end; at += partBytes) {
      const part = at / partBytes;
      if (this.#parts.has(part)) continue;
      const piece = bytes.subarray(at - start, Math.min(at + partBytes, end) - start);
      this.#cache.write(databaseId, id, part, object, piece);
    }
  }

  /** The bytes from `start` to `end`, in an array that holds nothing else. */
  #assemble(
    start: number,
    end: number,
    fetched: { start: number; bytes: Bytes } | undefined,
  ): Bytes {
    if (fetched !== undefined && fetched.start === start && fetched.bytes.length === end - start) {
      return fetched.bytes;
    }
    const result = allocateBytes(end - start);
    const put = (from: number, bytes: Bytes): void => {
      const low = Math.max(start, from);
      const high = Math.min(end, from + bytes.length);
      if (low < high) result.set(bytes.subarray(low - from, high - from), low - start);
    };
    for (const [part, { bytes }] of this.#parts) put(part * this.#cache.partBytes, bytes);
    if (fetched !== undefined) put(fetched.start, fetched.bytes);
    return result;
  }
}
