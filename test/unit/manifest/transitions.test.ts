/** Transitions say what changes: applied twice they change nothing more, and in any order of roles they give the same. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { Feature, type Manifest, RetiredKind } from "../../../src/format/manifest.js";
import { checkManifest, checkStep } from "../../../src/manifest/invariants.js";
import {
  claimWriter,
  closeWriter,
  comparePositions,
  firstWalId,
  retireBatch,
  type Transition,
} from "../../../src/manifest/transitions.js";
import { claimed, empty, entryOf, ulid } from "./manifests.js";

const step = (manifest: Manifest, transition: Transition): Manifest => {
  const changed = transition(manifest);
  if (changed === manifest) return manifest;
  const next = { ...changed, number: manifest.number + 1 };
  checkStep(manifest, next);
  return next;
};

/** A writer's life: how many tables each of its flushes retires, how it ends, and who compacts in between. */
interface Life {
  readonly flushes: readonly {
    readonly tables: number;
    readonly walObjects: number;
    readonly compacts: boolean;
  }[];
  readonly closes: boolean;
  /** What it is opened with beside what is recorded. */
  readonly operators: readonly string[];
  /** Where its log ends beyond what was flushed: so much is left to replay. */
  readonly leftOver: number;
}

const lifeArbitrary: fc.Arbitrary<Life> = fc.record({
  flushes: fc.array(
    fc.record({
      tables: fc.integer({ min: 1, max: 3 }),
      walObjects: fc.nat(4),
      compacts: fc.boolean(),
    }),
    { maxLength: 4 },
  ),
  closes: fc.boolean(),
  operators: fc.shuffledSubarray(["append", "count", "max", "patch"]),
  leftOver: fc.nat(3),
});

/** As a compactor does it: all of L0 leaves, and what it adds is not looked at here. */
const compact: Transition = (manifest) =>
  manifest.l0.length === 0
    ? manifest
    : { ...manifest, l0: [], compactorFloor: manifest.writerFloor };

test("lives of writers, with every commit applied twice, keep the invariants and name nothing twice", () => {
  void fc.assert(
    fc.property(fc.array(lifeArbitrary, { minLength: 1, maxLength: 5 }), (lives) => {
      let manifest = empty;
      let seq = 0;
      let id = 0;
      const logEnds = new Map<number, number>();
      const retiredSeqs: number[] = [];
      for (const { flushes, closes, operators, leftOver } of lives) {
        const { mergeOperators: before } = manifest.pinned;
        const claim = claimWriter({
          putsInFlight: 4,
          mergeOperators: [...new Set([...operators, ...before])],
        });
        manifest = step(manifest, claim);
        const { mergeOperators: names } = manifest.pinned;
        expect(names.slice(0, before.length)).toEqual(before);
        expect([...names].sort()).toEqual([...new Set([...operators, ...before])].sort());
        expect(manifest.requiredFeatures).toEqual(names.length === 0 ? [] : [Feature.mergeRows]);
        const epoch = manifest.writerEpoch;
        let walId = 1;
        for (const { tables, walObjects, compacts } of flushes) {
          const entries = Array.from({ length: tables }, () => entryOf(++id, ++seq, ++seq));
          walId += walObjects;
          const retire = retireBatch({
            ...{ epoch, entries, walStart: { epoch, id: walId }, lastL0Seq: seq, lastSeq: seq },
            ...{ snapshotSeq: 0, writerFloor: ulid(id), logEnds: new Map(logEnds) },
          });
          const before = manifest.l0.length;
          manifest = step(manifest, retire);
          expect(manifest.l0.length).toBe(before + tables);
          expect([manifest.lastL0Seq, manifest.writerFloor]).toEqual([seq, ulid(id)]);
          expect(manifest.walStart).toEqual({ epoch, id: walId });
          expect(manifest.walChain.map((log) => log.epoch)).toEqual([epoch]);
          if (compacts) manifest = step(manifest, compact);
          expect(retire(manifest)).toBe(manifest);
          retiredSeqs.push(...entries.map((entry) => entry.ssts[0]!.maxSeq));
        }
        if (closes) {
          const close = closeWriter({
            ...{ epoch, walStart: { epoch, id: walId }, lastSeq: seq + 5, writerFloor: ulid(id) },
            logEnds: new Map(logEnds),
          });
          manifest = step(manifest, close);
          expect(close(manifest)).toBe(manifest);
          expect(manifest.walChain).toEqual([]);
          seq += 5;
        } else {
          logEnds.set(epoch, walId + leftOver);
        }
        checkManifest(manifest);
      }
      expect(new Set(retiredSeqs).size).toBe(retiredSeqs.length);
      const ranges = manifest.retired.filter(({ kind }) => kind === RetiredKind.wal);
      // Few pieces per log, whatever the number of flushes; they follow each other from the first object on.
      const ends = new Map<number, number>();
      const pieces = new Map<number, number>();
      for (const { epoch, fromId, toId } of ranges) {
        expect(fromId).toBe(ends.get(epoch) ?? 1);
        ends.set(epoch, toId);
        pieces.set(epoch, (pieces.get(epoch) ?? 0) + 1);
        expect(toId).toBeGreaterThan(fromId);
        expect(comparePositions({ epoch, id: toId }, manifest.walStart)).toBeLessThanOrEqual(0);
      }
      expect(Math.max(0, ...pieces.values())).toBeLessThanOrEqual(16);
    }),
    { numRuns: 300 },
  );
});

