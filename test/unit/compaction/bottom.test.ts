/** Which jobs may drop deletes: none whose inputs have anything older beneath a key that they, or their range deletes, have a say in. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { isBottomOf } from "../../../src/compaction/bottom.js";
import { meeting, slotOf, slotsMeet } from "../../../src/compaction/key-slot.js";
import type { CompactionInputs } from "../../../src/format/compactions.js";
import type { Manifest, SstInfo, TombstoneSpan } from "../../../src/format/manifest.js";
import { claimed, sstOf, ulid } from "../manifest/manifests.js";
import { keyOf } from "./strategy-model.js";

interface Shape {
  /** Rows from this key to that one. */
  readonly rows: readonly [number, number];
  /** A range delete up to, but without, its end; undefined: it is endless. */
  readonly covers?: readonly [number, number | undefined];
}

const span = (start: number, end: number | undefined): TombstoneSpan => ({
  ...{ start: keyOf(start), end: end === undefined ? new Uint8Array(0) : keyOf(end) },
  ...{ endless: end === undefined, count: 1, minSeq: 5, maxSeq: 5 },
});

const sst = (number: number, { rows, covers }: Shape): SstInfo => ({
  ...sstOf(number, 1, 9),
  ...{ firstKey: keyOf(rows[0]), lastKey: keyOf(rows[1]) },
  ...(covers && { rangeDeletesOffset: 20, rangeDeletes: [span(...covers)] }),
});

/** Oldest entry first; runs newest first, each a list of SSTs. Numbers go on from 100 for each entry, and from 1000 for each run. */
function manifestOf(l0: readonly Shape[][], runs: readonly Shape[][]): Manifest {
  return {
    ...claimed,
    l0: l0.map((entry, i) => ({ ssts: entry.map((s, j) => sst(100 * (i + 1) + j, s)), seq: 0 })),
    runs: runs.map((run, i) => {
      const ssts = run.map((s, j) => sst(1000 * (i + 1) + j, s));
      return {
        ...{
          id: ulid(10 + i),
          ssts,
          listBytes: 0,
          indexOffset: 0,
          owner: "",
          rangeDeletes: [],
          level: 0,
        },
        ...{ firstKey: ssts[0]!.firstKey, lastKey: ssts.at(-1)!.lastKey },
        ...{ sstCount: ssts.length, rowCount: ssts.length, size: 100 * ssts.length },
      };
    }),
  };
}

const inputs = (
  l0: readonly number[],
  runs: readonly [number, ...number[]][],
): CompactionInputs => ({
  l0: l0.map(ulid),
  runs: runs.map(([run, ...ssts]) => ({ id: ulid(10 + run), ssts: ssts.map(ulid) })),
});

const row = (from: number, to: number): Shape => ({ rows: [from, to] });

test.each<[string, boolean, Manifest, CompactionInputs]>([
  ["L0 without runs", true, manifestOf([[row(1, 5)]], []), inputs([100], [])],
  ["L0 above a run", false, manifestOf([[row(1, 5)]], [[row(5, 9)]]), inputs([100], [])],
  ["L0 beside a run", true, manifestOf([[row(1, 4)]], [[row(5, 9)]]), inputs([100], [])],
  ["L0 with the run", true, manifestOf([[row(1, 5)]], [[row(5, 9)]]), inputs([100], [[0]])],
  [
    "L0 with one of two runs",
    false,
    manifestOf([[row(1, 5)]], [[row(5, 9)], [row(9, 12)]]),
    inputs([100], [[0]]),
  ],
  ["the oldest run", true, manifestOf([], [[row(1, 9)], [row(1, 9)]]), inputs([], [[1]])],
  [
    "the newer SST of two levels, with all beneath it",
    true,
    manifestOf(
      [],
      [
        [row(1, 3), row(6, 8)],
        [row(1, 4), row(6, 9)],
      ],
    ),
    inputs(
      [],
      [
        [0, 1000],
        [1, 2000],
      ],
    ),
  ],
  [
    "the same, but for an SST beneath it",
    false,
    manifestOf([], [[row(1, 6)], [row(1, 4), row(6, 9)]]),
    inputs(
      [],
      [
        [0, 1000],
        [1, 2000],
      ],
    ),
  ],
  [
    "rows apart, but a range delete over the next run",
    false,
    manifestOf([], [[{ rows: [1, 2], covers: [2, 6] }], [row(5, 9)]]),
    inputs([], [[0]]),
  ],
  [
    "a range delete up to the first key of the next run",
    true,
    manifestOf([], [[{ rows: [1, 2], covers: [2, 5] }], [row(5, 9)]]),
    inputs([], [[0]]),
  ],
  [
    "a range delete without an end",
    false,
    manifestOf([], [[{ rows: [1, 2], covers: [2, undefined] }], [row(500, 900)]]),
    inputs([], [[0]]),
  ],
  [
    "an entry above one that stays",
    false,
    manifestOf([[row(1, 9)], [row(1, 2)]], []),
    inputs([200], []),
  ],
  [
    "an entry beneath one that stays",
    true,
    manifestOf([[row(1, 9)], [row(1, 2)]], []),
    inputs([100], []),
  ],
  [
    "a run whose list is not at hand, beneath",
    false,
    {
      ...manifestOf([[row(1, 5)]], [[row(5, 9)]]),
      runs: manifestOf([], [[row(5, 9)]]).runs.map((run) => ({ ...run, ssts: [], listBytes: 9 })),
    },
    inputs([100], []),
  ],
])("%s: %s", (_, expected, manifest, of) => {
  expect(isBottomOf(manifest, of)).toBe(expected);
});

