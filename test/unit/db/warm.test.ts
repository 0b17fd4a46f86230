/** Warming a database up, counted in requests. */
import * as fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Db, DbReader, MemoryObjectStore, type ReaderOptions } from "../../../src/index.js";
import { DiskCache } from "../../../src/object-store/disk-cache.js";
import { CountingObjectStore, FaultyObjectStore } from "../../../src/testing/index.js";
import { text } from "./support.js";

const keyOf = (i: number): string => `key ${String(i).padStart(8, "0")}`;
const valueLength = 1000;

/** 12 MB in `ssts` loads of neighbouring keys, each an SST or several. */
async function newDatabase(loads = 3) {
  const store = new MemoryObjectStore();
  const faulty = new FaultyObjectStore(store);
  const counting = new CountingObjectStore(faulty);
  const db = await Db.open({ store, path: "db" });
  const rows = 12_000;
  for (let load = 0; load < loads; load++) {
    const share = rows / loads;
    await db.load(
      Array.from({ length: share }, (_, i) => ({
        key: keyOf(load * share + i),
        value: new Uint8Array(valueLength).fill(i),
      })),
    );
  }
  await db.close();
  const gets = () => counting.requests.filter(({ key }) => key.includes("sst/"));
  const open = async (options?: ReaderOptions): Promise<DbReader> => {
    const reader = await DbReader.open({ store: counting, path: "db" }, options);
    counting.reset();
    return reader;
  };
  return { store, faulty, gets, open, rows, counting };
}

test("a warm database answers without a request, and warming took few: 200 for 48 MB would be 50 for these 12", async () => {
  const { gets, open, rows, counting } = await newDatabase();
  const reader = await open();
  const result = await reader.warm();
  expect(result).toMatchObject({ tables: 3, complete: true });
  expect(result.bytes).toBeGreaterThan(rows * valueLength);
  expect(gets().length).toBeLessThanOrEqual(12);
  expect(gets().every(({ background }) => background)).toBe(true);
  counting.reset();
  for (let i = 0; i < rows; i += 37) {
    expect((await reader.get(keyOf(i)))!.length).toBe(valueLength);
  }
  expect((await reader.keys().nextMany(rows + 1)).length).toBe(rows);
  expect(gets()).toEqual([]);
  // Once is enough.
  expect(await reader.warm()).toEqual({ tables: 3, blocks: 0, bytes: 0, complete: true });
  expect(gets()).toEqual([]);
  await reader.close();
});

test("range deletes are brought along, where the manifest does not say all of them, and only those of the range", async () => {
  const { store, gets, open } = await newDatabase();
  const db = await Db.open({ store, path: "db" });
  for (const [from, to] of [
    [100, 3000],
    [6000, 9000],
  ] as const) {
    // Two that overlap, in an SST without rows.
    await db.deleteRange({ gte: keyOf(from), lt: keyOf(to) });
    await db.deleteRange({ gte: keyOf(from + 50), lt: keyOf(to + 50) });
    await db.flush({ to: "l0" });
  }
  await db.deleteRange({ gte: keyOf(4000), lt: keyOf(4100) });
  await db.close();
  const part = await open();
  await part.warm({ lt: keyOf(2000) });
  const before = gets().length;
  expect(await part.get(keyOf(80))).toHaveLength(valueLength);
  expect(await part.get(keyOf(120))).toBeUndefined();
  expect(gets()).toHaveLength(before);
  expect(await part.get(keyOf(6010))).toBeUndefined();
  expect(gets()).toHaveLength(before + 1);
  await part.close();

  const reader = await open();
  const result = await reader.warm();
  expect(result).toMatchObject({ tables: 3, complete: true });
  expect(gets().every(({ background }) => background)).toBe(true);
  const warmed = gets().length;
  expect((await reader.keys().nextMany(12_001)).length).toBe(12_000 - 2950 - 3050 - 100);
  for (const i of [0, 100, 3049, 3050, 4050, 4100, 6020, 9049, 9050]) {
    const isThere = [0, 3050, 4100, 9050].includes(i);
    expect((await reader.get(keyOf(i))) !== undefined).toBe(isThere);
  }
  expect(gets()).toHaveLength(warmed);
  // Once is enough.
  await reader.warm();
  expect(gets()).toHaveLength(warmed);
  await reader.close();
});

