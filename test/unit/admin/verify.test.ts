/** Verification: a sound database has no problems, and damage of every kind of object is found and named. */
import { beforeAll, expect, test } from "vitest";
import type { VerifyReport } from "../../../src/admin/index.js";
import { openContext } from "../../../src/admin/open-context.js";
import { Db } from "../../../src/db/db.js";
import type { Manifest } from "../../../src/format/manifest.js";
import { ObjectPaths, parseWalPath } from "../../../src/object-store/paths.js";
import { everyKind, keysOf, type VerifyWorld, withAdmin } from "./verify-world.js";

let world: VerifyWorld;
let before: Map<string, Uint8Array>;
let report: VerifyReport;
let keys: string[];
let newest: Manifest;

beforeAll(async () => {
  world = await everyKind();
  report = await withAdmin(world, (admin) => admin.verify({ deep: true }));
  keys = await keysOf(world);
  before = new Map();
  for (const key of keys) before.set(key, (await world.store.get(key))!.bytes.slice());
  newest = (await openContext(world.location, undefined)).stored.current;
});

/** Some of each kind, from the first to the last. */
function some(count: number, of: (key: string) => boolean = () => true): string[] {
  const byKind = new Map<string, string[]>();
  for (const key of keys.filter(of)) {
    const kind = /latest|manifest|\/\w+\//.exec(key)![0];
    byKind.set(kind, [...(byKind.get(kind) ?? []), key]);
  }
  return [...byKind.values()].flatMap((same) =>
    same.filter(
      (_, i) =>
        Math.floor((i * count) / same.length) !== Math.floor(((i - 1) * count) / same.length),
    ),
  );
}

async function wrongWith(deep: boolean): Promise<readonly string[]> {
  const { problems } = await withAdmin(world, (admin) => admin.verify({ deep }));
  return problems.map(({ object }) => `db/${object}`);
}

test("of a database with every kind of object nothing is wrong, and nothing changes", async () => {
  expect(report.problems).toEqual([]);
  expect(report.orphans).toEqual({ count: 0, bytes: 0, names: [] });
  expect(report.foreign.count).toBe(0);
  const kinds = new Set(keys.map((key) => key.split("/")[1]));
  const all = ["compactions", "manifest", "retired", "runs", "sst", "wal"];
  expect([...kinds].sort()).toEqual(all);
  const quick = await withAdmin(world, (admin) => admin.verify());
  expect(quick.problems).toEqual([]);
  expect(quick.bytes).toBeGreaterThan(0);
  expect(await keysOf(world)).toEqual(keys);
});

test("one byte flipped in any object: a deep verification names it", async () => {
  for (const key of some(4)) {
    const bytes = before.get(key)!.slice();
    bytes[Math.floor(bytes.length / 2)]! ^= 0x40;
    await world.store.put(key, bytes);
    // Of the newest manifest the hint is a copy, and it is the hint that an open begins with.
    expect(await wrongWith(true)).toEqual([key]);
    await world.store.put(key, before.get(key)!);
  }
});

test("any object cut short: a deep verification names it, a quick one where a manifest says its size", async () => {
  for (const key of some(2)) {
    const bytes = before.get(key)!;
    await world.store.put(key, bytes.slice(0, bytes.length - 7));
    expect(await wrongWith(true)).toContain(key);
    if (key.includes("/runs/")) expect(await wrongWith(false)).toContain(key);
    await world.store.put(key, bytes);
  }
});

