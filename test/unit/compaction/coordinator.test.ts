/** Decisions of a coordinator that no fault shows: the floor, whose silence counts, drops, requests, and how it ends. */
import { expect, test } from "vitest";
import { StoreError } from "../../../src/common/errors.js";
import { allKeys } from "../../../src/common/key-range.js";
import type { CompactionStrategy } from "../../../src/compaction/strategy.js";
import { PollingWorkSource } from "../../../src/compaction/work-source.js";
import { JobStatus } from "../../../src/format/compactions.js";
import { ManualClock } from "../../../src/testing/index.js";
import { byTwos, key, Process, type RoleOptions, World } from "./compactor-world.js";

const polling = (world: World, options: RoleOptions = {}): Process => {
  const source = new PollingWorkSource({ clock: world.clock });
  const one = new Process(world, { source, ...options });
  one.role.start();
  return one;
};

const coordinating = { localJobsMax: 0, coordinator: { remoteJobsMax: 4 } } as const;

test("the floor stays below a job for as long as it is in the state, whatever is committed meanwhile", async () => {
  const world = await World.open();
  const one = polling(world, { localJobsMax: 2 });
  one.runner.stepMsOf = ({ job }) => (job.reason === "runs" ? 60_000 : 0);
  // The third run has all three merged, which takes its time; more of L0 is committed beside that.
  for (let i = 0; i < 6; i++) {
    await world.flush(2);
    await world.clock.advance(11_000);
  }
  const slow = (await world.state())!.jobs.find(({ reason }) => reason === "runs")!;
  const { compactorFloor, l0 } = await world.manifest();
  expect(l0).toEqual([]);
  expect(compactorFloor < slow.id && compactorFloor !== "").toBe(true);
  await world.clock.advance(100_000);
  const ids = (await world.manifest()).runs.map(({ id }) => id);
  expect(ids).toContain(slow.id);
  expect(await world.rows()).toBe(12);
});

test("a state whose outcome is not known is settled before a manifest raises the floor", async () => {
  const world = await World.open();
  let mayDrop = false;
  const dropping: CompactionStrategy = {
    name: "drops the oldest run",
    pick(manifest, running, now) {
      const oldest = manifest.runs.at(-1);
      if (!mayDrop || oldest === undefined) return byTwos.pick(manifest, running, now);
      const inputs = { l0: [], runs: [{ id: oldest.id, ssts: [] }] };
      mayDrop = false;
      return [{ inputs, level: 0, drops: true, reason: "old" }];
    },
  };
  const { remoteJobsMax } = coordinating.coordinator;
  const one = new Process(world, {
    localJobsMax: 0,
    coordinator: { strategy: dropping, remoteJobsMax },
  });
  const worker = polling(world, { coordinator: false });
  await world.flush(2);
  await world.until(one.role.runOnce());
  await world.clock.advance(20_000);
  await world.until(one.role.runOnce());
  await world.flush(2);
  one.faulty.intercept = ({ operation }) => (operation === "create" ? { kind: "late" } : undefined);
  await expect(world.until(one.role.runOnce())).rejects.toBeInstanceOf(StoreError);
  one.faulty.intercept = undefined;
  mayDrop = true;
  await world.until(one.role.runOnce());
  await one.faulty.releaseLate();
  const { jobs } = (await world.state())!;
  expect(jobs.length).toBe(1);
  const { compactorFloor, rewrittenNumber, runs } = await world.manifest();
  expect([runs.length, rewrittenNumber > 0]).toEqual([0, true]);
  expect(jobs[0]!.id > compactorFloor).toBe(true);
  // None had to be given up for being below it.
  const planned = (await world.states()).flatMap((state) => state.jobs.map(({ id }) => id));
  expect(new Set(planned).size).toBe(2);
  await world.clock.advance(20_000);
  await world.until(one.role.runOnce());
  expect((await world.manifest()).runs.length).toBe(1);
  expect(worker.failures).toEqual([]);
});

test("a drop is one commit of the manifest, waits until nothing is open, and says that reads changed", async () => {
  const world = await World.open();
  const dropAll: CompactionStrategy = {
    name: "drops",
    pick: ({ runs }) =>
      runs.slice(-1).map(({ id }) => ({
        ...{ inputs: { l0: [], runs: [{ id, ssts: [] }] }, level: 0, drops: true, reason: "old" },
      })),
  };
  await world.flush(2);
  await world.until(new Process(world).role.runOnce());
  await world.until(world.writer.refresh());
  await world.until(world.writer.commit((manifest) => ({ ...manifest, snapshotSeq: 1 })));
  let mayRewrite = false;
  const one = new Process(world, {
    coordinator: { strategy: dropAll, mayRewrite: () => mayRewrite },
  });
  await world.until(one.role.runOnce());
  expect((await world.manifest()).runs.length).toBe(1);
  await world.until(world.writer.refresh());
  await world.until(world.writer.commit((manifest) => ({ ...manifest, snapshotSeq: 0 })));
  await world.until(one.role.runOnce());
  expect((await world.manifest()).runs.length).toBe(1);
  mayRewrite = true;
  await world.until(one.role.runOnce());
  const manifest = await world.manifest();
  expect([manifest.runs, manifest.rewrittenNumber]).toEqual([[], manifest.number]);
  expect(manifest.retired.at(-1)!.ids.length).toBe(1);
});