test("of a range only what holds its keys is fetched", async () => {
  const { gets, open, counting } = await newDatabase();
  const reader = await open();
  const range = { gte: keyOf(5000), lt: keyOf(5500) };
  const { tables, bytes, complete } = await reader.warm(range);
  expect([tables, complete]).toEqual([1, true]);
  expect(bytes).toBeLessThan(600 * (valueLength + 100));
  expect(gets().length).toBe(2);
  counting.reset();
  expect((await reader.keys(range).nextMany(1000)).length).toBe(500);
  expect(gets()).toEqual([]);
  expect(await reader.warm({ prefix: "nothing" })).toMatchObject({ tables: 0, complete: true });
  expect(await reader.warm({ gt: "b", lt: "a" })).toMatchObject({ tables: 0, complete: true });
  expect(gets()).toEqual([]);
  await reader.close();
});

test("it stops when the cache is full, and nothing has left it then", async () => {
  const { open, gets } = await newDatabase(4);
  const reader = await open({ blockCacheBytes: 4_000_000 });
  await reader.get(keyOf(11_999));
  const { complete, bytes, blocks } = await reader.warm();
  expect(complete).toBe(false);
  const { blockCache } = reader.stats();
  expect(blockCache.data.evictions).toBe(0);
  expect(blockCache.data.count).toBe(blocks + 1);
  expect(blockCache.bytes).toBeLessThanOrEqual(4_000_000);
  expect(bytes).toBeGreaterThan(3_000_000);
  expect(gets().reduce((sum, get) => sum + get.bytes, 0)).toBeLessThan(4_000_000);
  const again = await reader.warm();
  expect(again).toMatchObject({ complete: false, blocks: 0 });
  await reader.close();
  const none = await open({ blockCacheBytes: 0 });
  expect(await none.warm()).toEqual({ tables: 0, blocks: 0, bytes: 0, complete: false });
  await none.close();
});

test("small SSTs are one request each", async () => {
  const store = new MemoryObjectStore();
  const counting = new CountingObjectStore(store);
  const db = await Db.open({ store, path: "db" }, { background: false });
  for (let i = 0; i < 20; i++) await db.load([{ key: keyOf(i), value: "small" }]);
  await db.close();
  const reader = await DbReader.open({ store: counting, path: "db" });
  counting.reset();
  expect(await reader.warm()).toEqual({ tables: 20, blocks: 0, bytes: 0, complete: true });
  expect(counting.total).toBe(20);
  expect(text(await reader.get(keyOf(7)))).toBe("small");
  expect(counting.total).toBe(20);
  await reader.close();
});

test("reads during a warm-up share its requests, and find the same", async () => {
  const { open, rows, gets } = await newDatabase();
  const reader = await open();
  const warming = reader.warm();
  const values = await Promise.all(
    Array.from({ length: 200 }, (_, i) => reader.get(keyOf((i * 7919) % rows))),
  );
  expect(values.every((value) => value?.length === valueLength)).toBe(true);
  expect(await warming).toMatchObject({ complete: true });
  const seen = new Set(gets().map(({ key, range }) => `${key} ${JSON.stringify(range)}`));
  expect(seen.size).toBe(gets().length);
  await reader.close();
});

test("the writer warms up too, and its disk cache with it", async () => {
  const dir = await fs.mkdtemp(join(tmpdir(), "moraine-cache-"));
  const { store } = await newDatabase();
  const counting = new CountingObjectStore(store);
  const at = { store: counting, path: "db" };
  const cache = { dir, bytes: 100_000_000 };
  const db = await Db.open(at, { cache });
  expect(await db.warm()).toMatchObject({ complete: true });
  await db.close();
  counting.reset();
  const next = await Db.open(at, { cache });
  expect(await next.warm()).toMatchObject({ tables: 3, complete: true });
  expect(counting.requests.filter(({ key }) => key.includes("sst/"))).toEqual([]);
  await next.close();
  await fs.rm(dir, { recursive: true, force: true, maxRetries: 5 });
});

