/** When a handle thinks that something retired may be old: late rather than early, and without a request. */
import { expect, test } from "vitest";
import { RetiredAges } from "../../../src/db/retired-ages.js";
import { type Manifest, RetiredKind } from "../../../src/format/manifest.js";
import { emptyManifest } from "../../../src/manifest/transitions.js";
import { ManualClock } from "../../../src/testing/index.js";

const hour = 3_600_000;
const pinned = { walLocation: 1, walStoreId: "", walPath: "", mergeOperators: [], encryption: 0 };

function manifestOf(number: number, createdAt: number, retiredBy: readonly number[]): Manifest {
  const retired = retiredBy.map((manifestNumber) => ({
    ...{ kind: RetiredKind.sst, manifestNumber, ids: ["x"], epoch: 0, fromId: 0, toId: 0 },
  }));
  const empty = emptyManifest("01KDVDNA04C2VTT389TQJB0C0B", pinned as Manifest["pinned"]);
  return { ...empty, number, createdAt, retired };
}

test("what a manifest retired is old when that manifest, or a later one, is as old as the grace", async () => {
  const clock = new ManualClock();
  const ages = new RetiredAges(clock, hour);
  const start = clock.now();
  ages.saw(manifestOf(10, start, [7]));
  const later = (minutes: number, number: number, retiredBy: number[]): boolean => {
    const manifest = manifestOf(number, clock.now(), retiredBy);
    if (minutes > 0) ages.saw(manifest);
    return ages.mayHaveOld(manifest);
  };
  expect(later(0, 10, [7])).toBe(false);
  await clock.advance(hour / 2);
  expect(later(30, 11, [7, 11])).toBe(false);
  await clock.advance(hour / 2);
  expect(later(60, 12, [7, 11])).toBe(true);
  expect(later(60, 13, [11])).toBe(false);
  await clock.advance(hour / 2);
  expect(later(90, 14, [11])).toBe(true);
  expect(later(90, 15, [])).toBe(false);
});

test("it remembers no more than one manifest a minute, and forgets those that say nothing new", async () => {
  const clock = new ManualClock();
  const ages = new RetiredAges(clock, hour);
  for (let i = 1; i <= 10_000; i++) {
    ages.saw(manifestOf(i, clock.now(), []));
    await clock.advance(1000);
  }
  expect(ages.markCount).toBeLessThan(65);
  expect(ages.mayHaveOld(manifestOf(10_001, clock.now(), [10_000 - 3500]))).toBe(false);
  expect(ages.mayHaveOld(manifestOf(10_001, clock.now(), [10_000 - 3700]))).toBe(true);
});

test("without a grace all is old", () => {
  const ages = new RetiredAges(new ManualClock(), 0);
  expect(ages.mayHaveOld(manifestOf(3, 0, [3]))).toBe(true);
  expect(ages.mayHaveOld(manifestOf(3, 0, []))).toBe(false);
});
