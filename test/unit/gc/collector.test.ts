/** Passes of the collector one by one: what goes and what stays, ages by the store's clock, requests, budgets, failures. */
import { expect, test } from "vitest";
import { Collector } from "../../../src/gc/collector.js";
import { retiredIdsInManifestMax } from "../../../src/manifest/move-long-retired.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import { CountingObjectStore, FaultyObjectStore } from "../../../src/testing/index.js";
import { changeCheckpoint, checkpoint, retireMany } from "./interventions.js";
import { collecting, optionsFor, retentionMs, turns } from "./paused-actors.js";
import { expectReachable } from "./reachable.js";
import { GcWorld, minute } from "./world.js";

const hour = 60 * minute;
const day = 24 * hour;

/** A database with three retired SSTs, one that is named, and six retired WAL objects. */
async function compacted(seed = 1): Promise<GcWorld> {
  const world = await GcWorld.create(seed);
  for (let i = 0; i < 3; i++) {
    await world.writeWal(2);
    await world.flush();
  }
  await world.compactAll();
  return world;
}

function newCollector(world: GcWorld) {
  const counting = new CountingObjectStore(world.store);
  return { counting, collector: new Collector(optionsFor(world, counting)) };
}

test("what is retired is deleted and taken off, and fences and what is named stay", async () => {
  const world = await compacted();
  await world.reopen();
  const { collector } = newCollector(world);
  const result = await collector.runOnce({ graceMs: 0 });
  expect(result).toMatchObject({
    ...{
      dryRun: false,
      checkpointsDropped: 0,
      databasesReleased: 0,
      notReleased: [],
      isDone: true,
    },
    ...{ kept: { young: 0, named: 0 } },
    deleted: { ssts: 3, runs: 0, lists: 0, wal: 6, manifests: 0 },
  });
  await expectReachable(world);
  expect((await world.refresh()).retired).toEqual([]);
  expect((await world.names("sst/")).length).toBe(1);
  expect(await world.names("wal/")).toEqual([...world.fences]);
  expect(collector.totals).toEqual(result.deleted);
});

test("bytes count SSTs that the same collector has seen named", async () => {
  const world = await GcWorld.create();
  await world.flush();
  const { collector } = newCollector(world);
  await world.compactAll();
  await world.flush();
  expect((await collector.runOnce({ graceMs: 0 })).deleted).toMatchObject({ ssts: 1, bytes: 0 });
  const sizes =
    (await world.refresh()).runs[0]!.ssts[0]!.size + world.manifest.l0[0]!.ssts[0]!.size;
  await world.compactAll();
  const { deleted } = await collector.runOnce({ graceMs: 0 });
  expect(deleted).toMatchObject({ ssts: 2, bytes: sizes });
});

test("a pass is: hint, next number, the store's time, a few HEADs, the deletes, one commit; and never a LIST", async () => {
  const world = await compacted();
  world.clock.ms += 2 * hour;
  const { counting, collector } = newCollector(world);
  const result = await collector.runOnce({ graceMs: hour });
  expect(result.deleted).toMatchObject({ ssts: 3, wal: 6 });
  const named = (key: string) =>
    key.replace(/0{10,}/g, "").replace(/[0-9a-f]{32}|[0-9A-HJKMNP-TV-Z]{26}/, "*");
  expect(counting.requests.map(({ operation, key }) => `${operation} ${named(key)}`)).toEqual([
    ...["get manifest/latest", "get manifest/7.manifest"],
    // The oldest and the newest that retired something, then the oldest there is.
    ...["head manifest/3.manifest", "create probe/*.probe", "head probe/*.probe"],
    ...["delete probe/*.probe", "head manifest/6.manifest", "head manifest/1.manifest"],
    ...["delete sst/*.sst", "delete wal/1/1.wal", "create manifest/7.manifest"],
  ]);
  expect(result.requests).toBe(counting.total);
  expect(counting.requests.every(({ background }) => background)).toBe(true);
  counting.reset();
  // Nothing to do: one look.
  expect((await collector.runOnce({ graceMs: hour })).requests).toBe(1);
  expect(counting.counts).toMatchObject({ get: 1, list: 0 });
});

