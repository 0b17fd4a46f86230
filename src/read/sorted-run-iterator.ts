/**
 * `SortedRunIterator`: SSTs in key order that do not overlap, as one row iterator in either direction. One of them is read at a
 * time. When it is near its end and the scan goes on, the next one is opened and its first window fetched.
 */
import { compareBytes } from "../common/bytes.js";
import type { KeyBounds } from "../common/key-range.js";
import { RowRef } from "../common/row.js";
import type { PrefixProbe } from "../format/prefix-extractor.js";
import { type RowIterator, Step } from "../iterator/row-iterator.js";
import { SstIterator } from "../sst/sst-iterator.js";
import type { TableStore } from "../sst/table-store.js";
import { firstEndingAtOrAfter, type Sequence } from "./candidates.js";
import type { WindowBytes } from "./window-bytes.js";

export interface SortedRunOptions {
  readonly bounds: KeyBounds;
  /** As in `SstIteratorOptions`. */
  readonly prefix?: PrefixProbe | undefined;
  readonly reverse: boolean;
  /** Of each SST. */
  readonly windowBytes: WindowBytes;
  /** How many rows will still be asked for at most; undefined: all. */
  readonly rowsLeft?: (() => number) | undefined;
}

/** Gives rows inside the bounds. Rows that carry no seq get that of their entry. */
export class SortedRunIterator implements RowIterator {
  readonly row: RowRef;
  readonly #sequence: Sequence;
  readonly #tables: TableStore;
  readonly #options: SortedRunOptions;
  /** The SST that `#current` reads, or will read; outside of the list when there is none left. */
  #index: number;
  #current: SstIterator | undefined;
  /** The seq of the rows of `#current` where they carry none, otherwise 0. */
  #rowSeq = 0;
  /** Reads the SST after `#index`, ahead of time. */
  #next: SstIterator | undefined;

  /** `row` is where rows are put: of its own, or of whoever has several of these one after another. */
  constructor(
    sequence: Sequence,
    tables: TableStore,
    options: SortedRunOptions,
    row: RowRef = new RowRef(),
  ) {
    this.row = row;
    this.#sequence = sequence;
    this.#tables = tables;
    this.#options = options;
    this.#index = options.reverse ? sequence.ssts.length - 1 : 0;
  }

  step(): Step {
    for (;;) {
      const current = this.#open();
      if (current === undefined) return Step.end;
      const step = current.step();
      if (current.isNearEnd && this.#next === undefined) this.#openNext();
      if (step === Step.row) {
        this.row.copyFrom(current.row);
        if (this.#rowSeq !== 0) this.row.seq = this.#rowSeq;
        return step;
      }
      if (step === Step.pending) return step;
      this.#moveOn();
    }
  }

  async fill(signal?: AbortSignal): Promise<void> {
    await this.#current?.fill(signal);
  }

  seek(key: Uint8Array): void {
    const { ssts } = this.#sequence;
    let index = firstEndingAtOrAfter(ssts, key);
    // In reverse a key between two SSTs belongs to the one before.
    if (this.#options.reverse) {
      if (index === ssts.length || compareBytes(ssts[index]!.firstKey, key) > 0) index--;
    }
    if (index !== this.#index) this.#moveTo(index);
    this.#open()?.seek(key);
  }

  /** True when the last SST is being read and nothing of it has to be fetched any more. */
  get isNearEnd(): boolean {
    return this.#current?.isNearEnd === true && this.#sequence.ssts[this.#nextIndex] === undefined;
  }

  /** Opens the first SST and fetches its first window ahead of time. Before the first step. */
  prefetch(): void {
    this.#open()?.prefetch();
  }

  close(): void {
    this.#moveTo(-1);
  }

  /** To any SST, or outside of the list. */
  #moveTo(index: number): void {
    this.#current?.close();
    this.#next?.close();
    this.#current = this.#next = undefined;
    this.#index = index;
  }

  /** To the next SST in the iterator's direction. */
  #moveOn(): void {
    this.#current?.close();
    this.#current = this.#next;
    this.#next = undefined;
    this.#index = this.#nextIndex;
    this.#setRowSeq();
  }

  #setRowSeq(): void {
    const { entrySeq, ssts } = this.#sequence;
    this.#rowSeq = entrySeq || (ssts[this.#index]?.seq ?? 0);
  }

  get #nextIndex(): number {
    return this.#index + (this.#options.reverse ? -1 : 1);
  }

  #open(): SstIterator | undefined {
    if (this.#current === undefined) {
      this.#current = this.#iteratorOf(this.#index);
      this.#setRowSeq();
    }
    return this.#current;
  }

  #openNext(): void {
    this.#next = this.#iteratorOf(this.#nextIndex);
    this.#next?.prefetch();
  }

  #iteratorOf(index: number): SstIterator | undefined {
    const info = this.#sequence.ssts[index];
    if (info === undefined) return undefined;
    // Written out: spreading the options takes longer than all else that a short scan does here.
    const { bounds, prefix, reverse, rowsLeft } = this.#options;
    const { readAheadBytes, readAheadBytesMax } = this.#options.windowBytes;
    return new SstIterator({
      tables: this.#tables,
      info,
      bounds,
      prefix,
      reverse,
      readAheadBytes,
      readAheadBytesMax,
      rowsLeft,
    });
  }
}
