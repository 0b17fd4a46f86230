import fc from "fast-check";
import { expect, test } from "vitest";
import { compareBytes } from "../../../src/common/bytes.js";
import { isAboveLower, isBelowUpper, toKeyBounds } from "../../../src/common/key-range.js";
import { hashKey } from "../../../src/format/key-hash.js";
import { PrefixCursor } from "../../../src/format/prefix-cursor.js";
import {
  delimitedPrefix,
  fixedPrefix,
  hashPrefix,
  type PrefixExtractor,
  prefixLength,
  probeOfBounds,
  requirePrefixExtractor,
} from "../../../src/format/prefix-extractor.js";
import { extractors } from "../sst/row-model.js";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

const lengthOf = (extractor: PrefixExtractor, key: string): number =>
  prefixLength(extractor, encode(key), 0, encode(key).length);

test("a fixed prefix is that of keys that are long enough", () => {
  expect(["", "ab", "abc", "abcd"].map((key) => lengthOf(fixedPrefix(3), key))).toEqual([
    -1, -1, 3, 3,
  ]);
});

test("a delimited prefix goes up to the n-th delimiter, and with it", () => {
  const keys = ["", "a", ":", "a:b", "a:b:", "a:b:c:d"];
  expect(keys.map((key) => lengthOf(delimitedPrefix(":"), key))).toEqual([-1, -1, 1, 2, 2, 2]);
  expect(keys.map((key) => lengthOf(delimitedPrefix(":", 2), key))).toEqual([-1, -1, -1, -1, 4, 4]);
});

test("the names of extractors are stored, and stay", () => {
  expect([fixedPrefix(8).name, delimitedPrefix(":", 2).name]).toEqual([
    "moraine.fixed.8",
    "moraine.delimited.58.2",
  ]);
});

test("what cannot be an extractor is refused", () => {
  for (const count of [0, 257, 1.5, Number.NaN, "1"] as number[]) {
    expect(() => fixedPrefix(count)).toThrow("whole number from 1 to 256");
    expect(() => delimitedPrefix(":", count)).toThrow("whole number from 1 to 256");
  }
  for (const delimiter of ["", "::", "é", 58] as string[]) {
    expect(() => delimitedPrefix(delimiter)).toThrow("one character");
  }
  const extract = (): number => 1;
  const wrong = [null, 5, "x", extract, {}, { name: "x" }, { extract }, { name: "", extract }];
  for (const value of [...wrong, { name: "x".repeat(201), extract }, { name: "x", extract: 5 }]) {
    expect(() => requirePrefixExtractor(value)).toThrow('"prefixExtractor" must be');
  }
  expect(() => requirePrefixExtractor({ name: "x".repeat(200), extract })).not.toThrow();
});

test("prefixes have from 1 to 256 bytes, and are prefixes of themselves", () => {
  const always = (length: number): PrefixExtractor => ({ name: "x", extract: () => length });
  for (const length of [-1, 0, 257, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    expect(lengthOf(always(length), "k".repeat(300))).toBe(-1);
  }
  expect(lengthOf(always(256), "k".repeat(300))).toBe(256);
  expect(lengthOf({ name: "whole", extract: (key) => key.length }, "key")).toBe(1);
});

test("a prefix is not hashed as a key of the same bytes", () => {
  expect(hashPrefix(encode("a:"), 0, 2)).not.toBe(hashKey(encode("a:")));
  expect(hashPrefix(encode("xa:y"), 1, 3)).toBe(hashPrefix(encode("a:"), 0, 2));
});

test("bounds have a probe where all keys inside have the prefix of the lower one", () => {
  const has = (range: Parameters<typeof toKeyBounds>[0]): boolean =>
    probeOfBounds(delimitedPrefix(":"), toKeyBounds(range)) !== undefined;
  expect(has({ prefix: "a:" })).toBe(true);
  expect(has({ prefix: "a:b" })).toBe(true);
  expect(has({ gte: "a:1", lt: "a:5" })).toBe(true);
  expect(has({ gt: "a:1", lte: "a:5" })).toBe(true);
  expect(has({ gte: "a:1", lt: "a;" })).toBe(true);
  expect(has({ gte: "a:1", lte: "a;" })).toBe(false);
  expect(has({ gte: "a:1", lt: "b:5" })).toBe(false);
  expect(has({ gte: "a:1" })).toBe(false);
  expect(has({ prefix: "a" })).toBe(false);
  expect(has({ lt: "a:5" })).toBe(false);
  expect(has({})).toBe(false);
  const ends = Uint8Array.of(255, 255);
  expect(probeOfBounds(fixedPrefix(2), toKeyBounds({ gte: ends }))).toBeDefined();
});

test("an extractor that throws has no probe", () => {
  const extract = (): number => {
    throw new Error("an extractor");
  };
  expect(probeOfBounds({ name: "x", extract }, toKeyBounds({ prefix: "a" }))).toBeUndefined();
});

const keys = fc
  .array(fc.constantFrom(0, 1, 58, 255), { maxLength: 6 })
  .map((b) => Uint8Array.from(b));

test("every key inside bounds that have a probe has its prefix, whatever the extractor", () => {
  let probes = 0;
  fc.assert(
    fc.property(extractors, keys, fc.nat(6), keys, (extractor, lower, shared, end) => {
      const bounds = toKeyBounds({ prefix: lower });
      const probe = probeOfBounds(extractor, bounds);
      const key = Uint8Array.of(...lower.subarray(0, Math.max(shared, lower.length - 1)), ...end);
      if (probe === undefined || !isAboveLower(bounds, key, 0, key.length)) return;
      if (!isBelowUpper(bounds, key, 0, key.length)) return;
      probes++;
      expect(hashPrefix(key, 0, prefixLength(extractor, key, 0, key.length))).toBe(probe.hash);
    }),
    { numRuns: 5000 },
  );
  expect(probes).toBeGreaterThan(100);
});

test("the cursor finds the prefix of each key, and asks about no beginning twice in a row", () => {
  fc.assert(
    fc.property(extractors, fc.array(keys, { maxLength: 30 }), (extractor, unsorted) => {
      const asked: string[] = [];
      const cursor = new PrefixCursor({
        name: extractor.name,
        extract: (key) => {
          asked.push(key.join());
          return extractor.extract(key);
        },
      });
      let before: Uint8Array = new Uint8Array(0);
      for (const key of unsorted.sort(compareBytes)) {
        let shared = 0;
        while (shared < Math.min(before.length, key.length) && before[shared] === key[shared])
          shared++;
        cursor.next(key, 0, key.length, shared);
        expect(cursor.length).toBe(prefixLength(extractor, key, 0, key.length));
        before = key;
      }
      expect(new Set(asked).size).toBe(asked.length);
    }),
    { numRuns: 1000 },
  );
});
