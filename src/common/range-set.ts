/** `RangeSet`: the keys of any number of ranges, which may overlap, as few ranges that do not. */
import { compareBytes, compareRanges } from "./bytes.js";
import { isBelowUpper, isEmpty, type KeyBounds } from "./key-range.js";

export class RangeSet {
  /** By their lower bounds, and disjoint. */
  readonly ranges: readonly KeyBounds[];

  constructor(ranges: Iterable<KeyBounds>) {
    const ordered = [...ranges].filter((range) => !isEmpty(range)).sort(compareLower);
    const disjoint: KeyBounds[] = [];
    for (const range of ordered) {
      const last = disjoint.at(-1);
      if (last === undefined || !reaches(last, range)) disjoint.push(range);
      else disjoint[disjoint.length - 1] = join(last, range);
    }
    this.ranges = disjoint;
  }

  /** True when the key `bytes[start, end)` is in one of them. */
  has(bytes: Uint8Array, start: number, end: number): boolean {
    const { ranges } = this;
    let low = 0;
    let high = ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (startsAfter(ranges[middle]!, bytes, start, end)) high = middle;
      else low = middle + 1;
    }
    return low > 0 && isBelowUpper(ranges[low - 1]!, bytes, start, end);
  }
}

function compareLower(a: KeyBounds, b: KeyBounds): number {
  if (a.lower === undefined || b.lower === undefined) {
    return (a.lower === undefined ? 0 : 1) - (b.lower === undefined ? 0 : 1);
  }
  return compareBytes(a.lower, b.lower) || Number(b.lowerInclusive) - Number(a.lowerInclusive);
}

/** True when `next`, which does not begin before `range`, begins inside it or where it ends. */
function reaches(range: KeyBounds, next: KeyBounds): boolean {
  if (range.upper === undefined || next.lower === undefined) return true;
  const order = compareBytes(next.lower, range.upper);
  return order < 0 || (order === 0 && (range.upperInclusive || next.lowerInclusive));
}

function join(range: KeyBounds, next: KeyBounds): KeyBounds {
  const { lower, lowerInclusive } = range;
  let { upper, upperInclusive } = range;
  if (upper !== undefined) {
    const order = next.upper === undefined ? 1 : compareBytes(next.upper, upper);
    if (order > 0) ({ upper, upperInclusive } = next);
    else if (order === 0) upperInclusive ||= next.upperInclusive;
  }
  return { lower, lowerInclusive, upper, upperInclusive };
}

function startsAfter(range: KeyBounds, bytes: Uint8Array, start: number, end: number): boolean {
  if (range.lower === undefined) return false;
  const order = compareRanges(range.lower, 0, range.lower.length, bytes, start, end);
  return order > 0 || (order === 0 && !range.lowerInclusive);
}
