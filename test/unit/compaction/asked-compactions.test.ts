/** A process that waits for a compaction which it has asked for stays alive, whoever carries it out. */
import { expect, test } from "vitest";
import type { Clock } from "../../../src/common/clock.js";
import { Process, World } from "./compactor-world.js";

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
