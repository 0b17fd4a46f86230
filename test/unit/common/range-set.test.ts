/** `RangeSet`: the same keys as the ranges that it was made of, in ranges that do not overlap. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { encodeUtf8 } from "../../../src/common/bytes.js";
import { isAboveLower, isBelowUpper, type KeyBounds } from "../../../src/common/key-range.js";
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
    fc.asyncProperty(fc.array(range, { maxLength: 6 }), key, async (ranges, one) => {
      const set = new RangeSet(ranges);
      const shifted = Uint8Array.of(7, ...one, 7);
      expect(set.has(shifted, 1, shifted.length - 1)).toBe(ranges.some((r) => holds(r, one)));
      expect(set.ranges.filter((r) => holds(r, one)).length).toBeLessThanOrEqual(1);
    }),
    { numRuns: 2000 },
  );
});
