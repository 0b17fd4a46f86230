/** What can be clipped, as `writeClipped` takes it: a stored SST, or a MemTable. */
import { compareRanges } from "../common/bytes.js";
import type { KeyBounds } from "../common/key-range.js";
import type { RowRef } from "../common/row.js";
import { readWindowBytes } from "../compaction/source-rows.js";
import type { SstInfo } from "../format/manifest.js";
import { type RowIterator, Step } from "../iterator/row-iterator.js";
import type { MemTable } from "../memtable/mem-table.js";
import { SstIterator } from "../sst/sst-iterator.js";
import type { TableStore } from "../sst/table-store.js";
import type { ClipSource } from "./clip-sst.js";

/** Rows of a load carry no seq, and go on without. */
export async function sstToClip(
  tables: TableStore,
  info: SstInfo,
  signal: AbortSignal | undefined,
): Promise<ClipSource> {
  const { columns } = await tables.loadRangeDeletes(info, signal);
  return {
    rangeDeletes: columns.seqs.length === 0 ? [] : [columns],
    rows: (bounds) =>
      new SstIterator({
        ...{ tables, info, bounds, fillCache: false },
        ...{ readAheadBytes: readWindowBytes, readAheadBytesMax: readWindowBytes },
      }),
  };
}

/** It takes no more writes. */
export function memTableToClip(table: MemTable): ClipSource {
  return {
    rangeDeletes: table.rangeDeletes === undefined ? [] : [...table.rangeDeletes.portions()],
    rows: (bounds) => new BoundedRows(table.iterator(false), bounds),
  };
}

/** Rows from the lower bound, which is inside, up to the upper one, which is not. All of them are in memory. */
class BoundedRows implements RowIterator {
  readonly row: RowRef;
  readonly #rows: RowIterator;
  readonly #upper: Uint8Array | undefined;
  #isOver = false;

  constructor(rows: RowIterator, { lower, upper }: KeyBounds) {
    this.#rows = rows;
    this.row = rows.row;
    this.#upper = upper;
    if (lower !== undefined) rows.seek(lower);
  }

  step(): Step {
    if (this.#isOver) return Step.end;
    const step = this.#rows.step();
    if (step !== Step.row || this.#upper === undefined) return step;
    const { keyBytes, keyStart, keyEnd } = this.row;
    const upper = this.#upper;
    if (compareRanges(keyBytes, keyStart, keyEnd, upper, 0, upper.length) < 0) return step;
    this.#isOver = true;
    return Step.end;
  }

  fill(signal?: AbortSignal): Promise<void> {
    return this.#rows.fill(signal);
  }

  seek(key: Uint8Array): void {
    this.#isOver = false;
    this.#rows.seek(key);
  }

  close(): void {
    this.#rows.close();
  }
}
