/** `FragmentedTombstones`: it answers for every key and seq what a look at each tombstone would answer. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { compareBytes, encodeUtf8 } from "../../../src/common/bytes.js";
import { FragmentedTombstones } from "../../../src/common/fragmented-tombstones.js";
import type { RangeTombstone } from "../../../src/common/range-tombstone.js";
import { expectEqual } from "../../support/expect-equal.js";
import { sampled } from "../../support/run-counts.js";

const short = fc.array(fc.constantFrom(0, 1, 255), { maxLength: 3 });
/** Short, or different only behind more bytes than a word has. */
const key = fc
  .tuple(fc.constantFrom(0, 0, 1, 5, 6, 7, 30), short)
  .map(([repeated, rest]) => Uint8Array.from([...new Array(repeated).fill(1), ...rest]));
const seq = fc.integer({ min: 1, max: 6 });
const seqMax = fc.constantFrom(0, 0.5, 1, 2, 3, 4.5, 5, 6, 7, Number.POSITIVE_INFINITY);
const tombstone: fc.Arbitrary<RangeTombstone> = fc
  .record({ start: key, end: fc.option(key, { nil: undefined, freq: 6 }), seq })
  .filter(({ start, end }) => end === undefined || compareBytes(start, end) < 0);
/** Of some lists all keys but a few begin alike. */
const tombstones = fc
  .tuple(fc.constantFrom(0, 3, 9), fc.array(tombstone, { maxLength: 30 }))
  .map(([prefixLength, list]) =>
    list.map(({ start, end, seq }, i) => {
      const lead = new Uint8Array(i === 7 || i === 14 ? 0 : prefixLength).fill(1);
      const under = (bound: Uint8Array): Uint8Array => Uint8Array.of(...lead, ...bound);
      return { start: under(start), end: end === undefined ? undefined : under(end), seq };
    }),
  );

const covers = ({ start, end }: RangeTombstone, at: Uint8Array): boolean =>
  compareBytes(start, at) <= 0 && (end === undefined || compareBytes(at, end) < 0);
const naiveSeq = (list: readonly RangeTombstone[], at: Uint8Array, limit: number): number =>
  Math.max(0, ...list.filter((t) => t.seq <= limit && covers(t, at)).map((t) => t.seq));
const boundsOf = (list: readonly RangeTombstone[]): Uint8Array[] =>
  list.flatMap(({ start, end }) => (end === undefined ? [start] : [start, end]));
/** Keys at, right behind and a little below every bound. */
const probesOf = (list: readonly RangeTombstone[]): Uint8Array[] =>
  boundsOf(list).flatMap((at) => [at, Uint8Array.of(...at, 0), at.subarray(0, -1)]);
const coverSeq = (set: FragmentedTombstones, at: Uint8Array, limit: number): number => {
  const shifted = Uint8Array.of(255, ...at, 0);
  return set.coverSeq(shifted, 1, shifted.length - 1, limit);
};
/** `count` nested ranges from the same start, each longer than those before it. */
const nested = (count: number): RangeTombstone[] =>
  Array.from({ length: count }, (_, i) => ({
    start: encodeUtf8("queue/"),
    end: encodeUtf8(`queue/${String(i).padStart(10, "0")}`),
    seq: i + 1,
  }));

test("it finds the highest seq over a key that a read may see", async () => {
  await fc.assert(
    fc.asyncProperty(tombstones, fc.array(key), fc.array(seqMax), async (list, keys, limits) => {
      const set = FragmentedTombstones.of(list);
      const reads = [...keys, ...probesOf(list)].flatMap((at) =>
        limits.map((limit) => ({ at, limit })),
      );
      expectEqual(
        reads.map(({ at, limit }) => coverSeq(set, at, limit)),
        reads.map(({ at, limit }) => naiveSeq(list, at, limit)),
      );
    }),
    { numRuns: sampled(500) },
  );
});

test("a key is in the fragment whose boundary is the last one not above it", async () => {
  await fc.assert(
    fc.asyncProperty(tombstones, fc.array(key), async (list, keys) => {
      const set = FragmentedTombstones.of(list);
      const probes = [...keys, ...probesOf(list)];
      const fragments = probes.map((at) => set.fragmentOf(at, 0, at.length));
      const bounds = boundsOf(list);
      const floors = probes.map((at) => bounds.filter((b) => compareBytes(b, at) <= 0));
      expectEqual(
        fragments.map((fragment) => (fragment < 0 ? undefined : set.boundary(fragment))),
        floors.map((below) => below.sort(compareBytes).at(-1)),
      );
      expectEqual(
        fragments.map((fragment) => set.newestSeq(fragment)),
        probes.map((at) => naiveSeq(list, at, Number.POSITIVE_INFINITY)),
      );
      expectEqual(
        fragments.map((fragment) => set.fragmentSeq(fragment, 3)),
        probes.map((at) => naiveSeq(list, at, 3)),
      );
      expect(set.boundary(set.fragmentCount)).toBeUndefined();
      expect(set.newestSeq(set.fragmentCount)).toBe(0);
    }),
    { numRuns: sampled(500) },
  );
});

