/** What point reads and scans of one table ask of the store: how requests are shared, grow, and are given up. */
import { expect, test } from "vitest";
import { allKeys, toKeyBounds } from "../../../src/common/key-range.js";
import { RowRef } from "../../../src/common/row.js";
import { hashKey } from "../../../src/format/key-hash.js";
import { Step } from "../../../src/iterator/row-iterator.js";
import type { GetOptions, StoredObject } from "../../../src/object-store/object-store.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import { BlockCache } from "../../../src/sst/block-cache.js";
import { SstIterator } from "../../../src/sst/sst-iterator.js";
import type { Table } from "../../../src/sst/table.js";
import { TableStore } from "../../../src/sst/table-store.js";
import { expectEqual } from "../../support/expect-equal.js";
import {
  CountingStore,
  databaseId,
  drain,
  type OpenSst,
  plainRow,
  sstId,
  storeSst,
} from "./row-model.js";

const newest = Number.MAX_SAFE_INTEGER;
/** Some 2.6 MB in 4 KiB blocks of 7 rows. */
const many = Array.from({ length: 5000 }, (_, i) =>
  plainRow(`key ${String(i).padStart(6, "0")}`, i + 1, { value: new Uint8Array(500).fill(i) }),
);

const get = (table: Table, i: number, signal?: AbortSignal): Promise<boolean> => {
  const { key } = many[i]!;
  return table.get(key, hashKey(key), newest, new RowRef(), signal);
};

async function openMany(cacheBytes: number): Promise<OpenSst & { table: Table }> {
  const open = await storeSst(many, {}, { cache: new BlockCache(cacheBytes) });
  const table = await open.tables.open(open.info);
  open.store.gets.length = 0;
  return { ...open, table };
}

const lengths = (store: CountingStore): number[] =>
  store.gets.map((range) => Number(range.split("+")[1]));

test("gets of one turn that miss near each other share a request", async () => {
  const { store, table } = await openMany(1 << 20);
  const found = await Promise.all([0, 1, 10, 40, 2000, 2010, 4999].map((i) => get(table, i)));
  expect(found.every(Boolean)).toBe(true);
  expect(store.gets.length).toBe(3);
  expect(await get(table, 20)).toBe(true);
  expect(store.gets.length).toBe(3);
});

test("a few gets fetch their blocks alone, many fetch growing windows, and each byte once", async () => {
  const { store, table, info } = await openMany(8 << 20);
  for (let i = 0; i < 5000; i++) await get(table, (i * 1789) % 5000);
  expect(
    lengths(store)
      .slice(0, 4)
      .every((length) => length < 5000),
  ).toBe(true);
  expect(store.gets.length).toBeLessThan(16);
  // Cached blocks inside of a window are fetched again.
  const bytes = lengths(store).reduce((sum, length) => sum + length, 0);
  expect(bytes).toBeLessThan(info.metaOffset * 1.02);
});

test("a burst of cold gets fetches their blocks alone, however many they are", async () => {
  const { store, table } = await openMany(8 << 20);
  await Promise.all(Array.from({ length: 50 }, (_, i) => get(table, i * 100)));
  expect(store.gets.length).toBe(50);
  expect(Math.max(...lengths(store))).toBeLessThan(5000);
});

test("windows only fill room that is free: none without a cache, none in a full one", async () => {
  for (const cacheBytes of [0, 64 * 1024]) {
    const { store, table, cache } = await openMany(cacheBytes);
    for (let i = 0; i < 200; i++) await get(table, (i * 1789) % 5000);
    expect(lengths(store).reduce((sum, length) => sum + length, 0)).toBeLessThan(250 * 4096);
    expect(cache.bytes).toBeLessThanOrEqual(cacheBytes);
  }
});

test("a failed request fails those who wait for it, and the next get tries again", async () => {
  const { store, table, bytes } = await openMany(1 << 20);
  await store.delete([ObjectPaths.sst(sstId)]);
  const results = await Promise.allSettled([get(table, 0), get(table, 1), get(table, 3000)]);
  expectEqual(
    results.map(({ status }) => status),
    ["rejected", "rejected", "rejected"],
  );
  await store.put(ObjectPaths.sst(sstId), bytes);
  expect(await get(table, 0)).toBe(true);
});

test("damage in a block that nobody asked for fails nobody, until somebody asks", async () => {
  const { store, table, bytes } = await openMany(8 << 20);
  const damaged = bytes.slice();
  const number = table.findBlockAtOrAfter(many[2500]!.key)!;
  damaged[table.blockOffset(number) + 100]! ^= 1;
  await store.put(ObjectPaths.sst(sstId), damaged);
  for (let i = 0; i < 5000; i += 10) if (Math.abs(i - 2500) > 20) await get(table, i);
  await expect(get(table, 2500)).rejects.toMatchObject({ kind: "corruption" });
});

/** Keeps every GET waiting until it is released, and knows which were aborted. */
class HeldStore extends CountingStore {
  isHolding = false;
  readonly signals: (AbortSignal | undefined)[] = [];
  #release: (() => void)[] = [];