test("a coordinator whose own clock runs away takes no job from a worker that is heard of", async () => {
  const world = await World.open();
  const clock = new ManualClock();
  const one = new Process(world, { clock, ...coordinating });
  const worker = polling(world, { coordinator: false });
  worker.runner.stepMs = 300_000;
  await world.flush(2);
  await clock.advanceUntil(one.role.runOnce());
  await world.clock.advance(30_000);
  await clock.advanceUntil(one.role.runOnce());
  const { claim } = (await world.state())!.jobs[0]!;
  expect(claim).not.toBe("");
  clock.freeze(120_000);
  await clock.advanceUntil(one.role.runOnce());
  expect((await world.state())!.jobs[0]).toMatchObject({ claim, attempts: 1 });
  // The worker is gone, and the store's time goes on.
  worker.faulty.crash();
  await clock.advanceUntil(one.role.runOnce());
  await world.clock.advance(120_000);
  clock.freeze(120_000);
  await clock.advanceUntil(one.role.runOnce());
  expect((await world.state())!.jobs[0]).toMatchObject({ claim: "", attempts: 1 });
});

test("a full compaction waits for what runs, leaves one run, and lets nothing else begin before it", async () => {
  const world = await World.open();
  const one = polling(world);
  for (let i = 0; i < 2; i++) {
    await world.flush(2);
    await world.clock.advance(15_000);
  }
  one.runner.stepMs = 5000;
  await world.flush(2);
  await world.clock.advance(2000);
  const asked = one.role.compact();
  await world.flush(2);
  await world.until(asked);
  const { l0, runs } = await world.manifest();
  expect([l0.length, runs.length]).toEqual([0, 1]);
  expect(one.runner.tasks.at(-1)!.job.reason).toBe("compaction on request");
  expect(one.runner.tasks.at(-1)!.job.isBottom).toBe(true);
  expect(await world.rows()).toBe(8);
});

test("a compaction of a range takes what has a say in it; of nothing, it is done at once", async () => {
  const world = await World.open();
  const one = new Process(world);
  await world.until(one.role.compact());
  expect(one.runner.tasks).toEqual([]);
  await world.flush(4);
  await world.until(one.role.compact());
  const [run] = (await world.manifest()).runs;
  expect(run!.sstCount).toBe(2);
  await world.until(one.role.compact({ ...allKeys, upper: key(2), upperInclusive: true }));
  const { runs } = await world.manifest();
  expect(runs.map(({ sstCount }) => sstCount)).toEqual([2]);
  expect(runs[0]!.ssts[1]).toEqual(run!.ssts[1]);
  expect(runs[0]!.ssts[0]!.id).not.toBe(run!.ssts[0]!.id);
  expect(await world.rows()).toBe(4);
});

test("whoever waits for a compaction is told of its failure, of a store that fails, and of an abort", async () => {
  const world = await World.open();
  const one = new Process(world);
  await world.flush(2);
  one.runner.failure = () => new Error("a filter failed");
  await expect(world.until(one.role.compact())).rejects.toThrow("a filter failed");
  expect(one.jobFailures.length).toBe(1);
  one.runner.failure = () => new StoreError("unavailable", "away");
  await expect(world.until(one.role.compact())).rejects.toMatchObject({ kind: "unavailable" });
  one.runner.failure = undefined;
  one.runner.stepMs = 60_000;
  const abort = new AbortController();
  const aborted = one.role.compact(undefined, abort.signal);
  await world.clock.advance(20_000);
  abort.abort(new Error("enough"));
  await expect(aborted).rejects.toThrow("enough");
  const closed = one.role.compact();
  closed.catch(() => undefined);
  await world.clock.advance(1000);
  await world.until(one.role.close());
  await expect(closed).rejects.toMatchObject({ kind: "closed" });
  await expect(one.role.compact()).rejects.toMatchObject({ kind: "closed" });
  expect(world.clock.pendingTimers).toBe(0);
  expect(await world.rows()).toBe(2);
});

test("a close gives the job back with what was reached, and the next process goes on there", async () => {
  const world = await World.open();
  const one = polling(world);
  one.runner.stepMs = 3000;
  await world.flush(8);
  await world.clock.advance(10_000);
  await world.until(one.role.close());
  expect(one.runner.isClosed).toBe(true);
  const [job] = (await world.state())!.jobs;
  expect(job!.claim).toBe("");
  expect(job!.ranges[0]!.outputs.length).toBeGreaterThan(0);
  const next = new Process(world);
  await world.until(next.role.runOnce());
  expect(next.runner.tasks[0]!.job).toMatchObject({
    id: job!.id,
    ranges: job!.ranges,
    attempts: 2,
  });
  expect(await world.rows()).toBe(8);
});

