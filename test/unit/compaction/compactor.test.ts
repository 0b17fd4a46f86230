/** Coordinator and workers of one process: jobs end to end, and what they cost. */
import { expect, test } from "vitest";
import { PollingWorkSource } from "../../../src/compaction/work-source.js";
import { hour } from "../manifest/manifests.js";
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

test("a job costs a state, its outputs, a manifest, and a state", async () => {
  const world = await World.open();
  await world.flush(2);
  const one = new Process(world, { coordinator: { claims: "lazily" } });
  await world.until(one.role.runOnce());
  // What is asked once: whether there are newer manifests, the store's time, and whether there are states.
  expect(one.taken()).toEqual([
    ...["get manifest", "create manifest", "head manifest", "list compactions"],
    ...["create compactions", "put sst", "create manifest", "create compactions"],
  ]);
  await world.flush(2, one.stored);
  one.taken();
  await world.until(one.role.compact());
  expect(one.taken()).toEqual([
    ...["get manifest", "create compactions", "put sst", "put sst"],
    ...["create manifest", "create compactions"],
  ]);
});

test("the last commit of a job is the first of the next, where one follows", async () => {
  const world = await World.open();
  const one = new Process(world);
  for (let i = 0; i < 3; i++) {
    await world.flush(2, one.stored);
    if (i < 2) await world.until(one.role.runOnce());
  }
  one.taken();
  // L0 becomes the third run, and then the three become one.
  await world.until(one.role.runOnce());
  expect(one.taken().filter((request) => request.startsWith("create"))).toEqual([
    ...["create compactions", "create manifest", "create compactions"],
    ...["create manifest", "create compactions"],
  ]);
  const manifest = await world.manifest();
  expect([manifest.l0.length, manifest.runs.length]).toEqual([0, 1]);
  expect(await world.rows()).toBe(6);
});

test("a coordinator that polls and finds nothing costs two GETs, and one that is only poked none", async () => {
  const world = await World.open();
  await world.flush(2);
  const one = new Process(world);
  await world.until(one.role.runOnce());
  one.taken();
  await world.until(one.role.runOnce());
  expect(one.taken()).toEqual(["get manifest", "get compactions"]);
  one.role.poke();
  await world.clock.advance(hour);
  expect(one.taken()).toEqual([]);
  expect(world.clock.pendingTimers).toBe(0);
});

test("a process that polls looks after 1 s, and less often while there is nothing", async () => {
  const world = await World.open();
  const source = new PollingWorkSource({ clock: world.clock });
  const one = new Process(world, { source });
  one.role.start();
  await world.clock.advance(60_000);
  const looks = one.taken().filter((request) => request === "get manifest").length;
  // At 0, 1, 3, 7, 15 and 25, 35, 45 and 55 s.
  expect(looks).toBe(9);
  await world.flush(2);
  source.wake();
  await world.clock.advance(100);
  expect((await world.manifest()).runs.length).toBe(1);
  await world.until(one.role.close());
  expect(world.clock.pendingTimers).toBe(0);
});

test("progress is stored every 10 s at most, and a sign of life every 20 s at least", async () => {
  const world = await World.open();
  await world.flush(8);
  const one = new Process(world);
  one.runner.stepMs = 25_000;
  await world.until(one.role.runOnce());
  const states = await world.states();
  const outputs = states.map(({ jobs: [job] }) => job?.ranges[0]?.outputs.length);
  // Planned and claimed; the signs of 100 s; gone.
  expect(outputs).toEqual([undefined, 0, 1, 2, 2, 3, undefined]);
  const times = states.map(({ createdAt }) => createdAt);
  const pauses = times.slice(1).map((at, i) => (at - times[i]!) / 1000);
  expect(Math.min(...pauses)).toBe(10);
  expect(Math.max(...pauses)).toBe(20);
});

test("what was claimed as it closes is given back, also where the job had not begun", async () => {
  for (const delayMs of [0, 5, 20, 60]) {
    const world = await World.open();
    await world.flush(2);
    const one = new Process(world);
    let isSent = false;
    one.faulty.intercept = ({ operation, key }) => {
      if (operation !== "create" || !key.includes("compactions/")) return undefined;
      isSent = true;
      return delayMs === 0 ? undefined : { kind: "delay", until: world.clock.sleep(delayMs) };
    };
    one.role.poke();
    while (!isSent) await world.clock.advance(1);
    await world.until(one.role.close());
    const [job] = (await world.states()).at(-1)?.jobs ?? [];
    expect(job?.claim ?? "").toBe("");
    const next = new Process(world);
    await world.until(next.role.runOnce());
    expect((await world.manifest()).runs.length).toBe(1);
    await world.until(next.role.close());
  }
});
