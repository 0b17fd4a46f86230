/** Transitions of the collector: exact, the same when applied again, and in any order with those of other roles. */

import * as fc from "fast-check";
import { expect, test } from "vitest";
import { type Manifest, RetiredKind, type RetiredObjects } from "../../../src/format/manifest.js";
import { addCheckpoint } from "../../../src/manifest/checkpoint-transitions.js";
import { applyCompaction } from "../../../src/manifest/compaction-transitions.js";
import {
  dropExpiredCheckpoints,
  moveRetiredToList,
  raiseFirstNumber,
  takeOffRetired,
  unpackRetiredList,
} from "../../../src/manifest/gc-transitions.js";
import { checkStep } from "../../../src/manifest/invariants.js";
import { plainCheckpoint } from "../../../src/manifest/plain-checkpoint.js";
import { walRange } from "../../../src/manifest/retired-wal.js";
import { retireBatch, type Transition } from "../../../src/manifest/transitions.js";
import { claimed, entryOf, ulid } from "./manifests.js";

const step = (manifest: Manifest, transition: Transition): Manifest => {
  const changed = transition(manifest);
  if (changed === manifest) return manifest;
  const next = { ...changed, number: manifest.number + 1 };
  checkStep(manifest, next);
  return next;
};

const ssts = (manifestNumber: number, ...ids: number[]): RetiredObjects => ({
  ...{ kind: RetiredKind.sst, manifestNumber, ids: ids.map(ulid), epoch: 0, fromId: 0, toId: 0 },
});
const checkpointOf = (id: number, refreshedNumber = 1) => ({
  ...{
    ...plainCheckpoint,
    id: ulid(id),
    name: "",
    manifestNumber: 1,
    createdAt: 0,
    ttlMs: 5,
    refreshedNumber,
  },
});

/** With retired SSTs 1 to 6, WAL 1 to 9 of log 1, checkpoints 90 to 92, and an L0 of tables 20 and 21. */
const base: Manifest = {
  ...claimed,
  ...{ number: 10, lastL0Seq: 9, lastSeq: 9, writerFloor: ulid(21), compactorFloor: ulid(15) },
  l0: [entryOf(20, 1, 4), entryOf(21, 5, 9)],
  walStart: { epoch: 1, id: 10 },
  retired: [ssts(3, 1, 2, 3), walRange(1, 1, 5, 4), ssts(5, 4, 5, 6), walRange(1, 5, 10, 6)],
  checkpoints: [checkpointOf(90), checkpointOf(91), checkpointOf(92)],
};

const flush = (floor: number): Transition =>
  retireBatch({
    ...{ epoch: 1, entries: [entryOf(22, 10, 12)], walStart: { epoch: 1, id: 14 } },
    ...{ lastL0Seq: 12, lastSeq: 12, snapshotSeq: 0, writerFloor: ulid(floor), logEnds: new Map() },
  });
const run = { ...{ id: ulid(31), ssts: entryOf(30, 1, 4).ssts, listBytes: 0 } };
const compact: Transition = applyCompaction({
  ...{ l0: [ulid(20)], runsFrom: [], named: [ulid(30), ulid(31)], retainSeq: 0, rewrites: false },
  runsTo: [
    {
      ...{ ...run, firstKey: Uint8Array.of(1), lastKey: Uint8Array.of(2), sstCount: 1 },
      ...{ rowCount: 1, size: 100, level: 0, indexOffset: 0, owner: "", rangeDeletes: [] },
    },
  ],
  ...{ retiredSsts: [ulid(20)], retiredRuns: [], floor: ulid(31) },
});

/** Without the numbers of the manifests that retired something, and samples of history: those tell the order. */
const unordered = (manifest: Manifest) => {
  const retired = new Set<string>();
  for (const { kind, ids, epoch, fromId, toId } of manifest.retired) {
    for (const id of ids) retired.add(`${kind}/${id}`);
    for (let id = fromId; id < toId; id++) retired.add(`wal/${epoch}/${id}`);
  }
  const checkpoints = [...manifest.checkpoints].sort((a, b) => (a.id < b.id ? -1 : 1));
  return { ...manifest, history: [], retired: [...retired].sort(), checkpoints };
};

