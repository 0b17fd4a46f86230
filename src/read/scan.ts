/** Scans: the tree of iterators over everything in a view that can hold a key inside the bounds. */
import { isEmpty } from "../common/key-range.js";
import { Feature } from "../format/manifest.js";
import { probeOfBounds } from "../format/prefix-extractor.js";
import { emptyIterator } from "../iterator/empty-iterator.js";
import { mergeRows } from "../iterator/merge-iterator.js";
import type { RowIterator } from "../iterator/row-iterator.js";
import type { TableStore } from "../sst/table-store.js";
import { sequencesWithin } from "./candidates.js";
import type { DbView } from "./db-view.js";
import { ScanCover } from "./scan-cover.js";
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
  const cover = mayHoldRangeDeletes(view) ? new ScanCover(view, tables, options) : undefined;
  const isCovered = cover !== undefined && !cover.isEmpty;
  const sources: RowIterator[] = [];
  // Newest first: at equal (key, seq) the merge gives the earlier source's row first.
  for (const table of view.tables) {
    if (table.rowCount === 0) continue;
    const rows = table.iterator(reverse);
    sources.push(isCovered ? cover.uncoveredInMemory(rows) : rows);
  }
  const extractor = tables.prefixExtractor;
  const prefix = extractor && probeOfBounds(extractor, bounds);
  const within = sequencesWithin(view, bounds, seqMax);
  const sequences = isCovered ? cover.remaining(within) : within;
  const windowBytes = windowBytesFor(sequences.length, options.readAheadBytes);
  for (const sequence of sequences) {
    const rows = new SortedRunIterator(sequence, tables, {
      bounds,
      prefix,
      reverse,
      windowBytes,
      rowsLeft,
    });
    sources.push(isCovered ? cover.uncovered(rows, sequence) : rows);
  }
  return visibleRows(mergeRows(sources, reverse), view, options);
}

function mayHoldRangeDeletes({ tables, manifest }: DbView): boolean {
  return (
    manifest.requiredFeatures.includes(Feature.rangeDeletes) ||
    tables.some(({ rangeDeletes }) => rangeDeletes !== undefined)
  );
}
