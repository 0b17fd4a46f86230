/**
 * Writers against each other beside coordinators, workers and collectors without grace, several of each, all under pauses, kills, lost
 * replies, late requests and clocks that are hours off (P1 to P8).
 */
import { beforeAll, describe, expect, test, vi } from "vitest";
import { loadEngine } from "../support/load-engine.js";
import { duelCount, isLong } from "../support/run-counts.js";
import { runMaintainedDuel } from "./duel.js";
import { replayed, verbose } from "./replay.js";

vi.mock("../../src/compaction/compactor.js", async (original) => {
  const { withPlansOnly } = await import("./plans-only.js");
  return withPlansOnly(await original());
});

beforeAll(loadEngine);

const groups = 5;
const prefix = "maintained/";

if (replayed !== undefined) {
  const seed = Number(replayed.slice(prefix.length));
  test("replay", async () => {
    const { events } = await runMaintainedDuel(seed);
    console.log(events.join("\n"));
  });
} else {
  describe("maintained duels", () => {
    const perGroup = Math.ceil(duelCount / groups / (isLong ? 5 : 3));
    test.each(Array.from({ length: groups }, (_, i) => i))(
      "seeds, part %i",
      async (group) => {
        const totals = {
          ...{ requests: 0, fenced: 0, handles: 0, checkpoints: 0 },
          ...{ jobs: 0, passes: 0, deleted: 0, snapshots: 0, gone: 0 },
        };
        for (let i = 0; i < perGroup; i++) {
          const { maintenance, ...counts } = await runMaintainedDuel(group * perGroup + i + 1);
          const outcome = { ...counts, ...maintenance! };
          for (const name of Object.keys(totals) as (keyof typeof totals)[]) {
            totals[name] += outcome[name];
          }
        }
        if (verbose) console.log(totals);
        expect(totals.jobs, "jobs").toBeGreaterThan(perGroup);
        expect(totals.deleted, "SSTs deleted").toBeGreaterThan(perGroup);
        expect(totals.snapshots, "looks at snapshots").toBeGreaterThan(perGroup);
      },
      900_000,
    );
  });

  test("the same seed gives the same run", async () => {
    const { events } = await runMaintainedDuel(11);
    expect((await runMaintainedDuel(11)).events).toEqual(events);
  });
}
