/** The caches of handles: shared in memory, and kept on the disk for the next process. */
import * as fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  BlockCache,
  Db,
  DbReader,
  MemoryObjectStore,
  type OpenOptions,
} from "../../../src/index.js";
import { decodePart, encodePart } from "../../../src/object-store/cached-part.js";
import { CountingObjectStore } from "../../../src/testing/index.js";
import { expectEqual } from "../../support/expect-equal.js";
import { isLong } from "../../support/run-counts.js";
import { text } from "./support.js";

let dir: string;
beforeEach(async () => {
  dir = await fs.mkdtemp(join(tmpdir(), "moraine-cache-"));
});
afterEach(() => fs.rm(dir, { recursive: true, force: true, maxRetries: 5 }));

const keyOf = (i: number): string => `key ${String(i).padStart(6, "0")}`;
const textOf = (i: number): string => `value ${i} ${"x".repeat(80)}`;

/** A database of 10,000 rows in several SSTs of some hundred KB. */
async function newDatabase(path = "db", store = new MemoryObjectStore()) {
  const counting = new CountingObjectStore(store);
  const db = await Db.open({ store, path });
  const rows = Array.from({ length: 10_000 }, (_, i) => [keyOf(i), textOf(i)] as [string, string]);
  await db.load(rows.slice(0, 5000));
  await db.load(rows.slice(5000));
  await db.close();
  const sstGets = (): number => counting.requests.filter(({ key }) => key.includes("sst/")).length;
  return { store, counting, sstGets, at: { store: counting, path } };
}

const disk = (): OpenOptions => ({ cache: { dir, bytes: 50_000_000 } });

/** Gets, and a scan in each direction. */
async function readMuch(db: Db | DbReader): Promise<void> {
  for (let i = 0; i < 10_000; i += 97) expect(text(await db.get(keyOf(i)))).toBe(textOf(i));
  let count = 0;
  for await (const { key, value } of db.scan()) {
    expect(text(key)).toBe(keyOf(count));
    expect(text(value)).toBe(textOf(count++));
  }
  expect(count).toBe(10_000);
  const last = await db.scan({ reverse: true }).nextMany(300);
  expect(text(last[299]!.key)).toBe(keyOf(9700));
}

test("a second handle with a warm disk cache makes no request for an SST, whatever it reads", async () => {
  const { at, counting, sstGets } = await newDatabase();
  const first = await DbReader.open(at, disk());
  await readMuch(first);
  const { diskCache } = first.stats();
  expect(diskCache).toMatchObject({ damaged: 0, skipped: 0, pauses: 0 });
  expect(diskCache!.misses).toBeGreaterThan(0);
  expect(sstGets()).toBeGreaterThan(0);
  await first.close();
  for (const open of [() => DbReader.open(at, disk()), () => Db.open(at, disk())]) {
    counting.reset();
    const next = await open();
    await readMuch(next);
    expect(sstGets()).toBe(0);
    expect(next.stats().diskCache).toMatchObject({ misses: 0, hitRatio: 1, bytesMax: 50_000_000 });
    await next.close();
  }
});

test("nothing but SSTs is kept on the disk", async () => {
  const { at } = await newDatabase();
  const db = await Db.open(at, disk());
  await db.put("key", "value");
  await db.get(keyOf(1));
  await db.close();
  const reader = await DbReader.open(at, disk());
  expect(text(await reader.get("key"))).toBe("value");
  await reader.close();
  const sstIds = at.store.requests.flatMap(({ key }) => /sst\/(\w{26})/.exec(key)?.[1] ?? []);
  const [databaseId, ...others] = await fs.readdir(dir);
  expectEqual(others, []);
  for (const id of await fs.readdir(join(dir, databaseId!))) expect(sstIds).toContain(id);
});

test("a folder full of damaged entries costs requests, and nothing else", async () => {
  const { at, sstGets, counting } = await newDatabase();
  const first = await DbReader.open(at, disk());
  await readMuch(first);
  await first.close();
  const files = await fs.readdir(dir, { recursive: true, withFileTypes: true });
  for (const [i, file] of files.filter((entry) => entry.isFile()).entries()) {
    const path = join(file.parentPath, file.name);
    const bytes = await fs.readFile(path);
    if (i % 3 === 0) bytes[(i * 7919) % bytes.length]! ^= 255;
    await fs.writeFile(path, i % 3 === 1 ? bytes.subarray(0, bytes.length >> 1) : bytes);
  }
  counting.reset();
  const next = await DbReader.open(at, disk());
  await readMuch(next);
  expect(sstGets()).toBeGreaterThan(0);
  expect(next.stats().diskCache!.damaged).toBeGreaterThan(0);
  await next.close();
  counting.reset();
  const last = await DbReader.open(at, disk());
  await readMuch(last);
  expect(sstGets()).toBe(0);
  await last.close();
});

