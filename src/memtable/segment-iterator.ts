/** `SegmentIterator`: the rows of one sorted segment of a `RowTable`, in either direction. */
import { RowRef } from "../common/row.js";
import { type RowIterator, Step } from "../iterator/row-iterator.js";
import type { RowTable } from "./row-table.js";

/** Rows that are touched at once, ahead of being read. */
const touchRows = 16;

export class SegmentIterator implements RowIterator {
  readonly row: RowRef = new RowRef();
  readonly #table: RowTable;
  readonly #rows: Uint32Array;
  readonly #reverse: boolean;
  /** Index in the segment of the row that the next step gives. */
  #next: number;
  #stepsToTouch = touchRows;

  constructor(table: RowTable, rows: Uint32Array, reverse: boolean) {
    this.#table = table;
    this.#rows = rows;
    this.#reverse = reverse;
    this.#next = reverse ? rows.length - 1 : 0;
  }

  step(): Step {
    const index = this.#next;
    if (index < 0 || index >= this.#rows.length) return Step.end;
    this.#next = this.#reverse ? index - 1 : index + 1;
    if (--this.#stepsToTouch === 0) this.#touchNext();
    this.#table.load(this.#rows[index]!, this.row);
    return Step.row;
  }

  async fill(): Promise<void> {
    // Everything is in memory: step never answers pending.
  }

  seek(key: Uint8Array): void {
    // Forward: the first row with key >= `key`. Reverse: the last row with key <= `key`.
    let low = 0;
    let high = this.#rows.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order = this.#table.compareKey(this.#rows[middle]!, key);
      if (this.#reverse ? order <= 0 : order < 0) low = middle + 1;
      else high = middle;
    }
    this.#next = this.#reverse ? low - 1 : low;
    this.#stepsToTouch = touchRows;
  }

  close(): void {
    this.#next = -1;
  }

  /** Only from here: who reads a few rows after a seek gains nothing by it. */
  #touchNext(): void {
    this.#stepsToTouch = touchRows;
    const from = this.#reverse ? Math.max(0, this.#next + 1 - touchRows) : this.#next;
    this.#table.touch(this.#rows, from, Math.min(from + touchRows, this.#rows.length));
  }
}