  override async get(key: string, options?: GetOptions): Promise<StoredObject | undefined> {
    this.signals.push(options?.signal);
    const wait = this.isHolding
      ? new Promise<void>((resolve, reject) => {
          this.#release.push(resolve);
          options?.signal?.addEventListener("abort", () => reject(options.signal?.reason));
        })
      : undefined;
    await wait;
    return super.get(key, options);
  }

  release(): void {
    this.isHolding = false;
    for (const release of this.#release) release();
    this.#release = [];
  }
}

async function openHeld(): Promise<{ store: HeldStore; tables: TableStore; open: OpenSst }> {
  const open = await storeSst(many);
  const store = new HeldStore();
  await store.put(ObjectPaths.sst(sstId), open.bytes);
  const cache = new BlockCache(8 << 20);
  const tables = new TableStore({ store, databaseId, cache, smallSstBytes: 0 });
  await tables.open(open.info);
  store.signals.length = 0;
  return { store, tables, open };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a scan fetches the next window from the second half of the first on, and one window ahead", async () => {
  const { store, tables, open } = await openHeld();
  const { info } = open;
  const rows = new SstIterator({ tables, info, bounds: allKeys, readAheadBytes: 64 * 1024 });
  await drain(rows, 40);
  expect(store.signals.length).toBe(1);
  await drain(rows, 40);
  expect(store.signals.length).toBe(2);
  await turn();
  await drain(rows, 60);
  // The second window is here and being read.
  expect(store.signals.length).toBe(3);
  await drain(rows, 10);
  expect(store.signals.length).toBe(3);
  rows.close();
});

test("closing a scan aborts what it fetches ahead, unless somebody else waits for it", async () => {
  const { store, tables, open } = await openHeld();
  const { info } = open;
  const scan = (): SstIterator =>
    new SstIterator({ tables, info, bounds: allKeys, readAheadBytes: 64 * 1024 });
  const alone = scan();
  await drain(alone, 80);
  store.isHolding = true;
  await drain(alone, 100);
  expect(store.signals.length).toBe(3);
  alone.close();
  expectEqual(
    store.signals.map((signal) => signal?.aborted),
    [false, false, true],
  );
  // A read after that does not join the request that was given up.
  const first = scan();
  while (first.step() === Step.row);
  const filling = first.fill();
  const joined = tables.getIfOpen(info)!.join(30)!;
  first.close();
  expect(store.signals.at(-1)?.aborted).toBe(false);
  store.release();
  await filling;
  expect((await joined.window).bytes.length).toBeGreaterThan(0);
  joined.leave();
});

test("a limit plans the first window and fetches nothing ahead", async () => {
  const { store, tables, open } = await openHeld();
  const { info } = open;
  for (const [limit, reverse] of [
    [20, false],
    [20, true],
    [2000, false],
  ] as const) {
    tables.cache.clear();
    await tables.open(info);
    store.gets.length = 0;
    let left: number = limit;
    const rows = new SstIterator({ tables, info, bounds: allKeys, reverse, rowsLeft: () => left });
    for (let i = 0; i < limit; i++) {
      await drain(rows, 1);
      left--;
    }
    await turn();
    rows.close();
    expect(store.gets.length).toBe(1);
    expect(lengths(store)[0]).toBeLessThan(limit * 540 * 1.2 + 9000);
  }
});

test("a very large index is loaded in parts: three small requests for a cold get, one for the next nearby", async () => {
  const open = await storeSst(many, { indexPartitionBytes: 512 }, { tailBytesMax: 1000 });
  const { store, tables, info, cache } = open;
  const table = await tables.open(info);
  expect(table.partitionCount).toBeGreaterThan(10);
  const openBytes = cache.stats().index.bytes;
  const gets = await Promise.all([get(table, 2500), get(table, 2501), get(table, 2500)]);
  expectEqual(gets, [true, true, true]);
  expect(store.gets.length).toBe(3);
  expect(store.bytesRead).toBeLessThan((info.size - info.metaOffset) / 2 + 5000);
  expect(cache.stats().index.bytes).toBeGreaterThan(openBytes);
  await get(table, 2520);
  expect(store.gets.length).toBe(4);
  expect(tables.getIfOpen(info)).toBe(table);
});

test("scans of a very large SST load more parts of its index at once the further they go", async () => {
  const open = await storeSst(many, { indexPartitionBytes: 128 }, { tailBytesMax: 1000 });
  const { store, tables, info } = open;
  const bounds = toKeyBounds({ gte: "key 000100", lt: "key 004900" });
  for (const reverse of [false, true]) {
    tables.cache.clear();
    store.gets.length = 0;
    const { partitionCount } = await tables.open(info);
    const rows = await drain(new SstIterator({ tables, info, bounds, reverse }));
    expect(rows.length).toBe(4800);
    expect(store.gets.length).toBeLessThan(partitionCount / 2);
  }
});
