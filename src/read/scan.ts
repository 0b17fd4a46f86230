/** Scans: the tree of iterators over everything in a view that can hold a key inside the bounds. */
import { compareRanges } from "../common/bytes.js";
import { isEmpty, type KeyBounds, overlaps } from "../common/key-range.js";
import { Feature, type SortedRun } from "../format/manifest.js";
import { probeOfBounds } from "../format/prefix-extractor.js";
import { emptyIterator } from "../iterator/empty-iterator.js";
import { type MergeIterator, mergeRows } from "../iterator/merge-iterator.js";
import type { KeyedRows, RowIterator } from "../iterator/row-iterator.js";
import type { PartOfRun } from "../sst/run-lists.js";
import type { TableStore } from "../sst/table-store.js";
import { cutToBounds, highestSeq, type Sequence, sequencesWithin } from "./candidates.js";
import type { DbView } from "./db-view.js";
import { ListedRunIterator } from "./listed-run-iterator.js";
import { isListed } from "./listed-runs.js";
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
export function scanRows(view: DbView, tables: TableStore, options: ScanRowsOptions): KeyedRows {
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
  const listed = listedWithin(view, bounds);
  const windowBytes = windowBytesFor(sequences.length + listed.length, options.readAheadBytes);
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
  for (const run of listed) {
    const sequenceOf = ({ ssts }: PartOfRun): Sequence => {
      const sequence = { ssts: cutToBounds(ssts, bounds, seqMax), entrySeq: 0 };
      return isCovered ? (cover.remaining([sequence])[0] ?? noSsts) : sequence;
    };
    const part = { bounds, prefix, reverse, windowBytes, rowsLeft, sequenceOf };
    sources.push(new ListedRunIterator(run, tables, part));
  }
  const rows = mergeRows(sources, reverse);
  if (!isCovered) return visibleRows(rows, view, options);
  const targetOf = (source: number, key: Uint8Array, seq: number): Uint8Array | undefined => {
    // Rows in memory are hardly ever all older than a range delete, and cost no request.
    if (source < tableCount) return undefined;
    const sequence = sequences[source - tableCount];
    if (sequence !== undefined) return maxSeqOf(sequence) < seq ? key : undefined;
    const parts = sources[source] as ListedRunIterator;
    return (parts.maxSeq ?? seq) < seq ? parts.clampToPart(key) : undefined;
  };
  const seekOlder = (key: Uint8Array, seq: number): void => {
    if (sources.length > 1) {
      (rows as MergeIterator).seekOn((source) => targetOf(source, key, seq));
      return;
    }
    const target = targetOf(0, key, seq);
    if (target === undefined) return;
    const { keyBytes, keyStart, keyEnd } = rows.row;
    const order = compareRanges(keyBytes, keyStart, keyEnd, target, 0, target.length);
    if (reverse ? order > 0 : order < 0) rows.seek(target);
  };
  const cursor = cover.cursor(sequences, listed.length > 0);
  return visibleRows(new UncoveredRows(rows, cursor, { reverse, seekOlder }), view, options);
}

const noSsts: Sequence = { ssts: [], entrySeq: 0 };

/** Runs with lists of their own, newest first; of what is in those nothing is known yet. */
function listedWithin({ manifest }: DbView, bounds: KeyBounds): readonly SortedRun[] {
  return manifest.runs.filter(
    (run) => isListed(run) && overlaps(bounds, run.firstKey, run.lastKey),
  );
}

function maxSeqOf({ ssts, entrySeq }: Sequence): number {
  return ssts.reduce((max, info) => Math.max(max, highestSeq(info, entrySeq)), 0);
}

function mayHoldRangeDeletes({ tables, manifest }: DbView): boolean {
  return (
    manifest.requiredFeatures.includes(Feature.rangeDeletes) ||
    tables.some(({ rangeDeletes }) => rangeDeletes !== undefined)
  );
}
