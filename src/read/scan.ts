/** Scans: the tree of iterators over everything in a view that can hold a key inside the bounds. */
import { isEmpty } from "../common/key-range.js";
import { probeOfBounds } from "../format/prefix-extractor.js";
import { emptyIterator } from "../iterator/empty-iterator.js";
import { mergeRows } from "../iterator/merge-iterator.js";
import type { RowIterator } from "../iterator/row-iterator.js";
import type { TableStore } from "../sst/table-store.js";
import { sequencesWithin } from "./candidates.js";
import type { DbView } from "./db-view.js";
import { SortedRunIterator } from "./sorted-run-iterator.js";
import { type VisibleRowsOptions, visibleRows } from "./visible-rows.js";
import { windowBytesFor } from "./window-bytes.js";

export interface ScanRowsOptions extends VisibleRowsOptions {
  /** Bytes of the first window per source; undefined: the default of `SstIterator`. Where there are many, they are smaller. */
  readonly readAheadBytes?: number | undefined;
  /** How many rows will still be asked for at most; undefined: all. */
  readonly rowsLeft?: (() => number) | undefined;
}

/**
 * One row per key that a read at `seqMax` sees, in the given direction. Nothing is fetched before the first `fill`, which asks all
 * sources at the same time. The caller closes the result.
 */
export function scanRows(view: DbView, tables: TableStore, options: ScanRowsOptions): RowIterator {
  const { bounds, reverse, seqMax, rowsLeft } = options;
  if (isEmpty(bounds)) return emptyIterator();
  const sources: RowIterator[] = [];
  // Newest first: at equal (key, seq) the merge gives the earlier source's row first.
  for (const table of view.tables) {
    if (table.rowCount > 0) sources.push(table.iterator(reverse));
  }
  const extractor = tables.prefixExtractor;
  const prefix = extractor && probeOfBounds(extractor, bounds);
  const sequences = sequencesWithin(view, bounds, seqMax);
  const windowBytes = windowBytesFor(sequences.length, options.readAheadBytes);
  for (const sequence of sequences) {
    sources.push(
      new SortedRunIterator(sequence, tables, {
        bounds,
        prefix,
        reverse,
        windowBytes,
        rowsLeft,
      }),
    );
  }
  return visibleRows(mergeRows(sources, reverse), view, options);
}
