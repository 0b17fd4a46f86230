/** Key ranges: what callers write, checked and reduced to one lower and one upper bound. */
import {
  type Bytes,
  compareBytes,
  compareRanges,
  copyBytes,
  describeType,
  type KeyLike,
  prefixSuccessor,
  toKeyBytes,
} from "./bytes.js";
import { InvalidArgumentError } from "./errors.js";

/** Bounds intersect. `gt` with `gte`, and `lt` with `lte`, are refused. */
export interface KeyRange {
  gt?: KeyLike | undefined;
  gte?: KeyLike | undefined;
  lt?: KeyLike | undefined;
  lte?: KeyLike | undefined;
  prefix?: KeyLike | undefined;
}

/** A range in its one form; an undefined bound is no bound. The arrays are private copies. */
export interface KeyBounds {
  readonly lower: Bytes | undefined;
  readonly lowerInclusive: boolean;
  readonly upper: Bytes | undefined;
  readonly upperInclusive: boolean;
}

/** Every key. */
export const allKeys: KeyBounds = {
  lower: undefined,
  lowerInclusive: true,
  upper: undefined,
  upperInclusive: false,
};

export const keyRangeNames: readonly string[] = ["gt", "gte", "lt", "lte", "prefix"];

export function toKeyBounds(range: KeyRange): KeyBounds {
  if (range.gt !== undefined && range.gte !== undefined) {
    throw new InvalidArgumentError("A range takes gt or gte, not both.");
  }
  if (range.lt !== undefined && range.lte !== undefined) {
    throw new InvalidArgumentError("A range takes lt or lte, not both.");
  }
  const bound = (input: KeyLike | undefined, name: string): Bytes | undefined =>
    input === undefined ? undefined : copyBytes(toKeyBytes(input, `bound "${name}"`));
  let bounds: KeyBounds = {
    lower: bound(range.gt ?? range.gte, range.gt === undefined ? "gte" : "gt"),
    lowerInclusive: range.gt === undefined,
    upper: bound(range.lt ?? range.lte, range.lt === undefined ? "lte" : "lt"),
    upperInclusive: range.lte !== undefined,
  };
  if (range.prefix !== undefined) {
    const prefix = copyBytes(toKeyBytes(range.prefix, "prefix"));
    bounds = intersect(bounds, {
      lower: prefix,
      lowerInclusive: true,
      upper: prefixSuccessor(prefix),
      upperInclusive: false,
    });
  }
  return bounds;
}

export function intersect(a: KeyBounds, b: KeyBounds): KeyBounds {
  let { lower, lowerInclusive, upper, upperInclusive } = a;
  if (b.lower !== undefined) {
    const order = lower === undefined ? -1 : compareBytes(lower, b.lower);
    if (order < 0) {
      lower = b.lower;
      lowerInclusive = b.lowerInclusive;
    } else if (order === 0) lowerInclusive &&= b.lowerInclusive;
  }
  if (b.upper !== undefined) {
    const order = upper === undefined ? 1 : compareBytes(upper, b.upper);
    if (order > 0) {
      upper = b.upper;
      upperInclusive = b.upperInclusive;
    } else if (order === 0) upperInclusive &&= b.upperInclusive;
  }
  return { lower, lowerInclusive, upper, upperInclusive };
}

/** True when no key can be inside. */
export function isEmpty(bounds: KeyBounds): boolean {
  if (bounds.lower === undefined || bounds.upper === undefined) return false;
  const order = compareBytes(bounds.lower, bounds.upper);
  return order > 0 || (order === 0 && !(bounds.lowerInclusive && bounds.upperInclusive));
}

/** True when the key `bytes[start, end)` is not below the lower bound. */
export function isAboveLower(
  bounds: KeyBounds,
  bytes: Uint8Array,
  start: number,
  end: number,
): boolean {
  if (bounds.lower === undefined) return true;
  const order = compareRanges(bytes, start, end, bounds.lower, 0, bounds.lower.length);
  return order > 0 || (order === 0 && bounds.lowerInclusive);
}

/** True when the key `bytes[start, end)` is not above the upper bound. */
export function isBelowUpper(
  bounds: KeyBounds,
  bytes: Uint8Array,
  start: number,
  end: number,
): boolean {
  if (bounds.upper === undefined) return true;
  const order = compareRanges(bytes, start, end, bounds.upper, 0, bounds.upper.length);
  return order < 0 || (order === 0 && bounds.upperInclusive);
}

/** Where a seek to `key` has to begin in this direction: a key outside the bounds counts as the nearest one inside. */
export function clampSeek(bounds: KeyBounds, reverse: boolean, key: Uint8Array): Uint8Array {
  const { lower, upper } = bounds;
  if (reverse) {
    return upper === undefined || isBelowUpper(bounds, key, 0, key.length) ? key : upper;
  }
  return lower === undefined || isAboveLower(bounds, key, 0, key.length) ? key : lower;
}

/** True when a key in [first, last] can be inside the bounds. */
export function overlaps(bounds: KeyBounds, first: Uint8Array, last: Uint8Array): boolean {
  return isAboveLower(bounds, last, 0, last.length) && isBelowUpper(bounds, first, 0, first.length);
}

export function requireRangeObject(range: unknown): void {
  const isBytes = ArrayBuffer.isView(range) || range instanceof ArrayBuffer;
  if (typeof range !== "object" || range === null || Array.isArray(range) || isBytes) {
    const what = isBytes ? "a byte array" : describeType(range);
    throw new InvalidArgumentError(
      `A range is an object such as { gte: "a", lt: "b" }, not ${what}.`,
    );
  }
}
