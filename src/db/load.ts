/**
 * `Load`: a bulk load. Rows go straight into SSTs, which are stored before anything of the load can be seen; then, in one
 * tick, it takes its seqs and its place among the writes. Until that tick it can be cancelled without a trace.
 */
import {
  describeType,
  type KeyLike,
  toKeyBytes,
  toValueBytes,
  type ValueLike,
} from "../common/bytes.js";
import { deferred } from "../common/deferred.js";
import { InvalidArgumentError } from "../common/errors.js";
import { TimeSlice } from "../common/time-slice.js";
import { LoadChunk } from "../flush/load-chunk.js";
import { LoadWriter, type LoadWriterOptions } from "../flush/load-writer.js";
import type { SstInfo } from "../format/manifest.js";
import { expiryOf, type LifetimeOptions, toLifetime } from "./lifetime.js";

/** A row to load, as `scan()` or `getEntry()` gives it, or as a pair. A ttl counts from the call of `load`. */
export type LoadEntry =
  | ({ readonly key: KeyLike; readonly value: ValueLike } & Readonly<LifetimeOptions>)
  | readonly [key: KeyLike, value: ValueLike];

export type LoadEntries = Iterable<LoadEntry> | AsyncIterable<LoadEntry>;

export interface LoadProgress {
  /** Rows that are stored so far. */
  readonly rows: number;
  /** Bytes of their keys and values. */
  readonly bytes: number;
}

export interface LoadResult {
  /** Rows stored; of several rows of one key within a chunk only the last is. */
  readonly rows: number;
  /** Bytes of their keys and values. */
  readonly bytes: number;
  /** The last seq of the load, a token for `waitForSeq`. */
  readonly seq: number;
}

export interface LoadParts
  extends Omit<LoadWriterOptions, "createdAt" | "onStored" | "onFailed" | "signal"> {
  loadBufferBytes: number;
  /** Of entries that say nothing; 0: they do not expire. */
  defaultTtlMs: number;
  onProgress: ((progress: LoadProgress) => void) | undefined;
  /** All SSTs are stored: gives the load its seqs and its place. */
  commit: (runs: readonly (readonly SstInfo[])[], createdAt: number) => Committed;
  /** The load is given up: nothing will ever name its SSTs. */
  release: (ids: readonly string[]) => void;
}

export interface Committed {
  readonly seq: number;
  readonly durable: Promise<void>;
}

/** So much of sorted rows is buffered once a run has begun: it stays in the processor's cache. */
const streamBytes = 1024 * 1024;
export class Load {
  readonly #parts: LoadParts;
  readonly #writer: LoadWriter;
  readonly #abort = new AbortController();
  readonly #chunk = new LoadChunk();
  readonly #createdAt: number;
  /** Of entries that say nothing; 0: never. */
  readonly #expiresAt: number;
  #flushAt: number;
  #rows = 0;
  #bytes = 0;
  readonly #slice: TimeSlice;
  #isCommitted = false;
  #discarded: Promise<void> | undefined;
  readonly #cancelled = deferred<never>();

