/** Range deletes of SSTs through `TableStore`: how many requests they take, how long they are kept, and what is refused. */
import { expect, test } from "vitest";
import type { FragmentedTombstones } from "../../../src/common/fragmented-tombstones.js";
import type { RangeTombstone } from "../../../src/common/range-tombstone.js";
import type { SstInfo } from "../../../src/format/manifest.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import { BlockCache } from "../../../src/sst/block-cache.js";
import { TableStore } from "../../../src/sst/table-store.js";
import { asTombstones, sortedTombstones } from "../format/tombstone-model.js";
import { buildSst, CountingStore, databaseId, plainRow, sstId, storeSst } from "./row-model.js";

const rows = Array.from({ length: 300 }, (_, i) =>
  plainRow(`key ${String(i).padStart(6, "0")}`, i + 1),
);
const text = (key: string): Uint8Array => new TextEncoder().encode(key);
const tombstone = (start: string, end: string | undefined, seq: number): RangeTombstone => ({
  ...{ start: text(start), end: end === undefined ? undefined : text(end), seq },
});
/** Two overlap, so the spans do not say all. */
const overlapping = [
  tombstone("key 000010", "key 000050", 400),
  tombstone("key 000030", "key 000070", 450),
  tombstone("z", undefined, 20),
];
const path = ObjectPaths.sst(sstId);
const sectionOf = (info: SstInfo): string =>
  `${info.rangeDeletesOffset}+${info.metaOffset - info.rangeDeletesOffset}`;

test("one ranged GET, shared by all who wait, and none afterwards", async () => {
  const { store, tables, info, cache } = await storeSst(rows, {}, {}, overlapping);
  expect(tables.rangeDeletesOf(info)).toBeUndefined();
  const [a, b] = await Promise.all([tables.loadRangeDeletes(info), tables.loadRangeDeletes(info)]);
  expect(a).toBe(b);
  expect(asTombstones(a)).toEqual(sortedTombstones(overlapping));
  expect(tables.rangeDeletesOf(info)).toBe(a);
  expect(await tables.loadRangeDeletes({ ...info })).toBe(a);
  expect(store.gets).toEqual([sectionOf(info)]);
  expect(cache.stats().index).toMatchObject({ count: 1, bytes: a.memoryBytes });
  // The table is another matter.
  await tables.open(info);
  expect(store.gets).toHaveLength(2);
});

test("no request where the spans say all, and none where there are no range deletes", async () => {
  const apart = [tombstone("a", "b", 5), tombstone("c", "d", 9), tombstone("x", undefined, 7)];
  const { store, tables, info } = await storeSst(rows, {}, {}, apart);
  const found = tables.rangeDeletesOf(info)!;
  expect(asTombstones(found)).toEqual(sortedTombstones(apart));
  expect(tables.rangeDeletesOf(info)).toBe(found);
  expect(await tables.loadRangeDeletes(info)).toBe(found);
  const without = await storeSst(rows);
  expect(without.tables.rangeDeletesOf(without.info)?.count).toBe(0);
  expect((await without.tables.loadRangeDeletes(without.info)).count).toBe(0);
  expect([...store.gets, ...without.store.gets]).toEqual([]);
});

test("a small SST is read whole, once for its rows and its range deletes", async () => {
  for (const isOpen of [false, true]) {
    const at = await storeSst(rows, {}, { smallSstBytes: 1 << 20 }, overlapping);
    const { store, tables, info } = at;
    if (isOpen) await tables.open(info);
    expect(asTombstones(await tables.loadRangeDeletes(info))).toEqual(
      sortedTombstones(overlapping),
    );
    await tables.open(info);
    expect(tables.rangeDeletesOf(info)).toBeDefined();
    expect(store.gets).toEqual(["whole"]);
  }
  const rowless = await storeSst([], {}, { smallSstBytes: 1 << 20 }, overlapping);
  await rowless.tables.loadRangeDeletes(rowless.info);
  expect(rowless.store.gets).toEqual([sectionOf(rowless.info)]);
});

test("what the cache has no room for is given, and not kept", async () => {
  const { store, tables, info } = await storeSst(
    rows,
    {},
    { cache: new BlockCache(0) },
    overlapping,
  );
  for (let reads = 1; reads <= 2; reads++) {
    expect((await tables.loadRangeDeletes(info)).count).toBe(3);
    expect(tables.rangeDeletesOf(info)).toBeUndefined();
    expect(store.gets).toHaveLength(reads);
  }
});

