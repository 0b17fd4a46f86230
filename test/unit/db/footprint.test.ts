/** Which range deletes meet what a transaction depends on, against a look at every key there can be; and what the look costs. */
import * as fc from "fast-check";
import { expect, test, vi } from "vitest";
import { encodeUtf8 } from "../../../src/common/bytes.js";
import { type KeyBounds, toKeyBounds } from "../../../src/common/key-range.js";
import { type HalfOpenRange, toHalfOpen } from "../../../src/common/range-tombstone.js";
import { OperationKind } from "../../../src/common/row.js";
import { conflictError } from "../../../src/db/conflict.js";
import { Footprint } from "../../../src/db/footprint.js";
import { encodeRangeEnd } from "../../../src/format/range-delete-operation.js";
import type { KeyRange } from "../../../src/index.js";
import { MemTable } from "../../../src/memtable/mem-table.js";
import { RangeDeletes } from "../../../src/memtable/range-deletes.js";
import { isWithin } from "../../model/model.js";
import { text } from "./support.js";

const letters = ["a", "b", "c", "d", "e"];
/** Of two ranges that meet and whose bounds are letters, one of these is in both. */
const probes = ["", ...letters, ...letters.map((letter) => `${letter}\0`)].sort();
const key = fc.constantFrom(...letters);
const bound = (...names: string[]) =>
  fc.option(fc.tuple(fc.constantFrom(...names), key), { nil: undefined });
const range: fc.Arbitrary<KeyRange> = fc
  .tuple(bound("gt", "gte"), bound("lt", "lte"))
  .map(([lower, upper]) => Object.fromEntries([lower, upper].filter((one) => one !== undefined)));

const has = (one: KeyRange, name: string): boolean => isWithin(encodeUtf8(name), one);
const halfOpen = (one: KeyRange): HalfOpenRange | undefined => toHalfOpen(toKeyBounds(one));

test("a range delete conflicts when a key or a range is in it, and the error names one that is", () => {
  void fc.assert(
    fc.property(
      fc.array(key, { maxLength: 3 }),
      fc.array(range, { maxLength: 3 }),
      fc.array(range, { maxLength: 2 }),
      fc.array(range, { minLength: 1, maxLength: 4 }),
      (keys, read, deleted, others) => {
        const footprint = new Footprint(
          keys.map(encodeUtf8),
          read.map((one): KeyBounds => toKeyBounds(one)),
          deleted.map(halfOpen).filter((one) => one !== undefined),
        );
        for (const other of others) {
          const target = halfOpen(other);
          if (target === undefined) continue;
          const inside = probes.filter((name) => has(other, name));
          const [expectedKey] = keys.filter((name) => inside.includes(name)).sort();
          const meeting = (one: KeyRange): boolean => inside.some((name) => has(one, name));
          const conflict = footprint.conflictWith({ ...target, seq: 9 });
          expect(footprint.meets(target)).toBe(conflict !== undefined);
          // The same in a MemTable, among older ones and one of another place.
          const table = new MemTable();
          const add = (seq: number, { start, end }: HalfOpenRange): void => {
            table.applyOne(seq, 1, OperationKind.rangeDelete, start, encodeRangeEnd(end), 0);
          };
          for (const older of others) add(8, halfOpen(older) ?? target);
          expect(footprint.findInTable(table, 8)).toBeUndefined();
          add(9, target);
          add(10, { start: encodeUtf8("x"), end: encodeUtf8("y") });
          const isOpen = [...read, ...deleted].some((one) => has(one, "x"));
          const found = footprint.findInTable(table, 8);
          if (!isOpen) expect(found).toEqual(conflict);
          expect(found !== undefined).toBe(isOpen || conflict !== undefined);
          if (expectedKey !== undefined) {
            expect(text(conflict?.key)).toBe(expectedKey);
            expect(conflict).toMatchObject({ range: undefined, seq: 9 });
          } else if ([...read, ...deleted].some(meeting)) {
            expect(conflict?.key).toBeUndefined();
            const { bounds, action } = conflict!.range!;
            const named = action === "read" ? read : deleted;
            expect(named.filter(meeting).map((one) => halfOpen(one))).toContainEqual(
              toHalfOpen(bounds),
            );
          } else expect(conflict).toBeUndefined();
          if (conflict !== undefined) {
            expect(conflictError(conflict, 3).message).toMatch(/^A range delete of .* at seq 9,/);
          }
        }
      },
    ),
    { numRuns: 2000 },
  );
});

test("the look at a MemTable costs what the transaction depends on, not what range deletes there are", () => {
  const table = new MemTable();
  const name = (i: number): Uint8Array => encodeUtf8(`k${String(i).padStart(5, "0")}`);
  const count = 5000;
  for (let i = 0; i < count; i++) {
    const end = encodeRangeEnd(name(2 * i + 1));
    table.applyOne(i + 1, 1, OperationKind.rangeDelete, name(2 * i), end, 0);
  }
  table.applyOne(count + 1, 1, OperationKind.put, encodeUtf8("x"), encodeUtf8("1"), 0);
  const asked: number[] = [];
  const realAt = RangeDeletes.prototype.at;
  const at = vi.spyOn(RangeDeletes.prototype, "at").mockImplementation(function (
    this: RangeDeletes,
    i,
  ) {
    asked.push(i);
    return realAt.call(this, i);
  });
  try {
    const look = (key: Uint8Array, afterSeq: number) => {
      asked.length = 0;
      const ranges = [toKeyBounds({ gte: name(21), lt: name(22) })];
      return new Footprint([key], ranges).findInTable(table, afterSeq);
    };
    expect(look(name(count), count), "no range delete is later").toBeUndefined();
    expect(asked.length).toBeLessThan(2);
    expect(look(name(1), 0), "they are cut").toBeUndefined();
    expect(look(name(1), 0)).toBeUndefined();
    expect(asked.length).toBeLessThan(2);
    expect(look(name(7000), 0)).toMatchObject({ seq: 3501, rangeDelete: { start: name(7000) } });
    expect(asked.length).toBeLessThan(2);
  } finally {
    at.mockRestore();
  }
});