test("a writer's claim commutes with what other roles do, and appends names to whatever is there", () => {
  const claim = claimWriter({ putsInFlight: 1, mergeOperators: ["b", "a"] });
  const floor: Transition = (manifest) => ({ ...manifest, compactorFloor: ulid(3) });
  const base = step(empty, claimWriter({ putsInFlight: 1, mergeOperators: ["a"] }));
  const one = step(step(base, claim), floor);
  const other = step(step(base, floor), claim);
  // Samples of time are of the manifest that the claim is applied to.
  expect({ ...one, history: [] }).toEqual({ ...other, history: [] });
  expect(one.pinned.mergeOperators).toEqual(["a", "b"]);
  // Applied again, after another writer's claim had come first.
  const late = claim({ ...step(base, claimWriter({ putsInFlight: 1, mergeOperators: ["c"] })) });
  expect(late.pinned.mergeOperators).toEqual(["a", "c", "b"]);
});

test("a writer's and a compactor's transitions commute", () => {
  const batch = (epoch: number) =>
    retireBatch({
      ...{
        epoch,
        entries: [entryOf(2, 5, 9)],
        walStart: { epoch, id: 4 },
        lastL0Seq: 9,
        lastSeq: 9,
      },
      ...{ snapshotSeq: 0, writerFloor: ulid(2), logEnds: new Map() },
    });
  const base = step(step(empty, claimWriter({ putsInFlight: 1 })), (manifest) => ({
    ...manifest,
    l0: [entryOf(1, 1, 4)],
    lastL0Seq: 4,
    lastSeq: 4,
  }));
  const removeFirst: Transition = (manifest) => ({
    ...manifest,
    l0: manifest.l0.filter((entry) => entry.ssts[0]!.id !== ulid(1)),
    retired: [
      ...manifest.retired,
      { kind: RetiredKind.sst, manifestNumber: 0, ids: [ulid(1)], epoch: 0, fromId: 0, toId: 0 },
    ],
  });
  // Samples of time are of the manifest that the writer's commit is applied to.
  const numberless = (manifest: Manifest) => ({
    ...manifest,
    number: 0,
    history: [],
    retired: manifest.retired
      .map((entry) => ({ ...entry, manifestNumber: 0 }))
      .sort((a, b) => a.kind - b.kind),
  });
  const one = numberless(step(step(base, batch(1)), removeFirst));
  const other = numberless(step(step(base, removeFirst), batch(1)));
  expect(one).toEqual(other);
});

