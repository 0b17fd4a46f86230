/** `KeySlot`: the keys that SSTs have a say in, by their rows or by their range deletes. Pure. */
import { type Bytes, compareBytes, emptyBytes } from "../common/bytes.js";
import type { KeyBounds } from "../common/key-range.js";
import type { SortedRun, SstInfo } from "../format/manifest.js";

export interface KeySlot {
  readonly start: Bytes;
  /** Undefined: there is no end. */
  readonly end: Bytes | undefined;
  readonly endIncluded: boolean;
}

/** Of an SST, or of a run as a whole. Range deletes may reach less far than it says. */
export function slotOf({
  firstKey,
  lastKey,
  rangeDeletes,
}: Pick<SstInfo | SortedRun, "firstKey" | "lastKey" | "rangeDeletes">): KeySlot {
  const rows: KeySlot = { start: firstKey, end: lastKey, endIncluded: true };
  if (rangeDeletes.length === 0) return rows;
  const last = rangeDeletes[rangeDeletes.length - 1]!;
  return hullOf(rows, {
    start: rangeDeletes[0]!.start,
    end: last.endless ? undefined : last.end,
    endIncluded: false,
  });
}

/** All keys of the bounds, and perhaps their lower one. */
export function slotOfBounds({ lower, upper, upperInclusive }: KeyBounds): KeySlot {
  return { start: lower ?? emptyBytes, end: upper, endIncluded: upperInclusive };
}

/** From the first key of either to the last one. */
export function hullOf(a: KeySlot | undefined, b: KeySlot): KeySlot {
  if (a === undefined) return b;
  const start = compareBytes(a.start, b.start) <= 0 ? a.start : b.start;
  if (a.end === undefined || b.end === undefined) {
    return { start, end: undefined, endIncluded: false };
  }
  const order = compareBytes(a.end, b.end);
  if (order === 0) return { start, end: a.end, endIncluded: a.endIncluded || b.endIncluded };
  const { end, endIncluded } = order > 0 ? a : b;
  return { start, end, endIncluded };
}

export function hullOfSsts(ssts: readonly SstInfo[]): KeySlot | undefined {
  return ssts.reduce<KeySlot | undefined>((hull, sst) => hullOf(hull, slotOf(sst)), undefined);
}

export function slotsMeet(a: KeySlot, b: KeySlot): boolean {
  return !endsBefore(a, b.start) && !endsBefore(b, a.start);
}

/** True when `inner` lies in `outer` as a whole. */
export function slotHolds(outer: KeySlot, inner: KeySlot): boolean {
  if (compareBytes(outer.start, inner.start) > 0) return false;
  if (outer.end === undefined) return true;
  if (inner.end === undefined) return false;
  const order = compareBytes(inner.end, outer.end);
  return order < 0 || (order === 0 && (outer.endIncluded || !inner.endIncluded));
}

function endsBefore({ end, endIncluded }: KeySlot, key: Uint8Array): boolean {
  if (end === undefined) return false;
  const order = compareBytes(end, key);
  return endIncluded ? order < 0 : order <= 0;
}

/** Of the SSTs of a run: the index of the first whose slot meets `slot`, and that behind the last. */
export function meeting(ssts: readonly SstInfo[], slot: KeySlot): { from: number; to: number } {
  // By first and last keys, which ascend; range deletes reach into what is between those of two neighbours, and no farther.
  let from = partition(ssts, ({ lastKey }) => compareBytes(lastKey, slot.start) < 0);
  if (from > 0 && slotsMeet(slotOf(ssts[from - 1]!), slot)) from--;
  let to = partition(ssts, ({ firstKey }) => !endsBefore(slot, firstKey));
  if (to < ssts.length && slotsMeet(slotOf(ssts[to]!), slot)) to++;
  // What lies between two SSTs meets neither.
  if (from < to && !slotsMeet(slotOf(ssts[from]!), slot)) from++;
  return { from, to: Math.max(from, to) };
}

/** How many SSTs at the front `isBefore` says true of. */
function partition(ssts: readonly SstInfo[], isBefore: (sst: SstInfo) => boolean): number {
  let low = 0;
  let high = ssts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(ssts[middle]!)) low = middle + 1;
    else high = middle;
  }
  return low;
}
