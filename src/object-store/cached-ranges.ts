/**
 * `cachedRanges`: a store whose SSTs are read through a disk cache. Everything else passes by: SSTs alone never change.
 *
 * A read is made of whole parts, on the disk and from the store: so reads of different ranges find what others have left, and a part
 * is kept once. What is missing is one request, however many parts it has, unless others are reading some of them: those are waited
 * for. Bytes that are read come before nothing: they are written to the disk afterwards, in the background.
 */
import { withSignal } from "../common/abort.js";
import { allocateBytes, type Bytes } from "../common/bytes.js";
import { deferred } from "../common/deferred.js";
import type { Ulid } from "../common/ids.js";
import type { DiskCache } from "./disk-cache.js";
import type { GetOptions, ObjectMeta, ObjectStore, StoredObject } from "./object-store.js";
import { type PartObject, PartReads, type PartSource, type ReadPart } from "./part-reads.js";
import { parseOwnedSstPath } from "./paths.js";
import { wrapperOf } from "./wrappers.js";

/**
 * `databaseId` is that of the database at the store's root. An SST of another one is kept under that one's id: whoever shares it finds it. The
 * bytes that `get` answers must not be changed.
 */
export function cachedRanges(store: ObjectStore, cache: DiskCache, databaseId: Ulid): ObjectStore {
  const objects = new CachedObjects({ store, cache });
  const wrapper: ObjectStore = {
    ...plainCalls(store),
    get(key, options) {
      const sst = parseOwnedSstPath(key);
      const range = options?.range;
      if (sst === undefined || (range !== undefined && "suffix" in range)) {
        return store.get(key, options);
      }
      if (range !== undefined && range.length === 0) return store.get(key, options);
      const wanted = { id: sst.id, databaseId: sst.owner || databaseId, key, options };
      return range === undefined ? objects.getWhole(wanted) : objects.getRange(wanted, range);
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

interface Wanted extends PartObject {
  readonly options: GetOptions | undefined;
}

interface Range {
  readonly offset: number;
  readonly length: number;
}

class CachedObjects {
  readonly #source: PartSource;
  readonly #reads: PartReads;
  /** Objects that are being read whole. Their promises never reject. */
  readonly #wholes = new Map<Ulid, Promise<void>>();

  constructor(source: PartSource) {
    this.#source = source;
    this.#reads = new PartReads(source);
  }

  async getRange(wanted: Wanted, range: Range): Promise<StoredObject | undefined> {
    while (this.#wholes.has(wanted.id)) await this.#whenNotWhole(wanted);
    return this.#getParts(wanted, range);
  }

  /** Of an object whose first part is cached, or another being read, the size is known; others are one request, for all of it. */
  async getWhole(wanted: Wanted): Promise<StoredObject | undefined> {
    while (this.#wholes.has(wanted.id)) await this.#whenNotWhole(wanted);
    const { cache } = this.#source;
    const { id, databaseId, options } = wanted;
    const end = deferred();
    this.#wholes.set(id, end.promise);
    try {
      const part = this.#reads.underWay(id);
      const [read] = part === undefined ? [] : await this.#reads.read(wanted, part, part, options);
      const object = read?.object ?? (await cache.read(databaseId, id, 0))?.object;
      if (object !== undefined && object.size > 0) {
        return await this.#getParts(wanted, { offset: 0, length: object.size });
      }
      return await this.#fetchWhole(wanted);
    } finally {
      this.#wholes.delete(id);
      end.resolve();
    }
  }

  /** To be asked again afterwards; what is looked up after that has to be registered in the same turn. */
  #whenNotWhole({ id, options }: Wanted): Promise<void> {
    return withSignal(this.#wholes.get(id)!, options?.signal);
  }

  async #getParts(wanted: Wanted, { offset, length }: Range): Promise<StoredObject | undefined> {
    const { store, cache } = this.#source;
    const { id, databaseId, key, options } = wanted;
    const { partBytes } = cache;
    const first = Math.floor(offset / partBytes);
    const last = Math.ceil((offset + length) / partBytes) - 1;
    const parts = await this.#reads.read(wanted, first, last, options);
    cache.count(parts.every(({ bytes, fetched }) => bytes !== undefined && fetched === undefined));
    const { object } = parts[0]!;
    const isOne = parts.every((part) => part.object?.size === object?.size);
    if (isOne && object === undefined) return undefined;
    const end = Math.min(offset + length, object?.size ?? 0);
    const isThere = parts.every(
      ({ bytes }, i) => bytes !== undefined || (first + i) * partBytes >= end,
    );
    if (isOne && isThere) {
      return { ...object!, bytes: assemble(parts, offset, Math.max(offset, end), partBytes) };
    }
    if (!isOne) void cache.drop(databaseId, id);
    return store.get(key, options);
  }

  async #fetchWhole({ id, databaseId, key, options }: Wanted): Promise<StoredObject | undefined> {
    const { store, cache } = this.#source;
    cache.count(false);
    const found = await store.get(key, options);
    if (found === undefined || found.bytes.length !== found.size) return found;
    const { size, lastModified, bytes } = found;
    const object: ObjectMeta = { size, lastModified };
    for (let part = 0; part * cache.partBytes < size; part++) {
      const start = part * cache.partBytes;
      const piece = bytes.subarray(start, start + cache.partBytes);
      cache.write(databaseId, id, part, object, piece);
    }
    return { ...object, bytes };
  }
}

/** The bytes from `start` to `end` of parts that follow each other, in an array that holds nothing else. */
function assemble(
  parts: readonly ReadPart[],
  start: number,
  end: number,
  partBytes: number,
): Bytes {
  const { fetched } = parts[0]!;
  const isAsFetched = fetched?.start === start && fetched.bytes.length === end - start;
  if (isAsFetched && parts.every((part) => part.fetched === fetched)) return fetched.bytes;
  const result = allocateBytes(end - start);
  let at = Math.floor(start / partBytes) * partBytes;
  for (const { bytes } of parts) {
    const low = Math.max(start, at);
    const high = Math.min(end, at + (bytes?.length ?? 0));
    if (low < high) result.set(bytes!.subarray(low - at, high - at), low - start);
    at += partBytes;
  }
  return result;
}