const collectors: [string, Transition][] = [
  ["takes SSTs off", takeOffRetired([ssts(3, 1, 2, 3), ssts(5, 5)])],
  ["takes WAL off", takeOffRetired([walRange(1, 1, 5, 4), walRange(1, 5, 7, 6)])],
  ["drops checkpoints", dropExpiredCheckpoints([checkpointOf(90), checkpointOf(92)])],
  ["raises the first number", raiseFirstNumber(7)],
  ["moves entries to a list", moveRetiredToList(ulid(50), [ssts(3, 1, 2, 3)])],
];
const others: [string, Transition][] = [
  ["a flush", flush(22)],
  ["a compaction", compact],
  ["a checkpoint", addCheckpoint(checkpointOf(93, 10))],
];

test.each(collectors)("a transition that %s changes nothing when it is applied again", (_, gc) => {
  const once = step(base, gc);
  expect(once).not.toBe(base);
  expect(step(once, gc)).toBe(once);
});

test.each(collectors)("a transition that %s commutes with those of other roles", (_, gc) => {
  for (const [what, other] of others) {
    const one = step(step(base, gc), other);
    const two = step(step(base, other), gc);
    expect(unordered(one), what).toEqual(unordered(two));
  }
});

test("transitions of several collectors, in any order, leave the same", () => {
  const all = [...collectors.slice(0, 4), ...others].map(([, transition]) => transition);
  void fc.assert(
    fc.property(fc.shuffledSubarray(all, { minLength: all.length }), (order) => {
      const inOrder = all.reduce(step, base);
      expect(unordered(order.reduce(step, base))).toEqual(unordered(inOrder));
    }),
  );
});

test("only what the same manifest retired is taken off", () => {
  expect(step(base, takeOffRetired([ssts(4, 1, 2, 3)]))).toBe(base);
  const again = { ...base, retired: [...base.retired, ssts(9, 1)] };
  const left = step(again, takeOffRetired([ssts(3, 1, 2, 3)]));
  expect(left.retired.filter(({ kind }) => kind === RetiredKind.sst)).toEqual([
    ssts(5, 4, 5, 6),
    ssts(9, 1),
  ]);
});

test("WAL objects are taken off whatever pieces they are in by now", () => {
  const joined = { ...base, retired: [walRange(1, 1, 10, 6), walRange(2, 1, 3, 6)] };
  expect(step(joined, takeOffRetired([walRange(1, 1, 5, 4)])).retired).toEqual([
    walRange(1, 5, 10, 6),
    walRange(2, 1, 3, 6),
  ]);
  const piecesArbitrary = fc.array(fc.tuple(fc.nat(30), fc.nat(10)), { maxLength: 5 });
  void fc.assert(
    fc.property(piecesArbitrary, piecesArbitrary, (have, gone) => {
      const ranges = (pieces: readonly (readonly [number, number])[]) =>
        pieces.map(([from, count]) => walRange(1, from, from + count, 2));
      const ids = (entries: readonly RetiredObjects[]) => {
        const all = new Set<number>();
        for (const { fromId, toId } of entries) for (let i = fromId; i < toId; i++) all.add(i);
        return all;
      };
      const left = takeOffRetired(ranges(gone))({ ...base, retired: ranges(have) });
      const expected = [...ids(ranges(have))].filter((id) => !ids(ranges(gone)).has(id));
      expect([...ids(left.retired)].sort()).toEqual(expected.sort());
    }),
  );
});

