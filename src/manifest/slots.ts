/** The slot of an SST in a sorted run: the keys in which its rows and its range deletes lie. Slots of a run do not overlap. */
import { type Bytes, compareBytes } from "../common/bytes.js";
import type { SstInfo } from "../format/manifest.js";

export interface Slot {
  readonly first: Bytes;
  /** Undefined: there is no end. */
  readonly last: Bytes | undefined;
  /** Whether `last` itself is in it. */
  readonly includesLast: boolean;
}

/** What it may cover: spans may reach farther than their range deletes do. */
export function slotOf(sst: SstInfo): Slot {
  const { firstKey, lastKey, rangeDeletes } = sst;
  const span = rangeDeletes[0];
  const first =
    span !== undefined && compareBytes(span.start, firstKey) < 0 ? span.start : firstKey;
  const end = rangeDeletes.at(-1);
  if (end === undefined) return { first, last: lastKey, includesLast: true };
  if (end.endless) return { first, last: undefined, includesLast: false };
  return compareBytes(end.end, lastKey) > 0
    ? { first, last: end.end, includesLast: false }
    : { first, last: lastKey, includesLast: true };
}

export function slotsOverlap(a: Slot, b: Slot): boolean {
  return !endsBefore(a, b) && !endsBefore(b, a);
}

/** Whether every key of `a` is below every key of `b`. */
export function endsBefore(a: Slot, b: Slot): boolean {
  if (a.last === undefined) return false;
  const order = compareBytes(a.last, b.first);
  return order < 0 || (order === 0 && !a.includesLast);
}

/**
 * Whether one SST may follow another in a run, as far as that is known: spans that no seq covers whole may reach farther than their range
 * deletes do.
 */
export function areInOrder(before: SstInfo, after: SstInfo): boolean {
  if (compareBytes(before.lastKey, after.firstKey) >= 0) return false;
  const last = before.rangeDeletes.at(-1);
  const isExact = last !== undefined && last.minSeq > 0;
  if (isExact && (last.endless || compareBytes(last.end, after.firstKey) > 0)) return false;
  const first = after.rangeDeletes[0];
  if (first === undefined || first.minSeq === 0) return true;
  return (
    compareBytes(before.lastKey, first.start) < 0 &&
    !(isExact && compareBytes(last.end, first.start) > 0)
  );
}
