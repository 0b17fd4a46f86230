/**
 * `SortedRunIterator`: SSTs in key order that do not overlap, as one row iterator in either direction. At most one of them is
 * open at a time, and the next one is opened when the rows of the one before have ended.
 */
import { compareBytes } from "../common/bytes.js";
import type { KeyBounds } from "../common/key-range.js";
import { RowRef } from "../common/row.js";
import type { PrefixProbe } from "../format/prefix-extractor.js";
import { type RowIterator, Step } from "../iterator/row-iterator.js";
import { SstIterator } from "../sst/sst-iterator.js";
import type { TableStore } from "../sst/table-store.js";
import { firstEndingAtOrAfter, type Sequence } from "./candidates.js";

export interface SortedRunOptions {
  readonly bounds: KeyBounds;
  /** As in `SstIteratorOptions`. */
  readonly prefix?: PrefixProbe | undefined;
  readonly reverse: boolean;
  /** Bytes of the first window of each SST; undefined: the default of `SstIterator`. */
  readonly readAheadBytes?: number | undefined;
}

/** Gives rows inside the bounds. Rows that carry no seq get that of their entry. */
export class SortedRunIterator implements RowIterator {
  readonly row: RowRef = new RowRef();
  readonly #sequence: Sequence;
  readonly #tables: TableStore;
  readonly #options: SortedRunOptions;
  /** The SST that `#current` reads, or will read; outside of the list when there is none left. */
  #index: number;
  #current: SstIterator | undefined;

  constructor(sequence: Sequence, tables: TableStore, options: SortedRunOptions) {
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
      if (step === Step.row) {
        this.row.copyFrom(current.row);
        if (this.#sequence.entrySeq !== 0) this.row.seq = this.#sequence.entrySeq;
        return step;
      }
      if (step === Step.pending) return step;
      this.#moveTo(this.#index + (this.#options.reverse ? -1 : 1));
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

  close(): void {
    this.#moveTo(-1);
  }

  #moveTo(index: number): void {
    this.#current?.close();
    this.#current = undefined;
    this.#index = index;
  }

  #open(): SstIterator | undefined {
    const info = this.#sequence.ssts[this.#index];
    if (this.#current !== undefined || info === undefined) return this.#current;
    const { bounds, prefix, reverse, readAheadBytes } = this.#options;
    this.#current = new SstIterator({
      tables: this.#tables,
      info,
      bounds,
      prefix,
      reverse,
      readAheadBytes,
    });
    return this.#current;
  }
}
