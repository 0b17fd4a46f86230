/** `OwnWritesIterator`: the writes of a transaction in key order, in either direction. */
import { compareBytes } from "../common/bytes.js";
import { RowRef } from "../common/row.js";
import { type RowIterator, Step } from "../iterator/row-iterator.js";
import { type OwnWrite, setRow } from "./own-write.js";

export class OwnWritesIterator implements RowIterator {
  readonly row: RowRef = new RowRef();
  readonly #seq: number;
  readonly #reverse: boolean;
  #writes: readonly OwnWrite[];
  /** Index of the write that the next step gives. */
  #next: number;

  /** `writes` in key order, one for each key. */
  constructor(writes: readonly OwnWrite[], seq: number, reverse: boolean) {
    this.#writes = writes;
    this.#seq = seq;
    this.#reverse = reverse;
    this.#next = reverse ? writes.length - 1 : 0;
  }

  step(): Step {
    const write = this.#writes[this.#next];
    if (write === undefined) return Step.end;
    this.#next += this.#reverse ? -1 : 1;
    setRow(this.row, write, this.#seq);
    return Step.row;
  }

  async fill(): Promise<void> {
    // Everything is in memory: step never answers pending.
  }

  seek(key: Uint8Array): void {
    let low = 0;
    let high = this.#writes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order = compareBytes(this.#writes[middle]!.key, key);
      if (this.#reverse ? order <= 0 : order < 0) low = middle + 1;
      else high = middle;
    }
    this.#next = this.#reverse ? low - 1 : low;
  }

  close(): void {
    this.#writes = [];
  }
}
