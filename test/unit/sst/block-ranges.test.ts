import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type BlockMap,
  gapBytesMax,
  mergedBytesMax,
  planRanges,
} from "../../../src/sst/block-ranges.js";
import { expectEqual } from "../../support/expect-equal.js";

const KiB = 1024;

/** Blocks of 4 KiB, one behind the other. */
function blocks(count: number, cached: number[] = [], fetching: number[] = []): BlockMap {
  return {
    blockOffset: (number) => number * 4 * KiB,
    blockBytes: () => 4 * KiB,
    knowsBlock: (number) => number >= 0 && number < count,
    hasBlock: (number) => cached.includes(number),
    isFetching: (number) => fetching.includes(number),
  };
}

const pairs = (ranges: readonly { first: number; last: number }[]): number[][] =>
  ranges.map(({ first, last }) => [first, last]);

test("blocks up to 32 KiB apart share a request, others do not", () => {
  expectEqual(pairs(planRanges([0, 9, 19], blocks(100), 0)), [
    [0, 9],
    [19, 19],
  ]);
});

test("a window is aligned, and leaves out cached blocks at its ends and all behind a block that is being fetched", () => {
  expectEqual(pairs(planRanges([20], blocks(100), 64 * KiB)), [[16, 31]]);
  expectEqual(pairs(planRanges([20], blocks(100, [16, 17, 22, 31]), 64 * KiB)), [[18, 30]]);
  expectEqual(pairs(planRanges([20], blocks(100, [], [18, 25]), 64 * KiB)), [[19, 24]]);
  expectEqual(pairs(planRanges([20], blocks(22), 64 * KiB)), [[16, 21]]);
});

test("every wanted block is in one range, ranges rise, hold nothing that is being fetched, and are no larger than allowed", () => {
  const numbers = fc.uniqueArray(fc.nat(2999), { maxLength: 60 });
  fc.assert(
    fc.property(
      ...[numbers, numbers, numbers],
      fc.constantFrom(0, 16 * KiB, 100 * KiB, 768 * KiB),
      (some, cached, fetching, windowBytes) => {
        const wanted = some.filter((n) => !fetching.includes(n)).sort((a, b) => a - b);
        const ranges = planRanges(wanted, blocks(3000, cached, fetching), windowBytes);
        for (const n of wanted) {
          expect(ranges.filter(({ first, last }) => first <= n && n <= last)).toHaveLength(1);
        }
        let before = -1;
        for (const { first, last } of ranges) {
          expect(first).toBeGreaterThan(before);
          expect(fetching.some((n) => first <= n && n <= last)).toBe(false);
          const bytes = (last - first + 1) * 4 * KiB;
          expect(bytes).toBeLessThanOrEqual(Math.max(mergedBytesMax, windowBytes));
          if (windowBytes === 0) {
            const gaps = wanted.filter((n) => first <= n && n <= last);
            gaps.forEach((n, i) => {
              if (i > 0) expect((n - gaps[i - 1]! - 1) * 4 * KiB).toBeLessThanOrEqual(gapBytesMax);
            });
          }
          before = last;
        }
      },
    ),
    { numRuns: 300 },
  );
});
