/**
 * `findLaterWrite`: whether the SSTs of a view hold a write of certain keys and ranges with a seq above a given one.
 *
 * A later row may be hidden by a range delete, but only by one that is later still, and which covers the same key: it is found instead.
 */
import { compareBytes, copyBytes, emptyBytes } from "../common/bytes.js";
import type { KeyBounds } from "../common/key-range.js";
import { findLaterTombstone } from "../common/later-tombstone.js";
import { type RangeTombstone, toHalfOpen } from "../common/range-tombstone.js";
import { RowRef, seqMax } from "../common/row.js";
import type { L0Entry, Manifest, SstInfo } from "../format/manifest.js";
import { Step } from "../iterator/row-iterator.js";
import type { TableStore } from "../sst/table-store.js";
import {
  cutToBounds,
  highestSeq,
  type Sequence,
  type StoredView,
  sequencesWithin,
} from "./candidates.js";
import type { DbView } from "./db-view.js";
import { getRow } from "./get.js";
import { hasListed, isListed, listedViewOf, partsOf } from "./listed-runs.js";
import { SortedRunIterator } from "./sorted-run-iterator.js";
import { holdersOf, type RangeDeleteReader } from "./stored-range-deletes.js";
import { windowBytesFor } from "./window-bytes.js";

export interface LaterWrite {
  readonly key: Uint8Array;
  readonly seq: number;
}

export interface LaterWriteOptions {
  readonly afterSeq: number;
  /** Gone through more than once. */
  readonly keys: readonly Uint8Array[];
  /** They do not overlap. */
  readonly ranges: readonly KeyBounds[];
  /** True when one of the keys, or a key of the ranges, is in the range of the tombstone. */
  readonly meets: (tombstone: RangeTombstone) => boolean;
  readonly signal?: AbortSignal | undefined;
}

/** How many keys may wait for requests at the same time. */
const keysAtOnce = 64;

/**
 * Any such write, a row or a range delete; of MemTables and loads in the view it knows nothing. Asks only SSTs that have some above `afterSeq`.
 * Rejects as reads do.
 */
export async function findLaterWrite(
  view: StoredView,
  tables: TableStore,
  options: LaterWriteOptions,
): Promise<LaterWrite | RangeTombstone | undefined> {
  const { afterSeq, ranges, signal } = options;
  const isLater = (info: SstInfo): boolean => highestSeq(info, 0) > afterSeq;
  const hasLater = ({ seq, ssts }: L0Entry): boolean => seq === 0 && ssts.some(isLater);
  const { l0, runs } = view.manifest;
  const later: DbView = {
    tables: [],
    loads: [],
    manifest: {
      ...view.manifest,
      l0: l0.filter(hasLater),
      // What is in such a run is not known before its list is read.
      runs: runs.filter((run) => run.listBytes !== 0 || run.ssts.some(isLater)),
    },
  };
  if (later.manifest.l0.length === 0 && later.manifest.runs.length === 0) return undefined;
  return (
    (await findRangeDelete(await holdersToAsk(view.manifest, tables, options), tables, options)) ??
    (await findOfKeys(later, tables, options)) ??
    (await findInRanges(later, tables, ranges, afterSeq, signal))
  );
}

/** SSTs with range deletes: those that the manifest names, and of lists of long runs those that may meet the keys and ranges. */
async function holdersToAsk(
  manifest: Manifest,
  { runLists }: TableStore,
  { afterSeq, meets, signal }: LaterWriteOptions,
): Promise<readonly SstInfo[]> {
  const holders = holdersOf(manifest).flat();
  for (const run of manifest.runs) {
    const [span] = run.rangeDeletes;
    if (!isListed(run) || span === undefined || span.maxSeq <= afterSeq) continue;
    const { start, end, endless, maxSeq: seq } = span;
    if (!meets({ start, end: endless ? undefined : end, seq })) continue;
    const list = await runLists.open(run, signal);
    const { parts } = list;
    for (const [number, { hasRangeDeletes }] of parts.entries()) {
      // Where spans are not exact, range deletes may lie in what is said to be that of a neighbour.
      const from = parts[number - 1]?.start ?? emptyBytes;
      const reach = { start: from, end: parts[number + 2]?.start, seq };
      if (!hasRangeDeletes || !meets(reach)) continue;
      holders.push(...(await runLists.load(list, number, signal)).holders);
    }
  }
  return holders;
}

