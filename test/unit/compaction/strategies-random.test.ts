/** Any history under any strategy: what the model checks holds after each flush, and compaction comes to an end. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { fifo } from "../../../src/compaction/fifo.js";
import { leveled } from "../../../src/compaction/leveled.js";
import { sizeTiered } from "../../../src/compaction/size-tiered.js";
import type { CompactionStrategy } from "../../../src/compaction/strategy.js";
import { sampled } from "../../support/run-counts.js";
import { keyOf, type Operation, StrategyModel } from "./strategy-model.js";

const KiB = 1024;
/** Some SSTs have ten rows, so that runs have several. */
const rowBytes = 1.6 * KiB;

const l0Trigger = fc.integer({ min: 1, max: 5 });
const tiered = fc.record({
  l0Trigger,
  ...{ fanInMin: fc.integer({ min: 2, max: 5 }), fanInMax: fc.integer({ min: 2, max: 8 }) },
  sizeRatio: fc.constantFrom(1, 2, 10),
  spaceAmplificationMax: fc.constantFrom(1.1, 1.4, 3, Number.POSITIVE_INFINITY),
  earlyBytesMin: fc.constantFrom(0, 64 * KiB, Number.POSITIVE_INFINITY),
  runsMax: fc.integer({ min: 1, max: 8 }),
});
const levels = fc.record({
  l0Trigger,
  ...{ fanInMax: fc.integer({ min: 2, max: 8 }), multiplier: fc.constantFrom(2, 4) },
  level1Bytes: fc.constantFrom(16 * KiB, 64 * KiB),
  jobBytesMax: fc.constantFrom(16 * KiB, 64 * KiB, 1024 * KiB),
  levelsMax: fc.integer({ min: 1, max: 5 }),
});
const strategy: fc.Arbitrary<CompactionStrategy> = fc.oneof(
  tiered.map(sizeTiered),
  levels.map(leveled),
  fc.record({ l0Trigger, fanInMin: fc.integer({ min: 2, max: 5 }) }).map((options) =>
    // Nothing goes within the test, so that all reads are right.
    fifo({ ...options, bytesMax: 4096 * KiB }),
  ),
);

interface Flush {
  readonly start: number;
  readonly step: number;
  readonly count: number;
  readonly deletes: number;
  /** Another strategy takes over, or keys from `start` on are compacted on request. */
  readonly after: "strategy" | "compact" | "compact range" | "nothing";
}

const flush: fc.Arbitrary<Flush> = fc.record({
  ...{ start: fc.nat(300), step: fc.integer({ min: 1, max: 9 }) },
  ...{ count: fc.integer({ min: 1, max: 60 }), deletes: fc.nat(4) },
  after: fc.constantFrom(
    ...(["strategy", "compact", "compact range"] as const),
    ...Array.from({ length: 12 }, () => "nothing" as const),
  ),
});

test("versions of a key get older from L0 to the last run, reads are right, and no two jobs share an input", () => {
  void fc.assert(
    fc.property(
      fc.array(strategy, { minLength: 1, maxLength: 3 }),
      fc.array(flush, { maxLength: 60 }),
      fc.constantFrom(0.3, 1, 4),
      (strategies, flushes, speed) => {
        const model = new StrategyModel({
          ...{ strategy: strategies[0]!, rowBytes, sstBytesMax: 16 * KiB, speed, jobsMax: 3 },
          l0HardMax: 1000,
        });
        let current = 0;
        for (const { start, step, count, deletes, after } of flushes) {
          const rows: Operation[] = Array.from({ length: count }, (_, i) => ({
            ...{ key: start + i * step, isDelete: i % 5 < deletes },
          }));
          model.flush(rows);
          if (after === "strategy") model.strategy = strategies[++current % strategies.length]!;
          if (after === "compact") {
            model.compact();
            expect(model.l0).toEqual([]);
            expect(model.runs.length).toBeLessThanOrEqual(1);
          } else if (after === "compact range") {
            const [lower, upper] = [keyOf(start), keyOf(start + 20)];
            model.compact({ lower, lowerInclusive: true, upper, upperInclusive: false });
            expect(model.sourcesOf(start + 10)).toBeLessThanOrEqual(1);
          }
          model.check();
        }
        model.settle();
        model.check();
      },
    ),
    { numRuns: sampled(300) },
  );
});
