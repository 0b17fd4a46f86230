/** `OwnRows`: writes of a transaction as they were at one moment, as rows over the state that it reads. */
import { equalBytes } from "../common/bytes.js";
import type { FragmentedTombstones } from "../common/fragmented-tombstones.js";
import type { RowRef } from "../common/row.js";
import type { TombstoneSource } from "../common/tombstone-source.js";
import type { RowIterator } from "../iterator/row-iterator.js";
import type { RowSource } from "../iterator/row-source.js";
import { setRow } from "./own-write.js";
import { OwnWritesIterator } from "./own-writes-iterator.js";
import type { SortedWrites } from "./sorted-writes.js";

export class OwnRows implements RowSource {
  readonly #writes: SortedWrites;
  readonly #seq: number;
  readonly rangeDeletes: TombstoneSource | undefined;

  /** All writes have the seq. */
  constructor(writes: SortedWrites, seq: number, rangeDeletes: readonly FragmentedTombstones[]) {
    this.#writes = writes;
    this.#seq = seq;
    this.rangeDeletes = rangeDeletes.length === 0 ? undefined : frozen(rangeDeletes);
  }

  get rowCount(): number {
    return this.#writes.count;
  }

  get(key: Uint8Array, seqMax: number, row: RowRef): boolean {
    const write = this.#writes.at(this.#writes.placeOf(key));
    if (write === undefined || this.#seq > seqMax || !equalBytes(write.key, key)) return false;
    setRow(row, write, this.#seq);
    return true;
  }

  iterator(reverse: boolean): RowIterator {
    return new OwnWritesIterator(this.#writes, this.#seq, reverse);
  }
}

function frozen(parts: readonly FragmentedTombstones[]): TombstoneSource {
  return {
    fragmented: () => parts,
    coverSeq: (...of) => parts.reduce((seq, part) => Math.max(seq, part.coverSeq(...of)), 0),
  };
}
