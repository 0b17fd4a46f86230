/** `RangeSet`: the same keys as the ranges that it was made of, in ranges that do not overlap. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { compareBytes, encodeUtf8 } from "../../../src/common/bytes.js";
import {
  isAboveLower,
  isBelowUpper,
  isEmpty,
  type KeyBounds,
  overlaps,
} from "../../../src/common/key-range.js";
import { RangeSet } from "../../../src/common/range-set.js";

const key = fc.constantFrom("", "a", "aa", "b", "bb", "c", "d").map(encodeUtf8);
const bound = fc.option(key, { nil: undefined });
const range: fc.Arbitrary<KeyBounds> = fc.record({
  lower: bound,
  lowerInclusive: fc.boolean(),
  upper: bound,
  upperInclusive: fc.boolean(),
});
const holds = (bounds: KeyBounds, at: Uint8Array): boolean =>
  isAboveLower(bounds, at, 0, at.length) && isBelowUpper(bounds, at, 0, at.length);

test("it holds the keys of its ranges, each in one", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(range, { maxLength: 6 }), key, key, async (ranges, one, other) => {
      const set = new RangeSet(ranges);
      const shifted = Uint8Array.of(7, ...one, 7);
      expect(set.has(shifted, 1, shifted.length - 1)).toBe(ranges.some((r) => holds(r, one)));
      expect(set.ranges.filter((r) => holds(r, one)).length).toBeLessThanOrEqual(1);
      const [first, last] = [one, other].sort(compareBytes) as [Uint8Array, Uint8Array];
      const isMet = ranges.some((r) => !isEmpty(r) && overlaps(r, first, last));
      expect(set.overlapping(first, last) !== undefined).toBe(isMet);
    }),
    { numRuns: 2000 },
  );
});