test("ages are told by the store's clock: clocks of processes that are days off change nothing", async () => {
  const world = await compacted();
  world.clock.ms += hour - 1;
  const off = { ...optionsFor(world, world.store), clock: world.shiftedClock(-9 * day) };
  // It takes the hint for one from the future, so it lists; ages are right all the same.
  expect((await new Collector(off).runOnce({ graceMs: hour })).deleted.ssts).toBe(0);
  world.clock.ms += 1;
  const { kept, deleted } = await new Collector(off).runOnce({ graceMs: hour });
  expect([deleted.ssts, deleted.wal, kept.young]).toEqual([3, 6, 0]);
});

test("of what was retired at several times exactly the old part goes", async () => {
  const world = await GcWorld.create();
  for (let i = 0; i < 10; i++) {
    world.clock.ms += 10 * minute;
    await world.writeWal(3);
    await world.flush();
  }
  const { collector, counting } = newCollector(world);
  // Retired 90, 80, ... 0 minutes ago.
  const result = await collector.runOnce({ graceMs: 35 * minute });
  expect(result.deleted.wal).toBe(6 * 3);
  expect(result.kept.young).toBe(4 * 3);
  expect(counting.counts.head).toBeLessThanOrEqual(7);
  expect((await world.refresh()).retired.map(({ fromId }) => fromId)).toEqual([19, 22, 25, 28]);
});

test("a checkpoint holds back what it names until it has expired and a commit has dropped it", async () => {
  const world = await GcWorld.create();
  await world.flush();
  await checkpoint(world, hour);
  await world.compactAll();
  const { collector } = newCollector(world);
  const early = await collector.runOnce({ graceMs: 0 });
  expect([early.deleted.ssts, early.kept.named, early.checkpointsDropped]).toEqual([0, 1, 0]);
  world.clock.ms += hour;
  const late = await collector.runOnce({ graceMs: 0 });
  expect([late.deleted.ssts, late.kept.named, late.checkpointsDropped]).toEqual([1, 0, 1]);
  expect((await world.refresh()).checkpoints).toEqual([]);
});

test("a checkpoint that is refreshed while the collector judges it stays, with all that it names", async () => {
  const world = await GcWorld.create();
  await world.flush();
  await checkpoint(world, hour);
  await world.compactAll();
  world.clock.ms += hour;
  const actor = collecting(world, 0);
  // Up to the commit that drops it.
  while (actor.counting.counts.create < 2) await actor.step();
  await changeCheckpoint(world, (one, next) => ({ ...one, refreshedNumber: next }));
  await actor.finish();
  expect((await world.refresh()).checkpoints).toHaveLength(1);
  await expectReachable(world);
});

test("old manifests go once they are older than the retention, but those that checkpoints need", async () => {
  const world = await GcWorld.create();
  await checkpoint(world, 0);
  await checkpoint(world, 100 * day);
  const [pinned, refreshed] = world.manifest.checkpoints.map((one) => one.manifestNumber);
  for (let i = 0; i < 5; i++) await world.flush();
  await changeCheckpoint(world, (one, next) => ({ ...one, refreshedNumber: next }));
  const needed = world.manifest.checkpoints.flatMap((one) => [
    one.manifestNumber,
    one.refreshedNumber,
  ]);
  const lastOld = world.manifest.number;
  world.clock.ms += retentionMs;
  await world.flush();
  const { collector } = newCollector(world);
  const { deleted } = await collector.runOnce({ graceMs: 0 });
  await world.refresh();
  expect(deleted.manifests).toBe(lastOld - new Set(needed).size);
  expect(world.manifest.firstNumber).toBe(lastOld + 1);
  expect(await world.manifestNumbers()).toEqual(
    [...new Set([...needed, lastOld + 1, lastOld + 2])].sort((a, b) => a - b),
  );
  expect([pinned, refreshed]).toEqual([3, 4]);
  await expectReachable(world);
  // The checkpoint of 100 days expires, and what it needed goes with it.
  world.clock.ms += 100 * day;
  await world.flush();
  const later = await collector.runOnce({ graceMs: 0 });
  expect(later.checkpointsDropped).toBe(1);
  const [left] = (await world.refresh()).checkpoints;
  const old = (await world.manifestNumbers()).filter(
    (number) => number < world.manifest.number - 2,
  );
  expect(old).toEqual([left!.manifestNumber, left!.refreshedNumber]);
});

