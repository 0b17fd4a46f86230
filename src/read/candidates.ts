/** Which SSTs of a view a read has to look into, decided without a request. */
import { assert } from "../common/assert.js";
import { compareBytes } from "../common/bytes.js";
import { type KeyBounds, overlaps } from "../common/key-range.js";
import type { L0Entry, SortedRun, SstInfo } from "../format/manifest.js";
import type { DbView } from "./db-view.js";

/** An SST that may hold the newest version of a key. */
export interface Candidate {
  readonly info: SstInfo;
  /** The seq of all its rows where they carry none themselves, otherwise 0. */
  readonly entrySeq: number;
}

/** SSTs in key order that do not overlap. */
export interface Sequence {
  readonly ssts: readonly SstInfo[];
  /** The seq of all their rows where that stands in their L0 entry, otherwise 0: in a run each SST may have one of its own. */
  readonly entrySeq: number;
}

/** The SSTs that the view names. Where a function says nothing else, its runs are those of which the SSTs stand in the manifest. */
export type StoredView = Pick<DbView, "loads" | "manifest">;

/** The seq of the newest load that the manifest does not name; 0 when there is none. */
export function newestLoadSeq({ loads }: StoredView): number {
  return loads.length === 0 ? 0 : loads[loads.length - 1]!.seq;
}

/**
 * The SSTs whose key range holds `key` and that have a row with seq <= `seqMax`, newest first. With `loadsAbove`, the seq of what memory
 * has of the key, only those of loads that are newer than it: all that the manifest names is older. With `hiddenBelow`, the seq of a range
 * delete that covers the key, only those that have newer rows.
 */
export function candidatesForKey(
  view: StoredView,
  key: Uint8Array,
  seqMax: number,
  { loadsAbove = 0, hiddenBelow = 0 }: { loadsAbove?: number; hiddenBelow?: number } = {},
): readonly Candidate[] {
  const { manifest, loads } = view;
  const candidates: Candidate[] = [];
  const consider = (ssts: readonly SstInfo[], entrySeq: number): void => {
    const info = sstHolding(ssts, key);
    if (info === undefined || !mayHaveRows(info, entrySeq, seqMax, hiddenBelow)) return;
    candidates.push({ info, entrySeq: entrySeq || info.seq });
  };
  const considerAll = (entries: readonly L0Entry[]): void => {
    for (let i = entries.length - 1; i >= 0; i--) {
      const entry = entries[i]!;
      if (entry.seq <= seqMax) consider(entry.ssts, entry.seq);
    }
  };
  if (loadsAbove > 0) {
    considerAll(loads.filter((entry) => entry.seq > loadsAbove));
    return candidates;
  }
  considerAll(loads);
  considerAll(manifest.l0);
  for (const run of manifest.runs) consider(sstsOf(run, key), 0);
  return candidates;
}

/** The loads, L0 entries and runs (but for those with lists of their own) with a key inside the bounds and a row with seq <= `seqMax`, newest first, cut to such SSTs. */
export function sequencesWithin(
  view: StoredView,
  bounds: KeyBounds,
  seqMax: number,
): readonly Sequence[] {
  const { manifest, loads } = view;
  const sequences: Sequence[] = [];
  const consider = (ssts: readonly SstInfo[], entrySeq: number): void => {
    const within = ssts.filter(
      (info) =>
        overlaps(bounds, info.firstKey, info.lastKey) && mayHaveRows(info, entrySeq, seqMax, 0),
    );
    if (within.length > 0) sequences.push({ ssts: within, entrySeq });
  };
  for (const entries of [loads, manifest.l0]) {
    for (let i = entries.length - 1; i >= 0; i--) {
      const entry = entries[i]!;
      if (entry.seq <= seqMax) consider(entry.ssts, entry.seq);
    }
  }
  for (const run of manifest.runs) {
    if (run.listBytes === 0 && overlaps(bounds, run.firstKey, run.lastKey)) consider(run.ssts, 0);
  }
  return sequences;
}

/** Of SSTs of a run, many of them in key order, those with a key inside the bounds and a row with seq <= `seqMax`. */
export function cutToBounds(
  ssts: readonly SstInfo[],
  bounds: KeyBounds,
  seqMax: number,
): readonly SstInfo[] {
  const { lower, upper } = bounds;
  const from = lower === undefined ? 0 : firstEndingAtOrAfter(ssts, lower);
  const to = upper === undefined ? ssts.length : firstEndingAtOrAfter(ssts, upper) + 1;
  return ssts
    .slice(from, to)
    .filter((info) => overlaps(bounds, info.firstKey, info.lastKey))
    .filter((info) => mayHaveRows(info, 0, seqMax, 0));
}

/** True when an SST may have a row that a read at `seqMax` sees and that no range delete of `hiddenBelow` hides. */
export function mayHaveRows(
  info: SstInfo,
  entrySeq: number,
  seqMax: number,
  hiddenBelow: number,
): boolean {
  const seq = entrySeq || info.seq;
  if (seq !== 0) return seq <= seqMax && seq >= hiddenBelow;
  return info.minSeq <= seqMax && info.maxSeq >= hiddenBelow && info.rowCount > 0;
}

/** The lowest seq of its rows and range deletes. */
export function lowestSeq(info: SstInfo, entrySeq: number): number {
  return entrySeq || info.seq || info.minSeq;
}

export function highestSeq(info: SstInfo, entrySeq: number): number {
  return entrySeq || info.seq || info.maxSeq;
}

/** The SST whose key range holds `key`, of those of a sequence. */
export function sstHolding(ssts: readonly SstInfo[], key: Uint8Array): SstInfo | undefined {
  const info = ssts.length === 1 ? ssts[0]! : ssts[firstEndingAtOrAfter(ssts, key)];
  if (info === undefined || compareBytes(info.firstKey, key) > 0) return undefined;
  return ssts.length === 1 && compareBytes(info.lastKey, key) < 0 ? undefined : info;
}

/** The index of the first SST whose last key is at or above `key`; the length when there is none. */
export function firstEndingAtOrAfter(ssts: readonly SstInfo[], key: Uint8Array): number {
  let low = 0;
  let high = ssts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareBytes(ssts[middle]!.lastKey, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

const noSsts: readonly SstInfo[] = [];

/** The SSTs of a run that stand in the manifest; none when `key` is given and not within the run. Of others see `listed-runs.ts`. */
export function sstsOf(run: SortedRun, key?: Uint8Array): readonly SstInfo[] {
  if (key !== undefined) {
    if (compareBytes(run.firstKey, key) > 0 || compareBytes(run.lastKey, key) < 0) return noSsts;
  }
  assert(run.listBytes === 0, "the list of a run has been read before its SSTs are asked");
  return run.ssts;
}