test("what the store once answered wrongly does not stay on the disk", async () => {
  const { store, at } = await newDatabase();
  let isDamaging = true;
  const get = store.get.bind(store);
  store.get = async (key, options) => {
    const found = await get(key, options);
    if (isDamaging && key.includes("sst/") && found !== undefined) {
      for (let i = 100; i < found.bytes.length; i += 1000) found.bytes[i]! ^= 1;
    }
    return found;
  };
  const reader = await DbReader.open(at, disk());
  await expect(reader.get(keyOf(1))).rejects.toMatchObject({ kind: "corruption" });
  isDamaging = false;
  // The table first, then a block.
  expect(text(await reader.get(keyOf(1)))).toBe(textOf(1));
  isDamaging = true;
  await expect(reader.get(keyOf(4000))).rejects.toMatchObject({ kind: "corruption" });
  isDamaging = false;
  await readMuch(reader);
  await reader.close();
  const next = await DbReader.open(at, disk());
  await readMuch(next);
  await next.close();
});

/** Damages a byte of an SST on the disk, as if it had come so from the store: the entry is whole. */
async function damageOnDisk(sstId: string, offset: number): Promise<void> {
  const [databaseId] = await fs.readdir(dir);
  const part = Math.floor(offset / 65_536);
  const path = join(dir, databaseId!, sstId, `${part}.part`);
  const at = { name: `${databaseId}/${sstId}`, offset: part * 65_536 };
  const { object, bytes } = decodePart(await fs.readFile(path), at)!;
  bytes[offset - at.offset]! ^= 1;
  await fs.writeFile(path, encodePart(at, object, bytes));
}

test("an SST that is damaged on the disk, wherever, is read once more from the store, and kept as it is there", async () => {
  const { store, at, sstGets, counting } = await newDatabase();
  const first = await DbReader.open(at, disk());
  await readMuch(first);
  await first.close();
  const keys = [...new Set(counting.requests.map(({ key }) => key))].filter((key) =>
    key.includes("sst/"),
  );
  const { size } = (await store.head(keys[0]!))!;
  const [, sstId] = /sst\/(\w{26})/.exec(keys[0]!)!;
  const count = isLong ? 8 : 3;
  const offsets = Array.from(
    { length: count },
    (_, i) => 100 + Math.floor(((size - 101) * i) / (count - 1)),
  );
  for (const offset of offsets) {
    await damageOnDisk(sstId!, offset);
    const reader = await DbReader.open(at, disk());
    counting.reset();
    await readMuch(reader);
    await reader.close();
    expect(sstGets(), `offset ${offset}`).toBeGreaterThan(0);
    expect(reader.stats().diskCache!.damaged, `offset ${offset}`).toBe(1);
    counting.reset();
    const next = await DbReader.open(at, disk());
    await readMuch(next);
    await next.close();
    expect(next.stats().diskCache!.damaged, `offset ${offset}`).toBe(0);
  }
});

test("a get of a block that is damaged on the disk is one request", async () => {
  const { at, sstGets, counting } = await newDatabase();
  const first = await DbReader.open(at, disk());
  await readMuch(first);
  await first.close();
  const [databaseId] = await fs.readdir(dir);
  for (const id of await fs.readdir(join(dir, databaseId!))) await damageOnDisk(id, 100);
  const reader = await DbReader.open(at, disk());
  counting.reset();
  const values = await Promise.all([reader.get(keyOf(0)), reader.getMany([keyOf(1), keyOf(0)])]);
  expectEqual(values.flat().map(text), [textOf(0), textOf(1), textOf(0)]);
  expect(sstGets()).toBe(1);
  await reader.close();
});

test("a folder that cannot be made is told of in the figures only", async () => {
  const { at } = await newDatabase();
  await fs.writeFile(join(dir, "file"), "");
  const cache = { dir: join(dir, "file"), bytes: 1_000_000_000 };
  const reader = await DbReader.open(at, { cache });
  await readMuch(reader);
  expect(reader.stats().diskCache).toMatchObject({ writes: 0 });
  await reader.close();
  expect(reader.stats().diskCache!.pauses).toBeGreaterThan(0);
});

