/** What a manifest says of range deletes, against a look at each of them. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { compareBytes } from "../../../src/common/bytes.js";
import { FragmentedTombstones } from "../../../src/common/fragmented-tombstones.js";
import type { RangeTombstone } from "../../../src/common/range-tombstone.js";
import { type TombstoneSpan, tombstoneSpansMax } from "../../../src/format/manifest.js";
import { summarizeTombstones } from "../../../src/format/tombstone-spans.js";
import { covers, keysAtEdges, newestOver, rangeDeletes } from "./tombstone-model.js";

const spansOf = (tombstones: RangeTombstone[]): TombstoneSpan[] =>
  summarizeTombstones(FragmentedTombstones.of(tombstones));

const asTombstone = ({ start, end, endless, maxSeq }: TombstoneSpan): RangeTombstone => ({
  ...{ start, end: endless ? undefined : end, seq: maxSeq },
});

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
    { numRuns: 200 },
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
        const inside = tombstones.filter((each) => covers(asTombstone(span), each.start));
        expect(inside.length).toBe(count);
        expect(Math.max(...inside.map(({ seq }) => seq))).toBe(maxSeq);
        if (minSeq > 0) {
          // Not only below all of them: some key has no newer one.
          const keys = keysAtEdges(inside).filter((key) => covers(asTombstone(span), key));
          expect(Math.min(...keys.map((key) => newestOver(tombstones, key)))).toBe(minSeq);
        } else joined++;
        if (count === 1) expect(asTombstone(span)).toEqual(inside[0]);
      }
    }),
    { numRuns: 500 },
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
