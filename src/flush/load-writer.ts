/**
 * `LoadWriter`: chunks of a bulk load to stored SSTs. A chunk whose keys all lie above those of the chunk before continues
 * its run; any other begins a run of its own. Each run becomes one L0 entry. Rows carry no seq: their entry will.
 *
 * SSTs are uploaded while the next ones are built; at most `uploadsInFlight` are on their way.
 */
import { withSignal } from "../common/abort.js";
import { bodyPool } from "../common/byte-pool.js";
import { type Bytes, compareBytes } from "../common/bytes.js";
import type { Clock } from "../common/clock.js";
import type { Ulid } from "../common/ids.js";
import { RowRef } from "../common/row.js";
import { TimeSlice } from "../common/time-slice.js";
import type { SstInfo } from "../format/manifest.js";
import { SstBuilder, type SstBuilderOptions } from "../format/sst-builder.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { ObjectPaths } from "../object-store/paths.js";
import { writeSst } from "../sst/sst-writer.js";
import type { LoadChunk } from "./load-chunk.js";

const rowAllowanceBytes = 64 * 1024;
/** A larger SST is sent in pieces, so it is built in pieces. */
const bodyBytesMax = 32 * 1024 * 1024;
/** ms. Whoever waits for a load that failed waits for its clean-up no longer than this. */
const discardMs = 5000;

export interface LoadWriterOptions {
  store: ObjectStore;
  clock: Clock;
  sst: Omit<SstBuilderOptions, "id">;
  /** Data bytes after which an SST is closed. */
  sstBytes: number;
  uploadsInFlight: number;
  /** ms since 1970, for every row. */
  createdAt: number;
  /** Gives an id that no floor will pass until it is named or given up. */
  reserve: () => Ulid;
  /** Rows and their bytes are stored. */
  onStored: (rows: number, bytes: number) => void;
  /** An upload has failed, or `onStored` has thrown; called once. */
  onFailed: (error: unknown) => void;
  /** Aborts what is on its way. */
  signal: AbortSignal;
}

export class LoadWriter {
  readonly #options: LoadWriterOptions;
  readonly #row = new RowRef();
  /** Every id that was reserved; an object may be stored under each. */
  readonly #ids: Ulid[] = [];
  /** SSTs by run, in key order; filled in as they are built. */
  readonly #runs: SstInfo[][] = [];
  readonly #uploads = new Set<Promise<void>>();
  #uploadingBytes = 0;
  #builder: SstBuilder | undefined;
  /** What `bodyPool` has lent it. */
  #memory: Bytes | undefined;
  /** Bytes of keys and values in it. */
  #builderBytes = 0;
  #failure: { error: unknown } | undefined;
  #wake: (() => void) | undefined;

  constructor(options: LoadWriterOptions) {
    this.#options = options;
    this.#row.createdAt = options.createdAt;
  }

  get ids(): readonly Ulid[] {
    return this.#ids;
  }

  /** Whether the rows of the chunk continue the run as they stand. */
  isContinuedBy(chunk: LoadChunk): boolean {
    return chunk.isSorted && this.#isBelowFirst(chunk);
  }

  /** Adds a chunk, whose memory is free when this resolves. Rejects when an upload has failed. */
  async add(chunk: LoadChunk): Promise<void> {
    const { clock, sstBytes } = this.#options;
    const slice = new TimeSlice(clock);
    for (const _ of chunk.sortInSteps()) {
      if (!slice.isOver) continue;
      await slice.giveTurn();
      this.#check();
    }
    const row = this.#row;
    const count = chunk.sortedCount;
    if (!this.#isBelowFirst(chunk)) {
      await this.#closeSst();
      this.#runs.push([]);
    }
    for (let i = 0; i < count; i++) {
      if (this.#builder !== undefined && this.#builder.bytesWritten >= sstBytes) {
        await this.#closeSst();
      }
      this.#builder ??= this.#open();
      chunk.rowAt(i, row);
      this.#builder.add(row);
      const rowBytes = row.valueEnd - row.keyStart;
      this.#builderBytes += rowBytes;
      if (!slice.isOverAfter(rowBytes)) continue;
      await slice.giveTurn();
      this.#check();
    }
  }