test("a retention of less than a day counts as a day", async () => {
  const world = await GcWorld.create();
  world.clock.ms += day - 1;
  await world.flush();
  const eager = () => new Collector({ ...optionsFor(world, world.store), retentionMs: 1000 });
  expect((await eager().runOnce({ graceMs: 0 })).deleted.manifests).toBe(0);
  world.clock.ms += 1;
  expect((await eager().runOnce({ graceMs: 0 })).deleted.manifests).toBe(2);
});

test("a dry run says what a run then does, and changes nothing", async () => {
  const world = await compacted();
  await checkpoint(world, minute);
  await world.flush();
  await world.compactAll();
  world.clock.ms += retentionMs;
  await world.flush();
  const before = [await world.names(), await world.manifestNumbers()];
  const { collector } = newCollector(world);
  const predicted = await collector.runOnce({ graceMs: 0, dryRun: true });
  expect([await world.names(), await world.manifestNumbers()]).toEqual(before);
  expect(await world.names("probe/")).toEqual([]);
  expect(collector.totals.ssts).toBe(0);
  const { deleted, kept, checkpointsDropped } = await collector.runOnce({ graceMs: 0 });
  expect(predicted).toMatchObject({ dryRun: true, deleted, kept, checkpointsDropped });
  expect(deleted.ssts).toBeGreaterThan(4);
  expect(deleted.manifests).toBeGreaterThan(4);
  expect(checkpointsDropped).toBe(1);
});

test.each([
  ["budget of requests", { requests: 8 }],
  ["budget of time", { timeMs: 0 }],
])(
  "a pass stops when its %s is spent, keeps what it did, and the next one goes on",
  async (_, budget) => {
    const world = await GcWorld.create();
    await world.writeWal(2500);
    await world.flush();
    const { collector } = newCollector(world);
    let deleted = 0;
    let passes = 0;
    for (let isDone = false; !isDone && passes < 5; passes++) {
      const result = await collector.runOnce(passes < 3 ? { graceMs: 0, budget } : { graceMs: 0 });
      isDone = result.isDone;
      deleted += result.deleted.wal;
      if ("requests" in budget && passes < 3) expect(result.requests).toBeLessThanOrEqual(8);
      const left = (await world.refresh()).retired.reduce(
        (sum, one) => sum + one.toId - one.fromId,
        0,
      );
      expect(left).toBe(2500 - deleted);
    }
    expect(deleted).toBe(2500);
    expect(passes).toBeGreaterThan(1);
  },
);

test("restarted at every request, whatever became of it, it ends with nothing left", async () => {
  for (const kind of ["before", "after", "late", "crash"] as const) {
    for (let at = 0; ; at++) {
      const world = await compacted(at);
      await checkpoint(world, minute);
      world.clock.ms += 2 * minute;
      const faulty = new FaultyObjectStore(world.store, {
        intercept: ({ index }) => (index === at ? { kind } : undefined),
      });
      const options = optionsFor(world, new CountingObjectStore(faulty));
      const first = new Collector(options).runOnce({ graceMs: minute }).catch(() => undefined);
      if (kind === "crash") await Promise.race([first, turns(200)]);
      else await first;
      await expectReachable(world);
      const isOver = options.store instanceof CountingObjectStore && options.store.total <= at;
      await newCollector(world).collector.runOnce({ graceMs: minute });
      await faulty.releaseLate();
      await expectReachable(world);
      await newCollector(world).collector.runOnce({ graceMs: minute });
      expect((await world.refresh()).retired).toEqual([]);
      expect((await world.names("sst/")).length).toBe(1);
      if (isOver) break;
      expect(at).toBeLessThan(40);
    }
  }
});

