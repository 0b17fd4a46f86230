/** Hits and misses of the block cache count what reads looked up, and nothing else. */
import { beforeEach, expect, test } from "vitest";
import { Db, DbReader, MemoryObjectStore, type ReaderOptions } from "../../../src/index.js";
import { CountingObjectStore } from "../../../src/testing/index.js";

const keyOf = (i: number): string => `key ${String(i).padStart(6, "0")}`;
const rowCount = 20_000;

let counting: CountingObjectStore;
async function newReader(options?: ReaderOptions): Promise<DbReader> {
  const reader = await DbReader.open({ store: counting, path: "db" }, options);
  counting.reset();
  return reader;
}

beforeEach(async () => {
  const inner = new MemoryObjectStore();
  counting = new CountingObjectStore(inner);
  const db = await Db.open({ store: inner, path: "db" });
  await db.load(Array.from({ length: rowCount }, (_, i) => [keyOf(i), "x".repeat(200)]));
  await db.close();
});

const countsOf = (reader: DbReader) => {
  const { data, index } = reader.stats().blockCache;
  return { data: [data.hits, data.misses], index: [index.hits, index.misses] };
};

test("warm looks nothing up, and what it has brought is hit", async () => {
  const reader = await newReader();
  await reader.warm();
  await reader.warm();
  expect(countsOf(reader)).toEqual({ data: [0, 0], index: [0, 0] });
  counting.reset();
  for (let i = 0; i < 500; i++) await reader.get(keyOf((i * 37) % rowCount));
  expect(counting.total).toBe(0);
  expect(reader.stats().blockCache).toMatchObject({ hits: 500, misses: 0, hitRatio: 1 });
  expect(countsOf(reader).index).toEqual([500, 0]);
  await reader.close();
});

test("a get that waits is one miss, however many blocks come with its own", async () => {
  const reader = await newReader();
  let misses = 0;
  for (let i = 0; i < 400; i++) {
    const before = counting.total;
    await reader.get(keyOf((i * 7919) % rowCount));
    if (counting.total > before) misses++;
  }
  const { data } = reader.stats().blockCache;
  expect(data.count).toBeGreaterThan(misses * 5);
  expect([data.hits, data.misses]).toEqual([400 - misses, misses]);
  await reader.close();
});

test("each of those who wait for one block has missed it", async () => {
  const reader = await newReader();
  await reader.get(keyOf(0));
  await Promise.all([1, 2, 3].map((i) => reader.get(keyOf(10_000 + (i % 2)))));
  expect(countsOf(reader).data).toEqual([0, 4]);
  await reader.close();
});

test("a scan counts the blocks that it enters, not those of its windows", async () => {
  const reader = await newReader();
  await reader.scan({ gte: keyOf(5000) }).nextMany(1);
  expect(counting.total).toBe(2);
  expect(countsOf(reader).data).toEqual([0, 1]);
  expect((await reader.scan().nextMany(rowCount)).length).toBe(rowCount);
  const { data } = reader.stats().blockCache;
  expect([data.hits, data.misses]).toEqual([1, data.count]);
  expect((await reader.scan({ reverse: true }).nextMany(rowCount)).length).toBe(rowCount);
  const again = reader.stats().blockCache.data;
  expect([again.hits, again.misses]).toEqual([1 + data.count, data.count]);
  await reader.close();
});