test("they leave the cache when others need the room, and come back with one request", async () => {
  const cache = new BlockCache(1 << 20);
  const { store, tables, info } = await storeSst(rows, {}, { cache }, overlapping);
  const { memoryBytes } = await tables.loadRangeDeletes(info);
  cache.addIndex((1 << 20) - memoryBytes, () => undefined);
  expect(tables.rangeDeletesOf(info)).toBeDefined();
  cache.addIndex(memoryBytes + 1, () => undefined);
  cache.addIndex((1 << 20) - memoryBytes + 1, () => undefined);
  expect(tables.rangeDeletesOf(info)).toBeUndefined();
  await tables.loadRangeDeletes(info);
  expect(store.gets).toHaveLength(2);
});

test("what a read of an old seq adds to their memory is counted, or they leave", async () => {
  const key = text("key 000040");
  const old = (found: FragmentedTombstones): number => found.coverSeq(key, 0, key.length, 420);
  const { tables, info, cache } = await storeSst(rows, {}, {}, overlapping);
  const found = await tables.loadRangeDeletes(info);
  const before = found.memoryBytes;
  expect(cache.stats().index.bytes).toBe(before);
  expect([old(found), old(found)]).toEqual([400, 400]);
  expect(found.memoryBytes).toBeGreaterThan(before);
  expect(cache.stats().index).toMatchObject({ count: 1, bytes: found.memoryBytes });
  expect(tables.rangeDeletesOf(info)).toBe(found);
  tables.close(new Error("closed"));
  expect(cache.bytes).toBe(0);

  const tight = await storeSst(rows, {}, { cache: new BlockCache(before) }, overlapping);
  const large = await tight.tables.loadRangeDeletes(tight.info);
  expect(tight.cache.bytes).toBe(before);
  expect(old(large)).toBe(400);
  expect(tight.cache.bytes).toBe(0);
  expect(tight.tables.rangeDeletesOf(tight.info)).toBeUndefined();
  // Whoever still holds what has left changes nothing.
  const again = await tight.tables.loadRangeDeletes(tight.info);
  expect(again).not.toBe(large);
  large.onGrown?.();
  expect(tight.cache.bytes).toBe(before);
});

test("an abort ends the waiting and not the request, and a close both", async () => {
  const { store, tables, info, cache } = await storeSst(rows, {}, {}, overlapping);
  const controller = new AbortController();
  const waiting = tables.loadRangeDeletes(info, controller.signal);
  const other = tables.loadRangeDeletes(info);
  controller.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
  expect((await other).count).toBe(3);
  expect(store.gets).toHaveLength(1);
  expect(cache.bytes).toBeGreaterThan(0);
  tables.close(new Error("closed"));
  expect(cache.bytes).toBe(0);
  expect(tables.rangeDeletesOf(info)).toBeUndefined();
  await expect(tables.loadRangeDeletes(info)).rejects.toThrow("closed");

  const closing = await storeSst(rows, {}, {}, overlapping);
  const late = closing.tables.loadRangeDeletes(closing.info);
  closing.tables.close(new Error("closed"));
  await expect(late).rejects.toThrow("closed");
  expect(closing.cache.bytes).toBe(0);
});

test("a close at any moment leaves nothing in the cache", async () => {
  let loaded = 0;
  for (let ticks = 0; ticks < 30; ticks++) {
    const { store, tables, info, cache } = await storeSst(rows, {}, {}, overlapping);
    const { get } = store;
    store.get = async (...args) => {
      const found = await get.apply(store, args);
      void (async () => {
        for (let i = 0; i < ticks; i++) await undefined;
        tables.close(new Error("closed"));
      })();
      return found;
    };
    const found = await tables.loadRangeDeletes(info).catch((error: Error) => error.message);
    if (found !== "closed") loaded++;
    await new Promise((resolve) => setImmediate(resolve));
    expect(cache.bytes, `${ticks} ticks`).toBe(0);
  }
  expect(loaded).toBeGreaterThan(5);
  expect(loaded).toBeLessThan(30);
});