test("what was deleted before a failure is taken off", async () => {
  const world = await GcWorld.create();
  await world.writeWal(2500);
  await world.flush();
  const faulty = new FaultyObjectStore(world.store, {
    intercept: ({ operation, key }) =>
      operation === "delete" && key.endsWith("1001.wal") ? { kind: "before" } : undefined,
  });
  const collector = new Collector({ ...optionsFor(world, world.store), store: faulty });
  await expect(collector.runOnce({ graceMs: 0 })).rejects.toThrow("planned fault");
  expect((await world.refresh()).retired.map(({ fromId }) => fromId)).toEqual([1001]);
  expect(collector.totals.wal).toBe(1000);
});

test("a missing list of a run that a checkpoint names is damage, and nothing is deleted", async () => {
  const world = await compacted();
  await world.flush();
  await world.compactAll({ isLong: true });
  await checkpoint(world, 0);
  const run = world.manifest.runs[0]!.id;
  await world.flush();
  await world.compactAll();
  await world.store.delete([ObjectPaths.run(run)]);
  const before = await world.names();
  const { collector } = newCollector(world);
  await expect(collector.runOnce({ graceMs: 0 })).rejects.toMatchObject({
    ...{ kind: "corruption", object: ObjectPaths.run(run) },
  });
  expect(await world.names()).toEqual(before);
});

test("a long retired list moves into an object, is collected from there, and goes with it", async () => {
  const world = await GcWorld.create();
  await world.flush();
  await checkpoint(world, 0);
  const named = world.manifest.l0[0]!.ssts[0]!.id;
  await world.compactAll();
  await retireMany(world, retiredIdsInManifestMax);
  const { collector } = newCollector(world);
  // Too young to go: it moves.
  const young = await collector.runOnce({ graceMs: hour });
  expect(young.kept).toEqual({ young: retiredIdsInManifestMax + 1, named: 0 });
  expect((await world.refresh()).retired.filter(({ ids }) => ids.length > 0)).toHaveLength(1);
  expect((await world.names("retired/")).length).toBe(1);
  await expectReachable(world);
  // One of them is named by a checkpoint: it comes back into the manifest.
  world.clock.ms += hour;
  const old = await collector.runOnce({ graceMs: hour });
  expect(old.deleted).toMatchObject({ ssts: retiredIdsInManifestMax, lists: 1 });
  expect(old.kept).toEqual({ young: 0, named: 1 });
  expect(await world.names("retired/")).toEqual([]);
  expect((await world.refresh()).retired.flatMap(({ ids }) => ids)).toEqual([named]);
  await expectReachable(world);
  await changeCheckpoint(world, () => undefined);
  expect((await collector.runOnce({ graceMs: hour })).deleted).toMatchObject({ ssts: 1, lists: 0 });
  expect(await world.store.head(ObjectPaths.sst(named))).toBeUndefined();
});

test("options are checked", async () => {
  const { collector } = newCollector(await GcWorld.create());
  const run = (options: object) => collector.runOnce(options as never);
  await expect(run({ graceMs: -1 })).rejects.toMatchObject({ kind: "invalid" });
  await expect(run({ graceMs: 31 * day })).rejects.toMatchObject({ kind: "invalid" });
  await expect(run({ graceMs: 0, budget: { request: 1 } })).rejects.toThrow('"requests"');
  await expect(run({ graceMs: 0, dryrun: true })).rejects.toThrow('"dryRun"');
  const signal = AbortSignal.abort(new Error("enough"));
  await expect(run({ graceMs: 0, signal })).rejects.toThrow("enough");
});

test("without a database it says so", async () => {
  const world = new GcWorld(1);
  const { collector } = newCollector(world);
  await expect(collector.runOnce({ graceMs: 0 })).rejects.toMatchObject({ kind: "not-found" });
});