test("a round that is aborted gives its job back; the next one goes on", async () => {
  const world = await World.open();
  const one = new Process(world);
  one.runner.stepMs = 3000;
  await world.flush(8);
  const abort = new AbortController();
  const round = one.role.runOnce({ signal: abort.signal });
  round.catch(() => undefined);
  await world.clock.advance(7000);
  abort.abort(new Error("no budget"));
  await expect(world.until(round)).rejects.toThrow("no budget");
  expect((await world.state())!.jobs[0]).toMatchObject({ claim: "" });
  expect((await world.state())!.jobs[0]!.ranges[0]!.outputs.length).toBe(2);
  expect(await world.until(one.role.runOnce())).toBe(1);
  expect(one.runner.tasks.at(-1)!.job.ranges[0]!.outputs.length).toBe(2);
  expect(one.role.stats).toMatchObject({ jobsRunning: 0, jobsDone: 1, jobsFailed: 0 });
});

test("a round for a function that is woken by an event: workers do what there is, and come to an end", async () => {
  const world = await World.open();
  const planner = new Process(world, coordinating);
  const worker = new Process(world, { coordinator: false });
  await world.flush(2);
  expect(await world.until(worker.role.runOnce())).toBe(0);
  await world.until(planner.role.runOnce());
  expect(await world.until(worker.role.runOnce())).toBe(1);
  await world.until(planner.role.runOnce());
  expect((await world.manifest()).runs.length).toBe(1);
  expect(world.clock.pendingTimers).toBe(0);
});

test("jobs are planned with what the manifest and the store's clock say, above every id that is known", async () => {
  const world = await World.open();
  await world.flush(3);
  await world.until(world.writer.commit((manifest) => ({ ...manifest, snapshotSeq: 2 })));
  world.clock.setWall(world.clock.now() + 100);
  const one = new Process(world, {
    clock: new ManualClock({ now: 1000 }),
    ...coordinating,
    filters: true,
  });
  const before = world.clock.now();
  await world.until(one.role.runOnce());
  const manifest = await world.manifest();
  const [job] = (await world.state())!.jobs;
  // Nothing that is open at 2 or later loses a version, and no filter is asked.
  expect(job).toMatchObject({ retainSeq: 2, isBottom: true, rewrites: false, sstBytesMax: 1000 });
  expect(job!.expiredAt).toBeLessThanOrEqual(world.clock.now());
  expect(job!.expiredAt).toBeGreaterThanOrEqual(before);
  expect(job!.id > manifest.l0.at(-1)!.ssts[0]!.id).toBe(true);
});

test("jobs that ask a filter are left by workers that have none", async () => {
  const world = await World.open();
  await world.flush(2);
  const planner = new Process(world, { ...coordinating, filters: true });
  await world.until(planner.role.runOnce());
  expect((await world.state())!.jobs[0]!.rewrites).toBe(true);
  const without = new Process(world, { coordinator: false });
  expect(await world.until(without.role.runOnce())).toBe(0);
  const having = new Process(world, { coordinator: false, filters: true });
  expect(await world.until(having.role.runOnce())).toBe(1);
  await world.until(planner.role.runOnce());
  const manifest = await world.manifest();
  expect(manifest.rewrittenNumber).toBe(manifest.number);
});

test.each(["closed", "killed"])(
  "a job for a filter is given up by the next writer's compactor, which has none, after the first was %s",
  async (ending) => {
    const world = await World.open();
    const claims = "lazily" as const;
    const first = new Process(world, { filters: true, coordinator: { claims, writerEpoch: 1 } });
    first.runner.stepMs = 30_000;
    await world.flush(4, first.stored);
    first.role.poke();
    await world.clock.advance(40_000);
    if (ending === "closed") await world.until(first.role.close());
    else first.faulty.crash();
    const [job] = (await world.state())!.jobs;
    expect(job).toMatchObject({ rewrites: true, status: JobStatus.open });
    await world.until(world.writer.refresh());
    await world.until(world.writer.commit((manifest) => ({ ...manifest, writerEpoch: 2 })));
    const second = new Process(world, { coordinator: { claims, writerEpoch: 2 } });
    await world.until(second.role.compact());
    expect(second.runner.tasks.map((task) => task.job.rewrites)).toEqual([false]);
    expect(await world.manifest()).toMatchObject({ l0: [], rewrittenNumber: 0 });
    expect((await world.state())!.jobs).toEqual([]);
    expect(await world.rows()).toBe(4);
  },
);

test("a commit whose reply was lost counts once, when it is found", async () => {
  const world = await World.open();
  const one = new Process(world);
  await world.flush(2);
  let commits = 0;
  one.faulty.intercept = ({ operation, key: name }) => {
    const isManifest = operation === "create" && name.startsWith("manifest/");
    // The first is the claim.
    return isManifest && ++commits === 2 ? { kind: "after" } : undefined;
  };
  expect(await world.until(one.role.runOnce())).toBe(1);
  expect([commits, one.role.stats.jobsDone]).toEqual([3, 1]);
  expect((await world.state())!.jobs).toEqual([]);
  expect(one.runner.tasks.length).toBe(1);
  expect(await world.rows()).toBe(2);
});
