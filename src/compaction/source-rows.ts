/**
 * `SourceRows`: the rows of one source of a job inside bounds, forwards: SSTs one after another, each with large windows that pass by the
 * cache. Rows that carry no seq get that of their SST.
 */
import { compareBytes } from "../common/bytes.js";
import { type KeyBounds, overlaps } from "../common/key-range.js";
import { RowRef } from "../common/row.js";
import type { SstInfo } from "../format/manifest.js";
import { type RowIterator, Step } from "../iterator/row-iterator.js";
import { SstIterator } from "../sst/sst-iterator.js";
import type { TableStore } from "../sst/table-store.js";
import type { JobSource } from "./job.js";

/** Each request of a compaction brings so many bytes of an SST, and the next one is under way meanwhile. */
export const readWindowBytes: number = 2 * 1024 * 1024;
/** The windows of all sources of a range have no more bytes than this, as long as each has the least. */
const windowsBytesMax = 16 * 1024 * 1024;
const windowBytesMin = 128 * 1024;

/** Bytes of a window, where so many sources are read at once. */
export function windowBytesOf(sourceCount: number): number {
  const share = Math.floor(windowsBytesMax / (2 * Math.max(1, sourceCount)));
  return Math.max(windowBytesMin, Math.min(readWindowBytes, share));
}

/** The seq of every row of an SST, where rows carry none; 0 otherwise. */
export function rowSeqOf(source: JobSource, info: SstInfo): number {
  return info.seq === 0 ? source.seq : info.seq;
}

export class SourceRows implements RowIterator {
  readonly row: RowRef = new RowRef();
  readonly #source: JobSource;
  readonly #tables: TableStore;
  readonly #bounds: KeyBounds;
  /** Those that have rows inside the bounds. */
  readonly #ssts: readonly SstInfo[];
  #index = 0;
  #rowSeq = 0;
  #current: SstIterator | undefined;
  #next: SstIterator | undefined;

  readonly #windowBytes: number;

  constructor(source: JobSource, tables: TableStore, bounds: KeyBounds, windowBytes: number) {
    this.#windowBytes = windowBytes;
    this.#source = source;
    this.#tables = tables;
    this.#bounds = bounds;
    this.#ssts = source.ssts.filter(
      ({ rowCount, firstKey, lastKey }) => rowCount > 0 && overlaps(bounds, firstKey, lastKey),
    );
  }

  /** False when it will never give a row. */
  get hasSsts(): boolean {
    return this.#ssts.length > 0;
  }

  step(): Step {
    for (;;) {
      const current = this.#open();
      if (current === undefined) return Step.end;
      const step = current.step();
      if (step === Step.row) {
        this.row.copyFrom(current.row);
        if (this.#rowSeq !== 0) this.row.seq = this.#rowSeq;
        return step;
      }
      if (step === Step.pending) return step;
      current.close();
      this.#index++;
      this.#current = undefined;
    }
  }

  async fill(signal?: AbortSignal): Promise<void> {
    await this.#current?.fill(signal);
    if (this.#current?.isNearEnd && this.#next === undefined) {
      this.#next = this.#iteratorOf(this.#index + 1);
      this.#next?.prefetch();
    }
  }

  /** Only for the sake of the interface: a compaction begins where its bounds do. */
  seek(key: Uint8Array): void {
    this.close();
    this.#index = this.#ssts.findIndex(({ lastKey }) => compareBytes(lastKey, key) >= 0);
    if (this.#index < 0) this.#index = this.#ssts.length;
    this.#open()?.seek(key);
  }

  close(): void {
    this.#current?.close();
    this.#next?.close();
    this.#current = this.#next = undefined;
    this.#index = this.#ssts.length;
  }

  #open(): SstIterator | undefined {
    if (this.#current !== undefined) return this.#current;
    const info = this.#ssts[this.#index];
    if (info === undefined) return undefined;
    this.#rowSeq = rowSeqOf(this.#source, info);
    this.#current = this.#next ?? this.#iteratorOf(this.#index);
    this.#next = undefined;
    return this.#current;
  }

  #iteratorOf(index: number): SstIterator | undefined {
    const info = this.#ssts[index];
    if (info === undefined) return undefined;
    return new SstIterator({
      ...{ tables: this.#tables, info, bounds: this.#bounds, fillCache: false },
      readAheadBytes: this.#windowBytes,
      readAheadBytesMax: this.#windowBytes,
    });
  }
}
