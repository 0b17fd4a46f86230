/** Transitions of the compactor: exactly its inputs go, in any order with what other roles do, and once. */

import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  type Manifest,
  RetiredKind,
  type RetiredObjects,
  type SortedRun,
  type SstInfo,
} from "../../../src/format/manifest.js";
import { addCheckpoint } from "../../../src/manifest/checkpoint-transitions.js";
import {
  applyCompaction,
  claimCompactor,
  type RunChange,
  StaleInputsError,
} from "../../../src/manifest/compaction-transitions.js";
import { takeOffRetired } from "../../../src/manifest/gc-transitions.js";
import { checkStep } from "../../../src/manifest/invariants.js";
import { plainCheckpoint } from "../../../src/manifest/plain-checkpoint.js";
import { buildSortedRun } from "../../../src/manifest/sorted-run.js";
import { claimWriter, retireBatch, type Transition } from "../../../src/manifest/transitions.js";
import { claimed, databaseId, entryOf, sstOf, ulid } from "./manifests.js";

const step = (manifest: Manifest, transition: Transition): Manifest => {
  const changed = transition(manifest);
  if (changed === manifest) return manifest;
  const next = { ...changed, number: manifest.number + 1 };
  checkStep(manifest, next);
  return next;
};

const runOf = (id: number, ...ssts: SstInfo[]): SortedRun =>
  buildSortedRun(databaseId, { id: ulid(id), level: 0 }, ssts).run;

const retiredSst = (...ids: number[]): RetiredObjects => ({
  ...{ kind: RetiredKind.sst, manifestNumber: 3, ids: ids.map(ulid) },
  ...{ epoch: 0, fromId: 0, toId: 0 },
});

/** L0: 41, 42, 43. Runs: 30, 20, 10, each of the SST numbered one more. */
const base: Manifest = {
  ...{ ...claimed, number: 5, lastSeq: 9, lastL0Seq: 9, compactorEpoch: 1 },
  l0: [entryOf(41, 4, 5), entryOf(42, 6, 7), entryOf(43, 8, 9)],
  runs: [runOf(30, sstOf(31, 3, 3)), runOf(20, sstOf(21, 2, 2)), runOf(10, sstOf(11, 1, 1))],
  retired: [retiredSst(1, 2), retiredSst(3)],
};

const change = (over: Partial<RunChange> = {}): RunChange => ({
  ...{ l0: [ulid(41), ulid(42)], runsFrom: [ulid(30)], runsTo: [runOf(50, sstOf(51, 3, 7))] },
  ...{ named: [ulid(51)], retiredSsts: [ulid(41), ulid(42), ulid(31)], retiredRuns: [] },
  ...{ retainSeq: 9, rewrites: false, floor: ulid(49), ...over },
});

test("runs come in the place of exactly what they were made of, and the commit says what it no longer names", () => {
  const next = step(base, applyCompaction(change()));
  expect(next.l0.map(({ ssts }) => ssts[0]!.id)).toEqual([ulid(43)]);
  expect(next.runs.map(({ id }) => id)).toEqual([ulid(50), ulid(20), ulid(10)]);
  expect(next.retired.at(-1)).toEqual({ ...retiredSst(41, 42, 31), manifestNumber: 6 });
  expect(next).toMatchObject({ compactedSeq: 9, compactorFloor: ulid(49), rewrittenNumber: 0 });
  expect(applyCompaction(change())(next)).toBe(next);
});

test("what changes every read notes its number, and a run's own object is retired as one", () => {
  const dropped = change({ l0: [], runsFrom: [ulid(10)], runsTo: [], named: [] });
  const next = step(base, applyCompaction({ ...dropped, rewrites: true, retiredRuns: [ulid(10)] }));
  expect(next.runs.map(({ id }) => id)).toEqual([ulid(30), ulid(20)]);
  expect(next.rewrittenNumber).toBe(6);
  expect(next.retired.at(-1)).toMatchObject({ kind: RetiredKind.run, ids: [ulid(10)] });
  expect(applyCompaction({ ...dropped, rewrites: true })(next)).toBe(next);
});

