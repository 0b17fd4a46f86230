/** Scans: the tree of iterators over everything in a view that can hold a key inside the bounds. */
import { isEmpty } from "../common/key-range.js";
import { Feature } from "../format/manifest.js";
import { probeOfBounds } from "../format/prefix-extractor.js";
import { emptyIterator } from "../iterator/empty-iterator.js";
import { type MergeIterator, mergeRows } from "../iterator/merge-iterator.js";
import type { RowIterator } from "../iterator/row-iterator.js";
import type { TableStore } from "../sst/table-store.js";
import { type Sequence, sequencesWithin } from "./candidates.js";
import type { DbView } from "./db-view.js";
import { ScanCover } from "./scan-cover.js";
import { SortedRunIterator } from "./sorted-run-iterator.js";
import { UncoveredRows } from "./uncovered-rows.js";
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
    if (table.rowCount > 0) sources.push(table.iterator(reverse));
  }
  const tableCount = sources.length;
  const extractor = tables.prefixExtractor;
  const prefix = extractor && probeOfBounds(extractor, bounds);
  const within = sequencesWithin(view, bounds, seqMax);
  const sequences = isCovered ? cover.remaining(within) : within;
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
  const rows = mergeRows(sources, reverse);
  if (!isCovered) return visibleRows(rows, view, options);
  const isOlder = (source: number, seq: number): boolean =>
    // Rows in memory are hardly ever all older than a range delete, and cost no request.
    source >= tableCount && maxSeqOf(sequences[source - tableCount]!) < seq;
  const seekOlder = (key: Uint8Array, seq: number): void => {
    if (sources.length > 1) (rows as MergeIterator).seekOn(key, (source) => isOlder(source, seq));
    else if (isOlder(0, seq)) rows.seek(key);
  };
  const uncovered = new UncoveredRows(rows, cover.cursor(sequences), { reverse, seekOlder });
  return visibleRows(uncovered, view, options);
}

function maxSeqOf({ ssts, entrySeq }: Sequence): number {
  return ssts.reduce((max, { maxSeq }) => Math.max(max, maxSeq), entrySeq);
}

function mayHoldRangeDeletes({ tables, manifest }: DbView): boolean {
  return (
    manifest.requiredFeatures.includes(Feature.rangeDeletes) ||
    tables.some(({ rangeDeletes }) => rangeDeletes !== undefined)
  );
}