test("a missing, shorter or foreign object is corruption that names the object, and a later read tries again", async () => {
  const { store, tables, info, bytes } = await storeSst(rows, {}, {}, overlapping);
  const isRefused = async (of: SstInfo = info): Promise<void> => {
    await expect(tables.loadRangeDeletes(of)).rejects.toMatchObject({
      ...{ kind: "corruption", object: path },
    });
  };
  await store.delete([path]);
  await isRefused();
  await store.put(path, bytes.subarray(0, bytes.length - 1));
  await isRefused();
  const otherId = "01BX5ZZKBKACTAV9WEVGEMMVS0";
  await store.put(path, buildSst(rows, { id: otherId }, overlapping).bytes);
  await isRefused();
  await store.put(path, bytes);
  const [span, ...others] = info.rangeDeletes;
  for (const lie of [
    { rangeDeletes: [{ ...span!, count: 5 }, ...others] },
    { rangeDeletes: [{ ...span!, maxSeq: 451 }, ...others] },
    { rangeDeletesOffset: info.rangeDeletesOffset - 1 },
    { metaOffset: info.metaOffset + 1 },
    { minSeq: 21 },
  ]) {
    await isRefused({ ...info, ...lie });
  }
  expect((await tables.loadRangeDeletes(info)).count).toBe(3);
});

test("a request that fails is no damage: it is not made again", async () => {
  const told: string[] = [];
  const onDamage = ({ id }: SstInfo): void => void told.push(id);
  const { store, tables, info } = await storeSst(rows, {}, { onDamage }, overlapping);
  const { get } = store;
  let failures = 0;
  store.get = () => Promise.reject(new Error(`no network ${++failures}`));
  await expect(tables.loadRangeDeletes(info)).rejects.toThrow("no network 1");
  expect(told).toEqual([]);
  store.get = get;
  expect((await tables.loadRangeDeletes(info)).count).toBe(3);
});

test("a table whose range deletes are not where or as many as the manifest says is corruption", async () => {
  const { tables, info } = await storeSst(rows, {}, {}, overlapping);
  const [span, ...others] = info.rangeDeletes;
  for (const lie of [
    { rangeDeletesOffset: 0, rangeDeletes: [] },
    { rangeDeletesOffset: info.rangeDeletesOffset - 1 },
    { rangeDeletes: others },
    { rangeDeletes: [{ ...span!, count: 1 }, ...others] },
  ]) {
    await expect(tables.open({ ...info, ...lie })).rejects.toMatchObject({ kind: "corruption" });
  }
  expect((await tables.open(info)).properties.rangeDeleteCount).toBe(3);
});

/** Flips a byte of the section until it is told to forget what it has. */
class DamagingStore extends CountingStore {
  isDamaging = true;
  damagedAt = 0;

  override async get(...args: Parameters<CountingStore["get"]>) {
    const found = await super.get(...args);
    const range = args[1]?.range;
    const at = this.damagedAt - (range !== undefined && "offset" in range ? range.offset : 0);
    if (!this.isDamaging || found === undefined || at < 0) return found;
    const bytes = found.bytes.slice();
    bytes[at]! ^= 16;
    return { ...found, bytes };
  }
}

test.each(["passing", "lasting", "nothing to forget"] as const)(
  "a section that is damaged on the way is read twice where that may help: %s",
  async (way) => {
    for (const smallSstBytes of [0, 1 << 20]) {
      const { bytes, info } = buildSst(rows, {}, overlapping);
      for (let at = info.rangeDeletesOffset; at < info.metaOffset; at++) {
        const store = new DamagingStore();
        store.damagedAt = at;
        await store.put(path, bytes);
        const onDamage = (): void => {
          if (way === "passing") store.isDamaging = false;
        };
        const tables = new TableStore({
          ...{ store, databaseId, cache: new BlockCache(1 << 20), smallSstBytes },
          onDamage: way === "nothing to forget" ? undefined : onDamage,
        });
        const found = await tables.loadRangeDeletes(info).catch((error: unknown) => error);
        expect(store.gets).toHaveLength(way === "nothing to forget" ? 1 : 2);
        if (way !== "passing") expect(found).toMatchObject({ kind: "corruption", object: path });
        else expect(found).toMatchObject({ count: 3 });
      }
    }
  },
);
