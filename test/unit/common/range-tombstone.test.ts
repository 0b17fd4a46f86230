/** `toHalfOpen`: every form of a range as one from a first key up to, but without, another. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { compareBytes, encodeUtf8, keyBytesMax } from "../../../src/common/bytes.js";
import {
  allKeys,
  isAboveLower,
  isBelowUpper,
  type KeyBounds,
  type KeyRange,
  toKeyBounds,
} from "../../../src/common/key-range.js";
import { type HalfOpenRange, toHalfOpen } from "../../../src/common/range-tombstone.js";
import { expectEqual } from "../../support/expect-equal.js";

const alphabet = [0, 1, 255];
const short = fc.array(fc.constantFrom(...alphabet), { maxLength: 3 });
/** The longest keys differ at their end only; one more byte is none of theirs. */
const longest = (lead: number, tail: readonly number[]): Uint8Array => {
  const key = new Uint8Array(keyBytesMax).fill(lead);
  key.set(tail, keyBytesMax - tail.length);
  return key;
};
const key = fc.oneof(
  { weight: 6, arbitrary: short.map((bytes) => Uint8Array.from(bytes)) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom(...alphabet), short)
      .map(([lead, tail]) => longest(lead, tail)),
  },
);
const bound = fc.option(key, { nil: undefined, freq: 3 });
const range: fc.Arbitrary<KeyRange> = fc
  .record({ lower: bound, above: fc.boolean(), upper: bound, below: fc.boolean(), prefix: bound })
  .map(({ lower, above, upper, below, prefix }) => ({
    ...(above ? { gt: lower } : { gte: lower }),
    ...(below ? { lt: upper } : { lte: upper }),
    prefix,
  }));

const inside = (bounds: KeyBounds, at: Uint8Array): boolean =>
  isAboveLower(bounds, at, 0, at.length) && isBelowUpper(bounds, at, 0, at.length);
const within = (range: HalfOpenRange | undefined, at: Uint8Array): boolean =>
  range !== undefined &&
  compareBytes(range.start, at) <= 0 &&
  (range.end === undefined || compareBytes(at, range.end) < 0);
const halfOpen = (range: KeyRange): HalfOpenRange | undefined => toHalfOpen(toKeyBounds(range));

test("a key is inside the bounds exactly when it is not before the start and before the end", async () => {
  await fc.assert(
    fc.asyncProperty(range, fc.array(key, { minLength: 1 }), async (range, keys) => {
      const bounds = toKeyBounds(range);
      const result = toHalfOpen(bounds);
      const given = [range.gt, range.gte, range.lt, range.lte, range.prefix];
      const near = given.filter((at) => at instanceof Uint8Array);
      for (const at of [...keys, ...near]) {
        // Without `expect`: it would spell out the longest keys.
        if (within(result, at) !== inside(bounds, at)) throw new Error(`${at.length} bytes`);
      }
    }),
    { numRuns: 2000 },
  );
});

test("what it gives is not empty, and its ends are keys of a legal length", async () => {
  await fc.assert(
    fc.asyncProperty(range, async (range) => {
      const result = halfOpen(range);
      if (result === undefined) return;
      const { start, end } = result;
      expect(start.length).toBeLessThanOrEqual(keyBytesMax);
      if (end === undefined) return;
      expect(end.length).toBeLessThanOrEqual(keyBytesMax);
      expect(compareBytes(start, end)).toBeLessThan(0);
    }),
    { numRuns: 1000 },
  );
});

test("every form has its half-open one", () => {
  const at = encodeUtf8;
  expectEqual(toHalfOpen(allKeys), { start: at(""), end: undefined });
  expectEqual(halfOpen({ gte: "b", lt: "d" }), { start: at("b"), end: at("d") });
  expectEqual(halfOpen({ gt: "b", lte: "d" }), { start: at("b\0"), end: at("d\0") });
  expectEqual(halfOpen({ prefix: "b" }), { start: at("b"), end: at("c") });
  expectEqual(halfOpen({ prefix: "b", gt: "bb", lte: "z" }), {
    start: at("bb\0"),
    end: at("c"),
  });
  expectEqual(halfOpen({ gte: "b", lte: "b" }), { start: at("b"), end: at("b\0") });
  expectEqual(halfOpen({ prefix: Uint8Array.of(255, 255) }), {
    start: Uint8Array.of(255, 255),
    end: undefined,
  });
});

test("a range without keys has none", () => {
  expect(halfOpen({ gte: "d", lt: "b" })).toBeUndefined();
  expect(halfOpen({ gte: "b", lt: "b" })).toBeUndefined();
  expect(halfOpen({ gt: "b", lte: "b" })).toBeUndefined();
  expect(halfOpen({ gt: "b", lt: "b\0" })).toBeUndefined();
  expect(halfOpen({ lt: "" })).toBeUndefined();
  expect(halfOpen({ prefix: "b", gte: "c" })).toBeUndefined();
});

test("behind a key of the greatest length comes its successor, and behind the greatest key none", () => {
  const one = longest(1, [1, 255]);
  const next = Uint8Array.from(one.subarray(0, keyBytesMax - 1));
  next[keyBytesMax - 2] = 2;
  const greatest = longest(255, []);
  const same = (a: Uint8Array | undefined, b: Uint8Array): boolean =>
    a !== undefined && compareBytes(a, b) === 0;
  expect(same(halfOpen({ gt: one })?.start, next)).toBe(true);
  expect(same(halfOpen({ lte: one })?.end, next)).toBe(true);
  expect(halfOpen({ gt: greatest })).toBeUndefined();
  expectEqual(halfOpen({ lte: greatest }), { start: new Uint8Array(0), end: undefined });
  expect(same(halfOpen({ gte: greatest })?.start, greatest)).toBe(true);
  expect(halfOpen({ gte: greatest })?.end).toBeUndefined();
});