const shapes = fc
  .array(fc.record({ gap: fc.integer({ min: 1, max: 4 }), length: fc.nat(3), covers: fc.nat(3) }), {
    ...{ minLength: 1, maxLength: 5 },
  })
  .map((steps) => {
    let next = 0;
    return steps.map(({ gap, length, covers }): Shape => {
      const from = next + gap;
      const to = from + length;
      next = to + 1 + covers;
      return { rows: [from, to], ...(covers > 0 && { covers: [to, next] }) };
    });
  });

test("it is never true where some key says otherwise", () => {
  let bottoms = 0;
  void fc.assert(
    fc.property(
      fc.array(shapes, { maxLength: 3 }),
      fc.array(shapes, { maxLength: 3 }),
      fc.infiniteStream(fc.boolean()),
      (l0, runs, choices) => {
        const manifest = manifestOf(l0, runs);
        const choose = (): boolean => choices.next().value;
        const count = manifest.l0.filter(choose).length;
        const job: CompactionInputs = {
          l0: manifest.l0.slice(0, count).map(({ ssts }) => ssts[0]!.id),
          runs: manifest.runs.filter(choose).map(({ id, ssts }) => ({
            ...{ id, ssts: choose() ? [] : ssts.filter(choose).map((each) => each.id) },
          })),
        };
        const isTaken = (source: number, info: SstInfo): boolean => {
          if (source < manifest.l0.length) return manifest.l0.length - 1 - source < count;
          const run = job.runs.find(
            ({ id }) => id === manifest.runs[source - manifest.l0.length]!.id,
          );
          return run !== undefined && (run.ssts.length === 0 || run.ssts.includes(info.id));
        };
        const sources = [...[...manifest.l0].reverse(), ...manifest.runs].map(({ ssts }) => ssts);
        const hides = sources.some((ssts, i) =>
          ssts.some(
            (info) =>
              isTaken(i, info) &&
              sources
                .slice(i + 1)
                .some((older, j) =>
                  older.some(
                    (other) => !isTaken(i + 1 + j, other) && slotsMeet(slotOf(info), slotOf(other)),
                  ),
                ),
          ),
        );
        const isBottom = isBottomOf(manifest, job);
        if (isBottom) bottoms++;
        if (hides) expect(isBottom).toBe(false);
      },
    ),
    { numRuns: 1000 },
  );
  expect(bottoms).toBeGreaterThan(100);
});

test("the SSTs of a run that meet a slot are found as by looking at each", () => {
  void fc.assert(
    fc.property(shapes, fc.nat(40), fc.nat(12), fc.boolean(), (run, from, length, isEndless) => {
      const ssts = manifestOf([], [run]).runs[0]!.ssts;
      const slot = slotOf(
        sst(1, { rows: [from, from], covers: [from, isEndless ? undefined : from + 1 + length] }),
      );
      const found = meeting(ssts, slot);
      expect(ssts.slice(found.from, found.to)).toEqual(
        ssts.filter((s) => slotsMeet(slotOf(s), slot)),
      );
    }),
    { numRuns: 1000 },
  );
});
