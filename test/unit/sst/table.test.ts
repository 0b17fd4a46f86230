import fc from "fast-check";
import { expect, test } from "vitest";
import { compareBytes } from "../../../src/common/bytes.js";
import { RowRef } from "../../../src/common/row.js";
import { hashKey } from "../../../src/format/key-hash.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import { BlockCache } from "../../../src/sst/block-cache.js";
import { Lookup } from "../../../src/sst/lookup.js";
import { expectEqual } from "../../support/expect-equal.js";
import { sampled } from "../../support/run-counts.js";
import { plainRow, probeKeys, sizes, sortedRows, sstId, storeSst, toPlain } from "./row-model.js";

const newest = Number.MAX_SAFE_INTEGER;
const many = Array.from({ length: 3000 }, (_, i) =>
  plainRow(`key ${String(i).padStart(6, "0")}`, i + 1),
);

test("get answers as a sorted array does, at every seq, with and without waiting, whatever is cached", async () => {
  await fc.assert(
    fc.asyncProperty(
      sortedRows,
      sizes,
      fc.constantFrom(0, 2000, 1 << 20),
      fc.constantFrom(0, 64 * 1024),
      fc.constantFrom(0, undefined),
      async (rows, size, cacheBytes, smallSstBytes, tailBytesMax) => {
        const cache = new BlockCache(cacheBytes);
        const { tables, info } = await storeSst(rows, size, { cache, smallSstBytes, tailBytesMax });
        const table = await tables.open(info);
        const row = new RowRef();
        const probes = probeKeys(rows).slice(0, 60);
        for (const [i, key] of probes.entries()) {
          const other = rows[(i * 7) % rows.length]!.seq;
          for (const seq of [newest, other, Math.max(0, other - 1)]) {
            const expected = rows.find((r) => compareBytes(r.key, key) === 0 && r.seq <= seq);
            const hash = hashKey(key);
            const tried = table.tryGet(key, hash, seq, row);
            if (tried === Lookup.hit) expectEqual(toPlain(row), expected);
            if (tried === Lookup.miss) expect(expected).toBeUndefined();
            const found = await table.get(key, hash, seq, row);
            expectEqual(found ? toPlain(row) : undefined, expected);
            if (expected) expect(table.mayContain(key, hash)).toBe(true);
          }
        }
      },
    ),
    { numRuns: sampled(150) },
  );
});

test("a cold get is one request for the tail and one for the block, and none when it is repeated", async () => {
  const { store, tables, info, cache } = await storeSst(many);
  const row = new RowRef();
  const { key } = many[1234]!;
  expect(tables.getIfOpen(info)).toBeUndefined();
  const table = await tables.open(info);
  expect(table.tryGet(key, hashKey(key), newest, row)).toBe(Lookup.pending);
  expect(await table.get(key, hashKey(key), newest, row)).toBe(true);
  expect(table.tryGet(key, hashKey(key), newest, row)).toBe(Lookup.hit);
  expectEqual(toPlain(row), many[1234]);
  expect(store.gets.length).toBe(2);
  expect(cache.stats().data).toMatchObject({ misses: 1, hits: 1, count: 1, hitRatio: 0.5 });
});

test("a small SST is one request, and none for its blocks even without a cache", async () => {
  const { store, tables, info } = await storeSst(
    many.slice(0, 500),
    {},
    { smallSstBytes: 64 * 1024, cache: new BlockCache(0) },
  );
  const table = await tables.open(info);
  const row = new RowRef();
  for (const { key } of many.slice(0, 500))
    expect(table.tryGet(key, hashKey(key), newest, row)).toBe(Lookup.hit);
  expectEqual(store.gets, ["whole"]);
});

test("absent keys make no request, but for the few that the filter lets pass", async () => {
  const { store, tables, info } = await storeSst(many);
  const table = await tables.open(info);
  for (let i = 0; i < 1000; i++) {
    const key = new TextEncoder().encode(`key ${String(i).padStart(6, "0")}x`);
    expect(await table.get(key, hashKey(key), newest, new RowRef())).toBe(false);
  }
  expect(store.gets.length).toBeLessThan(30);
});

test("misses on one block at the same time share a request; an abort ends only its own waiting", async () => {
  const { store, tables, info } = await storeSst(many);
  const table = await tables.open(info);
  const { key } = many[50]!;
  const controller = new AbortController();
  const gets = Array.from({ length: 5 }, (_, i) =>
    table.get(key, hashKey(key), newest, new RowRef(), i === 0 ? controller.signal : undefined),
  );
  controller.abort(new Error("enough"));
  await expect(gets[0]).rejects.toThrow("enough");
  expectEqual(await Promise.all(gets.slice(1)), [true, true, true, true]);
  expect(store.gets.length).toBe(2);
});

test("versions of one key over many blocks are each found at their seq", async () => {
  const rows = Array.from({ length: 400 }, (_, i) =>
    plainRow("one key", 400 - i, { value: new Uint8Array(50).fill(i) }),
  );
  const { tables, info } = await storeSst(rows, { blockBytes: 300, indexPartitionBytes: 64 });
  const table = await tables.open(info);
  const row = new RowRef();
  const { key } = rows[0]!;
  for (const expected of rows) {
    expect(await table.get(key, hashKey(key), expected.seq, row)).toBe(true);
    expectEqual(toPlain(row), expected);
  }
  expect(await table.get(key, hashKey(key), 0, row)).toBe(false);
});

test("a block that is replaced by another block of the same SST is corruption", async () => {
  const { store, tables, info, bytes } = await storeSst(
    many.map((row) => ({ ...row, value: new Uint8Array(100) })),
  );
  const table = await tables.open(info);
  const moved = bytes.slice();
  const a = Array.from({ length: table.blockCount - 1 }, (_, n) => n).find(
    (n) => table.blockBytes(n) === table.blockBytes(n + 1),
  )!;
  const b = a + 1;
  moved.copyWithin(
    table.blockOffset(a),
    table.blockOffset(b),
    table.blockOffset(b) + table.blockBytes(b),
  );
  await store.put(ObjectPaths.sst(sstId), moved);
  await expect(table.block(a)).rejects.toMatchObject({
    kind: "corruption",
    offset: table.blockOffset(a),
  });
  expect((await table.block(b)).bytes.length).toBeGreaterThan(0);
});