test("an epoch is computed from the manifest that it is applied to", () => {
  const claim = claimWriter({ putsInFlight: 3 });
  const first = claim(empty);
  const second = claim({ ...first, number: 1 });
  expect([first.writerEpoch, second.writerEpoch]).toEqual([1, 2]);
  expect(second.walChain).toEqual([
    { epoch: 1, putsInFlight: 3 },
    { epoch: 2, putsInFlight: 3 },
  ]);
});

test("replay of the log that replay starts in begins there, and of later ones at 1", () => {
  const manifest = { ...claimed, walStart: { epoch: 3, id: 7 } };
  expect([firstWalId(manifest, 3), firstWalId(manifest, 4)]).toEqual([7, 1]);
});

test("a close of a writer that was replaced leaves the newer log in the chain", () => {
  const two = claimWriter({ putsInFlight: 1 })(claimed);
  const closing = {
    walStart: { epoch: 1, id: 1 },
    lastSeq: 0,
    writerFloor: "",
    logEnds: new Map(),
  };
  expect(closeWriter({ epoch: 1, ...closing })(two).walChain).toEqual([
    { epoch: 2, putsInFlight: 1 },
  ]);
});

const pinnedWith = (...mergeOperators: string[]) => ({ ...claimed.pinned, mergeOperators });

test.each<[string, Partial<Manifest>]>([
  ["a number that is skipped", { number: 3 }],
  ["another database", { databaseId: ulid(9) }],
  ["a writer epoch that falls", { writerEpoch: 0 }],
  ["a last seq that falls", { lastSeq: 8, lastL0Seq: 8 }],
  ["an L0 seq that was never given", { lastL0Seq: 100 }],
  ["a start of replay that goes back", { walStart: { epoch: 1, id: 4 } }],
  ["a floor that falls", { writerFloor: ulid(1) }],
  ["an SST that is named twice", { l0: [entryOf(5, 1, 2), entryOf(5, 3, 4)] }],
  ["L0 out of seq order", { l0: [entryOf(5, 3, 4), entryOf(6, 1, 2)] }],
  ["L0 entries that share a seq", { l0: [entryOf(5, 1, 3), entryOf(6, 3, 4)] }],
  ["L0 above its last seq", { l0: [entryOf(5, 1, 11)] }],
  ["an entry without an SST", { l0: [{ ssts: [], seq: 0 }] }],
  ["a log of an epoch that nobody has claimed", { walChain: [{ epoch: 3, putsInFlight: 1 }] }],
  [
    "a chain that does not ascend",
    {
      walChain: [
        { epoch: 2, putsInFlight: 1 },
        { epoch: 2, putsInFlight: 1 },
      ],
    },
  ],
  ["a log before the start of replay", { walChain: [{ epoch: 0, putsInFlight: 1 }] }],
  ["a merge operator that loses its id", { pinned: pinnedWith("b", "a") }],
  ["a merge operator that is forgotten", { pinned: pinnedWith() }],
  ["a merge operator with two ids", { pinned: pinnedWith("a", "a") }],
  ["merge operators without the feature", { requiredFeatures: [] }],
  ["a log with nothing in flight", { walChain: [{ epoch: 2, putsInFlight: 0 }] }],
])("the check before a commit refuses %s", (_, over) => {
  const base: Manifest = {
    ...{ ...claimed, number: 1, writerEpoch: 2, lastSeq: 10, lastL0Seq: 10, writerFloor: ulid(4) },
    ...{ walStart: { epoch: 1, id: 5 }, walChain: [{ epoch: 2, putsInFlight: 1 }], l0: [] },
    ...{ pinned: pinnedWith("a"), requiredFeatures: [Feature.mergeRows] },
  };
  const next = { ...base, number: 2 };
  expect(() => checkStep(base, next)).not.toThrow();
  expect(() => checkStep(base, { ...next, ...over })).toThrow(
    expect.objectContaining({ kind: "internal" }),
  );
});
