/** `OwnWritesIterator`: the writes of a transaction in key order, in either direction. */
import { equalBytes } from "../common/bytes.js";
import { RowRef } from "../common/row.js";
import { type RowIterator, Step } from "../iterator/row-iterator.js";
import { firstAtOrAfter, type OwnWrite, setRow } from "./own-write.js";

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
    const at = firstAtOrAfter(this.#writes, key);
    const found = this.#writes[at];
    const isThere = found !== undefined && equalBytes(found.key, key);
    this.#next = this.#reverse && !isThere ? at - 1 : at;
  }

  close(): void {
    this.#writes = [];
  }
}
