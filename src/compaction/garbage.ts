/** `garbageBytes`: an estimate of what a full merge would free in the oldest run, besides what newer versions replace. Pure. */
import type { Manifest, SstInfo, TombstoneSpan } from "../format/manifest.js";
import { meeting, slotHolds, slotOf } from "./key-slot.js";
import { retainSeqOf } from "./plan-job.js";

/**
 * What deletes of `newer` and of the run itself hide, each a row of the usual size; what range deletes of `newer` cover, in whole SSTs; and SSTs
 * that have expired at `now`. What a job on this manifest would have to keep for an open snapshot does not count, or the same merge would come again and
 * again. At most the bytes of the run. Lists that were looked at before take no time.
 */
export function garbageBytes(
  manifest: Manifest,
  oldest: readonly SstInfo[],
  newer: readonly (readonly SstInfo[])[],
  now: number,
): number {
  const retainSeq = retainSeqOf(manifest);
  const { bytes, rows, firstExpiry } = totalsOf(oldest);
  if (rows === 0) return 0;
  let deletes = settledDeletes(oldest, retainSeq);
  const gone = new Set<SstInfo>();
  for (const ssts of newer) {
    deletes += settledDeletes(ssts, retainSeq);
    for (const sst of totalsOf(ssts).withRangeDeletes) {
      if (lastSeqOf(sst) > retainSeq) continue;
      for (const span of sst.rangeDeletes) for (const each of covered(oldest, span)) gone.add(each);
    }
  }
  if (firstExpiry <= now) {
    for (const sst of oldest) {
      const { maxExpiresAt } = sst;
      if (maxExpiresAt !== 0 && maxExpiresAt <= now && lastSeqOf(sst) <= retainSeq) gone.add(sst);
    }
  }
  let found = (deletes * bytes) / rows;
  for (const { size } of gone) found += size;
  return Math.min(found, bytes);
}

interface Totals {
  readonly bytes: number;
  readonly rows: number;
  readonly deletes: number;
  readonly lastSeq: number;
  /** Of an SST as a whole. */
  readonly firstExpiry: number;
  readonly withRangeDeletes: readonly SstInfo[];
}

/** Lists do not change, and may have a hundred thousand SSTs. */
const knownTotals = new WeakMap<readonly SstInfo[], Totals>();

function totalsOf(ssts: readonly SstInfo[]): Totals {
  const known = knownTotals.get(ssts);
  if (known !== undefined) return known;
  let [bytes, rows, deletes, lastSeq, firstExpiry] = [0, 0, 0, 0, Number.POSITIVE_INFINITY];
  for (const sst of ssts) {
    bytes += sst.size;
    rows += sst.rowCount;
    deletes += sst.deleteCount;
    lastSeq = Math.max(lastSeq, lastSeqOf(sst));
    if (sst.maxExpiresAt !== 0) firstExpiry = Math.min(firstExpiry, sst.maxExpiresAt);
  }
  const withRangeDeletes = ssts.filter(({ rangeDeletes }) => rangeDeletes.length > 0);
  const totals = { bytes, rows, deletes, lastSeq, firstExpiry, withRangeDeletes };
  knownTotals.set(ssts, totals);
  return totals;
}

function settledDeletes(ssts: readonly SstInfo[], retainSeq: number): number {
  const { deletes, lastSeq } = totalsOf(ssts);
  if (lastSeq <= retainSeq || deletes === 0) return deletes;
  return ssts.reduce((sum, sst) => sum + (lastSeqOf(sst) <= retainSeq ? sst.deleteCount : 0), 0);
}

const lastSeqOf = ({ maxSeq, seq }: SstInfo): number => Math.max(maxSeq, seq);

/** The SSTs that a span hides whole. */
function covered(ssts: readonly SstInfo[], span: TombstoneSpan): readonly SstInfo[] {
  if (span.minSeq === 0) return [];
  const slot = {
    start: span.start,
    end: span.endless ? undefined : span.end,
    endIncluded: false,
  };
  const { from, to } = meeting(ssts, slot);
  return ssts
    .slice(from, to)
    .filter((sst) => lastSeqOf(sst) < span.minSeq && slotHolds(slot, slotOf(sst)));
}