test("a run that lies between the inputs stays as it is", () => {
  const around = change({
    ...{ l0: [], runsFrom: [ulid(30), ulid(20), ulid(10)] },
    runsTo: [base.runs[1]!, runOf(50, sstOf(51, 1, 3))],
  });
  const next = step(base, applyCompaction(around));
  expect(next.runs.map(({ id }) => id)).toEqual([ulid(20), ulid(50)]);
  expect(next.runs[0]).toBe(base.runs[1]);
  expect(applyCompaction(around)(next)).toBe(next);
});

test.each<[string, Partial<RunChange>, Partial<Manifest>]>([
  ["an entry that is not the oldest", { l0: [ulid(42)] }, {}],
  ["entries in another order", { l0: [ulid(42), ulid(41)] }, {}],
  ["an entry that is gone", {}, { l0: base.l0.slice(1) }],
  ["a run that is gone", {}, { runs: base.runs.slice(1) }],
  ["a run that is not the newest, with entries of L0", { runsFrom: [ulid(20)] }, {}],
  ["runs that do not follow each other", { l0: [], runsFrom: [ulid(30), ulid(10)] }, {}],
  ["an output below both floors", {}, { writerFloor: ulid(60), compactorFloor: ulid(55) }],
])("%s: the change is stale, and nothing is changed", (_, over, manifest) => {
  expect(() => applyCompaction(change(over))({ ...base, ...manifest })).toThrow(StaleInputsError);
});

test("an output above one of the floors may be named: no sweep has deleted it", () => {
  const between = { ...base, writerFloor: ulid(60), compactorFloor: ulid(48) };
  expect(step(between, applyCompaction(change())).runs[0]!.id).toBe(ulid(50));
});

test("the compactor's claim leaves the writer alone", () => {
  const next = step(base, claimCompactor(0));
  expect(next).toEqual({ ...base, number: 6, compactorEpoch: 2 });
});

test("transitions of all roles give the same manifest in any order, and change nothing when they come again", () => {
  const roles: Transition[] = [
    retireBatch({
      ...{ epoch: 1, entries: [entryOf(44, 10, 12)], walStart: { epoch: 1, id: 4 } },
      ...{ lastL0Seq: 12, lastSeq: 12, snapshotSeq: 3, writerFloor: ulid(44), logEnds: new Map() },
    }),
    applyCompaction(change()),
    applyCompaction({
      ...change({ l0: [], runsFrom: [ulid(20), ulid(10)], runsTo: [runOf(70, sstOf(71, 1, 2))] }),
      ...{ named: [ulid(71)], retiredSsts: [ulid(21), ulid(11)], floor: ulid(45) },
    }),
    takeOffRetired([retiredSst(1, 2)]),
    addCheckpoint({
      ...{
        id: ulid(90),
        name: "",
        manifestNumber: 5,
        createdAt: 0,
        ttlMs: 0,
        refreshedNumber: 5,
        ...plainCheckpoint,
      },
    }),
  ];
  const numberless = (manifest: Manifest) => ({
    ...{ ...manifest, number: 0, history: [] },
    retired: manifest.retired
      .map((entry) => ({ ...entry, manifestNumber: 0 }))
      .sort((a, b) => a.kind - b.kind || (a.ids[0]! < b.ids[0]! ? -1 : 1)),
  });
  const one = numberless(roles.reduce(step, base));
  void fc.assert(
    fc.property(
      fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 5 }),
      fc.array(fc.nat(4), { maxLength: 6 }),
      (order, again) => {
        let manifest = base;
        const seen: number[] = [];
        for (const i of order) {
          manifest = step(manifest, roles[i]!);
          seen.push(i);
          for (const j of again) {
            if (seen.includes(j)) expect(roles[j]!(manifest)).toBe(manifest);
          }
        }
        expect(numberless(manifest)).toEqual(one);
      },
    ),
    { numRuns: 300 },
  );
});

test("a writer that claims between leaves what a compactor does as it is", () => {
  const writer = claimWriter({ putsInFlight: 1 });
  const a = step(step(base, writer), applyCompaction(change()));
  const b = step(step(base, applyCompaction(change())), writer);
  // Samples of time are of the manifest that the claim is applied to.
  const same = { retired: [], history: [] };
  expect({ ...a, ...same }).toEqual({ ...b, ...same });
});

