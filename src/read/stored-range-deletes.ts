/** Which SSTs that a manifest names have range deletes, and what their spans say of a key, without a request. */
import { compareBytes } from "../common/bytes.js";
import type { FragmentedTombstones } from "../common/fragmented-tombstones.js";
import { Feature, type Manifest, type SstInfo, type TombstoneSpan } from "../format/manifest.js";

/** What reads them; see `TableStore`. */
export interface RangeDeleteReader {
  /** Those of an SST, if they are in memory. */
  rangeDeletesOf(info: SstInfo): FragmentedTombstones | undefined;
  /** Those of an SST, with one GET where they are not in memory. */
  loadRangeDeletes(info: SstInfo, signal?: AbortSignal): Promise<FragmentedTombstones>;
}

/**
 * SSTs with range deletes of one L0 entry or run, in key order. Their range deletes do not overlap, but the first and last spans of neighbours
 * may, where they are not exact.
 */
export type Holders = readonly SstInfo[];

/** Those of each L0 entry and each run, in the order of the manifest. */
interface StoredRangeDeletes {
  readonly l0: readonly Holders[];
  readonly runs: readonly Holders[];
  /** Those that have any, newest first; without those of runs with lists of their own. */
  readonly newestFirst: readonly Holders[];
}

const known = new WeakMap<Manifest, StoredRangeDeletes>();

/** Worked out once for each manifest; undefined, without a look at its SSTs, where none has ever had range deletes. */
export function storedRangeDeletes(manifest: Manifest): StoredRangeDeletes | undefined {
  if (!manifest.requiredFeatures.includes(Feature.rangeDeletes)) return undefined;
  let stored = known.get(manifest);
  if (stored === undefined) {
    const having = (ssts: readonly SstInfo[]): Holders =>
      ssts.filter(({ rangeDeletes }) => rangeDeletes.length > 0);
    const l0 = manifest.l0.map(({ ssts }) => having(ssts));
    const runs = manifest.runs.map((run) => having(run.ssts));
    const newestFirst = [...l0.toReversed(), ...runs].filter((holders) => holders.length > 0);
    stored = { l0, runs, newestFirst };
    known.set(manifest, stored);
  }
  return stored;
}

/** Those that have any, newest first; without those of runs with lists of their own. */
export function holdersOf(manifest: Manifest): readonly Holders[] {
  return storedRangeDeletes(manifest)?.newestFirst ?? [];
}

/** The number of the last SST of which a span begins at the key or before it; -1 when there is none. */
export function lastHolderAt(ssts: Holders, key: Uint8Array): number {
  let low = 0;
  let high = ssts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareBytes(ssts[middle]!.rangeDeletes[0]!.start, key) <= 0) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

type Spanned = Pick<SstInfo, "rangeDeletes">;

/** The number of the first span that does not end before the key: the one that holds it, if one does. */
export function spanAt({ rangeDeletes }: Spanned, key: Uint8Array): number {
  let low = 0;
  let high = rangeDeletes.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const { end, endless } = rangeDeletes[middle]!;
    if (!endless && compareBytes(end, key) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The span that holds the key. */
export function spanHolding(info: Spanned, key: Uint8Array): TombstoneSpan | undefined {
  const span = info.rangeDeletes[spanAt(info, key)];
  return span === undefined || compareBytes(span.start, key) > 0 ? undefined : span;
}

/** The seq of the newest range delete over each key of a span, for a read at `seqMax`; undefined where the span does not say. */
export function seqOfSpan(
  { count, minSeq, maxSeq }: TombstoneSpan,
  seqMax: number,
): number | undefined {
  if (count === 1) return maxSeq <= seqMax ? maxSeq : 0;
  return minSeq === maxSeq && maxSeq <= seqMax ? maxSeq : undefined;
}

/** The least that it can be. */
export function floorOfSpan({ minSeq, maxSeq }: TombstoneSpan, seqMax: number): number {
  return maxSeq <= seqMax ? minSeq : 0;
}
