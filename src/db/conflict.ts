/** `Conflict`: a write that a transaction does not go together with, and the error that tells of it. */
import { type Bytes, copyBytes } from "../common/bytes.js";
import { type ConflictRange, TransactionConflictError } from "../common/errors.js";
import { isAboveLower, isBelowUpper, type KeyBounds } from "../common/key-range.js";
import type { HalfOpenRange } from "../common/range-tombstone.js";
import { showKey } from "../common/show-key.js";

/** A range that a transaction depends on, as it was asked for. */
export interface AskedRange {
  readonly bounds: KeyBounds;
  /** What the transaction has done with it. */
  readonly action: "read" | "deleted";
}

export interface Conflict {
  /** The key that was written, or of those of the transaction the one that was deleted; undefined where only ranges are known. */
  readonly key: Uint8Array | undefined;
  /** The range of the transaction, when it is one. */
  readonly range: AskedRange | undefined;
  /** The range delete, when it is one. */
  readonly rangeDelete: HalfOpenRange | undefined;
  /** The seq of the write. */
  readonly seq: number;
}

/** The range of those that `key` is in. */
export function rangeOf(ranges: readonly AskedRange[], key: Uint8Array): AskedRange | undefined {
  return ranges.find(
    ({ bounds }) =>
      isAboveLower(bounds, key, 0, key.length) && isBelowUpper(bounds, key, 0, key.length),
  );
}

/** The same keys. */
export function boundsOf({ start, end }: HalfOpenRange): KeyBounds {
  return {
    lower: start.length === 0 ? undefined : copyBytes(start),
    lowerInclusive: true,
    upper: end && copyBytes(end),
    upperInclusive: false,
  };
}

/** `beganAt` is the seq that the transaction reads. */
export function conflictError(conflict: Conflict, beganAt: number): TransactionConflictError {
  const { seq } = conflict;
  const key: Bytes | undefined = conflict.key && copyBytes(conflict.key);
  const range = conflict.range && toRange(conflict.range.bounds);
  return new TransactionConflictError(
    `${whatHappened(conflict)} at seq ${seq}, after the transaction began at seq ${beganAt}. Nothing of it was written; run it again.`,
    { key, range, seq },
  );
}

function whatHappened({ key, range, rangeDelete }: Conflict): string {
  const where = range && `the range that was ${range.action} (${showRange(range.bounds)})`;
  if (rangeDelete !== undefined) {
    const what = key === undefined ? `overlapped ${where}` : `covered key ${showKey(key)}`;
    return `A range delete of ${showRange(boundsOf(rangeDelete))} ${what}`;
  }
  if (key === undefined) return `A load wrote to ${where}`;
  return `Key ${showKey(key)}${where === undefined ? "" : `, in ${where},`} was written`;
}

function toRange({ lower, lowerInclusive, upper, upperInclusive }: KeyBounds): ConflictRange {
  return {
    ...(lower && { [lowerInclusive ? "gte" : "gt"]: copyBytes(lower) }),
    ...(upper && { [upperInclusive ? "lte" : "lt"]: copyBytes(upper) }),
  };
}

const signs = { gt: ">", gte: ">=", lt: "<", lte: "<=" } as const;

function showRange(bounds: KeyBounds): string {
  const shown = Object.entries(toRange(bounds)) as [keyof typeof signs, Uint8Array][];
  if (shown.length === 0) return "all keys";
  return shown.map(([name, key]) => `${signs[name]} ${showKey(key)}`).join(", ");
}
