/** Sweeps: what goes, what stays, beside loads and jobs under way; foreign files, dry runs, budgets. */
import { expect, test } from "vitest";
import { deferred } from "../../../src/common/deferred.js";
import { UlidFactory } from "../../../src/common/ids.js";
import { seededRandom } from "../../../src/common/random.js";
import { encodeRetiredList } from "../../../src/format/retired-list-codec.js";
import { Collector } from "../../../src/gc/collector.js";
import { Sweep } from "../../../src/gc/sweep.js";
import { lowerFloor } from "../../../src/manifest/gc-transitions.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import { CountingObjectStore, FaultyObjectStore } from "../../../src/testing/index.js";
import { databaseId } from "../manifest/manifests.js";
import { buildSst, plainRow } from "../sst/row-model.js";
import { checkpoint, forgetCompactorFloor } from "./interventions.js";
import { optionsFor, turns } from "./paused-actors.js";
import { expectReachable } from "./reachable.js";
import { GcWorld, minute } from "./world.js";

const hour = 60 * minute;
const day = 24 * hour;
const other = "01ARZ3NDEKTSV4RRFFQ69G5FZZ";

const sweepOf = (world: GcWorld, store = world.store) =>
  new Sweep(optionsFor(world, store as never));

/** Ids that lie below both floors once the writer and the compactor have committed. */
function oldIds(world: GcWorld): UlidFactory {
  return new UlidFactory(world.shiftedClock(-10 * day), seededRandom(7));
}

async function putSst(world: GcWorld, id: string, owner = databaseId): Promise<string> {
  const { bytes } = buildSst([plainRow("k", 1)], { id, databaseId: owner });
  await world.store.put(ObjectPaths.sst(id), bytes);
  return ObjectPaths.sst(id);
}

/** With a run, L0 entries, retired objects and both floors above all that was minted. */
async function busy(): Promise<GcWorld> {
  const world = await GcWorld.create(3);
  await world.writeWal(2);
  await world.flush();
  await world.compactAll({ isLong: true });
  await world.flush();
  world.clock.ms += 3 * hour;
  await world.flush();
  await world.compactAll({ isLong: true });
  await world.flush();
  return world;
}

test("orphans of every kind below both floors go, and are counted with their bytes", async () => {
  const world = await busy();
  const ids = oldIds(world);
  const before = await world.names();
  const sst = await putSst(world, ids.next());
  const list = ids.next();
  await world.store.put(ObjectPaths.retiredList(list), encodeRetiredList(databaseId, list, []));
  const run = ids.next();
  const runBytes = (await world.store.get((await world.names("runs/"))[0]!))!.bytes;
  await world.store.put(ObjectPaths.run(run), runBytes);
  const size = (await world.store.head(sst))!.size + runBytes.length;
  const result = await sweepOf(world).runOnce();
  expect(result.deleted).toMatchObject({ ssts: 1, runs: 1, lists: 1, wal: 0, manifests: 0 });
  expect(result.deleted.bytes).toBeGreaterThan(size);
  expect(result).toMatchObject({ foreignCount: 0, isDone: true });
  expect(await world.names()).toEqual(before);
  await expectReachable(world);
});

test("what is above the lower floor stays: a load and a job may be about to name it", async () => {
  const world = await busy();
  await world.beginLoad();
  await world.planJob();
  await world.flush();
  const load = ObjectPaths.sst(world.loads[0]!.sst.id);
  const job = world.jobs[0]!;
  // Both roles' clocks are far ahead by now.
  world.clock.ms += hour;
  await world.flush();
  expect(lowerFloor(world.manifest) < world.loads[0]!.sst.id).toBe(true);
  expect(lowerFloor(world.manifest) < job.id).toBe(true);
  const result = await sweepOf(world).runOnce();
  expect(result.deleted).toMatchObject({ ssts: 0, runs: 0 });
  await expectReachable(world);
  // Given up, and the floors go on: now they are orphans.
  world.giveUpLoad();
  world.giveUpJob();
  await world.flush();
  await world.compactAll();
  await world.flush();
  const { deleted } = await sweepOf(world).runOnce();
  expect(deleted.ssts).toBeGreaterThanOrEqual(2);
  expect(await world.store.head(load)).toBeUndefined();
  await expectReachable(world);
});

