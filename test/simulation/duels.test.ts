/**
 * Writers against each other under pauses, kills, lost replies, late requests and clocks that are off, seed after seed
 * (P1, P2).
 */
import { beforeAll, describe, expect, test } from "vitest";
import { loadEngine } from "../support/load-engine.js";
import { duelCount, isLong } from "../support/run-counts.js";
import { runDuel } from "./duel.js";
import { replayed, verbose } from "./replay.js";

beforeAll(loadEngine);

const groups = 5;

if (replayed !== undefined) {
  test("replay", async () => {
    const { events } = await runDuel(Number(replayed));
    console.log(events.join("\n"));
  });
} else {
  describe("duels", () => {
    const perGroup = Math.ceil((isLong ? duelCount : 40) / groups);
    test.each(Array.from({ length: groups }, (_, i) => i))(
      "seeds, part %i",
      async (group) => {
        const totals = {
          ...{ requests: 0, fenced: 0, handles: 0, checkpoints: 0 },
          ...{ loads: 0, loadRuns: 0, loadSsts: 0 },
          ...{ changes: 0, loadChanges: 0, rangeDeletes: 0 },
          ...{ truncated: 0, unsupported: 0, ended: 0 },
        };
        for (let i = 0; i < perGroup; i++) {
          const { feeds, ...counts } = await runDuel(group * perGroup + i + 1);
          const outcome = { ...counts, ...feeds };
          for (const name of Object.keys(totals) as (keyof typeof totals)[]) {
            totals[name] += outcome[name];
          }
        }
        if (verbose) console.log(totals);
        expect(totals.fenced, "duels in which somebody was fenced").toBeGreaterThan(perGroup / 4);
        expect(totals.checkpoints, "checkpoints").toBeGreaterThan(perGroup / 2);
        expect(totals.loads, "loads").toBeGreaterThan(perGroup);
        expect(totals.loadRuns, "loads of several entries").toBeGreaterThan(totals.loads);
        expect(totals.loadSsts, "entries of several SSTs").toBeGreaterThan(totals.loadRuns);
        expect(totals.changes, "changes of feeds").toBeGreaterThan(perGroup * 10);
        expect(totals.loadChanges, "loads in feeds").toBeGreaterThan(perGroup);
        expect(totals.rangeDeletes, "range deletes in feeds").toBeGreaterThan(perGroup / 2);
        expect(totals.truncated, "feeds that were cut off").toBeGreaterThan(0);
        expect(totals.ended, "feeds that ended with their handle").toBeGreaterThan(perGroup / 2);
      },
      900_000,
    );
  });

  test("the same seed gives the same run", async () => {
    for (const seed of [11, 12, 13]) {
      const { events } = await runDuel(seed);
      expect((await runDuel(seed)).events).toEqual(events);
      expect(events.length).toBeGreaterThan(100);
      expect((await runDuel(seed + 1000)).events).not.toEqual(events);
    }
  });
}
