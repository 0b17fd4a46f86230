/** Every request of a pinned reader is cut, or it is paused there, beside a writer, compactions and a collector without grace (P5, P6). */
import { beforeAll, describe, expect, test } from "vitest";
import { loadEngine } from "../support/load-engine.js";
import { isLong } from "../support/run-counts.js";
import { type PinnedCut, runPinnedCase } from "./pinned-sweep.js";
import { verbose } from "./replay.js";

beforeAll(loadEngine);

const fates: readonly PinnedCut["fate"][] = [
  ...(["pause", "lose-reply", "kill-after", "sleep", "late", "kill-late", "kill-before"] as const),
];
/** Of each request so many fates; all of them where there is time. */
const fatesPerRequest = isLong ? fates.length : 1;
const seeds = isLong ? [1, 2, 3] : [1];

describe("sweep of pinned readers", () => {
  test.each(["newest", "checkpoint"] as const)(
    "every request of one that opens the %s state",
    async (opens) => {
      for (const seed of seeds) {
        const whole = await runPinnedCase({ seed, opens });
        expect(whole.requests).toBeGreaterThan(20);
        expect(whole.looks).toBe(3);
        expect(whole.gone).toBe(0);
        expect(whole.deleted, "SSTs deleted").toBeGreaterThan(3);
        if (verbose) console.log(whole);
        let hits = 0;
        let gone = 0;
        for (let at = 0; at < whole.requests; at++) {
          for (let i = 0; i < fatesPerRequest; i++) {
            const cut = { at, fate: fates[(at + i) % fates.length]! };
            const outcome = await runPinnedCase({ seed, opens, cut });
            if (outcome.cutHit) hits++;
            gone += outcome.gone;
          }
        }
        expect(hits).toBeGreaterThan(whole.requests * fatesPerRequest * 0.8);
        // Who sleeps for too long is told so, some time.
        if (opens === "newest") expect(gone).toBeGreaterThan(0);
      }
    },
    600_000,
  );
});
