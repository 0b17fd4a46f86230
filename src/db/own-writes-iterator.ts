/** `OwnWritesIterator`: the writes of a transaction in key order, in either direction. */
import { equalBytes } from "../common/bytes.js";
import { RowRef } from "../common/row.js";
import { type RowIterator, Step } from "../iterator/row-iterator.js";
import { setRow } from "./own-write.js";
import { type Place, SortedWrites } from "./sorted-writes.js";

export class OwnWritesIterator implements RowIterator {
  readonly row: RowRef = new RowRef();
  readonly #seq: number;
  readonly #reverse: boolean;
  #writes: SortedWrites;
  /** Of the write that the next step gives. */
  #next: Place;

  constructor(writes: SortedWrites, seq: number, reverse: boolean) {
    this.#writes = writes;
    this.#seq = seq;
    this.#reverse = reverse;
    this.#next = reverse ? writes.last : writes.first;
  }

  step(): Step {
    const writes = this.#writes;
    const write = writes.at(this.#next);
    if (write === undefined) return Step.end;
    this.#next = this.#reverse ? writes.previous(this.#next) : writes.next(this.#next);
    setRow(this.row, write, this.#seq);
    return Step.row;
  }

  async fill(): Promise<void> {
    // Everything is in memory: step never answers pending.
  }

  seek(key: Uint8Array): void {
    const writes = this.#writes;
    const place = writes.placeOf(key);
    const found = writes.at(place);
    const isThere = found !== undefined && equalBytes(found.key, key);
    this.#next = this.#reverse && !isThere ? writes.previous(place) : place;
  }

  close(): void {
    this.#writes = SortedWrites.none;
  }
}
