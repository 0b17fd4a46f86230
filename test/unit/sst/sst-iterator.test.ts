import fc from "fast-check";
import { expect, test } from "vitest";
import { compareBytes } from "../../../src/common/bytes.js";
import { allKeys, type KeyBounds, toKeyBounds } from "../../../src/common/key-range.js";
import { BlockCache } from "../../../src/sst/block-cache.js";
import { SstIterator } from "../../../src/sst/sst-iterator.js";
import { expectEqual } from "../../support/expect-equal.js";
import { sampled } from "../../support/run-counts.js";
import { drain, inBounds, plainRow, probeKeys, sizes, sortedRows, storeSst } from "./row-model.js";

const bytes3 = fc.option(
  fc
    .array(fc.constantFrom(0, 1, 2, 3, 7, 97, 254, 255), { maxLength: 3 })
    .map((b) => Uint8Array.from(b)),
  { nil: undefined },
);
const randomBounds: fc.Arbitrary<KeyBounds> = fc.record({
  lower: bytes3,
  lowerInclusive: fc.boolean(),
  upper: bytes3,
  upperInclusive: fc.boolean(),
});

test("rows inside any bounds come as in a sorted array, in both directions, whatever the windows and the cache", async () => {
  await fc.assert(
    fc.asyncProperty(
      sortedRows,
      sizes,
      randomBounds,
      fc.boolean(),
      fc.constantFrom(1, 300, 64 * 1024),
      fc.constantFrom(0, 3000, 1 << 20),
      fc.constantFrom({ smallSstBytes: 0 }, { smallSstBytes: 64 * 1024 }, { tailBytesMax: 0 }),
      async (rows, size, bounds, reverse, readAheadBytes, cacheBytes, tableOptions) => {
        const cache = new BlockCache(cacheBytes);
        const { tables, info } = await storeSst(rows, size, { cache, ...tableOptions });
        const expected = inBounds(rows, bounds);
        if (reverse) expected.reverse();
        for (let round = 0; round < 2; round++) {
          const iterator = new SstIterator({ tables, info, bounds, reverse, readAheadBytes });
          expectEqual(await drain(iterator), expected);
        }
      },
    ),
    { numRuns: sampled(400) },
  );
});

test("a seek, both ways from anywhere, continues from the first row at or after the key inside the bounds", async () => {
  await fc.assert(
    fc.asyncProperty(
      sortedRows,
      sizes,
      randomBounds,
      fc.boolean(),
      fc.array(fc.tuple(fc.nat(), fc.nat(3)), { maxLength: 8 }),
      fc.constantFrom(0, undefined),
      async (rows, size, bounds, reverse, seeks, tailBytesMax) => {
        const { tables, info } = await storeSst(rows, size, { tailBytesMax });
        const inside = inBounds(rows, bounds);
        if (reverse) inside.reverse();
        const iterator = new SstIterator({ tables, info, bounds, reverse, readAheadBytes: 200 });
        const probes = probeKeys(rows);
        for (const [which, count] of seeks) {
          const key = probes[which % probes.length]!;
          iterator.seek(key);
          const expected = inside.filter((row) =>
            reverse ? compareBytes(row.key, key) <= 0 : compareBytes(row.key, key) >= 0,
          );
          expectEqual(await drain(iterator, count), expected.slice(0, count));
        }
      },
    ),
    { numRuns: sampled(300) },
  );
});

const many = Array.from({ length: 5000 }, (_, i) =>
  plainRow(`key ${String(i).padStart(6, "0")}`, i + 1),
);

test("a scan opens the table and then fetches doubling windows that end where the bounds end", async () => {
  const { store, tables, info } = await storeSst(many);
  const bounds = toKeyBounds({ gte: "key 001000", lt: "key 004000" });
  const iterator = new SstIterator({
    tables,
    info,
    bounds,
    readAheadBytes: 10_000,
    readAheadBytesMax: 40_000,
  });
  expectEqual(await drain(iterator), many.slice(1000, 4000));
  const lengths = store.gets.map((range) => Number(range.split("+")[1]));
  expect(store.gets[0]).toBe(`${info.metaOffset}+${info.size - info.metaOffset}`);
  expect(lengths.slice(1, 4).every((length, i) => length <= 10_000 * 2 ** i)).toBe(true);
  expect(lengths[2]).toBeGreaterThan(15_000);
  expect(lengths.slice(1).reduce((sum, length) => sum + length, 0)).toBeLessThan(
    info.metaOffset * 0.7,
  );
  await drain(new SstIterator({ tables, info, bounds }));
  expect(store.gets.length).toBe(lengths.length);
});

test("windows begin with one block where less is asked for, and double from there", async () => {
  for (const readAheadBytes of [0, 1]) {
    const { store, tables, info } = await storeSst(many, {}, { cache: new BlockCache(0) });
    const iterator = new SstIterator({ tables, info, bounds: allKeys, readAheadBytes });
    expectEqual(await drain(iterator), many);
    const lengths = store.gets.map((range) => Number(range.split("+")[1]));
    expect(lengths[1]).toBeLessThan(6000);
    expect(lengths.length).toBeLessThan(10);
  }
});

test("a window passes over a cached block, and ends where many are cached", async () => {
  const { store, tables, info } = await storeSst(many);
  const scan = async (gte: string, lt: string, readAheadBytes = 64 * 1024): Promise<number> => {
    const before = store.gets.length;
    const bounds = toKeyBounds({ gte, lt });
    await drain(new SstIterator({ tables, info, bounds, readAheadBytes }));
    return store.gets.length - before;
  };
  await scan("key 002500", "key 002501");
  expect(await scan("key 001500", "key 003500", 1 << 20)).toBe(1);
  expect(await scan("key 000500", "key 004500", 1 << 20)).toBe(2);
  expect(await scan("key 000500", "key 004500")).toBe(0);
});

test("two scans at once share their requests", async () => {
  const { store, tables, info } = await storeSst(many);
  const scan = () =>
    drain(
      new SstIterator({ tables, info, bounds: allKeys, reverse: true, readAheadBytes: 1 << 20 }),
    );
  const [a, b] = await Promise.all([scan(), scan()]);
  expectEqual(a, [...many].reverse());
  expectEqual(b, a);
  expect(store.gets.length).toBe(2);
});

test("bounds that hold nothing of the SST make no request", async () => {
  const { store, tables, info } = await storeSst(many);
  for (const bounds of [
    toKeyBounds({ lt: "a" }),
    toKeyBounds({ gt: "z" }),
    toKeyBounds({ gte: "key 2", lt: "key 1" }),
  ]) {
    expectEqual(await drain(new SstIterator({ tables, info, bounds })), []);
  }
  expectEqual(store.gets, []);
});

test("a closed iterator ends, also after a seek, and an aborted fill can be repeated", async () => {
  const { tables, info } = await storeSst(many);
  const iterator = new SstIterator({ tables, info, bounds: allKeys });
  expect(iterator.step()).toBe(2);
  await expect(iterator.fill(AbortSignal.abort(new Error("enough")))).rejects.toThrow("enough");
  expectEqual((await drain(iterator, 1))[0], many[0]);
  iterator.close();
  iterator.seek(many[3]!.key);
  expect(iterator.step()).toBe(0);
});
