/** What a transaction has written, against a list of calls that is gone through from its beginning each time. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { compareBytes, encodeUtf8 } from "../../../src/common/bytes.js";
import { RowKind, RowRef } from "../../../src/common/row.js";
import { OwnWrites } from "../../../src/db/own-writes.js";
import { Step } from "../../../src/iterator/row-iterator.js";
import type { RowSource } from "../../../src/iterator/row-source.js";
import { text } from "./support.js";

const limit = 1e9;
const readSeq = 7;
const keys = ["", "a", "aa", "ab", "b", "c", "cc", "d"];

type Act =
  | { readonly key: string; readonly kind: RowKind }
  | { readonly start: string; readonly end: string | undefined }
  | { readonly unmarked: string };

const writeOf = (key: string, kind: RowKind, value: string) => ({
  ...{ key: encodeUtf8(key), value: encodeUtf8(value), kind, operatorId: 0 },
  ...{ createdAt: 1, expiresAt: 0, lifetime: 0 },
});

const isIn = (key: string, { start, end }: { start: string; end: string | undefined }): boolean =>
  key >= start && (end === undefined || key < end);

/** "key=value" of all rows, as they are given. */
function all(source: RowSource, reverse: boolean, from?: string): string[] {
  const rows = source.iterator(reverse);
  if (from !== undefined) rows.seek(encodeUtf8(from));
  const seen: string[] = [];
  while (rows.step() === Step.row) {
    expect(rows.row.seq).toBe(readSeq + 0.5);
    seen.push(`${text(rows.row.key())}=${text(rows.row.value())}`);
  }
  return seen;
}

const key = fc.constantFrom(...keys);
const kind = fc.constantFrom<RowKind>(RowKind.put, RowKind.delete, RowKind.merge);
const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ key, kind }) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(key, fc.option(key, { nil: undefined }))
      .filter(([start, end]) => end === undefined || start < end)
      .map(([start, end]) => ({ start, end })),
  },
  { weight: 1, arbitrary: key.map((unmarked) => ({ unmarked })) },
);

test("rows, order, seeks and range deletes are those of the calls, and stay as they were for whoever took them", () => {
  void fc.assert(
    fc.property(fc.array(fc.tuple(act, fc.nat(9)), { maxLength: 30 }), (acts) => {
      const own = new OwnWrites(readSeq);
      const expected = new Map<string, { kind: RowKind; value: string; isMarked: boolean }>();
      const deleted: { start: string; end: string | undefined }[] = [];
      const frozen: { source: RowSource; rows: string[]; covered: string[] }[] = [];
      const sorted = (): string[] =>
        [...expected].map(([name, { value }]) => `${name}=${value}`).sort();
      const covered = (): string[] =>
        keys.filter((name) => deleted.some((range) => isIn(name, range)));
      const coveredBy = (source: RowSource, seq = readSeq + 0.5): string[] =>
        keys.filter((name) => {
          const bytes = encodeUtf8(name);
          return (source.rangeDeletes?.coverSeq(bytes, 0, bytes.length, seq) ?? 0) > 0;
        });
      for (const [i, [one, look]] of acts.entries()) {
        if ("key" in one) {
          const value = `${i}`;
          expect(own.add(writeOf(one.key, one.kind, value), limit)).toBe(true);
          expected.set(one.key, { kind: one.kind, value, isMarked: true });
        } else if ("start" in one) {
          const end = one.end === undefined ? undefined : encodeUtf8(one.end);
          expect(own.deleteRange({ start: encodeUtf8(one.start), end }, limit)).toBe(true);
          deleted.push(one);
          for (const name of expected.keys()) if (isIn(name, one)) expected.delete(name);
        } else {
          const write = expected.get(one.unmarked);
          expect(own.unmark(encodeUtf8(one.unmarked))).toBe(write !== undefined);
          if (write !== undefined) write.isMarked = false;
        }
        // Not after each: what has been written since the last look is put in order at the next.
        if (look > 3) continue;
        expect(all(own, false)).toEqual(sorted());
        expect(all(own, true)).toEqual(sorted().reverse());
        const from = keys[look]!;
        const names = (rows: string[]): string[] => rows.map((row) => row.split("=")[0]!);
        expect(names(all(own, false, from))).toEqual(
          names(sorted()).filter((name) => name >= from),
        );
        expect(names(all(own, true, from))).toEqual(
          names(sorted())
            .filter((name) => name <= from)
            .reverse(),
        );
        frozen.push({ source: own.asOfNow(), rows: sorted(), covered: covered() });
        const some = keys.slice(look, look + 3).map((name) => encodeUtf8(name));
        const part = own.asOfNowFor([...some, ...some].sort(compareBytes));
        const asked = sorted().filter((row) =>
          some.some((name) => row.startsWith(`${text(name)}=`)),
        );
        frozen.push({ source: part, rows: asked, covered: covered() });
      }
      expect(own.isEmpty).toBe(expected.size === 0 && deleted.length === 0);
      expect(coveredBy(own)).toEqual(covered());
      expect(coveredBy(own, readSeq), "an older read").toEqual([]);
      const row = new RowRef();
      for (const name of keys) {
        const bytes = encodeUtf8(name);
        const write = expected.get(name);
        expect(own.get(bytes, readSeq, row)).toBe(false);
        expect(own.get(bytes, readSeq + 0.5, row)).toBe(write !== undefined);
        if (write !== undefined) expect(text(row.value())).toBe(write.value);
        expect(own.find(bytes)?.isMarked).toBe(write?.isMarked);
        expect(own.covers(bytes)).toBe(covered().includes(name));
        const isKnown = write !== undefined && write.kind !== RowKind.merge;
        expect(own.decides(bytes)).toBe(isKnown || covered().includes(name));
      }
      for (const { source, rows, covered: then } of frozen) {
        expect(source.rowCount).toBe(rows.length);
        expect(all(source, false)).toEqual(rows);
        expect(all(source, true)).toEqual(rows.toReversed());
        expect(coveredBy(source)).toEqual(then);
        for (const name of keys) {
          const isThere = rows.some((one) => one.startsWith(`${name}=`));
          expect(source.get(encodeUtf8(name), readSeq + 0.5, row)).toBe(isThere);
        }
      }
    }),
    { numRuns: 500 },
  );
});

test("it takes no more bytes than it may, and nothing of what would; what is replaced or deleted is free again", () => {
  const own = new OwnWrites(readSeq);
  const big = (name: string): boolean => own.add(writeOf(name, RowKind.put, "x".repeat(400)), 1000);
  expect([big("a"), big("b"), big("c")]).toEqual([true, true, false]);
  expect(own.find(encodeUtf8("c"))).toBeUndefined();
  expect([big("b"), big("c")]).toEqual([true, false]);
  const [start, end] = [encodeUtf8("b"), encodeUtf8(`b${"b".repeat(300)}`)];
  expect(own.deleteRange({ start, end }, 1000)).toBe(true);
  expect([big("c"), all(own, false).length]).toEqual([false, 1]);
  expect(own.deleteRange({ start: encodeUtf8("a"), end: undefined }, 1000)).toBe(true);
  expect([big("c"), big("d"), all(own, false).length]).toEqual([true, false, 1]);
  let count = 0;
  while (own.deleteRange({ start, end }, 5000)) count++;
  expect(count, "range deletes count too").toBeLessThan(15);
  expect(own.deleted.length).toBe(count + 2);
  own.clear();
  expect([own.isEmpty, own.rangeDeletes, big("c"), big("d")]).toEqual([
    ...[true, undefined, true, true],
  ]);
});
