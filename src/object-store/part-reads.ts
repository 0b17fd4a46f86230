/**
 * `PartReads`: the parts of immutable objects that are being read, from a disk cache or, where it has not got them, from the store.
 *
 * Nothing is read twice at once: who wants a part that is being read waits for the same read, and ends only its own waiting when it is
 * aborted. The request is aborted when nobody waits any more. If it fails, all who wait are told, and the next who asks tries anew.
 */
import { throwIfAborted, withSignal } from "../common/abort.js";
import type { Bytes } from "../common/bytes.js";
import { type Deferred, deferred } from "../common/deferred.js";
import type { Ulid } from "../common/ids.js";
import type { CachedPart } from "./cached-part.js";
import type { DiskCache } from "./disk-cache.js";
import type { GetOptions, ObjectMeta, ObjectStore } from "./object-store.js";

/** Parts that one read opens at once. */
const readsAtOnce = 16;

export interface PartSource {
  readonly store: ObjectStore;
  readonly cache: DiskCache;
}

export interface PartObject {
  readonly id: Ulid;
  /** The database whose object it is. */
  readonly databaseId: Ulid;
  readonly key: string;
}

/** Bytes of an object that one request has brought. */
export interface FetchedBytes {
  readonly start: number;
  readonly bytes: Bytes;
}

export interface ReadPart {
  /** Undefined: it does not exist. */
  readonly object: ObjectMeta | undefined;
  /** Undefined: the object ends before this part, or the store has answered less than it has. */
  readonly bytes: Bytes | undefined;
  /** The request that has brought it; undefined where the cache had it. */
  readonly fetched: FetchedBytes | undefined;
}

export class PartReads {
  readonly #source: PartSource;
  /** What is under way, by object and part. */
  readonly #objects = new Map<Ulid, Map<number, SharedRead>>();

  constructor(source: PartSource) {
    this.#source = source;
  }

  /** The parts from `first` to `last`. Those that neither the cache nor somebody else has are one request where they are neighbours. */
  async read(
    object: PartObject,
    first: number,
    last: number,
    options: GetOptions | undefined,
  ): Promise<ReadPart[]> {
    throwIfAborted(options?.signal);
    const underWay = this.#objects.get(object.id) ?? new Map<number, SharedRead>();
    this.#objects.set(object.id, underWay);
    const own: number[] = [];
    for (let part = first; part <= last; part++) if (!underWay.has(part)) own.push(part);
    if (own.length > 0) {
      const read = new SharedRead(this.#source, object, own, options?.background);
      for (const part of own) underWay.set(part, read);
      read.start((part) => {
        if (underWay.get(part) === read) underWay.delete(part);
        if (underWay.size === 0 && this.#objects.get(object.id) === underWay) {
          this.#objects.delete(object.id);
        }
      });
    }
    const reads = new Set<SharedRead>();
    const parts: Promise<ReadPart>[] = [];
    for (let part = first; part <= last; part++) {
      const read = underWay.get(part)!;
      reads.add(read);
      parts.push(read.part(part));
    }
    for (const read of reads) read.users++;
    try {
      return await withSignal(Promise.all(parts), options?.signal);
    } finally {
      for (const read of reads) read.leave();
    }
  }

  /** A part of the object that is being read, if there is one: it says how long the object is. */
  underWay(id: Ulid): number | undefined {
    return this.#objects.get(id)?.keys().next().value;
  }
}

/** A read of some parts of an object, for all who want one of them. */
class SharedRead {
  /** How many wait. */
  users = 0;
  readonly #source: PartSource;
  readonly #object: PartObject;
  readonly #numbers: readonly number[];
  readonly #background: boolean | undefined;
  readonly #parts = new Map<number, Deferred<ReadPart>>();
  /** Those that are not here yet. */
  readonly #left: Set<number>;
  readonly #controller = new AbortController();
  #onEnd: (part: number) => void = () => undefined;
  /** As the cache knows the object. */
  #known: ObjectMeta | undefined;

  constructor(
    source: PartSource,
    object: PartObject,
    numbers: readonly number[],
    background: boolean | undefined,
  ) {
    this.#source = source;
    this.#object = object;
    this.#numbers = numbers;
    this.#background = background;
    this.#left = new Set(numbers);
    for (const part of numbers) this.#parts.set(part, deferred());
  }

  /** `onEnd` is called for each part, when it is here, has failed or is given up. */
  start(onEnd: (part: number) => void): void {
    this.#onEnd = onEnd;
    void this.#run();
  }