  constructor(parts: LoadParts) {
    this.#parts = parts;
    this.#createdAt = Math.floor(parts.clock.now());
    this.#expiresAt = expiryOf(parts.defaultTtlMs, this.#createdAt);
    this.#flushAt = parts.loadBufferBytes;
    this.#slice = new TimeSlice(parts.clock);
    this.#writer = new LoadWriter({
      ...parts,
      createdAt: this.#createdAt,
      signal: this.#abort.signal,
      onStored: (rows, bytes) => this.#stored(rows, bytes),
      // Told at once, however long the entries make it wait.
      onFailed: (error) => this.#cancelled.reject(error),
    });
  }

  /**
   * Resolves once the load is durable; `empty` answers for a load of no rows. Rejects, and deletes what it has stored, when the
   * entries, an upload or `onProgress` fail, or when it is cancelled.
   */
  async run(entries: LoadEntries, empty: () => number): Promise<LoadResult> {
    const seq = await Promise.race([this.#run(entries, empty), this.#cancelled.promise]).catch(
      async (error: unknown) => {
        // After the tick it is a write like any other: only the waiting has failed.
        if (!this.#isCommitted) await this.#discard(error);
        throw error;
      },
    );
    return { rows: this.#rows, bytes: this.#bytes, seq };
  }

  /** It has its seqs, so it goes on as any write does. */
  get isCommitted(): boolean {
    return this.#isCommitted;
  }

  /** Gives up what has no seq yet; of a load that has, only the waiting ends. Resolves when nothing of it is left to do. */
  async cancel(reason: unknown): Promise<void> {
    this.#cancelled.reject(reason);
    if (!this.#isCommitted) await this.#discard(reason);
  }

  async #run(entries: LoadEntries, empty: () => number): Promise<number> {
    await (Symbol.asyncIterator in entries ? this.#readAsync(entries) : this.#read(entries));
    this.#abort.signal.throwIfAborted();
    if (this.#chunk.rowCount > 0) await this.#writer.add(this.#chunk);
    this.#chunk.clear();
    const runs = await this.#writer.finish();
    this.#abort.signal.throwIfAborted();
    if (runs.length === 0) return empty();
    const { seq, durable } = this.#parts.commit(runs, this.#createdAt);
    this.#isCommitted = true;
    await durable;
    return seq;
  }

  async #read(entries: Iterable<LoadEntry>): Promise<void> {
    for (const entry of entries) {
      if (this.#add(entry)) await this.#pause();
    }
  }

  async #readAsync(entries: AsyncIterable<LoadEntry>): Promise<void> {
    for await (const entry of entries) {
      this.#abort.signal.throwIfAborted();
      if (this.#add(entry)) await this.#pause();
    }
  }

  /** True when it is time to make room, or for others to have a turn. */
  #add(entry: LoadEntry): boolean {
    let key: Uint8Array;
    let value: Uint8Array;
    let expiresAt = this.#expiresAt;
    if (Array.isArray(entry)) {
      if (entry.length !== 2) throw notAnEntry(entry);
      key = toKeyBytes(entry[0]);
      value = toValueBytes(entry[1]);
    } else {
      if (typeof entry !== "object" || entry === null) throw notAnEntry(entry);
      const row = entry as { key: KeyLike; value: ValueLike; type?: unknown } & LifetimeOptions;
      if (row.type !== undefined) throw refusedType();
      if (row.expiresAt !== undefined || row.ttlMs !== undefined) {
        expiresAt = expiryOf(toLifetime(row), this.#createdAt);
      }
      key = toKeyBytes(row.key);
      value = toValueBytes(row.value);
    }
    const chunk = this.#chunk;
    // What waits in the chunk came before, so it goes first.
    if (chunk.rowCount > 0 || !this.#writer.append(key, value, expiresAt)) {
      chunk.add(key, value, expiresAt);
      if (chunk.memoryBytes >= this.#flushAt) return true;
    }
    return this.#slice.isOverAfter(key.length + value.length);
  }

  async #pause(): Promise<void> {
    const chunk = this.#chunk;
    const { loadBufferBytes } = this.#parts;
    if (chunk.memoryBytes >= this.#flushAt) {
      if (chunk.memoryBytes >= loadBufferBytes || this.#writer.isContinuedBy(chunk)) {
        await this.#writer.add(chunk);
        chunk.clear();
        this.#flushAt = Math.min(streamBytes, loadBufferBytes);
      } else this.#flushAt = loadBufferBytes;
    }
    if (this.#slice.isOver) await this.#slice.giveTurn();
    this.#abort.signal.throwIfAborted();
  }

  #stored(rows: number, bytes: number): void {
    this.#rows += rows;
    this.#bytes += bytes;
    this.#parts.onProgress?.({ rows: this.#rows, bytes: this.#bytes });
  }

  #discard(reason: unknown): Promise<void> {
    this.#discarded ??= (async () => {
      this.#abort.abort(reason);
      await this.#writer.discard();
      this.#parts.release(this.#writer.ids);
    })();
    return this.#discarded;
  }
}

/** What an operation of a batch has, and would lose here. */
function refusedType(): InvalidArgumentError {
  return new InvalidArgumentError(
    'An entry of load() has "type", which a load cannot keep: its rows are puts. Leave it out, or use write().',
  );
}

function notAnEntry(entry: unknown): InvalidArgumentError {
  return new InvalidArgumentError(
    `An entry of load() must be { key, value } or [key, value], not ${describeType(entry)}.`,
  );
}
