/** Later range deletes that meet keys or ranges, against a look at each of them. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { encodeUtf8 } from "../../../src/common/bytes.js";
import { FragmentedTombstones } from "../../../src/common/fragmented-tombstones.js";
import { findLaterTombstone } from "../../../src/common/later-tombstone.js";

const letters = ["", "a", "b", "c", "d", "e", "f"];
const key = fc.constantFrom(...letters);
interface Span {
  readonly start: string;
  readonly end: string | undefined;
}
const span: fc.Arbitrary<Span> = fc
  .tuple(key, fc.option(key, { nil: undefined }))
  .filter(([start, end]) => end === undefined || start < end)
  .map(([start, end]) => ({ start, end }));

const isIn = (name: string, { start, end }: Span): boolean =>
  name >= start && (end === undefined || name < end);
const bytesOf = ({ start, end }: Span) => ({
  start: encodeUtf8(start),
  end: end === undefined ? undefined : encodeUtf8(end),
});

test("one is found if and only if a later one covers a key or overlaps a range; keys come first", () => {
  void fc.assert(
    fc.property(
      fc.array(fc.tuple(span, fc.integer({ min: 1, max: 9 })), { maxLength: 8 }),
      fc.nat(9),
      fc.array(key, { maxLength: 2 }),
      fc.array(span, { maxLength: 2 }),
      (all, afterSeq, keys, ranges) => {
        const tombstones = FragmentedTombstones.of(
          all.map(([one, seq]) => ({ ...bytesOf(one), seq })),
        );
        const later = all.filter(([, seq]) => seq > afterSeq);
        const covering = later.filter(([one]) => keys.some((name) => isIn(name, one)));
        // All ends are letters: of two ranges that overlap, one of them is in both.
        const overlapping = later.filter(([one]) =>
          letters.some((name) => isIn(name, one) && ranges.some((range) => isIn(name, range))),
        );
        const found = findLaterTombstone(
          ...([tombstones, afterSeq, keys.map(encodeUtf8), ranges.map(bytesOf)] as const),
        );
        const expected = covering.length > 0 ? covering : overlapping;
        if (found === undefined) expect(expected).toEqual([]);
        else {
          const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
          const { start, end, seq } = found;
          expect(expected).toContainEqual([{ start: text(start), end: end && text(end) }, seq]);
        }
      },
    ),
    { numRuns: 3000 },
  );
});
