/** `Conflict`: a write that a transaction does not go together with, and the error that tells of it. */
import { type Bytes, copyBytes } from "../common/bytes.js";
import { type ConflictRange, TransactionConflictError } from "../common/errors.js";
import { isAboveLower, isBelowUpper, type KeyBounds } from "../common/key-range.js";
import { showKey } from "../common/show-key.js";

export interface Conflict {
  /** The key that was written; undefined where a load covers a range that was read. */
  readonly key: Uint8Array | undefined;
  /** The range that was read, when it is one. */
  readonly range: KeyBounds | undefined;
  /** The seq of the write. */
  readonly seq: number;
}

/** The range of those that `key` is in. */
export function rangeOf(ranges: readonly KeyBounds[], key: Uint8Array): KeyBounds | undefined {
  return ranges.find(
    (range) => isAboveLower(range, key, 0, key.length) && isBelowUpper(range, key, 0, key.length),
  );
}

/** `beganAt` is the seq that the transaction reads. */
export function conflictError(conflict: Conflict, beganAt: number): TransactionConflictError {
  const { seq } = conflict;
  const key: Bytes | undefined = conflict.key && copyBytes(conflict.key);
  const range = conflict.range && toRange(conflict.range);
  const what = key === undefined ? "" : `Key ${showKey(key)}`;
  const where = range === undefined ? "" : `the range that was read (${showRange(range)})`;
  const written =
    key === undefined
      ? `A load wrote to ${where}`
      : `${what}${where === "" ? "" : `, in ${where},`} was written`;
  return new TransactionConflictError(
    `${written} at seq ${seq}, after the transaction began at seq ${beganAt}. Nothing of it was written; run it again.`,
    { key, range, seq },
  );
}

function toRange({ lower, lowerInclusive, upper, upperInclusive }: KeyBounds): ConflictRange {
  return {
    ...(lower && { [lowerInclusive ? "gte" : "gt"]: copyBytes(lower) }),
    ...(upper && { [upperInclusive ? "lte" : "lt"]: copyBytes(upper) }),
  };
}

const signs = { gt: ">", gte: ">=", lt: "<", lte: "<=" } as const;

function showRange(range: ConflictRange): string {
  const bounds = Object.entries(range) as [keyof typeof signs, Uint8Array][];
  if (bounds.length === 0) return "all keys";
  return bounds.map(([name, key]) => `${signs[name]} ${showKey(key)}`).join(", ");
}
