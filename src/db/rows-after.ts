/**
 * `RowsAfter`: the rows of a table above a seq. A reader's tables end where its log objects do, so that one may reach over what the manifest has
 * in SSTs. There compactions may have folded merges: beside the sum, its summands must not be seen.
 */
import type { RowRef } from "../common/row.js";
import type { TombstoneSource } from "../common/tombstone-source.js";
import { type RowIterator, Step } from "../iterator/row-iterator.js";
import type { RowSource } from "../iterator/row-source.js";

export class RowsAfter implements RowSource {
  readonly #table: RowSource;
  readonly #seq: number;

  constructor(table: RowSource, seq: number) {
    this.#table = table;
    this.#seq = seq;
  }

  /** Those of the table, at least. */
  get rowCount(): number {
    return this.#table.rowCount;
  }

  /** All of them: what is in SSTs has them too, or has nothing that they hide. */
  get rangeDeletes(): TombstoneSource | undefined {
    return this.#table.rangeDeletes;
  }

  get(key: Uint8Array, seqMax: number, row: RowRef): boolean {
    return this.#table.get(key, seqMax, row) && row.seq > this.#seq;
  }

  iterator(reverse: boolean): RowIterator {
    const rows = this.#table.iterator(reverse);
    const seq = this.#seq;
    return {
      row: rows.row,
      step: () => {
        let step = rows.step();
        while (step === Step.row && rows.row.seq <= seq) step = rows.step();
        return step;
      },
      fill: (signal) => rows.fill(signal),
      seek: (key) => rows.seek(key),
      close: () => rows.close(),
    };
  }
}
