/** What a manifest says of range deletes, against a look at each of them. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { compareBytes, equalBytes, keyBytesMax } from "../../../src/common/bytes.js";
import { FragmentedTombstones } from "../../../src/common/fragmented-tombstones.js";
import type { RangeTombstone } from "../../../src/common/range-tombstone.js";
import { type TombstoneSpan, tombstoneSpansMax } from "../../../src/format/manifest.js";
import { summarizeTombstones } from "../../../src/format/tombstone-spans.js";
import { expectEqual } from "../../support/expect-equal.js";
import { counted, sampled } from "../../support/run-counts.js";
import { covers, keysAtEdges, newestOver, rangeDeletes } from "./tombstone-model.js";

const spansOf = (tombstones: RangeTombstone[]): TombstoneSpan[] =>
  summarizeTombstones(FragmentedTombstones.of(tombstones));

const asTombstone = ({ start, end, endless, maxSeq }: TombstoneSpan): RangeTombstone => ({
  ...{ start, end: endless ? undefined : end, seq: maxSeq },
});

const isFound = (tombstones: RangeTombstone[], key: Uint8Array): boolean =>
  tombstones.some(({ start, end }) => equalBytes(start, key) || (end && equalBytes(end, key)));

test("no key outside of the spans is covered, and each key in one is as its seqs say", () => {
  void fc.assert(
    fc.property(rangeDeletes, (tombstones) => {
      const spans = spansOf(tombstones);
      for (const key of keysAtEdges(tombstones)) {
        const newest = newestOver(tombstones, key);
        const around = spans.filter((span) => covers(asTombstone(span), key));
        expect(around.length).toBeLessThanOrEqual(1);
        const [span] = around;
        if (span === undefined) expect(newest).toBe(0);
        else {
          expect(newest).toBeGreaterThanOrEqual(span.minSeq);
          expect(newest).toBeLessThanOrEqual(span.maxSeq);
          if (span.count === 1) expect(newest).toBe(span.maxSeq);
        }
      }
    }),
    { numRuns: sampled(200) },
  );
});

test("spans are few, in order, do not touch, and say how many range deletes there are", () => {
  let joined = 0;
  void fc.assert(
    fc.property(rangeDeletes, (tombstones) => {
      const spans = spansOf(tombstones);
      expect(spans.length).toBeLessThanOrEqual(tombstoneSpansMax);
      expect(spans.reduce((sum, { count }) => sum + count, 0)).toBe(tombstones.length);
      for (const [i, span] of spans.entries()) {
        const { start, end, endless, count, minSeq, maxSeq } = span;
        expect(endless ? end.length === 0 : compareBytes(end, start) > 0).toBe(true);
        const next = spans[i + 1];
        if (next !== undefined) expect(endless || compareBytes(end, next.start) >= 0).toBe(false);
        expect(isFound(tombstones, start) && (endless || isFound(tombstones, end))).toBe(true);
        const inside = tombstones.filter((each) => covers(asTombstone(span), each.start));
        expect(inside.length).toBe(count);
        expect(Math.max(...inside.map(({ seq }) => seq))).toBe(maxSeq);
        if (minSeq > 0) {
          // Not only below all of them: some key has no newer one.
          const keys = keysAtEdges(inside).filter((key) => covers(asTombstone(span), key));
          expect(Math.min(...keys.map((key) => newestOver(tombstones, key)))).toBe(minSeq);
        } else joined++;
        if (count === 1) expectEqual(asTombstone(span), inside[0]);
      }
    }),
    counted(500, 170),
  );
  expect(joined).toBeGreaterThan(50);
});

test("with more stretches than spans, each span has as many of them as another, or one more", () => {
  for (const count of [15, 16, 17, 40, 100]) {
    const tombstones = Array.from({ length: count }, (_, i) => ({
      ...{ start: Uint8Array.of(i, 1), end: Uint8Array.of(i, 2), seq: i + 1 },
    }));
    const spans = spansOf(tombstones);
    expect(spans).toHaveLength(Math.min(count, tombstoneSpansMax));
    const counts = new Set(spans.map((span) => span.count));
    expect(Math.max(...counts) - Math.min(...counts)).toBe(count % 16 === 0 || count < 16 ? 0 : 1);
    for (const { count: of, minSeq } of spans) expect(minSeq > 0).toBe(of === 1);
  }
});

/** Some bytes again and again, so that ends share much, end early, or are the greatest that there are. */
const longKeys: fc.Arbitrary<Uint8Array> = fc
  .tuple(
    fc.constantFrom(0, 7, 254, 255),
    fc.oneof(fc.constantFrom(0, 1, 63, 64, 65, 700), fc.nat(keyBytesMax - 2)),
    fc.uint8Array({ minLength: 1, maxLength: 2 }),
  )
  .map(([byte, length, rest]) => {
    const key = new Uint8Array(length + rest.length).fill(byte);
    key.set(rest, length);
    return key;
  });