/** Whether the newest state, or a checkpoint, needs it; and a listing alone tells that it is gone. */
function isNeeded(key: string, pinned: readonly Manifest[], deep: boolean): boolean {
  const name = key.slice(3);
  const wal = parseWalPath(name);
  if (wal !== undefined) {
    const ranges = newest.checkpoints.flatMap((checkpoint) => checkpoint.wal);
    const { epoch, id } = wal;
    if (ranges.some((r) => r.epoch === epoch && r.fromId <= id && id < r.toId)) return true;
    const isBefore = epoch < newest.walStart.epoch || (epoch === 1 && id < newest.walStart.id);
    // The last record of the newest log nobody tells of, and of the others only the record itself, or a fence.
    return !isBefore && (epoch === 2 ? deep && id < 3 : id <= 7);
  }
  if (name === ObjectPaths.manifestHint) return true;
  if (name.startsWith("manifest/")) {
    const numbers = newest.checkpoints.flatMap((c) => [c.manifestNumber, c.refreshedNumber]);
    return [newest.number, ...numbers].map(ObjectPaths.manifest).includes(name);
  }
  if (name.startsWith("compactions/")) return false;
  if (!name.startsWith("sst/")) return true;
  const ssts = pinned.flatMap(({ l0, runs }) => [...l0, ...runs].flatMap((part) => part.ssts));
  return ssts.some(({ id }) => ObjectPaths.sst(id) === name);
}

test("an object that is gone: both verifications name it, where it is needed", async () => {
  const { manifests } = await openContext(world.location, undefined);
  const read = newest.checkpoints.map(
    async (c) => (await manifests.get(c.manifestNumber))!.manifest,
  );
  const pinned = [newest, ...(await Promise.all(read))];
  let found = 0;
  for (const key of some(5, (key) => isNeeded(key, pinned, true))) {
    await world.store.delete([key]);
    for (const deep of [true, false]) {
      if (!isNeeded(key, pinned, deep)) continue;
      found++;
      expect(await wrongWith(deep)).toEqual([key]);
    }
    await world.store.put(key, before.get(key)!);
  }
  expect(found).toBeGreaterThan(15);
});

test("objects of one kind in each other's place: a deep verification names both", async () => {
  for (const kind of ["sst", "wal", "manifest", "compactions"]) {
    const same = some(4).filter((key) => key.startsWith(`db/${kind}/`) && !key.endsWith("latest"));
    for (let i = 1; i < same.length; i += 2) {
      const [a, b] = [same[i - 1]!, same[i]!];
      await world.store.put(a, before.get(b)!);
      await world.store.put(b, before.get(a)!);
      const found = await wrongWith(true);
      expect(found).toContain(a);
      expect(found).toContain(b);
      await world.store.put(a, before.get(a)!);
      await world.store.put(b, before.get(b)!);
    }
  }
});

test("objects that nothing names are orphans or foreign, and no problems", async () => {
  const sst = keys.find((key) => key.includes("/sst/"))!;
  const old = sst.replace(/\/sst\/.{26}/, "/sst/00000000000000000000000001");
  await world.store.put(old, before.get(sst)!);
  await world.store.put("db/notes.txt", new Uint8Array(3));
  const found = await withAdmin(world, (admin) => admin.verify());
  expect(found.problems).toEqual([]);
  expect(found.orphans).toMatchObject({ count: 1, names: [old.slice(3)] });
  expect(found.foreign).toMatchObject({ count: 1, bytes: 3, names: ["notes.txt"] });
  await world.store.delete([old, "db/notes.txt"]);
});

test("beside a writer that flushes, compacts and collects nothing is found missing", async () => {
  const location = { store: world.store, path: "busy" };
  const db = await Db.open(location, {
    ...{ background: false, gcGraceMs: 0, walPutsPerSecond: Infinity, compactionThreads: 0 },
  });
  const busy = (async () => {
    for (let round = 0; round < 6; round++) {
      for (let i = 0; i < 20; i++) await db.put(`key${i}`, `${round}`.padEnd(200, "."));
      await db.flush({ to: "l0" });
      if (round % 3 === 2) await db.compact();
      await db.maintain();
    }
  })();
  let isOver = false;
  void busy.finally(() => {
    isOver = true;
  });
  let count = 0;
  for (; !isOver; count++) {
    const found = await withAdmin({ store: world.store, location }, (admin) =>
      admin.verify({ deep: count % 2 === 0 }),
    );
    expect(found.problems).toEqual([]);
    // Timers have their turn too: those of the writer.
    await new Promise((done) => setTimeout(done, 1));
  }
  expect(count).toBeGreaterThan(1);
  await busy;
  await db.close();
});