test("a load that begins and ends between the manifest that is read and the listing is safe", async () => {
  const world = await busy();
  const faulty = new FaultyObjectStore(world.store);
  const gate = deferred();
  faulty.intercept = ({ operation, key }) => {
    if (operation !== "list" || key !== "sst/") return undefined;
    return { kind: "delay", until: gate.promise };
  };
  const sweeping = new Sweep({ ...optionsFor(world, world.store), store: faulty }).runOnce();
  await turns(50);
  await world.beginLoad();
  await world.recordLoad();
  await world.flush();
  await world.planJob();
  await world.commitJob();
  await world.flush();
  gate.resolve();
  await sweeping;
  await expectReachable(world);
});

test("without a floor of the compactor nothing with an id is listed", async () => {
  const world = await busy();
  await world.store.put("sst/notes.txt", new Uint8Array(1));
  const counting = new CountingObjectStore(world.store);
  await forgetCompactorFloor(world);
  await new Sweep(optionsFor(world, counting)).runOnce();
  const listed = counting.requests.filter(({ operation }) => operation === "list");
  expect(listed.map(({ key }) => key)).toEqual(["manifest/", "wal/", "compactions/", "probe/"]);
});

test("void and late WAL objects go; fences, retired ones, live ones and later logs stay", async () => {
  const world = await busy();
  await world.reopen();
  const logEnd = world.logEnds.get(1)!;
  // One lands again where the collector had deleted it, and one behind the fence.
  await world.flush();
  await new Collector(optionsFor(world, world.store)).runOnce({ graceMs: 0 });
  await world.writeWal(2);
  const before = await world.names("wal/");
  await world.lateWalAt(1, 1);
  await world.lateWalAt(1, logEnd + 1);
  // A log that is newer than the manifest, and another fence of a sleeper.
  await world.lateWalAt(world.epoch + 1, 1);
  await world.sleepersFence(1, 2);
  const { deleted } = await sweepOf(world).runOnce();
  expect(deleted).toMatchObject({ wal: 2, ssts: 0 });
  expect(await world.names("wal/")).toEqual(
    [...before, ObjectPaths.wal(1, 2), ObjectPaths.wal(world.epoch + 1, 1)].sort(),
  );
  await expectReachable(world);
});

test("WAL objects and loads that a checkpoint names stay, retired or not", async () => {
  const world = await busy();
  const { epoch } = world.manifest.walStart;
  const load = oldIds(world).next();
  await putSst(world, load);
  await world.lateWalAt(epoch, 1);
  await world.lateWalAt(epoch, 2);
  await checkpoint(world, 0);
  await world.commit((manifest) => ({
    ...manifest,
    retired: [],
    checkpoints: manifest.checkpoints.map((one) => ({
      ...one,
      ...{ loads: [load], wal: [{ epoch, fromId: 1, toId: 2 }] },
    })),
  }));
  await sweepOf(world).runOnce();
  const names = await world.names();
  expect(names).toContain(ObjectPaths.sst(load));
  expect(names).toContain(ObjectPaths.wal(epoch, 1));
  expect(names).not.toContain(ObjectPaths.wal(epoch, 2));
});

test("copies of other databases' objects at the own path are the own, others stay", async () => {
  const world = await busy();
  const ids = oldIds(world);
  const mine = await putSst(world, ids.next(), other);
  await world.commit((manifest) => ({
    ...manifest,
    externals: [{ databaseId: other, path: "", checkpointId: ids.next(), isLeaving: false }],
  }));
  const foreign = await putSst(world, ids.next(), "01ARZ3NDEKTSV4RRFFQ69G5FZX");
  for (const name of ["databases/x/sst/y.sst", "claims/00000000000000000001.claim"]) {
    await world.store.put(name, new Uint8Array(3));
  }
  const { foreign: found } = await sweepOf(world).runOnce();
  expect(found).toEqual([foreign]);
  const names = await world.names();
  expect(names).not.toContain(mine);
  expect(names).toContain("databases/x/sst/y.sst");
  expect(names).toContain("claims/00000000000000000001.claim");
});

test("what is on the retired list is the collector's", async () => {
  const world = await busy();
  const before = await world.names();
  expect((await world.refresh()).retired.length).toBeGreaterThan(2);
  const { deleted } = await sweepOf(world).runOnce();
  expect(Object.values(deleted).every((count) => count === 0)).toBe(true);
  expect(await world.names()).toEqual(before);
});

test("strays and left manifests below the first number go, and what checkpoints need stays", async () => {
  const world = await busy();
  await checkpoint(world, 0);
  const pinned = world.manifest.checkpoints[0]!.manifestNumber;
  world.clock.ms += 31 * day;
  await world.flush();
  await new Collector(optionsFor(world, world.store)).runOnce({ graceMs: 0 });
  await world.refresh();
  const stray = (await world.store.get(ObjectPaths.manifest(pinned)))!.bytes;
  await world.store.put(ObjectPaths.manifest(2), stray);
  const before = await world.manifestNumbers();
  const { deleted } = await sweepOf(world).runOnce();
  expect(deleted).toMatchObject({ manifests: 1 });
  expect(await world.manifestNumbers()).toEqual(before.filter((number) => number !== 2));
  await expectReachable(world);
});