describe("with a disk cache", () => {
  let dir: string;
  beforeEach(async () => {
    dir = await fs.mkdtemp(join(tmpdir(), "moraine-cache-"));
  });
  afterEach(() => fs.rm(dir, { recursive: true, force: true, maxRetries: 5 }));

  const readAll = async (reader: DbReader, rows: number): Promise<void> => {
    for (let i = 0; i < rows; i += 97) {
      expect((await reader.get(keyOf(i)))!.length).toBe(valueLength);
    }
    expect((await reader.keys().nextMany(rows + 1)).length).toBe(rows);
  };

  test.each<[string, number]>([
    ["a third of the data", 4_000_000],
    ["a part of its indexes", 30_000],
    ["nothing", 0],
  ])("what memory of %s has no room for is on the disk afterwards", async (_, blockCacheBytes) => {
    const { open, gets, rows, counting } = await newDatabase(4);
    const cache = { dir, bytes: 50_000_000 };
    const reader = await open({ blockCacheBytes, cache });
    const { tables, blocks, bytes, disk, complete } = await reader.warm();
    expect([tables, complete]).toEqual([4, true]);
    expect(bytes).toBeLessThanOrEqual(blockCacheBytes);
    expect(bytes + disk!.bytes).toBeGreaterThan(rows * valueLength);
    const { blockCache, diskCache } = reader.stats();
    expect([blockCache.data.evictions, blockCache.index.evictions]).toEqual([0, 0]);
    expect(blockCache.data.count).toBe(blocks);
    expect(diskCache).toMatchObject({ skipped: 0, evictions: 0 });
    expect(gets().length).toBeLessThanOrEqual(18);
    counting.reset();
    await readAll(reader, rows);
    expect(gets()).toEqual([]);
    // Again it only reads the disk.
    expect(await reader.warm()).toMatchObject({ tables: 4, complete: true });
    expect(gets()).toEqual([]);
    await reader.close();
    const next = await open({ cache });
    await readAll(next, rows);
    expect(gets()).toEqual([]);
    await next.close();
  });

  test("all that memory has room for leaves nothing to the disk alone", async () => {
    const { open, gets, rows, counting } = await newDatabase();
    const reader = await open({ cache: { dir, bytes: 50_000_000 } });
    const none = { blocks: 0, bytes: 0 };
    expect(await reader.warm({ gte: keyOf(5000) })).toMatchObject({ disk: none, complete: true });
    expect(await reader.warm()).toMatchObject({ disk: none, complete: true });
    expect(reader.stats().diskCache!.bytes).toBeGreaterThan(rows * valueLength);
    counting.reset();
    expect(await reader.warm()).toMatchObject({ blocks: 0, disk: none, complete: true });
    expect(gets()).toEqual([]);
    await reader.close();
  });

  test("it ends when the disk cache is full, and what it brought there has not left it", async () => {
    const { open, gets, counting } = await newDatabase(4);
    const cache = { dir, bytes: 6_000_000 };
    const reader = await open({ blockCacheBytes: 1_000_000, cache });
    const { complete, bytes, disk } = await reader.warm();
    expect(complete).toBe(false);
    expect(bytes).toBeGreaterThan(800_000);
    expect(bytes + disk!.bytes).toBeGreaterThan(4_000_000);
    expect(bytes + disk!.bytes).toBeLessThan(4_600_000);
    expect(reader.stats().diskCache).toMatchObject({ evictions: 0, skipped: 0 });
    const fetched = gets().reduce((sum, get) => sum + get.bytes, 0);
    expect(fetched).toBeLessThan(6_000_000);
    counting.reset();
    expect(await reader.warm()).toMatchObject({ complete: false });
    expect(gets().reduce((sum, get) => sum + get.bytes, 0)).toBeLessThan(2_500_000);
    await reader.close();
  });

  test("others that miss without end neither hold it up nor end it", async () => {
    const { open, rows, gets, counting } = await newDatabase(4);
    const cache = { dir, bytes: 50_000_000 };
    const reader = await open({ blockCacheBytes: 0, cache });
    // The queue of the disk is never empty, and some of it is not kept.
    const { write } = DiskCache.prototype;
    let isOver = false;
    let part = 0;
    const keeping: DiskCache[] = [];
    const noisy = vi.spyOn(DiskCache.prototype, "write").mockImplementation(function (
      this: DiskCache,
      ...given
    ) {
      if (keeping.length === 0) keeping.push(this);
      write.apply(this, given);
    });
    const [other, object] = ["0".repeat(26), { size: 1_000_000_000, lastModified: 1 }];
    const missing = async (id: string): Promise<void> => {
      for (; !isOver; await new Promise((resolve) => setTimeout(resolve, 1))) {
        const [disk] = keeping;
        if (disk === undefined) continue;
        const offset = (part++ % 200) * disk.partBytes;
        write.call(disk, other, id, offset / disk.partBytes, object, new Uint8Array(65_536));
        // One that is too large to be kept is skipped.
        write.call(disk, other, "2".repeat(26), 0, object, new Uint8Array(60_000_000));
        await disk.kept(other, id, { offset, length: 1 });
      }
    };
    const noise = Array.from({ length: 8 }, () => missing("1".repeat(26)));
    try {
      const result = await reader.warm();
      expect(result).toMatchObject({ tables: 4, complete: true });
      expect(reader.stats().diskCache!.skipped).toBeGreaterThan(0);
    } finally {
      isOver = true;
      noisy.mockRestore();
      await Promise.all(noise);
    }
    counting.reset();
    await readAll(reader, rows);
    expect(gets()).toEqual([]);
    await reader.close();
  });

  test("a disk that fails ends it where memory is full", async () => {
    const { open, gets } = await newDatabase(4);
    await fs.writeFile(join(dir, "file"), "");
    const cache = { dir: join(dir, "file"), bytes: 50_000_000 };
    const reader = await open({ blockCacheBytes: 4_000_000, cache });
    const { complete, bytes } = await reader.warm();
    expect(complete).toBe(false);
    expect(bytes).toBeGreaterThan(3_000_000);
    expect(gets().reduce((sum, get) => sum + get.bytes, 0)).toBeLessThan(7_000_000);
    await reader.close();
  });
});

