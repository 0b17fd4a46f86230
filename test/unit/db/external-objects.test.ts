/** Databases that name objects of others: reads, caches and damage. What compactions make of them: external-compactions.test.ts. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, expect, test } from "vitest";
import { CorruptionError, Db, DbReader } from "../../../src/index.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import { prefixed } from "../../../src/object-store/prefixed.js";
import { BlockCache } from "../../../src/sst/block-cache.js";
import { CountingObjectStore, MemoryObjectStore } from "../../../src/testing/index.js";
import { loadEngine } from "../../support/load-engine.js";
import { cloneByHand, copyPath } from "./clone-by-hand.js";
import { commit, compactByHand, newest } from "./compact-by-hand.js";
import { rows, text } from "./support.js";

beforeAll(loadEngine);

const idle = { compaction: false, flushIntervalMs: 3_600_000 } as const;
const unread = { pollIntervalMs: 3_600_000 };
const keyOf = (i: number): string => `k${String(i).padStart(2, "0")}`;

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

interface Place {
  readonly store: MemoryObjectStore;
  readonly counting: CountingObjectStore;
  at(path: string): { store: CountingObjectStore; path: string };
}

function newPlace(): Place {
  const store = new MemoryObjectStore();
  const counting = new CountingObjectStore(store);
  return { store, counting, at: (path) => ({ store: counting, path }) };
}

/** Keys "k00" to "k39" in a run of 20 SSTs, a load and a flush with range deletes above it. Gives its rows. */
async function fill({ store, at }: Place, path: string): Promise<string> {
  const db = await Db.open(at(path), idle);
  for (let i = 0; i < 40; i++) await db.put(keyOf(i), "run", { durable: false });
  await db.flush({ to: "l0" });
  await compactByHand({ store: prefixed(store, path), keysPerSst: 2 });
  await db.load([10, 11, 30].map((i): [string, string] => [keyOf(i), "load"]));
  await db.deleteRange({ gte: keyOf(20), lt: keyOf(25) });
  await db.deleteRange({ gte: keyOf(27), lt: keyOf(29) });
  await db.put(keyOf(22), "flush");
  await db.flush({ to: "l0" });
  const all = await rows(db);
  await db.close();
  return all;
}

test("a clone reads what its parent has, from lists in parts, loads and range deletes, and writes only at its own path", async () => {
  const place = newPlace();
  const all = await fill(place, "parent");
  const before = place.store;
  const { databaseId } = await newest(prefixed(before, "parent"));
  await cloneByHand({ store: place.store, from: "parent", to: "clone", listed: true });
  place.counting.reset();
  const clone = await Db.open(place.at("clone"), idle);
  expect(await rows(clone)).toBe(all);
  expect((await rows(clone, { reverse: true })).split(" ").reverse().join(" ")).toBe(all);
  expect(text(await clone.get(keyOf(11)))).toBe("load");
  expect((await clone.getEntry(keyOf(11)))?.seq).toBe(41);
  expect(await clone.get(keyOf(21))).toBeUndefined();
  expect((await clone.getMany([0, 22, 24].map(keyOf))).map(text)).toEqual([
    "run",
    "flush",
    undefined,
  ]);
  await clone.put(keyOf(21), "clone's");
  await clone.deleteRange({ lt: keyOf(20) });
  await clone.flush({ to: "l0" });
  expect(await rows(clone)).toBe(`k21=clone's ${all.slice(all.indexOf("k22="))}`);
  await clone.close();
  const { requests } = place.counting;
  const written = requests.filter(({ operation }) => operation !== "get");
  expect(written.every(({ key }) => key.startsWith("clone/"))).toBe(true);
  expect(requests.some(({ key }) => key.startsWith("parent/runs/"))).toBe(true);
  expect(requests.every(({ key }) => !key.includes("databases/"))).toBe(true);
  expect(requests.every(({ key }) => !key.includes(databaseId))).toBe(true);
  const parent = await DbReader.open(place.at("parent"), unread);
  expect(await rows(parent)).toBe(all);
  await parent.close();
});

