/** Sorted writes in chunks, against an array that is sorted anew after each change; what is taken stays as it was. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { encodeUtf8 } from "../../../src/common/bytes.js";
import { RowKind } from "../../../src/common/row.js";
import type { OwnWrite } from "../../../src/db/own-write.js";
import { SortedWrites } from "../../../src/db/sorted-writes.js";
import { text } from "./support.js";

const keyCount = 3000;
const nameOf = (i: number): string => String(i).padStart(6, "0");
const writeOf = (key: number, value: number): OwnWrite => ({
  ...{ key: encodeUtf8(nameOf(key)), value: encodeUtf8(`${value}`), kind: RowKind.put },
  ...{ operatorId: 0, createdAt: 1, expiresAt: 0, lifetime: 0, isMarked: true },
});

function forward(writes: SortedWrites): OwnWrite[] {
  const seen: OwnWrite[] = [];
  for (let at = writes.first; writes.at(at) !== undefined; at = writes.next(at)) {
    seen.push(writes.at(at)!);
  }
  return seen;
}

function backward(writes: SortedWrites): OwnWrite[] {
  const seen: OwnWrite[] = [];
  for (let at = writes.last; writes.at(at) !== undefined; at = writes.previous(at)) {
    seen.push(writes.at(at)!);
  }
  return seen;
}

type Act =
  | { readonly keys: readonly number[] }
  | { readonly start: number; readonly end: number | undefined };

const place = fc.nat(keyCount - 1);
const act: fc.Arbitrary<Act> = fc.oneof(
  // One, some anywhere, and many next to each other.
  { weight: 3, arbitrary: place.map((key) => ({ keys: [key] })) },
  {
    weight: 2,
    arbitrary: fc.uniqueArray(place, { maxLength: 40 }).map((keys) => ({ keys })),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(place, fc.integer({ min: 1, max: 700 })).map(([first, count]) => ({
      keys: Array.from({ length: Math.min(count, keyCount - first) }, (_, i) => first + i),
    })),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(place, fc.option(fc.integer({ min: 1, max: 600 }), { nil: undefined, freq: 8 }))
      .map(([start, count]) => ({ start, end: count === undefined ? undefined : start + count })),
  },
);

test("order, places and ranges are those of a sorted array, and older ones stay as they were", () => {
  void fc.assert(
    fc.property(
      fc.array(act, { maxLength: 15 }),
      fc.array(place, { maxLength: 6 }),
      (acts, asked) => {
        let writes = SortedWrites.none;
        const expected = new Map<number, OwnWrite>();
        const taken: { writes: SortedWrites; all: OwnWrite[] }[] = [];
        const sorted = (): [number, OwnWrite][] => [...expected].sort(([a], [b]) => a - b);
        for (const [i, one] of acts.entries()) {
          if ("keys" in one) {
            const added = one.keys.toSorted((a, b) => a - b).map((key) => writeOf(key, i));
            for (const write of added) expected.set(Number(text(write.key)), write);
            writes = writes.with(added);
          } else {
            const range = {
              start: encodeUtf8(nameOf(one.start)),
              end: one.end === undefined ? undefined : encodeUtf8(nameOf(one.end)),
            };
            const isIn = (key: number): boolean =>
              key >= one.start && (one.end === undefined || key < one.end);
            const within = sorted().filter(([key]) => isIn(key));
            expect(writes.within(range)).toEqual(within.map(([, write]) => write));
            for (const [key] of within) expected.delete(key);
            writes = writes.without(range);
          }
          const all = sorted().map(([, write]) => write);
          taken.push({ writes, all });
          for (const key of asked) {
            const next = sorted().find(([other]) => other >= key)?.[1];
            expect(writes.at(writes.placeOf(encodeUtf8(nameOf(key))))).toBe(next);
          }
        }
        for (const { writes: then, all } of taken) {
          expect(then.count).toBe(all.length);
          const isSame = (found: readonly OwnWrite[]): boolean =>
            found.length === all.length && found.every((write, i) => write === all[i]);
          expect(isSame(forward(then))).toBe(true);
          expect(isSame(backward(then).toReversed())).toBe(true);
        }
      },
    ),
    { numRuns: 200 },
  );
});

test("a write or a range delete among many copies few of them", () => {
  const count = 20_000;
  let writes = SortedWrites.none;
  let copied = 0;
  const slice = Array.prototype.slice;
  const push = Array.prototype.push;
  Array.prototype.slice = function (...given) {
    const part = slice.apply(this, given);
    copied += part.length;
    return part;
  };
  Array.prototype.push = function (...given) {
    copied += given.length;
    return push.apply(this, given);
  };
  try {
    for (let i = 0; i < count; i++) {
      writes = writes.with([writeOf(2 * i, 0)]);
      const start = encodeUtf8(nameOf(2 * i + 1));
      writes = writes.without({ start, end: encodeUtf8(nameOf(2 * i + 2)) });
    }
  } finally {
    Array.prototype.slice = slice;
    Array.prototype.push = push;
  }
  expect(writes.count).toBe(count);
  expect(copied / count).toBeLessThan(1500);
});