test("an abort, a close or a store that fails ends it, and what is cached stays", async () => {
  const { open, faulty, gets } = await newDatabase();
  const reader = await open({ storeDeadlineMs: 100 });
  const controller = new AbortController();
  const aborted = reader.warm({}, { signal: controller.signal });
  controller.abort(new Error("enough"));
  await expect(aborted).rejects.toThrow("enough");
  await expect(reader.warm({}, { signal: AbortSignal.abort(new Error("no")) })).rejects.toThrow(
    "no",
  );
  let asked = 0;
  faulty.intercept = ({ operation, key }) =>
    operation === "get" && key.includes("sst/") && ++asked > 4
      ? { kind: "before" as const }
      : undefined;
  await expect(reader.warm()).rejects.toMatchObject({ kind: "unavailable" });
  faulty.intercept = undefined;
  expect(reader.stats().blockCache.index.count).toBe(3);
  expect(await reader.warm()).toMatchObject({ complete: true });
  const closing = reader.warm();
  await reader.close();
  await closing.catch((error: unknown) => expect(error).toMatchObject({ kind: "closed" }));
  await expect(reader.warm()).rejects.toMatchObject({ kind: "closed" });
  expect(gets().length).toBeGreaterThan(0);
});

test.each<[string, unknown, unknown]>([
  ["a range of another name", { from: "a" }, undefined],
  ["a string", "a", undefined],
  ["an option of another name", {}, { limit: 5 }],
  ["a signal that is none", {}, { signal: 5 }],
  ["two lower bounds", { gt: "a", gte: "a" }, undefined],
])("what it does not take is refused: %s", async (_, range, options) => {
  const db = await Db.open({ store: new MemoryObjectStore(), path: "db" });
  await expect(db.warm(range as never, options as never)).rejects.toMatchObject({
    kind: "invalid",
  });
  expect(await db.warm()).toEqual({ tables: 0, blocks: 0, bytes: 0, complete: true });
  await db.close();
});