test("a clone of a clone reads from both", async () => {
  const place = newPlace();
  const all = await fill(place, "parent");
  await cloneByHand({ store: place.store, from: "parent", to: "clone" });
  const clone = await Db.open(place.at("clone"), idle);
  await clone.put("k", "clone");
  await clone.flush({ to: "l0" });
  await clone.close();
  await cloneByHand({ store: place.store, from: "clone", to: "grandchild", listed: true });
  const grandchild = await Db.open(place.at("grandchild"), idle);
  expect(await rows(grandchild)).toBe(`k=clone ${all}`);
  const { externals } = await newest(prefixed(place.store, "grandchild"));
  expect(externals.map(({ path }) => path)).toEqual(["parent", "clone"]);
  await grandchild.close();
});

test("in folders, the other database is another folder", async () => {
  const folder = mkdtempSync(join(tmpdir(), "moraine-clones-"));
  folders.push(folder);
  const place = newPlace();
  const all = await fill(place, "parent");
  const absolute = join(folder, "parent").slice(1);
  await copyPath(place.store, "parent", absolute);
  await cloneByHand({ store: place.store, from: absolute, to: "clone" });
  const { FileObjectStore } = await import("../../../src/index.js");
  const files = new FileObjectStore({ directory: folder });
  for (const [from, to] of [
    [absolute, "parent"],
    ["clone", "clone"],
  ] as const) {
    for await (const { key } of place.store.list({ prefix: `${from}/` })) {
      await files.put(to + key.slice(from.length), (await place.store.get(key))!.bytes);
    }
  }
  const clone = await Db.open(`file://${folder}/clone`, idle);
  expect(await rows(clone)).toBe(all);
  await clone.put("a", "1");
  expect(clone.stats().requests.get.requests).toBeGreaterThan(0);
  await clone.close();
});

test("requests to other databases are counted and retried like those to its own", async () => {
  const place = newPlace();
  const all = await fill(place, "parent");
  await cloneByHand({ store: place.store, from: "parent", to: "clone" });
  let failures = 0;
  const flaky = new CountingObjectStore(place.store);
  const { get } = flaky;
  flaky.get = async (key, options) => {
    if (key.startsWith("parent/") && failures++ === 0) {
      const { StoreError } = await import("../../../src/index.js");
      throw new StoreError("unavailable", "not now", { object: key });
    }
    return get.call(flaky, key, options);
  };
  const clone = await DbReader.open({ store: flaky, path: "clone" }, unread);
  expect(await rows(clone)).toBe(all);
  expect(failures).toBeGreaterThan(1);
  const { get: counted } = clone.stats().requests;
  const gets = flaky.requests.filter(({ operation }) => operation === "get");
  expect([counted.errors, counted.requests]).toEqual([1, gets.length + 1]);
  await clone.close();
});

test.each([
  ["an SST", keyOf(11), "sst"],
  ["a list", keyOf(39), "runs"],
] as const)(
  "%s of another database than the one that is named is damage, in memory and with a disk cache",
  async (_, key, kind) => {
    const place = newPlace();
    await fill(place, "parent");
    const good = await cloneByHand({ store: place.store, from: "parent", to: "clone" });
    const [external] = good.externals;
    const stranger = "01BX5ZZKBKACTAV9WEVGEMMVRZ";
    const renamed = <T extends { owner: string }>(of: T): T => ({ ...of, owner: stranger });
    const externals = [external!, { ...external!, databaseId: stranger }];
    const changed =
      kind === "sst"
        ? { l0: good.l0.map((entry) => ({ ...entry, ssts: entry.ssts.map(renamed) })) }
        : { runs: good.runs.map(renamed) };
    // The bytes lie there, but they are not whose the manifest says.
    const to = "foreign";
    await cloneByHand({
      store: place.store,
      from: "parent",
      to,
      changed: { ...changed, externals },
    });
    const folder = mkdtempSync(join(tmpdir(), "moraine-clones-"));
    folders.push(folder);
    for (const caches of [{}, { cache: { dir: folder, bytes: 1 << 20 } }]) {
      const reader = await DbReader.open(place.at(to), { ...unread, ...caches });
      const failure = await reader.get(key).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(CorruptionError);
      const { object, message } = failure as CorruptionError;
      expect(object.slice(0, object.lastIndexOf("/"))).toBe(`databases/${stranger}/${kind}`);
      expect(message).toContain(`belongs to database ${external!.databaseId}`);
      await reader.close();
    }
  },
);

