/** Several processes that compact one database: who leads, who takes over, and that nothing is lost on the way. */
import { expect, test } from "vitest";
import { CorruptionError } from "../../../src/common/errors.js";
import { PollingWorkSource } from "../../../src/compaction/work-source.js";
import { JobStatus } from "../../../src/format/compactions.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import { Process, type RoleOptions, World } from "./compactor-world.js";

const polling = (world: World, options: RoleOptions = {}): Process => {
  const one = new Process(world, {
    source: new PollingWorkSource({ clock: world.clock }),
    ...options,
  });
  one.role.start();
  return one;
};

const coordinating = { localJobsMax: 0, coordinator: { remoteJobsMax: 4 } } as const;

/** All that was ever added is named once, by what is there. */
async function expectSound(world: World, rows: number): Promise<void> {
  expect(await world.rows()).toBe(rows);
  expect(await world.namedAndRetired()).toEqual([]);
}

test("of two coordinators the newer one leads; the older stands by, and the writer goes on", async () => {
  const world = await World.open();
  const older = polling(world);
  await world.clock.advance(1000);
  const newer = polling(world);
  await world.clock.advance(20_000);
  expect((await world.manifest()).compactorEpoch).toBe(2);
  for (let i = 0; i < 5; i++) {
    await world.flush(2);
    await world.clock.advance(20_000);
  }
  const manifest = await world.manifest();
  expect([manifest.compactorEpoch, manifest.l0.length]).toEqual([2, 0]);
  expect(older.runner.tasks).toEqual([]);
  expect(newer.runner.tasks.length).toBeGreaterThan(4);
  expect([...older.failures, ...newer.failures]).toEqual([]);
  await expectSound(world, 10);
});

test("one that stands by takes over when L0 has grown and nobody does the work", async () => {
  const world = await World.open();
  const older = polling(world);
  await world.clock.advance(1000);
  const newer = polling(world);
  await world.clock.advance(20_000);
  newer.faulty.crash();
  await world.flush(7);
  await world.clock.advance(300_000);
  expect((await world.manifest()).l0.length).toBe(7);
  await world.flush(1);
  await world.clock.advance(60_000);
  const manifest = await world.manifest();
  expect([manifest.compactorEpoch, manifest.l0.length]).toEqual([3, 0]);
  expect(older.failures).toEqual([]);
  await expectSound(world, 8);
});

test("beside a compactor that works, the one of the writer leaves it to it", async () => {
  const world = await World.open();
  const outside = polling(world);
  await world.clock.advance(1000);
  const embedded = new Process(world, { coordinator: { claims: "lazily" } });
  for (let i = 0; i < 12; i++) {
    await world.flush(1, embedded.stored);
    embedded.role.poke();
    await world.clock.advance(5000);
  }
  expect((await world.manifest()).compactorEpoch).toBe(1);
  expect(embedded.runner.tasks).toEqual([]);
  expect(outside.runner.tasks.length).toBeGreaterThan(3);
  await expectSound(world, 12);
});

test("the writer's compactor takes the epoch that nobody has when there is work, and not before", async () => {
  const world = await World.open();
  const embedded = new Process(world, { coordinator: { claims: "lazily" } });
  embedded.role.poke();
  await world.clock.advance(1000);
  expect(embedded.taken()).toEqual([]);
  await world.flush(2, embedded.stored);
  embedded.role.poke();
  await world.clock.advance(1000);
  expect(await world.manifest()).toMatchObject({ compactorEpoch: 1, l0: [] });
});

test("a compaction that was asked for claims the epoch, and says when another one takes it", async () => {
  const world = await World.open();
  const older = polling(world, { coordinator: { claims: "at-once" } });
  await world.clock.advance(1000);
  older.runner.stepMs = 30_000;
  await world.flush(2);
  const asked = older.role.compact();
  asked.catch(() => undefined);
  await world.clock.advance(5000);
  const newer = polling(world, coordinating);
  await world.clock.advance(20_000);
  await expect(asked).rejects.toMatchObject({ kind: "fenced" });
  // What it had begun goes on, as of any worker.
  await world.clock.advance(120_000);
  expect((await world.manifest()).l0).toEqual([]);
  expect(newer.runner.tasks).toEqual([]);
  await expectSound(world, 2);
});

test("workers of other processes share the jobs, and each is done once", async () => {
  const world = await World.open();
  const coordinator = polling(world, coordinating);
  const workers = [1, 2, 3].map(() => polling(world, { coordinator: false }));
  for (const { runner } of workers) runner.stepMs = 3000;
  for (let i = 0; i < 12; i++) {
    await world.flush(2);
    await world.clock.advance(15_000);
  }
  await world.clock.advance(60_000);
  const manifest = await world.manifest();
  expect([manifest.l0.length, manifest.runs.length < 3]).toEqual([0, true]);
  const jobs = workers.flatMap(({ runner }) => runner.tasks.map(({ job }) => job.id));
  expect(new Set(jobs).size).toBe(jobs.length);
  expect(workers.filter(({ runner }) => runner.tasks.length > 0).length).toBeGreaterThan(1);
  expect(coordinator.runner.tasks).toEqual([]);
  await expectSound(world, 24);
});

