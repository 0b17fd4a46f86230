/** Which range deletes meet what a transaction depends on, against a look at every key there can be. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { encodeUtf8 } from "../../../src/common/bytes.js";
import { type KeyBounds, toKeyBounds } from "../../../src/common/key-range.js";
import { type HalfOpenRange, toHalfOpen } from "../../../src/common/range-tombstone.js";
import { conflictError } from "../../../src/db/conflict.js";
import { Footprint } from "../../../src/db/footprint.js";
import type { KeyRange } from "../../../src/index.js";
import { isWithin } from "../../model/model.js";
import { text } from "./support.js";

const letters = ["a", "b", "c", "d", "e"];
/** Of two ranges that meet and whose bounds are letters, one of these is in both. */
const probes = ["", ...letters, ...letters.map((letter) => `${letter}\0`)].sort();
const key = fc.constantFrom(...letters);
const bound = (...names: string[]) =>
  fc.option(fc.tuple(fc.constantFrom(...names), key), { nil: undefined });
const range: fc.Arbitrary<KeyRange> = fc
  .tuple(bound("gt", "gte"), bound("lt", "lte"))
  .map(([lower, upper]) => Object.fromEntries([lower, upper].filter((one) => one !== undefined)));

const has = (one: KeyRange, name: string): boolean => isWithin(encodeUtf8(name), one);
const halfOpen = (one: KeyRange): HalfOpenRange | undefined => toHalfOpen(toKeyBounds(one));

test("a range delete conflicts when a key or a range is in it, and the error names one that is", () => {
  void fc.assert(
    fc.property(
      fc.array(key, { maxLength: 3 }),
      fc.array(range, { maxLength: 3 }),
      fc.array(range, { maxLength: 2 }),
      fc.array(range, { minLength: 1, maxLength: 4 }),
      (keys, read, deleted, others) => {
        const footprint = new Footprint(
          keys.map(encodeUtf8),
          read.map((one): KeyBounds => toKeyBounds(one)),
          deleted.map(halfOpen).filter((one) => one !== undefined),
        );
        for (const other of others) {
          const target = halfOpen(other);
          if (target === undefined) continue;
          const inside = probes.filter((name) => has(other, name));
          const [expectedKey] = keys.filter((name) => inside.includes(name)).sort();
          const meeting = (one: KeyRange): boolean => inside.some((name) => has(one, name));
          const conflict = footprint.conflictWith({ ...target, seq: 9 });
          if (expectedKey !== undefined) {
            expect(text(conflict?.key)).toBe(expectedKey);
            expect(conflict).toMatchObject({ range: undefined, seq: 9 });
          } else if ([...read, ...deleted].some(meeting)) {
            expect(conflict?.key).toBeUndefined();
            const { bounds, action } = conflict!.range!;
            const named = action === "read" ? read : deleted;
            expect(named.filter(meeting).map((one) => halfOpen(one))).toContainEqual(
              toHalfOpen(bounds),
            );
          } else expect(conflict).toBeUndefined();
          if (conflict !== undefined) {
            expect(conflictError(conflict, 3).message).toMatch(/^A range delete of .* at seq 9,/);
          }
        }
      },
    ),
    { numRuns: 2000 },
  );
});
