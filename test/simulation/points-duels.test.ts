/**
 * Databases with checkpoints, restores, clones, splits that are united, detaches, exports and destroys, beside writers, readers, compactors and
 * collectors without grace, seed after seed (P1 to P8).
 */
import { beforeAll, describe, expect, test } from "vitest";
import { loadEngine } from "../support/load-engine.js";
import { duelCount } from "../support/run-counts.js";
import { loadAdmin } from "./load-admin.js";
import { noOperations, type OperationKind } from "./points-admin.js";
import { runPointsDuel } from "./points-duel.js";
import { replayed, verbose } from "./replay.js";

beforeAll(loadEngine);
beforeAll(loadAdmin);

const groups = 2;
const prefix = "points/";

if (replayed !== undefined) {
  test("replay", async () => {
    const { events } = await runPointsDuel(Number(replayed!.slice(prefix.length)));
    console.log(events.join("\n"));
  });
} else {
  describe("points duels", () => {
    const perGroup = Math.ceil(duelCount / groups / 20);
    test.each(Array.from({ length: groups }, (_, i) => i))(
      "seeds, part %i",
      async (group) => {
        const totals = { ...noOperations(), requests: 0, passes: 0, deleted: 0, snapshots: 0 };
        for (let i = 0; i < perGroup; i++) {
          const outcome = await runPointsDuel(group * perGroup + i + 1);
          totals.requests += outcome.requests;
          for (const kind of Object.keys(outcome.operations) as OperationKind[]) {
            totals[kind] += outcome.operations[kind];
          }
          totals.passes += outcome.maintenance.passes;
          totals.deleted += outcome.maintenance.deleted;
          totals.snapshots += outcome.maintenance.snapshots;
        }
        if (verbose) console.log(totals);
        for (const kind of ["checkpoint", "clone", "restore", "export"] as const) {
          expect(totals[kind], kind).toBeGreaterThan(0);
        }
        expect(totals.deleted, "SSTs deleted").toBeGreaterThan(perGroup);
      },
      900_000,
    );
  });

  test("the same seed gives the same run", async () => {
    const { events } = await runPointsDuel(11);
    expect((await runPointsDuel(11)).events).toEqual(events);
  });
}