test("a shared block cache and a shared disk cache keep an SST once, whoever owns it", async () => {
  const place = newPlace();
  const all = await fill(place, "parent");
  await cloneByHand({ store: place.store, from: "parent", to: "clone" });
  const folder = mkdtempSync(join(tmpdir(), "moraine-clones-"));
  folders.push(folder);
  const cache = { dir: folder, bytes: 8 << 20 };
  const parent = await DbReader.open(place.at("parent"), { ...unread, cache });
  const warmed = await parent.warm();
  expect(warmed.complete).toBe(true);
  await parent.close();
  const ssts = (): string[] =>
    place.counting.requests.map(({ key }) => key).filter((key) => key.includes("/sst/"));
  place.counting.reset();
  const blockCache = new BlockCache(8 << 20);
  const clone = await DbReader.open(place.at("clone"), { ...unread, cache, blockCache });
  expect((await clone.warm()).disk).toBeDefined();
  expect(await rows(clone)).toBe(all);
  expect(ssts()).toEqual([]);
  expect(clone.stats().diskCache?.misses).toBe(0);
  await clone.close();
  const { count } = blockCache.stats().data;
  const again = await DbReader.open(place.at("parent"), { ...unread, blockCache });
  expect(await rows(again)).toBe(all);
  expect(blockCache.stats().data.count).toBe(count);
  await again.close();
});

test("readers and writers with a manifest from before a detach go on, also at a checkpoint, when the other database is gone", async () => {
  const place = newPlace();
  const all = await fill(place, "parent");
  const cold = { blockCacheBytes: 0 };
  await cloneByHand({ store: place.store, from: "parent", to: "clone", listed: true });
  const clone = await Db.open(place.at("clone"), { ...idle, ...cold });
  const { id } = await clone.checkpoint({ name: "before" });
  const reader = await DbReader.open(place.at("clone"), { ...unread, ...cold });
  const still = await DbReader.open(place.at("clone"), { ...cold, checkpoint: id });
  const held = clone.snapshot();
  const scan = reader.scan()[Symbol.asyncIterator]();
  await scan.next();
  await copyPath(place.store, "parent", "clone", "sst/");
  await copyPath(place.store, "parent", "clone", "runs/");
  const root = prefixed(place.store, "clone");
  const manifest = await newest(root);
  await commit(root, manifest, {
    externals: manifest.externals.map((external) => ({ ...external, path: "" })),
  });
  for await (const { key } of place.store.list({ prefix: "parent/" })) {
    await place.store.delete([key]);
  }
  expect(await rows(reader)).toBe(all);
  expect(await rows(still)).toBe(all);
  expect(await rows(clone)).toBe(all);
  expect(await rows(held)).toBe(all);
  let rest = 1;
  while ((await scan.next()).done !== true) rest++;
  expect(rest).toBe(all.split(" ").length);
  const later = await DbReader.open(place.at("clone"), { ...cold, checkpoint: id });
  place.counting.reset();
  expect(await rows(later)).toBe(all);
  expect(place.counting.requests.every(({ key }) => key.startsWith("clone/"))).toBe(true);
  // What is at neither path is as damaged as it was: the newest manifest still names it.
  const [sst] = manifest.l0[0]!.ssts;
  await root.delete([ObjectPaths.sst(sst!.id)]);
  const failure = await later.get(keyOf(10)).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(CorruptionError);
  await expect(reader.get(keyOf(10))).rejects.toBeInstanceOf(CorruptionError);
  held.close();
  await Promise.all([clone.close(), reader.close(), still.close(), later.close()]);
});
