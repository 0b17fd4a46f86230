/** Ranges of WAL objects on the retired list: few pieces, no gap, and the oldest of a log that never ends grow old. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { RetiredObjects } from "../../../src/format/manifest.js";
import { retiredWal, retireWal } from "../../../src/manifest/retired-wal.js";
import { empty } from "./manifests.js";

/** A log from which each commit retires some objects: pairs of how many, and how many manifests later. */
function retireAll(steps: readonly (readonly [objects: number, manifests: number])[]) {
  let retired: readonly RetiredObjects[] = [];
  let manifestNumber = 1;
  let id = 1;
  const numberOf = new Map<number, number>();
  for (const [objects, manifests] of steps) {
    manifestNumber += manifests;
    retired = retireWal(retired, manifestNumber, 1, id, id + objects);
    for (let i = 0; i < objects; i++) numberOf.set(id + i, manifestNumber);
    id += objects;
  }
  return { retired, numberOf, nextId: id, manifestNumber };
}

const stepsArbitrary = fc.array(fc.tuple(fc.integer({ min: 0, max: 5 }), fc.nat(4)), {
  maxLength: 80,
});

test("pieces are at most 16, cover all that was retired without a gap, and none says that it is older than it is", () => {
  void fc.assert(
    fc.property(stepsArbitrary, (steps) => {
      const { retired, numberOf, nextId } = retireAll(steps);
      expect(retired.length).toBeLessThanOrEqual(16);
      let id = 1;
      for (const piece of retiredWal({ ...empty, retired })) {
        expect(piece.fromId).toBe(id);
        for (; id < piece.toId; id++) {
          expect(piece.manifestNumber).toBeGreaterThanOrEqual(numberOf.get(id)!);
        }
      }
      expect(id).toBe(nextId);
    }),
  );
});

test.each([
  ["every commit", [1]],
  ["every third", [3]],
  ["uneven ones", [1, 4, 2, 2, 7, 1, 1, 3]],
  ["ones that lie ever wider apart, then near", [1, 2, 4, 8, 16, 1, 1, 1]],
])("under a steady stream, flushed by %s, a collector with any grace keeps up", (_, gaps) => {
  // Manifests are commits of one a second; what is older than the grace is collected every ten.
  const grace = 100;
  let retired: readonly RetiredObjects[] = [];
  let now = 1;
  let id = 1;
  let oldest = 0;
  for (let flush = 0; flush < 2000; flush++) {
    now += gaps[flush % gaps.length]!;
    retired = retireWal(retired, now, 1, id, ++id);
    if (flush % 10 === 0) retired = retired.filter((piece) => now - piece.manifestNumber < grace);
    const first = Math.min(...retired.map((piece) => piece.fromId));
    oldest = Math.max(oldest, id - first);
  }
  // No object stays longer than for two graces and what lies between collections.
  const meanGap = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  expect(oldest * meanGap).toBeLessThanOrEqual(3 * grace + 20 * meanGap);
});

test("pieces of one commit are one, logs have pieces of their own, and other entries stay as they are", () => {
  const one = retireWal([], 5, 1, 1, 4);
  expect(retireWal(one, 5, 1, 4, 6)).toMatchObject([{ fromId: 1, toId: 6, manifestNumber: 5 }]);
  expect(retireWal(one, 6, 2, 1, 3)).toMatchObject([
    { epoch: 1, fromId: 1, toId: 4 },
    { epoch: 2, fromId: 1, toId: 3 },
  ]);
  expect(retireWal(one, 6, 1, 4, 4)).toBe(one);
});

test("of many pieces the nearest two become one, of several such the newest", () => {
  const numbers = [10, 20, 30, 40, 50, 60, 61, 70, 80, 90, 100, 110, 120, 130, 140, 150];
  let retired: readonly RetiredObjects[] = [];
  for (const [i, number] of numbers.entries())
    retired = retireWal(retired, number, 1, i + 1, i + 2);
  expect(retired.length).toBe(16);
  retired = retireWal(retired, 160, 1, 17, 18);
  expect(retired.map((piece) => piece.manifestNumber)).not.toContain(60);
  expect(retired.find((piece) => piece.manifestNumber === 61)).toMatchObject({
    fromId: 6,
    toId: 8,
  });
  retired = retireWal(retired, 170, 1, 18, 19);
  expect(retired.map((piece) => piece.manifestNumber)).not.toContain(61);
  // Now ten lie between all of them.
  retired = retireWal(retired, 180, 1, 19, 20);
  expect(retired.map((piece) => piece.manifestNumber).slice(-2)).toEqual([160, 180]);
});
