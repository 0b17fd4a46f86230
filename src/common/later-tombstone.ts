/**
 * `findLaterTombstone`: whether range deletes later than a seq meet some keys or ranges.
 *
 * Each key, and each end of a range, is searched for among the fragments: what it costs depends on what is asked about, not on how
 * many range deletes there are.
 */
import { assert } from "./assert.js";
import { compareBytes } from "./bytes.js";
import type { FragmentedTombstones } from "./fragmented-tombstones.js";
import type { HalfOpenRange, RangeTombstone } from "./range-tombstone.js";

/**
 * One with a seq above `seq` that covers a key or overlaps a range; keys are asked first. Of those over the place that is found it is one of the
 * highest seq. Its arrays are views.
 */
export function findLaterTombstone(
  tombstones: FragmentedTombstones,
  seq: number,
  keys: Iterable<Uint8Array>,
  ranges: Iterable<HalfOpenRange>,
): RangeTombstone | undefined {
  if (tombstones.maxSeq <= seq) return undefined;
  for (const key of keys) {
    const fragment = tombstones.fragmentOf(key, 0, key.length);
    if (tombstones.newestSeq(fragment) > seq) return newestOver(tombstones, fragment);
  }
  for (const { start, end } of ranges) {
    const last = lastBelow(tombstones, end);
    let fragment = Math.max(0, tombstones.fragmentOf(start, 0, start.length));
    for (; fragment <= last; fragment++) {
      if (tombstones.newestSeq(fragment) > seq) return newestOver(tombstones, fragment);
    }
  }
  return undefined;
}

/** The last fragment that has keys below `end`; -1 when there is none. */
function lastBelow(tombstones: FragmentedTombstones, end: Uint8Array | undefined): number {
  if (end === undefined) return tombstones.fragmentCount - 1;
  const fragment = tombstones.fragmentOf(end, 0, end.length);
  if (fragment < 0) return -1;
  return compareBytes(tombstones.boundary(fragment)!, end) === 0 ? fragment - 1 : fragment;
}

/** A walk through all, but without an object for each: only what is found is looked up. */
function newestOver(tombstones: FragmentedTombstones, fragment: number): RangeTombstone {
  const { firsts, ends, seqs } = tombstones.columns;
  const seq = tombstones.newestSeq(fragment);
  for (let i = 0; i < seqs.length; i++) {
    if (seqs[i] !== seq || firsts[i]! > fragment || ends[i]! <= fragment) continue;
    const start = tombstones.boundary(firsts[i]!)!;
    return { start, end: tombstones.boundary(ends[i]!), seq };
  }
  assert(false, "the newest seq over a fragment is that of a range delete over it");
}