test("databases share a block cache: its bound is one, and closing one leaves it to the others", async () => {
  const store = new MemoryObjectStore();
  const places = [await newDatabase("a", store), await newDatabase("b", store)];
  const blockCache = new BlockCache(400_000);
  const [a, b] = await Promise.all(places.map(({ at }) => DbReader.open(at, { blockCache })));
  for (let i = 0; i < 10_000; i += 50) {
    expect(text(await a!.get(keyOf(i)))).toBe(textOf(i));
    expect(text(await b!.get(keyOf(i)))).toBe(textOf(i));
    expect(blockCache.bytes).toBeLessThanOrEqual(400_000);
  }
  expectEqual(a!.stats().blockCache, blockCache.stats());
  expect(blockCache.stats().index.count).toBe(4);
  await a!.close();
  await a!.close();
  expect(blockCache.stats().index.count).toBe(2);
  places[1]!.counting.reset();
  await b!.get(keyOf(9950));
  expect(places[1]!.sstGets()).toBe(0);
  await readMuch(b!);
  await b!.close();
  expect(blockCache.stats().index).toMatchObject({ count: 0, bytes: 0 });
});

test("handles of one database find each other's blocks, once their tables are open", async () => {
  const { at, sstGets, counting } = await newDatabase();
  const blockCache = new BlockCache(10_000_000);
  const db = await Db.open(at, { blockCache });
  await db.get(keyOf(5));
  const reader = await DbReader.open(at, { blockCache });
  counting.reset();
  expect(text(await reader.get(keyOf(5)))).toBe(textOf(5));
  // The tail of one SST; the block is there.
  expect(sstGets()).toBe(1);
  await db.close();
  expect(text(await reader.get(keyOf(5)))).toBe(textOf(5));
  await reader.close();
});

test.each<[string, number]>([
  ["nothing", 0],
  ["less than a block", 1000],
  ["a few blocks", 40_000],
])("a block cache of %s gives the same answers", async (_, bytes) => {
  const { at } = await newDatabase();
  const reader = await DbReader.open(at, { blockCacheBytes: bytes });
  for (let i = 0; i < 10_000; i += 499) expect(text(await reader.get(keyOf(i)))).toBe(textOf(i));
  expect((await reader.keys().nextMany(20_000)).length).toBe(10_000);
  const { blockCache } = reader.stats();
  expect(blockCache.bytes).toBeLessThanOrEqual(bytes);
  expect(blockCache.bytesMax).toBe(bytes);
  await reader.close();
});

test("stats tell hits and misses by kind, and their ratio", async () => {
  const { at } = await newDatabase();
  const reader = await DbReader.open(at);
  expect(reader.stats()).toMatchObject({ blockCache: { hitRatio: 0 }, diskCache: undefined });
  for (let i = 0; i < 4; i++) await reader.get(keyOf(1));
  const { blockCache } = reader.stats();
  expect(blockCache.data).toMatchObject({ hits: 3, misses: 1, hitRatio: 0.75, count: 1 });
  expect(blockCache).toMatchObject({ hits: 3, misses: 1, hitRatio: 0.75 });
  expect(blockCache.index).toMatchObject({ misses: 1, count: 1 });
  expect(blockCache.index.hits).toBeGreaterThanOrEqual(3);
  await reader.close();
});

test.each<[string, Record<string, unknown>]>([
  ["a number", { blockCache: 5 }],
  ["null", { blockCache: null }],
  ["both", { blockCacheBytes: 1, blockCache: new BlockCache(5) }],
  ["no folder", { cache: { bytes: 10_000_000 } }],
  ["an empty folder", { cache: { dir: "", bytes: 10_000_000 } }],
  ["no bytes", { cache: { dir: "/tmp/x" } }],
  ["too few bytes", { cache: { dir: "/tmp/x", bytes: 1000 } }],
  ["another name", { cache: { dir: "/tmp/x", bytes: 10_000_000, size: 1 } }],
  ["a string", { cache: "/tmp/x" }],
])("a cache is refused: %s", async (_, options) => {
  const at = { store: new MemoryObjectStore(), path: "db" };
  for (const open of [Db.open(at, options), DbReader.open(at, options)]) {
    await expect(open).rejects.toMatchObject({
      kind: "invalid",
      message: expect.stringContaining(Object.keys(options).at(-1)!),
    });
  }
});
