/** `RangeTombstone`: a range delete as it is stored. Its range is half-open; every other form is brought to that one. */
import {
  allocateBytes,
  type Bytes,
  compareBytes,
  emptyBytes,
  keyBytesMax,
  prefixSuccessor,
} from "./bytes.js";
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
  if (!lowerInclusive && lower !== undefined) start = keyAfter(lower);
  if (start === undefined) return undefined;
  const end = upper !== undefined && upperInclusive ? keyAfter(upper) : upper;
  if (end !== undefined && compareBytes(start, end) >= 0) return undefined;
  return { start, end };
}

/** The least key above `key`; undefined when it is the greatest that there can be. */
function keyAfter(key: Uint8Array): Bytes | undefined {
  if (key.length === keyBytesMax) return prefixSuccessor(key);
  const after = allocateBytes(key.length + 1);
  after.set(key);
  after[key.length] = 0;
  return after;
}
