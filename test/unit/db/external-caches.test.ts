/** Caches of objects that several databases name: shared where they can be, warmed, and dropped when they are damaged. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../../src/common/clock.js";
import { systemRandom } from "../../../src/common/random.js";
import { Db, DbReader } from "../../../src/index.js";
import { ManifestStore } from "../../../src/manifest/manifest-store.js";
import { StoredManifest } from "../../../src/manifest/stored-manifest.js";
import { ExternalRoutes, routed } from "../../../src/object-store/external-routes.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import { prefixed } from "../../../src/object-store/prefixed.js";
import { BlockCache } from "../../../src/sst/block-cache.js";
import { CountingObjectStore, MemoryObjectStore } from "../../../src/testing/index.js";
import { loadEngine } from "../../support/load-engine.js";
import { cloneByHand, copyPath } from "./clone-by-hand.js";
import { commit, newest } from "./compact-by-hand.js";
import { rows } from "./support.js";

beforeAll(loadEngine);

const unread = { pollIntervalMs: 3_600_000 };
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "moraine-clones-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** A database of one SST of some compressed blocks, and a clone of it. */
async function world() {
  const store = new MemoryObjectStore();
  const counting = new CountingObjectStore(store);
  const at = (path: string) => ({ store: counting, path });
  const db = await Db.open(at("parent"), { compaction: false });
  const value = "value".repeat(100);
  await db.load(Array.from({ length: 400 }, (_, i): [string, string] => [String(1000 + i), value]));
  const all = await rows(db);
  await db.flush({ to: "l0" });
  await db.close();
  const manifest = await cloneByHand({ store, from: "parent", to: "clone" });
  const [sst] = manifest.l0[0]!.ssts;
  return { store, counting, at, all, sst: sst!, manifest };
}

test("blocks that a clone has read are in memory for its parent", async () => {
  const { at, all, counting } = await world();
  const blockCache = new BlockCache(8 << 20);
  const clone = await DbReader.open(at("clone"), { ...unread, blockCache });
  expect(await rows(clone)).toBe(all);
  const { count } = blockCache.stats().data;
  expect(count).toBeGreaterThan(5);
  const parent = await DbReader.open(at("parent"), { ...unread, blockCache });
  counting.reset();
  expect(await rows(parent)).toBe(all);
  expect(blockCache.stats().data.count).toBe(count);
  await Promise.all([clone.close(), parent.close()]);
});

test("a clone's warming goes on to the disk, where its parent finds all of it", async () => {
  const { at, all, counting } = await world();
  const cold = { ...unread, blockCacheBytes: 0, cache: { dir, bytes: 8 << 20 } };
  const clone = await DbReader.open(at("clone"), cold);
  expect(await clone.warm()).toMatchObject({ complete: true, blocks: 0 });
  await clone.close();
  const parent = await DbReader.open(at("parent"), cold);
  counting.reset();
  expect(await rows(parent)).toBe(all);
  expect(counting.requests).toEqual([]);
  await parent.close();
});

test("what came damaged from another database is dropped from the disk and read again", async () => {
  const { at, all, counting, sst } = await world();
  const { get } = counting;
  let damaged = 0;
  counting.get = async (key, options) => {
    const found = await get.call(counting, key, options);
    if (found === undefined || !key.includes(sst.id) || damaged++ > 0) return found;
    const bytes = found.bytes.slice();
    for (let i = 100; i < bytes.length; i += 100) bytes[i]! ^= 1;
    return { ...found, bytes };
  };
  const clone = await DbReader.open(at("clone"), { ...unread, cache: { dir, bytes: 8 << 20 } });
  expect(await rows(clone)).toBe(all);
  expect(damaged).toBeGreaterThan(1);
  await clone.close();
});

test("an object that the newest manifest still names is looked for once at each path, and is damage then", async () => {
  const { store, at, counting, sst } = await world();
  const clone = await DbReader.open(at("clone"), unread);
  const root = prefixed(store, "clone");
  await commit(root, await newest(root), {});
  await store.delete([`parent/${ObjectPaths.sst(sst.id)}`]);
  counting.reset();
  await expect(clone.get("1000")).rejects.toMatchObject({
    ...{ kind: "corruption", object: ObjectPaths.sst(sst.id, sst.owner) },
  });
  const asked = counting.requests.map(({ key }) => key).filter((key) => key.includes(sst.id));
  expect(asked).toEqual(["parent", "clone"].map((path) => `${path}/${ObjectPaths.sst(sst.id)}`));
  await clone.close();
});

test("whoever commits where another database lies reads there from then on", async () => {
  const { store, counting, manifest, sst } = await world();
  const routes = new ExternalRoutes((path) => prefixed(counting, path));
  const own = prefixed(routed(counting, "clone", routes), "clone");
  const manifests = new ManifestStore(own);
  const stored = new StoredManifest(manifests, manifest, {
    ...{ clock: systemClock, random: systemRandom, retentionMs: 1e10 },
  });
  manifests.adoptExternals(manifest);
  await copyPath(store, "parent", "clone", "sst/");
  const key = ObjectPaths.sst(sst.id, sst.owner);
  const asked = async (): Promise<string[]> => {
    counting.reset();
    expect((await own.get(key))?.size).toBe(sst.size);
    return counting.requests.map((request) => request.key.split("/")[0]!);
  };
  expect(await asked()).toEqual(["parent"]);
  await stored.commit((known) => ({
    ...known,
    externals: known.externals.map((external) => ({ ...external, path: "" })),
  }));
  expect(await asked()).toEqual(["clone"]);
});
