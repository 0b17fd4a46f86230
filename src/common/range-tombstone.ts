/** `RangeTombstone`: a range delete as it is stored. Its range is half-open; every other form is brought to that one. */
import { type Bytes, compareBytes, emptyBytes, keyBytesMax, prefixSuccessor } from "./bytes.js";
import { keyAfter } from "./key-after.js";
import type { KeyBounds } from "./key-range.js";

/** The keys from `start`, up to but without `end`; undefined: there is no end. */
export interface HalfOpenRange {
  readonly start: Uint8Array;
  readonly end: Uint8Array | undefined;
}

/** Hides every row of its keys that has a lower seq. Rows of its own seq stay: what a batch writes after it. */
export interface RangeTombstone extends HalfOpenRange {
  readonly seq: number;
}

/** The same keys; undefined where there are none. Both ends are keys of a legal length. */
export function toHalfOpen(bounds: KeyBounds): HalfOpenRange | undefined {
  const { lower, lowerInclusive, upper, upperInclusive } = bounds;
  let start: Bytes | undefined = lower ?? emptyBytes;
  if (!lowerInclusive && lower !== undefined) start = legalKeyAfter(lower);
  if (start === undefined) return undefined;
  const end = upper !== undefined && upperInclusive ? legalKeyAfter(upper) : upper;
  if (end !== undefined && compareBytes(start, end) >= 0) return undefined;
  return { start, end };
}

/** The least key above `key`; undefined when it is the greatest that there can be. */
const legalKeyAfter = (key: Uint8Array): Bytes | undefined =>
  key.length === keyBytesMax ? prefixSuccessor(key) : keyAfter(key);
