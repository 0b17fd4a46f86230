/** `garbageBytes`: an estimate of what a full merge would free in the oldest run, besides what newer versions replace. Pure. */
import type { Manifest, SstInfo, TombstoneSpan } from "../format/manifest.js";
import { meeting, slotHolds, slotOf } from "./key-slot.js";
import { retainSeqOf } from "./plan-job.js";

/**
 * What deletes of `newer` and of the run itself hide, each a row of the usual size; what range deletes of `newer` cover, in whole SSTs; and SSTs
 * that have expired at `now`. What a job on this manifest would have to keep for an open snapshot does not count, or the same merge would come again and
 * again. At most the bytes of the run.
 */
export function garbageBytes(
  manifest: Manifest,
  oldest: readonly SstInfo[],
  newer: readonly SstInfo[],
  now: number,
): number {
  const retainSeq = retainSeqOf(manifest);
  const isSettled = ({ maxSeq, seq }: SstInfo): boolean => Math.max(maxSeq, seq) <= retainSeq;
  let bytes = 0;
  let rows = 0;
  let deletes = 0;
  const gone = new Set<SstInfo>();
  for (const sst of newer) {
    if (!isSettled(sst)) continue;
    deletes += sst.deleteCount;
    for (const span of sst.rangeDeletes) for (const each of covered(oldest, span)) gone.add(each);
  }
  for (const sst of oldest) {
    bytes += sst.size;
    rows += sst.rowCount;
    if (!isSettled(sst)) continue;
    deletes += sst.deleteCount;
    if (sst.maxExpiresAt !== 0 && sst.maxExpiresAt <= now) gone.add(sst);
  }
  let found = rows === 0 ? 0 : (deletes * bytes) / rows;
  for (const { size } of gone) found += size;
  return Math.min(found, bytes);
}

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
    .filter((sst) => Math.max(sst.maxSeq, sst.seq) < span.minSeq && slotHolds(slot, slotOf(sst)));
}
