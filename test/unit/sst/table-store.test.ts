import { expect, test } from "vitest";
import type { SstInfo } from "../../../src/format/manifest.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import { BlockCache } from "../../../src/sst/block-cache.js";
import { writeSst } from "../../../src/sst/sst-writer.js";
import { TableStore } from "../../../src/sst/table-store.js";
import { buildSst, CountingStore, databaseId, plainRow, sstId, storeSst } from "./row-model.js";

const rows = Array.from({ length: 1000 }, (_, i) =>
  plainRow(`key ${String(i).padStart(6, "0")}`, i + 1),
);
const path = ObjectPaths.sst(sstId);
const otherId = "01BX5ZZKBKACTAV9WEVGEMMVS0";

test("opens at the same time share one request for the tail, and the table stays open", async () => {
  const { store, tables, info } = await storeSst(rows);
  const [a, b] = await Promise.all([tables.open(info), tables.open(info)]);
  expect(a).toBe(b);
  expect(tables.getIfOpen(info)).toBe(a);
  expect(await tables.open(info)).toBe(a);
  expect(store.gets).toEqual([`${info.metaOffset}+${info.size - info.metaOffset}`]);
});

test("a missing, shorter, longer or foreign object is corruption that names the object", async () => {
  const { store, tables, info, bytes } = await storeSst(rows);
  await store.delete([path]);
  await expect(tables.open(info)).rejects.toThrow("the object is missing");
  await store.put(path, bytes.subarray(0, bytes.length - 1));
  await expect(tables.open(info)).rejects.toMatchObject({ kind: "corruption", object: path });
  await store.put(path, Uint8Array.from([...bytes, 0]));
  await expect(tables.open(info)).rejects.toMatchObject({ kind: "corruption", object: path });
  await store.put(path, buildSst(rows, { databaseId: otherId }).bytes);
  await expect(tables.open(info)).rejects.toThrow("belongs to database");
  await store.put(path, buildSst(rows, { id: otherId }).bytes);
  await expect(tables.open(info)).rejects.toThrow(`is SST ${otherId}`);
  await store.put(path, bytes);
  expect((await tables.open(info)).properties.rowCount).toBe(1000);
});

test("an SST that is not what the manifest says is corruption", async () => {
  const { tables, info } = await storeSst(rows);
  for (const lie of [
    { rowCount: 7 },
    { maxSeq: 5 },
    { lastKey: new Uint8Array(3) },
    { metaOffset: info.metaOffset - 9 },
  ]) {
    await expect(tables.open({ ...info, ...lie })).rejects.toMatchObject({ kind: "corruption" });
  }
});

test("a block of an object that has vanished since is corruption", async () => {
  const { store, tables, info } = await storeSst(rows);
  const table = await tables.open(info);
  await store.delete([path]);
  await expect(table.block(0)).rejects.toThrow("the object is missing");
});

async function severalSsts(): Promise<{ store: CountingStore; infos: SstInfo[] }> {
  const store = new CountingStore();
  const ids = Array.from({ length: 6 }, (_, i) => `01BX5ZZKBKACTAV9WEVGEMMV0${i}`);
  const infos = [];
  for (const id of ids) {
    const { bytes, info } = buildSst(rows, { id });
    await store.put(ObjectPaths.sst(id), bytes);
    infos.push(info);
  }
  return { store, infos };
}

test("tables are closed when the cache has no room for them, those in use last", async () => {
  const { store, infos } = await severalSsts();
  const cache = new BlockCache(12_000);
  const tables = new TableStore({ store, databaseId, cache, smallSstBytes: 0 });
  for (const info of infos) {
    await tables.open(info);
    await tables.open(infos[0]!);
  }
  expect(cache.bytes).toBeLessThanOrEqual(12_000);
  expect(tables.openCount).toBeGreaterThan(1);
  expect(tables.getIfOpen(infos[0]!)).toBeDefined();
  expect(tables.getIfOpen(infos[1]!)).toBeUndefined();
  tables.close();
  expect([tables.openCount, cache.bytes]).toEqual([0, 0]);
});

test("without room nothing stays open, and everything is found all the same", async () => {
  const { store, infos } = await severalSsts();
  const tables = new TableStore({ store, databaseId, cache: new BlockCache(0), smallSstBytes: 0 });
  const [a, b] = await Promise.all([tables.open(infos[0]!), tables.open(infos[0]!)]);
  expect(a).toBe(b);
  expect(await a.block(0)).toBeDefined();
  expect(tables.openCount).toBe(0);
  expect(store.gets.length).toBe(2);
});

test("of two that share a cache, the one that is closed takes only its own tables along", async () => {
  const { store, infos } = await severalSsts();
  const cache = new BlockCache(1_000_000);
  const one = new TableStore({ store, databaseId, cache, smallSstBytes: 0 });
  const other = new TableStore({ store, databaseId, cache, smallSstBytes: 0 });
  const mine = await one.open(infos[0]!);
  const theirs = await other.open(infos[0]!);
  await mine.block(0);
  expect(theirs.hasBlock(0)).toBe(true);
  const opening = one.open(infos[1]!);
  one.close();
  one.close();
  await expect(opening).rejects.toMatchObject({ kind: "closed" });
  expect([one.openCount, other.openCount]).toEqual([0, 1]);
  expect(cache.stats().index).toMatchObject({ count: 1, bytes: theirs.memoryBytes, evictions: 0 });
  expect(theirs.hasBlock(0)).toBe(true);
});

test("a written SST is stored whole, in one piece or in many", async () => {
  const store = new CountingStore();
  const chunks = Array.from({ length: 5 }, (_, i) => new Uint8Array(2 << 20).fill(i));
  await writeSst(store, "sst/large.sst", chunks);
  await writeSst(store, "sst/small.sst", chunks.slice(0, 2));
  expect((await store.head("sst/large.sst"))?.size).toBe(10 << 20);
  expect((await store.get("sst/small.sst"))?.bytes.at(-1)).toBe(1);
});