  part(number: number): Promise<ReadPart> {
    return this.#parts.get(number)!.promise;
  }

  /** The caller does not wait for it any more. */
  leave(): void {
    this.users--;
    if (this.users > 0 || this.#left.size === 0) return;
    this.#controller.abort();
    this.#fail(this.#numbers, this.#controller.signal.reason);
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    try {
      const missing = new Set(await this.#readCache());
      throwIfAborted(this.#controller.signal);
      await Promise.all(this.#spans(missing).map((span) => this.#fetch(span.first, span.last)));
    } catch (error) {
      this.#fail(this.#numbers, error);
    }
  }

  /** Answers the numbers of those that it has not got. */
  async #readCache(): Promise<number[]> {
    const { cache } = this.#source;
    const { id, databaseId } = this.#object;
    const missing: number[] = [];
    for (let i = 0; i < this.#numbers.length; i += readsAtOnce) {
      const some = this.#numbers.slice(i, i + readsAtOnce);
      const found = await Promise.all(some.map((part) => cache.read(databaseId, id, part)));
      for (const [j, part] of some.entries()) if (!this.#take(part, found[j])) missing.push(part);
    }
    const { size } = this.#known ?? { size: Number.POSITIVE_INFINITY };
    return missing.filter((part) => {
      if (part * cache.partBytes < size) return true;
      this.#settle(part, { object: this.#known, bytes: undefined, fetched: undefined });
      return false;
    });
  }

  #take(part: number, found: CachedPart | undefined): boolean {
    if (found === undefined) return false;
    const { partBytes } = this.#source.cache;
    this.#known ??= found.object;
    const { size } = this.#known;
    // Shorter than a whole one, only the last can be.
    const length = Math.min(partBytes, size - part * partBytes);
    if (found.object.size !== size || found.bytes.length !== length) return false;
    this.#settle(part, { object: this.#known, bytes: found.bytes, fetched: undefined });
    return true;
  }

  /** What to ask for: from one missing part to another, also over parts that are here, but not over what others are reading. */
  #spans(missing: ReadonlySet<number>): { first: number; last: number }[] {
    const spans: { first: number; last: number }[] = [];
    let span: { first: number; last: number } | undefined;
    let previous: number | undefined;
    for (const part of this.#numbers) {
      if (previous !== undefined && part !== previous + 1) span = undefined;
      previous = part;
      if (!missing.has(part)) continue;
      if (span === undefined) {
        span = { first: part, last: part };
        spans.push(span);
      } else span.last = part;
    }
    return spans;
  }

  async #fetch(first: number, last: number): Promise<void> {
    const { store, cache } = this.#source;
    const { id, databaseId, key } = this.#object;
    const numbers = Array.from({ length: last - first + 1 }, (_, i) => first + i);
    const start = first * cache.partBytes;
    try {
      const found = await store.get(key, {
        range: { offset: start, length: numbers.length * cache.partBytes },
        ...(this.#background === undefined ? {} : { background: this.#background }),
        signal: this.#controller.signal,
      });
      const object = found && { size: found.size, lastModified: found.lastModified };
      const size = found?.size ?? 0;
      const bytes = found?.bytes;
      if (this.#known !== undefined && this.#known.size !== size) void cache.drop(databaseId, id);
      const length = Math.max(0, Math.min(size, start + numbers.length * cache.partBytes) - start);
      const fetched = bytes?.length === length ? { start, bytes } : undefined;
      for (const part of numbers) {
        if (!this.#left.has(part)) continue;
        const at = part * cache.partBytes - start;
        const piece = at < length ? fetched?.bytes.subarray(at, at + cache.partBytes) : undefined;
        // Before it is here for others: from now on whoever wants it finds it there.
        if (piece !== undefined) cache.write(databaseId, id, part, object!, piece);
        this.#settle(part, { object, bytes: piece, fetched });
      }
    } catch (error) {
      this.#fail(numbers, error);
    }
  }

  #settle(part: number, result: ReadPart): void {
    if (!this.#left.delete(part)) return;
    this.#parts.get(part)!.resolve(result);
    this.#onEnd(part);
  }

  #fail(numbers: readonly number[], error: unknown): void {
    for (const part of numbers) {
      if (!this.#left.delete(part)) continue;
      this.#parts.get(part)!.reject(error);
      this.#onEnd(part);
    }
  }
}
