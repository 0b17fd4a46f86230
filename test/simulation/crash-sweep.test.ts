/**
 * Every request of a workload is cut in every way, for several orders of completion; and then every reopen is cut too (P1, P3, P4). In
 * `npm test` each request in one way of each kind.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { randomBelow, seededRandom } from "../../src/common/random.js";
import { loadEngine } from "../support/load-engine.js";
import { isLong } from "../support/run-counts.js";
import type { Fate } from "./fate.js";
import { replayed, sweepSeedCount, verbose } from "./replay.js";
import { parseCase, runSweepCase, type SweepCase, type SweepOutcome } from "./sweep.js";

beforeAll(loadEngine);

const seeds = Array.from({ length: sweepSeedCount }, (_, i) => i + 1);
const crashes: readonly Fate[] = ["kill-before", "kill-after", "kill-late"];
const faults: readonly Fate[] = ["lose-reply", "late", "refuse", "throttle", "conflict"];
let runs = 0;

async function run(which: SweepCase): Promise<SweepOutcome> {
  runs++;
  return runSweepCase(which);
}

afterAll(() => {
  if (verbose) console.log(`${runs} runs of the sweep`);
});

if (replayed !== undefined) {
  test("replay", async () => {
    const { events } = await runSweepCase(parseCase(replayed!));
    console.log(events.join("\n"));
  });
} else {
  describe("crash sweep", () => {
    test.each(seeds)(
      "every request of the workload, cut in every way: seed %i",
      async (seed) => {
        const { requests, rowlessSsts } = await run({ seed });
        expect(requests).toBeGreaterThan(80);
        expect(rowlessSsts, "SSTs of range deletes alone").toBeGreaterThan(0);
        for (let at = 0; at < requests; at++) {
          for (const fate of isLong ? crashes : [crashes[at % crashes.length]!]) {
            const outcome = await run({ seed, cut: { at, fate } });
            expect(outcome.cutHit, `request ${at} was cut`).toBe(true);
          }
          const fate = faults[(at + seed) % faults.length]!;
          const outcome = await run({ seed, cut: { at, fate } });
          expect(outcome.cutHit, `request ${at} met "${fate}"`).toBe(true);
        }
      },
      240_000,
    );

    test("every request of the workload, cut, and then the reopen cut too", async () => {
      const seed = 6;
      const random = seededRandom(seed);
      const { requests } = await run({ seed });
      // In `npm test` one request of three, once.
      const [step, choices] = isLong ? [1, 2] : [3, 1];
      let [cuts, hits] = [0, 0];
      for (let at = 0; at < requests; at += step) {
        const cut = { at, fate: crashes[at % crashes.length]! };
        const { recoveryRequests } = await run({ seed, cut });
        for (let choice = 0; choice < choices; choice++) {
          const fate = crashes[randomBelow(random, crashes.length)]!;
          const recovery = { at: randomBelow(random, recoveryRequests), fate };
          cuts++;
          // How many requests a reopen needs depends on what the first cut left under way.
          if ((await run({ seed, cut, recovery })).recoveryHit) hits++;
        }
      }
      expect(hits).toBe(cuts);
    }, 240_000);
  });
}
