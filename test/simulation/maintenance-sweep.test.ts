/** Every request of those who compact and collect is cut, or they are paused there, and another one does the work (P5, P6). */
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { loadEngine } from "../support/load-engine.js";
import { isLong } from "../support/run-counts.js";
import {
  type MaintenanceCase,
  type MaintenanceCut,
  type MaintenanceOutcome,
  parseMaintenanceCase,
  runMaintenanceCase,
  type Victim,
  victims,
} from "./maintenance-sweep.js";
import { replayed, verbose } from "./replay.js";

vi.mock("../../src/compaction/compactor.js", async (original) => {
  const { withPlansOnly } = await import("./plans-only.js");
  return withPlansOnly(await original());
});

beforeAll(loadEngine);

const fates: readonly MaintenanceCut["fate"][] = [
  ...(["kill-after", "pause", "kill-before", "lose-reply", "kill-late", "late"] as const),
];
/** All requests and all fates of each where there is time; else one request of three, another one for each victim, and the fates in turn. */
const fatesPerRequest = isLong ? fates.length : 1;
const seeds = isLong ? [1, 2] : [1];
let runs = 0;

async function run(which: MaintenanceCase): Promise<MaintenanceOutcome> {
  runs++;
  return runMaintenanceCase(which);
}

afterAll(() => {
  if (verbose) console.log(`${runs} runs of the maintenance sweep`);
});

if (replayed !== undefined) {
  test("replay", async () => {
    const { events } = await runMaintenanceCase(parseMaintenanceCase(replayed!));
    console.log(events.join("\n"));
  });
} else {
  describe("maintenance sweep", () => {
    test.each(victims)(
      "every request of one that %s",
      async (victim: Victim) => {
        for (const seed of seeds) {
          const { requests, jobs, deleted } = await run({ victim, seed });
          expect(requests).toBeGreaterThan(10);
          expect(jobs, "jobs").toBeGreaterThan(0);
          expect(deleted, "SSTs deleted").toBeGreaterThan(0);
          let [hits, cuts] = [0, 0];
          for (let at = 0; at < requests; at++) {
            if (!isLong && (at + victims.indexOf(victim)) % 3 > 0) continue;
            for (let i = 0; i < fatesPerRequest; i++) {
              const cut = { at, fate: fates[cuts++ % fates.length]! };
              if ((await run({ victim, seed, cut })).cutHit) hits++;
            }
          }
          // What two processes do at once goes another way when one of them is cut.
          expect(hits).toBeGreaterThan(cuts * 0.9);
        }
      },
      600_000,
    );
  });
}