test("a worker that is killed loses its job to another after 60 s, which goes on where it was", async () => {
  const world = await World.open();
  polling(world, coordinating);
  const first = polling(world, { coordinator: false });
  first.runner.stepMs = 8000;
  await world.flush(8);
  await world.clock.advance(30_000);
  first.faulty.crash();
  const recorded = (await world.state())!.jobs[0]!;
  expect(recorded.ranges[0]!.outputs.length).toBeGreaterThan(0);
  const killedAt = world.clock.now();
  const second = polling(world, { coordinator: false });
  await world.clock.advance(40_000);
  expect(second.runner.tasks).toEqual([]);
  await world.clock.advance(120_000);
  expect(second.runner.tasks[0]!.job.ranges[0]!.outputs).toEqual(recorded.ranges[0]!.outputs);
  expect(second.runner.tasks[0]!.job.attempts).toBe(2);
  expect(world.clock.now() - killedAt).toBeLessThan(200_000);
  const manifest = await world.manifest();
  expect(manifest.runs[0]!.ssts.slice(0, 1)).toEqual(recorded.ranges[0]!.outputs.slice(0, 1));
  await expectSound(world, 8);
});

test("the store's clock decides whether a worker is gone, whatever the clocks of processes say", async () => {
  const world = await World.open();
  polling(world, coordinating);
  const worker = polling(world, { coordinator: false });
  worker.runner.stepMs = 200_000;
  await world.flush(2);
  await world.clock.advance(20_000);
  // The wall clocks of all processes jump, that of the store goes on.
  const states = (await world.states()).length;
  await world.clock.advance(150_000);
  expect((await world.states()).length).toBeGreaterThan(states);
  const { jobs } = (await world.state())!;
  expect(jobs[0]).toMatchObject({ attempts: 1, status: JobStatus.open });
  await world.clock.advance(100_000);
  expect(worker.runner.tasks.length).toBe(1);
  await expectSound(world, 2);
});

test("a paused worker finds that its claim is gone, and stops", async () => {
  const world = await World.open();
  polling(world, coordinating);
  const slow = polling(world, { coordinator: false });
  slow.runner.stepMs = 8000;
  await world.flush(4);
  await world.clock.advance(12_000);
  let wake: () => void = () => undefined;
  const asleep = new Promise<void>((resolve) => {
    wake = resolve;
  });
  slow.faulty.intercept = () => ({ kind: "delay", until: asleep });
  const other = polling(world, { coordinator: false });
  await world.clock.advance(150_000);
  slow.faulty.intercept = undefined;
  wake();
  await world.clock.advance(60_000);
  expect(other.runner.tasks.length).toBe(1);
  expect([...slow.failures, ...other.failures]).toEqual([]);
  await expectSound(world, 4);
});

test("a coordinator that is killed between the manifest and the state leaves a job that its successor removes", async () => {
  const world = await World.open();
  const first = polling(world);
  await world.clock.advance(1000);
  first.faulty.intercept = ({ operation, key }) => {
    const isManifest = operation === "create" && key.startsWith("manifest/");
    return isManifest ? { kind: "crash", applied: true } : undefined;
  };
  await world.flush(2);
  await world.clock.advance(20_000);
  expect([(await world.manifest()).runs.length, (await world.state())!.jobs.length]).toEqual([
    1, 1,
  ]);
  const second = polling(world);
  await world.clock.advance(20_000);
  expect((await world.state())!.jobs).toEqual([]);
  expect(second.runner.tasks).toEqual([]);
  await expectSound(world, 2);
});

test("damaged input fails its job alone, under the object's name, and commits nothing", async () => {
  const world = await World.open();
  const coordinator = polling(world, { ...coordinating });
  const worker = polling(world, { coordinator: false });
  for (let i = 0; i < 3; i++) {
    await world.flush(2);
    await world.clock.advance(20_000);
    if (i === 1) {
      worker.runner.failure = ({ job }) =>
        job.reason === "runs" ? new CorruptionError("sst/x.sst", "it is damaged") : undefined;
    }
  }
  await world.clock.advance(60_000);
  const failed = (await world.state())!.jobs.filter(({ status }) => status === JobStatus.failed);
  expect(failed.map(({ failure }) => failure)).toEqual([
    expect.stringContaining('Object "sst/x.sst" is damaged'),
  ]);
  expect(worker.jobFailures.length).toBe(1);
  expect((await world.manifest()).runs.length).toBe(3);
  await world.flush(2);
  await world.clock.advance(60_000);
  // Each says it once: whoever did it, and whoever planned it.
  expect([worker, coordinator].map(({ jobFailures }) => jobFailures)).toEqual(
    Array(2).fill([expect.objectContaining({ kind: "corruption", object: "sst/x.sst" })]),
  );
  expect(coordinator.role.stats.jobsFailed).toBe(1);
  expect((await world.manifest()).runs.length).toBe(4);
  expect([...worker.failures, ...coordinator.failures]).toEqual([]);
  await expectSound(world, 8);
  // Whoever takes over tries it again.
  worker.runner.failure = undefined;
  polling(world, coordinating);
  await world.clock.advance(60_000);
  expect((await world.manifest()).runs.length).toBeLessThan(3);
  await expectSound(world, 8);
});

test("a worker that misses an input of a job which is void gives it back, and the database is not called damaged", async () => {
  const world = await World.open();
  const coordinator = polling(world, coordinating);
  const worker = polling(world, { coordinator: false });
  worker.runner.stepMs = 20_000;
  await world.flush(2);
  await world.clock.advance(10_000);
  // As a restore does it: what the job takes is no longer named, and collected.
  await world.until(world.writer.refresh());
  await world.until(world.writer.commit((manifest) => ({ ...manifest, l0: [] })));
  worker.runner.failure = ({ sources }) =>
    new CorruptionError(ObjectPaths.sst(sources[0]!.ssts[0]!.id), "it is missing");
  await world.clock.advance(120_000);
  expect((await world.state())!.jobs).toEqual([]);
  expect([...worker.jobFailures, ...worker.failures, ...coordinator.failures]).toEqual([]);
});
