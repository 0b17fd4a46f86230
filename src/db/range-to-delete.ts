/** What `deleteRange` and `deletePrefix` take, checked and brought to the form in which it is stored. */
import { type KeyLike, toKeyBytes } from "../common/bytes.js";
import { InvalidArgumentError } from "../common/errors.js";
import {
  allKeys,
  type KeyRange,
  keyRangeNames,
  requireRangeObject,
  toKeyBounds,
} from "../common/key-range.js";
import { checkOptions } from "../common/options.js";
import { type HalfOpenRange, toHalfOpen } from "../common/range-tombstone.js";

/**
 * A range with a bound at least, or every key, which has to be said. A bound that is not meant is left out: one that is undefined is refused, because by
 * mistake it would delete up to the first or the last key.
 */
export type RangeToDelete = KeyRange | { all: true };

const rangeNames = [...keyRangeNames, "all"];

/** undefined: no key can be in it. Its arrays are private copies. Throws `InvalidArgumentError`. */
export function rangeToDelete(range: RangeToDelete): HalfOpenRange | undefined {
  requireRangeObject(range);
  checkOptions(range, rangeNames, "A range to delete");
  const { all, ...bounds }: Record<string, unknown> = { ...range };
  for (const [name, bound] of Object.entries(bounds)) {
    if (bound !== undefined) continue;
    throw new InvalidArgumentError(
      `The bound "${name}" of the range to delete is undefined. Where no such bound is meant, leave it out.`,
    );
  }
  const hasBounds = Object.keys(bounds).length > 0;
  if (all !== undefined) {
    if (all !== true) {
      throw new InvalidArgumentError(
        '"all" must be true. For a part of the keys give bounds instead.',
      );
    }
    if (hasBounds) {
      throw new InvalidArgumentError('A range to delete takes bounds or "all", not both.');
    }
    return toHalfOpen(allKeys);
  }
  if (!hasBounds) {
    throw new InvalidArgumentError(
      "The range to delete has no bound. To delete every key pass { all: true }.",
    );
  }
  const { prefix } = bounds as KeyRange;
  if (prefix !== undefined) requirePrefix(prefix);
  return toHalfOpen(toKeyBounds(bounds));
}

/** Its arrays are private copies. Throws `InvalidArgumentError`, also for undefined: that would be no bound. */
export function prefixToDelete(prefix: KeyLike): HalfOpenRange | undefined {
  requirePrefix(prefix);
  return toHalfOpen(toKeyBounds({ prefix }));
}

function requirePrefix(prefix: KeyLike): void {
  if (toKeyBytes(prefix, "prefix").length === 0) {
    throw new InvalidArgumentError(
      "The prefix to delete is empty. To delete every key use deleteRange({ all: true }).",
    );
  }
}