async function findRangeDelete(
  holders: readonly SstInfo[],
  tables: RangeDeleteReader,
  { afterSeq, keys, ranges, meets, signal }: LaterWriteOptions,
): Promise<RangeTombstone | undefined> {
  const unread = new Set<SstInfo>();
  for (const info of holders) {
    for (const { start, end, endless, count, maxSeq: seq } of info.rangeDeletes) {
      if (seq <= afterSeq) continue;
      const span = { start, end: endless ? undefined : end, seq };
      if (!meets(span)) continue;
      if (count === 1) return span;
      unread.add(info);
    }
  }
  if (unread.size === 0) return undefined;
  const halfOpen = ranges.map(toHalfOpen).filter((range) => range !== undefined);
  const loaded = await Promise.all(
    Array.from(unread, (info) => tables.loadRangeDeletes(info, signal)),
  );
  for (const tombstones of loaded) {
    const found = findLaterTombstone(tombstones, afterSeq, keys, halfOpen);
    if (found !== undefined) return found;
  }
  return undefined;
}

async function findOfKeys(
  view: DbView,
  tables: TableStore,
  options: LaterWriteOptions,
): Promise<LaterWrite | undefined> {
  if (!hasListed(view)) return findOfSomeKeys(view, tables, options);
  const keys = options.keys.toSorted(compareBytes);
  for (let from = 0; from < keys.length; ) {
    const listed = await listedViewOf(view, tables.runLists, keys, from, options.signal);
    const some = { ...options, keys: keys.slice(from, listed.end) };
    const found = await findOfSomeKeys(listed.view, tables, some);
    if (found !== undefined) return found;
    from = listed.end;
  }
  return undefined;
}

async function findOfSomeKeys(
  view: DbView,
  tables: TableStore,
  { keys, afterSeq, signal }: LaterWriteOptions,
): Promise<LaterWrite | undefined> {
  let found: LaterWrite | undefined;
  const iterator = keys[Symbol.iterator]();
  const work = async (): Promise<void> => {
    const row = new RowRef();
    while (found === undefined) {
      const { done, value: key } = iterator.next();
      if (done) return;
      const isThere = await getRow(view, tables, key, seqMax, row, signal);
      if (isThere && row.seq > afterSeq) found = { key: copyBytes(key), seq: row.seq };
    }
  };
  await Promise.all(Array.from({ length: keysAtOnce }, work));
  return found;
}

async function findInRanges(
  view: DbView,
  tables: TableStore,
  ranges: readonly KeyBounds[],
  afterSeq: number,
  signal: AbortSignal | undefined,
): Promise<LaterWrite | undefined> {
  // One SST at a time.
  const windowBytes = windowBytesFor(1, undefined);
  for (const bounds of ranges) {
    for await (const { ssts, entrySeq } of sequencesOf(view, tables, bounds, signal)) {
      const later = ssts.filter((info) => highestSeq(info, entrySeq) > afterSeq);
      if (later.length === 0) continue;
      const sequence = { ssts: later, entrySeq };
      const rows = new SortedRunIterator(sequence, tables, { bounds, reverse: false, windowBytes });
      try {
        for (let step = rows.step(); step !== Step.end; step = rows.step()) {
          const { row } = rows;
          if (step === Step.pending) await rows.fill(signal);
          else if (row.seq > afterSeq) return { key: copyBytes(row.key()), seq: row.seq };
        }
      } finally {
        rows.close();
      }
    }
  }
  return undefined;
}

async function* sequencesOf(
  view: DbView,
  { runLists }: TableStore,
  bounds: KeyBounds,
  signal: AbortSignal | undefined,
): AsyncGenerator<Sequence, void, undefined> {
  yield* sequencesWithin(view, bounds, seqMax);
  for (const run of view.manifest.runs) {
    if (!isListed(run)) continue;
    for await (const { ssts } of partsOf(run, runLists, bounds, signal)) {
      yield { ssts: cutToBounds(ssts, bounds, seqMax), entrySeq: 0 };
    }
  }
}
