/** Every request of a compaction fails in every way, once: nothing is lost, nothing is named that is gone, and it comes to an end. */
import { expect, test } from "vitest";
import { PollingWorkSource } from "../../../src/compaction/work-source.js";
import type { Fault } from "../../../src/testing/fault.js";
import { isLong } from "../../support/run-counts.js";
import { Process, World } from "./compactor-world.js";

const faults: readonly [string, Fault][] = [
  ["fails", { kind: "before" }],
  ["has its reply lost", { kind: "after" }],
  ["is applied much later", { kind: "late", afterMs: 45_000 }],
];

/** Flushes, two at a time, and time for what follows. Gives which requests of the first process are worth a fault: of many looks that find nothing, few. */
async function liveThrough(
  roles: (world: World) => Process[],
  fault: Fault | undefined,
  at: number,
): Promise<readonly number[]> {
  const world = await World.open();
  const processes = roles(world);
  const [first] = processes;
  const worth: number[] = [];
  let looks = 0;
  let isOver = false;
  first!.faulty.intercept = ({ operation, index }) => {
    if (!isOver && (operation !== "get" || looks++ % 8 === 0)) worth.push(index);
    return index === at ? fault : undefined;
  };
  for (const one of processes) one.role.start();
  for (let i = 0; i < 4; i++) {
    await world.flush(2);
    await world.clock.advance(40_000);
  }
  isOver = true;
  await world.clock.advance(300_000);
  const { l0, runs, compactorFloor } = await world.manifest();
  expect([l0.length, runs.length < 3], `request ${at}`).toEqual([0, true]);
  expect(await world.rows(), `request ${at}`).toBe(8);
  expect(await world.namedAndRetired(), `request ${at}`).toEqual([]);
  const { jobs } = (await world.state())!;
  for (const { id } of jobs) expect(id > compactorFloor).toBe(true);
  expect(processes.flatMap(({ failures }) => failures)).toEqual([]);
  await Promise.all(processes.map(({ role }) => world.until(role.close())));
  return worth;
}

const withSource = (world: World) => ({ source: new PollingWorkSource({ clock: world.clock }) });
const remote = { localJobsMax: 0, coordinator: { remoteJobsMax: 4 } } as const;

const casts: readonly [string, (world: World) => Process[]][] = [
  ["a compactor alone", (world) => [new Process(world, withSource(world))]],
  [
    "a coordinator with a worker elsewhere",
    (world) => [
      new Process(world, { ...withSource(world), ...remote }),
      new Process(world, { ...withSource(world), coordinator: false }),
    ],
  ],
  [
    "a worker with a coordinator elsewhere",
    (world) => [
      new Process(world, { ...withSource(world), coordinator: false }),
      new Process(world, { ...withSource(world), ...remote }),
    ],
  ],
  [
    "a coordinator that another one replaces",
    (world) => [new Process(world, withSource(world)), new Process(world, withSource(world))],
  ],
];

for (const [who, roles] of casts) {
  test.each(faults)(
    `${who}: each request in its turn %s`,
    { timeout: 120_000 },
    async (_, fault) => {
      const requests = await liveThrough(roles, undefined, -1);
      for (const at of requests) await liveThrough(roles, fault, at);
    },
  );

  test(`${who}: each request in its turn is the last before its process is gone`, {
    timeout: 120_000,
  }, async () => {
    const requests = await liveThrough(roles, undefined, -1);
    for (const at of requests) {
      for (const applied of isLong ? [false, true] : [at % 2 === 1]) {
        const world = await World.open();
        const processes = roles(world);
        processes[0]!.faulty.intercept = ({ index }) =>
          index === at ? { kind: "crash", applied } : undefined;
        for (const one of processes) one.role.start();
        for (let i = 0; i < 3; i++) {
          await world.flush(2);
          await world.clock.advance(40_000);
        }
        // Whoever comes then does the rest.
        const heir = new Process(world, withSource(world));
        heir.role.start();
        await world.clock.advance(200_000);
        await world.flush(2);
        await world.clock.advance(300_000);
        const { l0, runs } = await world.manifest();
        expect([l0.length, runs.length < 3], `request ${at}`).toEqual([0, true]);
        expect(await world.rows(), `request ${at}`).toBe(8);
        expect(await world.namedAndRetired(), `request ${at}`).toEqual([]);
        const failures = [heir, ...processes].flatMap((one) => one.failures);
        expect(failures).toEqual([]);
      }
    }
  });
}