test("states of compactions go when they are a day old, but the newest, and none above one that is kept", async () => {
  const world = await busy();
  const state = (await world.store.get(ObjectPaths.manifest(1)))!.bytes;
  const put = (number: number) => world.store.put(ObjectPaths.compactions(number), state);
  for (const number of [1, 2, 4, 5]) await put(number);
  world.clock.ms += hour;
  await put(3);
  world.clock.ms += day - 1;
  const first = await sweepOf(world).runOnce();
  expect(first.deleted.compactions).toBe(2);
  expect((await world.names("compactions/")).length).toBe(3);
  world.clock.ms += day;
  expect((await sweepOf(world).runOnce()).deleted.compactions).toBe(2);
  expect(await world.names("compactions/")).toEqual([ObjectPaths.compactions(5)]);
});

test("probes go after a day by the store's clock, whatever the clock of the process says", async () => {
  const world = await busy();
  const probe = ObjectPaths.probe("0123456789abcdef0123456789abcdef");
  await world.store.put(probe, new Uint8Array(1));
  await world.store.put("probe/note", new Uint8Array(1));
  const ahead = { ...optionsFor(world, world.store), clock: world.shiftedClock(5 * day) };
  expect((await new Sweep(ahead).runOnce()).deleted.probes).toBe(0);
  world.clock.ms += day;
  expect((await sweepOf(world).runOnce()).deleted.probes).toBe(1);
  expect(await world.names("probe/")).toEqual(["probe/note"]);
});

test("foreign files survive: other names, other databases, and what cannot be read", async () => {
  const world = await busy();
  const ids = oldIds(world);
  const foreign = await putSst(world, ids.next(), other);
  const damaged = ObjectPaths.sst(ids.next());
  await world.store.put(damaged, new Uint8Array(100));
  const list = ids.next();
  await world.store.put(ObjectPaths.retiredList(list), encodeRetiredList(other, list, []));
  const renamed = ObjectPaths.sst(ids.next());
  await world.store.put(renamed, (await world.store.get(foreign))!.bytes);
  const names = ["sst/readme.txt", "sst/sub/x.sst", "wal/1/1.wal", "runs/x", "manifest/old", "x"];
  for (const name of [...names, ObjectPaths.wal(1, 900)]) {
    await world.store.put(name, new Uint8Array(200));
  }
  await world.reopen();
  await world.flush();
  const before = await world.names();
  const result = await sweepOf(world).runOnce();
  expect(result.deleted.ssts).toBe(0);
  expect(await world.names()).toEqual(before);
  expect(result.foreignCount).toBe(5);
  expect([...result.foreign].sort()).toEqual(
    [foreign, damaged, renamed, ObjectPaths.retiredList(list), ObjectPaths.wal(1, 900)].sort(),
  );
});

test("a dry run says what a sweep then does, and deletes nothing", async () => {
  const world = await busy();
  const ids = oldIds(world);
  for (let i = 0; i < 5; i++) await putSst(world, ids.next());
  await putSst(world, ids.next(), other);
  const before = await world.names("sst/");
  const sweep = sweepOf(world);
  const predicted = await sweep.runOnce({ dryRun: true });
  expect(await world.names("sst/")).toEqual(before);
  expect(sweep.totals.ssts).toBe(0);
  const result = await sweep.runOnce();
  expect(predicted).toMatchObject({ deleted: result.deleted, foreign: result.foreign });
  expect(result.deleted.ssts).toBe(5);
  expect(sweep.totals).toEqual(result.deleted);
});

test("a sweep stops when its budget is spent, and the next one goes on", async () => {
  const world = await busy();
  const ids = oldIds(world);
  for (let i = 0; i < 30; i++) await putSst(world, ids.next());
  let swept = 0;
  let sweeps = 0;
  for (let isDone = false; !isDone && sweeps < 10; sweeps++) {
    const result = await sweepOf(world).runOnce({ budget: { requests: 20 } });
    expect(result.requests).toBeLessThanOrEqual(20);
    isDone = result.isDone;
    swept += result.deleted.ssts;
  }
  expect(swept).toBe(30);
  expect(sweeps).toBeGreaterThan(2);
  await expect(sweepOf(world).runOnce({ budgets: {} } as never)).rejects.toThrow('"budget"');
});