test("its boundaries are the bounds of the tombstones, each once and in order, and the tombstones are given back", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(tombstone, { maxLength: 200 }), async (list) => {
      const set = FragmentedTombstones.of(list);
      const sorted = boundsOf(list).sort(compareBytes);
      const distinct = sorted.filter((at, i) => i === 0 || compareBytes(sorted[i - 1]!, at) !== 0);
      const boundaries = Array.from({ length: set.fragmentCount }, (_, i) => set.boundary(i));
      expectEqual(boundaries, distinct);
      expect(set.columns.keys.length).toBe(distinct.reduce((sum, at) => sum + at.length, 0));
      expectEqual([...set.tombstones()], list);
      expect(set.count).toBe(list.length);
      expect(set.maxSeq).toBe(Math.max(0, ...list.map((t) => t.seq)));
      expect(set.minSeq).toBe(list.length === 0 ? 0 : Math.min(...list.map((t) => t.seq)));
    }),
    { numRuns: sampled(300) },
  );
});

test("many bounds that differ by zero bytes at their end are put in order", () => {
  const list = Array.from({ length: 100 }, (_, i) => ({
    start: new Uint8Array(i % 9),
    end: new Uint8Array((i % 9) + 1 + (i % 2)),
    seq: i + 1,
  }));
  const set = FragmentedTombstones.of(list);
  const boundaries = Array.from({ length: set.fragmentCount }, (_, i) => set.boundary(i));
  expectEqual(
    boundaries,
    Array.from({ length: 11 }, (_, length) => new Uint8Array(length)),
  );
  expectEqual([...set.tombstones()], list);
});

test("two joined are the same as one of all their tombstones", async () => {
  await fc.assert(
    fc.asyncProperty(tombstones, tombstones, async (a, b) => {
      const joined = FragmentedTombstones.join(
        FragmentedTombstones.of(a),
        FragmentedTombstones.of(b),
      );
      const whole = FragmentedTombstones.of([...a, ...b]);
      expectEqual(joined.columns, whole.columns);
      expect(joined.maxSeq).toBe(whole.maxSeq);
      expect(joined.minSeq).toBe(whole.minSeq);
    }),
    { numRuns: sampled(500) },
  );
});

test("it hides all keys between two when each one between them is covered", async () => {
  await fc.assert(
    fc.asyncProperty(
      tombstones,
      key,
      key,
      seqMax,
      fc.nat(6),
      async (list, one, other, limit, seq) => {
        const bounds = boundsOf(list);
        const ends = [one, other, ...bounds.slice(0, 4)].sort(compareBytes);
        for (const [i, last] of ends.entries()) {
          const first = ends[Math.max(0, i - 2)]!;
          // What covers a key changes at bounds only.
          const between = [first, last, ...bounds].filter(
            (at) => compareBytes(first, at) <= 0 && compareBytes(at, last) <= 0,
          );
          const expected = between.every((at) => naiveSeq(list, at, limit) > seq);
          const set = FragmentedTombstones.of(list);
          expect(set.hidesAll(first, last, limit, seq)).toBe(expected);
        }
      },
    ),
    { numRuns: sampled(500) },
  );
});

test("it looks at 64 fragments at most to hide all keys", () => {
  const keyOf = (i: number): Uint8Array => encodeUtf8(String(i).padStart(5, "0"));
  const list = Array.from({ length: 100 }, (_, i) => ({
    start: keyOf(i),
    end: keyOf(i + 1),
    seq: 5,
  }));
  const set = FragmentedTombstones.of(list);
  expect(set.hidesAll(keyOf(10), keyOf(73), 9, 4)).toBe(true);
  expect(set.hidesAll(keyOf(10), keyOf(74), 9, 4)).toBe(false);
  expect(set.hidesAll(keyOf(99), keyOf(99), 9, 4)).toBe(true);
  expect(set.hidesAll(keyOf(99), keyOf(100), 9, 4)).toBe(false);
  expect(set.hidesAll(keyOf(10), keyOf(11), 9, 5)).toBe(false);
  expect(set.hidesAll(keyOf(10), keyOf(11), 4, 3)).toBe(false);
});

test("without tombstones nothing is covered", () => {
  const set = FragmentedTombstones.of([]);
  const none = new Uint8Array(0);
  expect(set.coverSeq(none, 0, 0, 9)).toBe(0);
  expect(set.fragmentOf(none, 0, 0)).toBe(-1);
  expect(set.hidesAll(none, none, 9, 0)).toBe(false);
  expectEqual([set.count, set.fragmentCount, set.minSeq, set.maxSeq], [0, 0, 0, 0]);
});

test("nested ranges take time and memory that grow little faster than their number", () => {
  const count = 200_000;
  const startedAt = performance.now();
  const list = nested(count);
  const half = FragmentedTombstones.of(list.slice(0, count / 2));
  const set = FragmentedTombstones.join(half, FragmentedTombstones.of(list.slice(count / 2)));
  const before = set.memoryBytes;
  let wrong = 0;
  for (let limit = 1; limit <= count; limit++) {
    // Seq s covers fragments [0, s).
    const fragment = Math.floor(limit / 2) + (limit % 3) * Math.floor(count / 4);
    if (set.fragmentSeq(fragment, limit) !== (limit > fragment ? limit : 0)) wrong++;
  }
  expect(wrong).toBe(0);
  // A look at each tombstone for each read would take minutes, and lists of seqs for each fragment 160 GB.
  expect(performance.now() - startedAt).toBeLessThan(20_000);
  expect(before).toBeLessThan(count * 100);
  expect(set.memoryBytes).toBeGreaterThan(before);
  expect(set.memoryBytes).toBeLessThan(count * 200);
});