const longRanges: fc.Arbitrary<RangeTombstone[]> = fc
  .uniqueArray(longKeys, { minLength: 2, maxLength: 60, comparator: equalBytes })
  .chain((keys) =>
    fc.tuple(
      fc.constant(keys.sort(compareBytes)),
      fc.array(fc.integer({ min: 1, max: 4 }), { minLength: keys.length, maxLength: keys.length }),
      fc.boolean(),
    ),
  )
  .map(([keys, steps, isEndless]) => {
    const tombstones: RangeTombstone[] = [];
    let at = 0;
    // From each to one of the next ones, most of which do not touch.
    for (let i = 0; at + 1 < keys.length; i++) {
      const end = at + Math.max(1, steps[i]! - 2);
      tombstones.push({ start: keys[at]!, end: keys[end], seq: i + 1 });
      at = steps[i] === 4 ? at + 1 : end + 1;
    }
    if (isEndless) tombstones.push({ start: keys.at(-1)!, end: undefined, seq: 99 });
    return tombstones;
  });

test("spans of long keys have few bytes, do not overlap, and reach over all that is covered", () => {
  const seen = { loose: 0, joined: 0, single: 0, exact: 0, covering: 0 };
  void fc.assert(
    fc.property(longRanges, (tombstones) => {
      const spans = spansOf(tombstones);
      const bytes = spans.reduce((sum, { start, end }) => sum + start.length + end.length, 0);
      if (tombstones.length === 1) {
        seen.single++;
        expectEqual(spans.map(asTombstone), tombstones);
      } else expect(bytes).toBeLessThanOrEqual(4096);
      let counted = 0;
      for (const [i, span] of spans.entries()) {
        const { start, end, endless, count, minSeq, maxSeq } = span;
        const next = spans[i + 1];
        expect(endless ? end.length === 0 : compareBytes(end, start) > 0).toBe(true);
        if (next !== undefined) expect(endless || compareBytes(end, next.start) > 0).toBe(false);
        const inside = tombstones.filter((each) => covers(asTombstone(span), each.start));
        counted += count;
        expect(inside.length).toBe(count);
        expect(Math.max(...inside.map(({ seq }) => seq))).toBe(maxSeq);
        for (const each of inside) {
          if (endless) continue;
          expect(each.end !== undefined && compareBytes(each.end, end) <= 0).toBe(true);
        }
        const isExact = isFound(tombstones, start) && (endless || isFound(tombstones, end));
        seen[isExact ? "exact" : "loose"]++;
        if (count > 1) seen.joined++;
        else expectEqual(asTombstone(span), inside[0]);
        if (minSeq === 0) continue;
        seen.covering++;
        expect(isExact).toBe(true);
        const keys = keysAtEdges(inside).filter((key) => covers(asTombstone(span), key));
        expect(Math.min(...keys.map((key) => newestOver(tombstones, key)))).toBe(minSeq);
      }
      expect(counted).toBe(tombstones.length);
    }),
    counted(600, 200),
  );
  for (const [name, times] of Object.entries(seen)) expect(times, name).toBeGreaterThan(10);
});

test("long keys that differ early are told apart with few bytes", () => {
  const key = (first: number, rest: number): Uint8Array =>
    new Uint8Array(keyBytesMax).fill(rest).fill(first, 0, 1);
  const tombstones = Array.from({ length: 32 }, (_, i) => ({
    ...{ start: key(i, 5), end: key(i, 9), seq: i + 1 },
  }));
  const spans = spansOf(tombstones);
  expect(spans).toHaveLength(tombstoneSpansMax);
  expectEqual(
    spans.map(({ count, minSeq }) => [count, minSeq]),
    Array(16).fill([2, 0]),
  );
  for (const { start, end } of spans) expectEqual([start.length, end.length], [64, 64]);
  // All in one stretch.
  const [whole, ...others] = spansOf([...tombstones, { ...tombstones[0]!, end: key(99, 1) }]);
  expectEqual(others, []);
  expect(whole).toMatchObject({ count: 33, minSeq: 0, maxSeq: 32 });
  // The greatest keys have no end that is short.
  const last = [
    { start: key(254, 255), end: key(255, 3), seq: 1 },
    { start: key(255, 254), end: key(255, 255), seq: 2 },
  ];
  expect(spansOf(last)).toMatchObject([{ count: 2, endless: true, minSeq: 0, maxSeq: 2 }]);
});
