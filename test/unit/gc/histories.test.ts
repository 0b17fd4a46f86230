/**
 * With a grace of 0, whatever a writer, a compactor and an administrator do, and wherever collectors and sweeps are paused, killed, or have
 * their deletes applied late: nothing that can be reached is deleted (P5), and when all is quiet nothing else is left.
 */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { CorruptionError } from "../../../src/common/errors.js";
import { Collector } from "../../../src/gc/collector.js";
import { Sweep } from "../../../src/gc/sweep.js";
import { counted } from "../../support/run-counts.js";
import {
  changeCheckpoint,
  checkpoint,
  durableCheckpoint,
  endCheckpoint,
  restore,
} from "./interventions.js";
import { collecting, optionsFor, type PausedActor, sweeping } from "./paused-actors.js";
import { expectNoOrphans, expectReachable } from "./reachable.js";
import { GcWorld, minute } from "./world.js";

interface Run {
  readonly world: GcWorld;
  actors: PausedActor[];
  over: PausedActor[];
}

type Step = (run: Run) => Promise<void> | void;

const isLate = (world: GcWorld) => (request: { operation: string }) =>
  request.operation === "delete" && world.pick(4) === 0;

const steps: Record<string, [weight: number, step: Step]> = {
  writeWal: [3, ({ world }) => world.writeWal(1 + world.pick(2))],
  flush: [4, ({ world }) => world.flush()],
  beginLoad: [1, ({ world }) => world.beginLoad()],
  recordLoad: [1, ({ world }) => world.recordLoad()],
  giveUpLoad: [1, ({ world }) => world.giveUpLoad()],
  reopen: [1, ({ world }) => world.reopen()],
  closeAndReopen: [1, ({ world }) => world.closeAndReopen()],
  lateWal: [1, ({ world }) => world.lateWal()],
  planJob: [3, ({ world }) => world.planJob()],
  commitJob: [3, ({ world }) => world.commitJob()],
  giveUpJob: [1, ({ world }) => world.giveUpJob()],
  uploadList: [1, ({ world }) => world.uploadList()],
  nameList: [1, ({ world }) => world.nameList()],
  checkpoint: [2, ({ world }) => checkpoint(world, [0, minute, 5 * minute][world.pick(3)]!)],
  refreshCheckpoint: [
    1,
    ({ world }) => changeCheckpoint(world, (one, next) => ({ ...one, refreshedNumber: next })),
  ],
  durableCheckpoint: [
    3,
    ({ world }) => durableCheckpoint(world, [0, minute, 5 * minute][world.pick(3)]!),
  ],
  loadInCheckpoint: [
    1,
    async ({ world }) => {
      await world.beginLoad();
      for (let i = 0; i < 3; i++) await world.recordLoad();
      await durableCheckpoint(world, 5 * minute);
      await world.flush();
    },
  ],
  endCheckpoint: [1, ({ world }) => endCheckpoint(world)],
  restore: [1, ({ world }) => restore(world)],
  time: [
    2,
    ({ world }) => {
      world.clock.ms += minute;
    },
  ],
  collect: [
    2,
    (run) => {
      const { world } = run;
      if (run.actors.length < 3) run.actors.push(collecting(world, 0, isLate(world)));
    },
  ],
  sweep: [
    2,
    (run) => {
      const { world } = run;
      if (run.actors.length < 3) run.actors.push(sweeping(world, isLate(world)));
    },
  ],
  actor: [
    12,
    async (run) => {
      const actor = run.actors[run.world.pick(run.actors.length)];
      for (let i = run.world.pick(4); i >= 0; i--) await actor?.step();
      run.over.push(...run.actors.filter(({ isOver }) => isOver));
      run.actors = run.actors.filter(({ isOver }) => !isOver);
    },
  ],
  kill: [
    1,
    (run) => {
      const actor = run.actors.splice(run.world.pick(run.actors.length), 1)[0];
      actor?.faulty.crash();
    },
  ],
  lateDeletes: [
    2,
    async (run) => {
      for (const actor of [...run.actors, ...run.over]) await actor.faulty.releaseLate(1);
    },
  ],
};

const weighted = Object.entries(steps).map(([name, [weight]]) => ({
  weight,
  arbitrary: fc.constant(name),
}));

const history = fc.record({
  seed: fc.nat(1_000_000),
  names: fc.array(fc.oneof(...weighted), { minLength: 60, maxLength: 200, size: "max" }),
});

test("nothing that can be reached is ever deleted", { timeout: 300_000 }, async () => {
  let collected = 0;
  await fc.assert(
    fc.asyncProperty(history, async ({ seed, names }) => {
      const world = await GcWorld.create(seed);
      const run: Run = { world, actors: [], over: [] };
      for (const name of names) {
        await steps[name]![1](run);
        await expectReachable(world);
      }
      for (const actor of run.actors) await actor.finish();
      for (const actor of [...run.actors, ...run.over]) {
        await actor.faulty.releaseLate();
        // A lost reply is told, and nothing is taken for damage.
        expect(actor.error).not.toBeInstanceOf(CorruptionError);
        if (actor.error !== undefined) expect(String(actor.error)).toContain("planned fault");
      }
      await expectReachable(world);
      collected += await quiet(world);
    }),
    counted(30, 8),
  );
  expect(collected).toBeGreaterThan(0);
});

/** When everything is given up or named, two passes leave what is reachable, and fences. Says how much they deleted. */
async function quiet(world: GcWorld): Promise<number> {
  while (world.jobs.length > 0) world.giveUpJob();
  world.loads = [];
  await world.flush();
  await world.planJob();
  await world.commitJob();
  const collector = new Collector(optionsFor(world, world.store));
  const before = (await world.names()).length;
  await collector.runOnce({ graceMs: 0 });
  await collector.runOnce({ graceMs: 0 });
  await new Sweep(optionsFor(world, world.store)).runOnce();
  await world.refresh();
  await expectReachable(world);
  await expectNoOrphans(world);
  const predicted = await new Sweep(optionsFor(world, world.store)).runOnce({ dryRun: true });
  expect(Object.values(predicted.deleted).every((count) => count === 0)).toBe(true);
  return before - (await world.names()).length;
}
