import fc from "fast-check";
import { expect, test } from "vitest";
import { hashKey } from "../../../src/format/key-hash.js";
import { readFilter } from "../../../src/format/read-filter.js";
import { RibbonFilterBuilder } from "../../../src/format/ribbon-filter-builder.js";
import { FilterKind } from "../../../src/format/sst.js";
import { expectEqual } from "../../support/expect-equal.js";
import { sampled } from "../../support/run-counts.js";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

function build(hashes: Iterable<number>, bitsPerKey = 10): Uint8Array {
  const builder = new RibbonFilterBuilder(bitsPerKey);
  for (const hash of hashes) builder.add(hash);
  return builder.finish();
}

const hashesOf = (count: number, from = 0): number[] =>
  Array.from({ length: count }, (_, i) => hashKey(encode(`user:${from + i}`)));

/** Of absent keys, in per cent, over as many filters of `count` keys as make it certain. */
function falsePositives(count: number, bitsPerKey: number): number {
  const filterCount = Math.max(1, Math.min(500, Math.floor(20_000 / count)));
  const probeCount = Math.ceil(200_000 / filterCount);
  let wrong = 0;
  for (let f = 0; f < filterCount; f++) {
    const hashes = hashesOf(count, f * count);
    const filter = readFilter(build(hashes, bitsPerKey), "sst/x.sst", 0);
    for (const hash of hashes) if (!filter.mayContain(hash)) throw new Error("a false negative");
    for (let i = 0; i < probeCount; i++) {
      if (filter.mayContain(hashKey(encode(`other:${f}:${i}`)))) wrong++;
    }
  }
  return (wrong / (filterCount * probeCount)) * 100;
}

test.each([1, 2, 10, 1000, 100_000])(
  "of %i keys all pass, and of absent ones as few as the result bits say",
  (count) => {
    expect(falsePositives(count, 10)).toBeGreaterThan(0.65);
    expect(falsePositives(count, 10)).toBeLessThan(0.9);
    expect(falsePositives(count, 12)).toBeLessThan(0.47);
  },
);

test("a large filter takes less than eight bits for a key, and ten of a Bloom filter", () => {
  for (const count of [2000, 10_000, 100_000]) {
    expect((build(hashesOf(count)).length * 8) / count).toBeLessThan(8);
  }
  expect(build(hashesOf(1)).length).toBe(38);
});

test("no key that was added is ever denied, whatever the bits and the hashes, equal ones among them", () => {
  const hash = fc.oneof(fc.nat(5), fc.nat({ max: 0xffff_ffff }), fc.constant(0xffff_ffff));
  fc.assert(
    fc.property(
      fc.array(hash, { maxLength: 3000, size: "max" }),
      fc.constantFrom(0.1, 1, 5, 10, 20, 32),
      (hashes, bitsPerKey) => {
        const payload = build(hashes, bitsPerKey);
        expect(payload[0]).toBe(FilterKind.ribbon);
        expectEqual(build(hashes, bitsPerKey), payload);
        const filter = readFilter(payload, "sst/x.sst", 0);
        expect(hashes.every((one) => filter.mayContain(one))).toBe(true);
      },
    ),
    { numRuns: sampled(200) },
  );
});

test("a builder begins anew after each filter", () => {
  const builder = new RibbonFilterBuilder(10);
  for (const hash of hashesOf(5000)) builder.add(hash);
  const first = builder.finish();
  for (const hash of hashesOf(300, 7000)) builder.add(hash);
  expectEqual(builder.finish(), build(hashesOf(300, 7000)));
  for (const hash of hashesOf(5000)) builder.add(hash);
  expectEqual(builder.finish(), first);
});

test("keys that were chosen by their hashes, all of one shard, get a Bloom filter instead", () => {
  const hashes = Array.from({ length: 20_000 }, (_, i) => i);
  const payload = build(hashes);
  expect(payload[0]).toBe(FilterKind.blockedBloom);
  const filter = readFilter(payload, "sst/x.sst", 0);
  expect(hashes.every((hash) => filter.mayContain(hash))).toBe(true);
});

test("an empty filter can be read", () => {
  const filter = readFilter(build([]), "sst/x.sst", 0);
  expect(typeof filter.mayContain(5)).toBe("boolean");
});

test("whatever the bytes are, reading them gives a filter or says corruption, without much memory", () => {
  const sound = build(hashesOf(100));
  const read = (payload: Uint8Array): void => {
    try {
      const filter = readFilter(payload, "sst/x.sst", 9);
      for (let i = 0; i < 100; i++) filter.mayContain(Math.imul(i, 0x9e37_79b9) >>> 0);
    } catch (error) {
      expect(error).toMatchObject({ kind: "corruption", object: "sst/x.sst" });
    }
  };
  for (let length = 1; length < sound.length; length++) {
    expect(() => readFilter(sound.subarray(0, length), "sst/x.sst", 0)).toThrow("a ribbon filter");
  }
  for (let at = 1; at < 10; at++) {
    for (let value = 0; value < 256; value++) read(Uint8Array.from(sound).fill(value, at, at + 1));
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) =>
      read(Uint8Array.of(FilterKind.ribbon, ...bytes)),
    ),
    { numRuns: sampled(2000) },
  );
  const zeroBits = Uint8Array.from(sound).fill(0, 1, 2);
  expect(() => readFilter(zeroBits, "sst/x.sst", 0)).toThrow("has 0 result bits");
});