test("WAL objects that stay before one that goes are remnants, those behind it are not", () => {
  const remnant = (range: RetiredObjects) => ({ ...range, kind: RetiredKind.walRemnant });
  const retired = [walRange(1, 1, 5, 4), walRange(1, 5, 10, 6), walRange(2, 1, 3, 6)];
  const some = step({ ...base, retired }, takeOffRetired([walRange(1, 6, 8, 6)]));
  expect(some.retired).toEqual([
    ...[remnant(walRange(1, 1, 5, 4)), remnant(walRange(1, 5, 6, 6))],
    ...[walRange(1, 8, 10, 6), walRange(2, 1, 3, 6)],
  ]);
  // What is retired later is none, whatever lies before it.
  const flushed = step({ ...some, walStart: { epoch: 1, id: 10 } }, flush(22));
  expect(flushed.retired.at(-1)).toEqual(walRange(1, 10, 14, 12));
  expect(step(some, takeOffRetired([walRange(1, 1, 6, 6)])).retired).toEqual(some.retired.slice(2));
  expect(step(base, takeOffRetired([walRange(1, 1, 3, 4)])).retired).toContainEqual(
    walRange(1, 3, 5, 4),
  );
});

test("a base that has expired lingers for what was added to it, and all go with the last", () => {
  const child = { ...checkpointOf(91), base: ulid(90) };
  const grandchild = { ...checkpointOf(92), base: ulid(91) };
  const chained = { ...base, checkpoints: [checkpointOf(90), child, grandchild] };
  const one = step(chained, dropExpiredCheckpoints([checkpointOf(90), checkpointOf(91)]));
  expect(one.checkpoints).toEqual([
    { ...checkpointOf(90), isExpired: true },
    { ...child, isExpired: true },
    grandchild,
  ]);
  // Judged again, they linger still.
  expect(step(one, dropExpiredCheckpoints([checkpointOf(90)]))).toBe(one);
  expect(step(one, dropExpiredCheckpoints([checkpointOf(92)])).checkpoints).toEqual([]);
});

test("a checkpoint that was refreshed since it was judged is not dropped", () => {
  const refreshed = { ...base, checkpoints: [checkpointOf(90, 10), checkpointOf(91)] };
  const drop = dropExpiredCheckpoints([checkpointOf(90), checkpointOf(91)]);
  expect(step(refreshed, drop).checkpoints).toEqual([checkpointOf(90, 10)]);
});

test("a list takes the place of exactly its entries, all of them or none", () => {
  const moved = [ssts(3, 1, 2, 3), ssts(5, 4, 5, 6)];
  const list = { ...ssts(11, 50), kind: RetiredKind.list };
  const wal = [walRange(1, 1, 5, 4), walRange(1, 5, 10, 6)];
  expect(step(base, moveRetiredToList(ulid(50), moved)).retired).toEqual([list, ...wal]);
  // One of them is partly gone by now.
  const changed = step(base, takeOffRetired([ssts(5, 4)]));
  expect(step(changed, moveRetiredToList(ulid(50), moved))).toBe(changed);
  expect(step(base, moveRetiredToList(ulid(50), []))).toBe(base);
});

test("a list below the lower of the two floors is refused: a sweep may have deleted it", () => {
  const moved = [ssts(3, 1, 2, 3)];
  expect(step(base, moveRetiredToList(ulid(15), moved))).toBe(base);
  expect(step(base, moveRetiredToList(ulid(16), moved))).not.toBe(base);
});

test("what is left of a list comes back in its place, once", () => {
  const moved = [ssts(3, 1, 2, 3), ssts(5, 4, 5, 6)];
  const listed = step(base, moveRetiredToList(ulid(50), moved));
  const unpack = unpackRetiredList(ulid(50), [ssts(5, 6)]);
  const unpacked = step(listed, unpack);
  expect(unpacked.retired).toEqual([ssts(5, 6), walRange(1, 1, 5, 4), walRange(1, 5, 10, 6)]);
  expect(step(unpacked, unpack)).toBe(unpacked);
});

test("the first number never falls", () => {
  expect(step({ ...base, firstNumber: 8 }, raiseFirstNumber(7)).firstNumber).toBe(8);
});