const pair = (...ssts: SstInfo[]): Partial<Manifest> => ({ runs: [runOf(50, ...ssts)] });
const at = (id: number, first: number, last: number): SstInfo => ({
  ...sstOf(id, 1, 1),
  ...{ firstKey: Uint8Array.of(first), lastKey: Uint8Array.of(last) },
});
const spanning = (sst: SstInfo, start: number, end: number, minSeq = 1): SstInfo => ({
  ...{ ...sst, rangeDeletesOffset: 10 },
  rangeDeletes: [
    {
      ...{ start: Uint8Array.of(start), end: Uint8Array.of(end), endless: false },
      ...{ count: 1, minSeq, maxSeq: 1 },
    },
  ],
});
const level = (run: SortedRun, of: number): SortedRun => ({ ...run, level: of });
const feature = { requiredFeatures: [2] };

test.each<[string, Partial<Manifest>]>([
  ["SSTs of a run that overlap", pair(at(51, 1, 5), at(52, 5, 9))],
  ["SSTs of a run out of order", pair(at(51, 5, 6), at(52, 1, 2))],
  [
    "a range delete that reaches into the next SST",
    { ...pair(spanning(at(51, 1, 2), 1, 6), at(52, 5, 9)), ...feature },
  ],
  [
    "a range delete that begins in the SST before",
    { ...pair(at(51, 1, 4), spanning(at(52, 5, 9), 3, 9)), ...feature },
  ],
  ["an SST of L0 that a run names too", { runs: [runOf(50, sstOf(41, 1, 1))] }],
  ["an SST in two runs", { runs: [runOf(50, sstOf(51, 1, 1)), runOf(60, sstOf(51, 1, 1))] }],
  ["a run that is named twice", { runs: [base.runs[0]!, base.runs[0]!] }],
  ["a run without an SST", { runs: [{ ...base.runs[0]!, ssts: [] }] }],
  ["a run that miscounts", { runs: [{ ...base.runs[0]!, sstCount: 2 }] }],
  [
    "a short list in an object of its own",
    { runs: [{ ...base.runs[0]!, ssts: [], listBytes: 9 }] },
  ],
  ["a list in two places", { runs: [{ ...base.runs[0]!, listBytes: 9, sstCount: 40 }] }],
  ["a seq that L0 never had", { runs: [runOf(50, sstOf(51, 10, 10))] }],
  ["levels that descend", { runs: [level(base.runs[0]!, 2), level(base.runs[1]!, 1)] }],
  ["a new SST of L0 below both floors", { l0: [entryOf(5, 4, 5)] }],
  [
    "a new list of a run below both floors",
    { runs: [{ ...runOf(5, sstOf(51, 1, 1)), ssts: [], listBytes: 9, sstCount: 40 }] },
  ],
])("the check before a commit refuses %s", (_, over) => {
  const floors = { writerFloor: ulid(6), compactorFloor: ulid(9) };
  const before = { ...base, ...floors };
  const next = { ...before, number: 6 };
  expect(() => checkStep(before, next)).not.toThrow();
  expect(() => checkStep(before, { ...next, ...over })).toThrow(
    expect.objectContaining({ kind: "internal" }),
  );
});

test("an SST that moves out of a list that is not here is not taken for a new one", () => {
  const long = { ...runOf(30, sstOf(31, 1, 1)), ssts: [], listBytes: 9, sstCount: 40 };
  const floors = { writerFloor: ulid(60), compactorFloor: ulid(60) };
  const before = { ...base, ...floors, runs: [long] };
  const next = { ...before, number: 6, runs: [runOf(61, sstOf(7, 1, 1))] };
  expect(() => checkStep(before, next)).not.toThrow();
});

test("SSTs that touch are apart, and spans that say more than there is are no overlap", () => {
  const before = { ...base, ...feature };
  const next = { ...before, number: 6 };
  const touching = pair(spanning(at(51, 1, 2), 1, 5), spanning(at(52, 5, 9), 5, 10));
  const loose = pair(spanning(at(51, 1, 2), 0, 8, 0), at(52, 5, 9));
  for (const over of [touching, loose]) {
    expect(() => checkStep(before, { ...next, ...over })).not.toThrow();
  }
});
