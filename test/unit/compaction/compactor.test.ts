/** Coordinator and workers of one process: jobs end to end, and what they cost. */
import { expect, test } from "vitest";
import { Process, World } from "./compactor-world.js";

test("a poke merges what is due, and the manifest has a run in the place of L0", async () => {
  const world = await World.open();
  await world.flush(2);
  const one = new Process(world);
  expect(await world.until(one.role.runOnce())).toBe(1);
  const manifest = await world.manifest();
  expect([manifest.l0.length, manifest.runs.length, manifest.compactorEpoch]).toEqual([0, 1, 1]);
  expect(await world.rows()).toBe(2);
  expect((await world.state())!.jobs).toEqual([]);
  await world.until(one.role.close());
  expect(one.runner.isClosed).toBe(true);
});
