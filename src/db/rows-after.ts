/**
 * `RowsAfter`: the rows of a table above a seq. A reader's tables end where its log objects do, so that one may reach over what the manifest has
 * in SSTs. There compactions may have folded merges: beside the sum, its summands must not be seen.
 */
import type { RowRef } from "../common/row.js";
import type { TombstoneSource } from "../common/tombstone-source.js";
import { type RowIterator, Step } from "../iterator/row-iterator.js";
import type { RowSource } from "../iterator/row-source.js";
import type { MemTable } from "../memtable/mem-table.js";
import type { DbView } from "../read/db-view.js";
import type { MemTableView } from "./db-state.js";

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

  /**
   * For one key those above the seq: the others are in SSTs too, or have nothing left to hide, and a row of the same batch that one of them does
   * not hide is looked for there. All of them to iterate over: rows of their own seq stay visible.
   */
  get rangeDeletes(): TombstoneSource | undefined {
    const all = this.#table.rangeDeletes;
    if (all === undefined) return undefined;
    return {
      coverSeq: (bytes, start, end, seqMax) => {
        const seq = all.coverSeq(bytes, start, end, seqMax);
        return seq > this.#seq ? seq : 0;
      },
      fragmented: () => all.fragmented(),
    };
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

/** Of the tables, oldest last, at most one has both rows that are in SSTs and others. */
export function withoutStoredRows(view: MemTableView): DbView {
  const { lastL0Seq } = view.manifest;
  const isMixed = ({ firstSeq, lastSeq }: MemTable): boolean =>
    firstSeq <= lastL0Seq && lastSeq > lastL0Seq;
  if (!view.tables.some(isMixed)) return view;
  const tables = view.tables.map((table) =>
    isMixed(table) ? new RowsAfter(table, lastL0Seq) : table,
  );
  return { ...view, tables };
}
