/** The block of range deletes gives back what was written, in one way only, and everything else is corruption. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { ByteWriter } from "../../../src/common/byte-writer.js";
import { isMoraineError } from "../../../src/common/errors.js";
import { FragmentedTombstones } from "../../../src/common/fragmented-tombstones.js";
import { decodeTombstones, encodeTombstones } from "../../../src/format/tombstone-block.js";
import { expectEqual } from "../../support/expect-equal.js";
import {
  asTombstones,
  keysAtEdges,
  newestOver,
  rangeDeletes,
  sortedTombstones,
} from "./tombstone-model.js";

const decode = (payload: Uint8Array): FragmentedTombstones => decodeTombstones(payload, "o", 1000);

test("what is written is read again, whatever the order in which it came", () => {
  void fc.assert(
    fc.property(rangeDeletes, fc.infiniteStream(fc.nat()), (tombstones, random) => {
      const payload = encodeTombstones(FragmentedTombstones.of(tombstones));
      const found = decode(payload);
      expectEqual(asTombstones(found), sortedTombstones(tombstones));
      expect(found.count).toBe(tombstones.length);
      for (const key of keysAtEdges(tombstones)) {
        expect(found.coverSeq(key, 0, key.length, Number.MAX_SAFE_INTEGER)).toBe(
          newestOver(tombstones, key),
        );
      }
      const shuffled = tombstones
        .map((each) => [random.next().value!, each] as const)
        .sort(([a], [b]) => a - b)
        .map(([, each]) => each);
      expectEqual(encodeTombstones(FragmentedTombstones.of(shuffled)), payload);
      expectEqual(encodeTombstones(found), payload);
    }),
    { numRuns: 300 },
  );
});

test("what is damaged is corruption at its place, or says one thing in the one way", () => {
  let read = 0;
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 });
  void fc.assert(
    fc.property(rangeDeletes, damage, fc.nat(9), (tombstones, changes, cut) => {
      const whole = encodeTombstones(FragmentedTombstones.of(tombstones));
      const bytes = whole.slice(0, cut === 0 ? changes[0]![0] % whole.length : undefined);
      for (const [at, byte] of changes) if (bytes.length > 0) bytes[at % bytes.length] = byte;
      let found: FragmentedTombstones;
      try {
        found = decode(bytes);
      } catch (error) {
        if (!isMoraineError(error, "corruption") || error.object !== "o") throw error;
        expect(error.offset).toBeGreaterThanOrEqual(1000);
        expect(error.offset).toBeLessThanOrEqual(1000 + bytes.length);
        return;
      }
      read++;
      const again = encodeTombstones(FragmentedTombstones.of([...found.tombstones()]));
      expectEqual(decode(again).columns, found.columns);
      expect(again.length).toBeLessThanOrEqual(bytes.length);
    }),
    { numRuns: 2000 },
  );
  expect(read).toBeGreaterThan(50);
});

/** A payload of numbers, and of text as the bytes of a boundary. */
function payload(...parts: (number | string)[]): Uint8Array {
  const writer = new ByteWriter();
  for (const part of parts) {
    if (typeof part === "number") writer.varint(part);
    else writer.raw(new TextEncoder().encode(part));
  }
  return writer.copy();
}

test("a payload by hand", () => {
  const bytes = payload(3, 0, 2, "ab", 1, 1, "c", 0, 1, "b", 3, 0, 3, 9, 0, 1, 5, 1, 1, 7);
  expectEqual(
    asTombstones(decode(bytes)),
    sortedTombstones(
      [
        ["ab", undefined, 9],
        ["ab", "ac", 5],
        ["ac", "b", 7],
      ].map(([start, end, seq]) => ({
        start: payload(start!),
        end: end === undefined ? undefined : payload(end),
        seq: seq as number,
      })),
    ),
  );
});

test.each<[string, (number | string)[], string]>([
  ["no boundary", [0, 0], "0 boundaries do not fit"],
  ["more boundaries than bytes", [1000, 0, 1, "a", 1, 0, 1, 9], "1000 boundaries do not fit"],
  ["the first sharing bytes", [1, 1, 1, "a", 1, 0, 1, 9], "shares more"],
  ["another sharing more than there is", [2, 0, 1, "a", 2, 1, "b", 1, 0, 1, 9], "shares more"],
  ["equal boundaries", [2, 0, 1, "a", 1, 0, 1, 0, 1, 9], "out of order"],
  ["falling boundaries", [2, 0, 1, "b", 0, 1, "a", 1, 0, 1, 9], "out of order"],
  ["a byte shared that is not said to be", [2, 0, 1, "a", 0, 2, "ab", 1, 0, 1, 9], "out of order"],
  ["a boundary longer than keys", [1, 0, 65_536, "a".repeat(65_536), 1, 0, 1, 9], "longer than"],
  ["a boundary beyond the end", [1, 0, 900, "a", 1, 0, 1, 9], "900 bytes expected"],
  ["no range delete", [1, 0, 1, "a", 0], "0 range deletes do not fit"],
  ["more range deletes than bytes", [1, 0, 1, "a", 2, 0, 1, 9], "2 range deletes do not fit"],
  ["no fragment", [1, 0, 1, "a", 1, 0, 0, 9], "no such fragments"],
  ["a fragment too many", [1, 0, 1, "a", 1, 0, 2, 9], "no such fragments"],
  ["a first that is none", [1, 0, 1, "a", 1, 1, 1, 9], "no such fragments"],
  ["a seq of 0", [1, 0, 1, "a", 1, 0, 1, 0], "out of order"],
  ["rising seqs", [1, 0, 1, "a", 2, 0, 1, 8, 0, 1, 9], "out of order"],
  ["rising ends", [2, 0, 1, "a", 0, 1, "b", 2, 0, 1, 9, 0, 2, 9], "out of order"],
  ["a boundary of none", [2, 0, 1, "a", 0, 1, "b", 1, 0, 2, 9], "begins or ends"],
  ["bytes at the end", [1, 0, 1, "a", 1, 0, 1, 9, 0], "1 bytes after"],
  ["a number that does not end", [1, 0, 1, "a", 1, 0, 1, "\u00ff"], "do not fit|inside a number"],
])("%s is corruption", (_, parts, message) => {
  const [object, kind] = ["o", "corruption"];
  expect(() => decode(payload(...parts))).toThrow(
    expect.objectContaining({ kind, object, message: expect.stringMatching(message) }),
  );
});