  /** Takes a row that continues the run, without a copy in between; false when it does not, or when the SST is full. */
  append(key: Uint8Array, value: Uint8Array, expiresAt = 0): boolean {
    const builder = this.#builder;
    if (builder === undefined || builder.bytesWritten >= this.#options.sstBytes) return false;
    const row = this.#row;
    row.keyBytes = key;
    row.keyStart = 0;
    row.keyEnd = key.length;
    row.valueBytes = value;
    row.valueStart = 0;
    row.valueEnd = value.length;
    row.expiresAt = expiresAt;
    if (!builder.addIfAbove(row)) return false;
    this.#builderBytes += key.length + value.length;
    return true;
  }

  /** The SSTs of each run, oldest run first, all of them stored. */
  async finish(): Promise<readonly (readonly SstInfo[])[]> {
    await this.#closeSst();
    await Promise.all(this.#uploads);
    this.#check();
    return this.#runs;
  }

  /**
   * After an abort: resolves when nothing is on its way any more and what was stored is deleted. What cannot be deleted, or
   * not soon, is left to the sweep.
   */
  async discard(): Promise<void> {
    if (this.#memory !== undefined) bodyPool.forget(this.#memory);
    this.#memory = undefined;
    if (this.#ids.length === 0) return;
    const { store, clock } = this.#options;
    const late = new AbortController();
    const timer = clock.after(discardMs, () => late.abort());
    // A store that does not heed signals may take as long as it likes.
    await withSignal(Promise.allSettled(this.#uploads), late.signal).catch(() => undefined);
    const paths = this.#ids.map((id) => ObjectPaths.sst(id));
    const deleted = store.delete(paths, { signal: late.signal });
    await withSignal(deleted, late.signal).catch(() => undefined);
    timer.cancel();
  }

  #isBelowFirst(chunk: LoadChunk): boolean {
    chunk.rowAt(0, this.#row);
    const key = this.#row.key();
    if (this.#builder !== undefined) return this.#builder.isBelow(key);
    const last = this.#runs.at(-1)?.at(-1);
    return last !== undefined && compareBytes(last.lastKey, key) < 0;
  }

  /** One SST may be on its way, however large its rows have made it. */
  #hasRoomFor(bytes: number): boolean {
    const { uploadsInFlight, sstBytes } = this.#options;
    const { size } = this.#uploads;
    // An SST is closed after the row that takes it over its size: only a large one counts for more than its place.
    const bytesMax = uploadsInFlight * (sstBytes + rowAllowanceBytes);
    return size === 0 || (size < uploadsInFlight && this.#uploadingBytes + bytes <= bytesMax);
  }

  #open(): SstBuilder {
    // After `discard` nobody would give up the id.
    this.#check();
    const id = this.#options.reserve();
    this.#ids.push(id);
    const { sst, sstBytes } = this.#options;
    // Enough for the indexes and filters of most rows, so that the SST is one chunk, which is sent as it is.
    const bytes = Math.ceil(sstBytes * 1.1) + 64 * 1024;
    this.#memory = bodyPool.lend(Math.min(bytes, bodyBytesMax));
    return new SstBuilder({ ...sst, id, memory: this.#memory });
  }

  async #closeSst(): Promise<void> {
    const builder = this.#builder;
    if (builder === undefined) return;
    this.#check();
    while (!this.#hasRoomFor(builder.bytesWritten)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#check();
    }
    const dataBytes = builder.bytesWritten;
    const { chunks, info } = builder.finish();
    const bytes = this.#builderBytes;
    this.#uploadingBytes += dataBytes;
    this.#builder = undefined;
    this.#memory = undefined;
    this.#builderBytes = 0;
    this.#runs.at(-1)!.push(info);
    const upload: Promise<void> = this.#upload(chunks, info, bytes)
      .catch((error: unknown) => {
        if (this.#failure !== undefined) return;
        this.#failure = { error };
        this.#options.onFailed(error);
      })
      .finally(() => {
        this.#uploads.delete(upload);
        this.#uploadingBytes -= dataBytes;
        this.#wake?.();
      });
    this.#uploads.add(upload);
  }

  async #upload(chunks: readonly Uint8Array[], info: SstInfo, bytes: number): Promise<void> {
    const { store, signal, onStored } = this.#options;
    await writeSst(store, ObjectPaths.sst(info.id), chunks, { signal });
    signal.throwIfAborted();
    onStored(info.rowCount, bytes);
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
    this.#options.signal.throwIfAborted();
  }
}
