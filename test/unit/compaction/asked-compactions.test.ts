/** Compactions that somebody asks for: who waits for one keeps the process alive, and is told when it can not be. */
import { expect, test } from "vitest";
import type { Clock } from "../../../src/common/clock.js";
import { InternalError } from "../../../src/common/errors.js";
import type { CompactionStrategy } from "../../../src/compaction/strategy.js";
import { PollingWorkSource } from "../../../src/compaction/work-source.js";
import { byTwos, Process, World } from "./compactor-world.js";

test("whoever waits for a compaction looks again by a timer that keeps the process alive", async () => {
  const world = await World.open();
  const lost = new Process(world);
  lost.runner.stepMs = 3_600_000;
  await world.flush(2);
  lost.role.poke();
  await world.clock.advance(1000);
  expect(lost.runner.tasks).toHaveLength(1);
  lost.faulty.crash();

  const timers: { readonly ms: number; readonly idle: boolean }[] = [];
  const clock: Clock = {
    now: () => world.clock.now(),
    monotonic: () => world.clock.monotonic(),
    sleep: (ms, signal) => world.clock.sleep(ms, signal),
    endOfTurn: (callback) => world.clock.endOfTurn(callback),
    after: (ms, callback, options) => {
      timers.push({ ms, idle: options?.idle ?? false });
      return world.clock.after(ms, callback, options);
    },
  };
  const asked = new Process(world, { clock });
  const done = asked.role.compact();
  await world.clock.advance(1000);
  // The job of the one that is lost has the inputs, until it has been silent for long enough.
  expect(timers.at(-1)).toEqual({ ms: 10_000, idle: false });
  await world.clock.advanceUntil(done);
  expect(await world.manifest()).toMatchObject({ l0: [] });
  expect(timers.filter(({ idle }) => idle)).toEqual([]);
  timers.length = 0;
  await asked.role.close();
});

test("a compaction that was asked for claims again when another process was faster", async () => {
  const world = await World.open();
  await world.flush(2);
  const asked = new Process(world, { coordinator: { claims: "lazily" } });
  const other = new Process(world);
  let isFirst = true;
  const begun = world.clock.now();
  asked.faulty.intercept = ({ operation, key }) => {
    if (!isFirst || operation !== "create" || !key.startsWith("manifest/")) return undefined;
    isFirst = false;
    return { kind: "delay", until: other.role.runOnce().then(() => world.flush(2)) };
  };
  await world.until(asked.role.compact());
  const { compactorEpoch, l0, runs } = await world.manifest();
  expect([compactorEpoch, l0.length, runs.length]).toEqual([2, 0, 1]);
  expect(await world.rows()).toBe(4);
  expect(world.clock.now() - begun).toBeLessThan(1000);
  expect([...asked.failures, ...other.failures]).toEqual([]);
});

test.each(["a poke", "a look of its own"])(
  "after %s has ended a compactor for good, whoever asks it for something is told why, at once",
  async (how) => {
    const world = await World.open();
    let isBroken = true;
    const strategy: CompactionStrategy = {
      name: "fails",
      pick(...seen) {
        if (isBroken) throw new Error("no plan");
        return byTwos.pick(...seen);
      },
    };
    const source = new PollingWorkSource({ clock: world.clock });
    const one = new Process(world, { coordinator: { strategy }, source });
    await world.flush(2);
    if (how === "a poke") one.role.poke();
    else one.role.start();
    await world.clock.advance(60_000);
    expect(one.failures).toEqual([expect.any(InternalError)]);
    isBroken = false;
    one.taken();
    await expect(world.until(one.role.compact())).rejects.toBe(one.failures[0]);
    await expect(world.until(one.role.runOnce())).rejects.toBe(one.failures[0]);
    one.role.poke();
    await world.clock.advance(60_000);
    expect(one.taken()).toEqual([]);
    expect(one.failures.length).toBe(1);
    await world.until(one.role.close());
    await expect(one.role.compact()).rejects.toMatchObject({ kind: "closed" });
    expect(world.clock.pendingTimers).toBe(0);
    expect((await world.manifest()).l0.length).toBe(2);
  },
);
