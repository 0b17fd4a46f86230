import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeUtf8 } from "../../../src/common/bytes.js";
import { allKeys, type KeyRange, toKeyBounds } from "../../../src/common/key-range.js";
import { RowKind } from "../../../src/common/row.js";
import { mergeRows } from "../../../src/iterator/merge-iterator.js";
import { Step } from "../../../src/iterator/row-iterator.js";
import { VisibleIterator } from "../../../src/iterator/visible-iterator.js";
import {
  ArrayIterator,
  drain,
  makeRows,
  showRow,
  type TestRow,
} from "../../support/array-iterator.js";
import { expectEqual } from "../../support/expect-equal.js";

const now = 100;
const keys = fc.string({ minLength: 0, maxLength: 2, unit: fc.constantFrom("a", "b", "c") });
const version = fc.record({
  key: keys,
  seq: fc.integer({ min: 1, max: 8 }),
  kind: fc.constantFrom(RowKind.put, RowKind.put, RowKind.delete),
  expiresAt: fc.constantFrom(0, 0, now - 1, now, now + 1),
});
const bound = fc.option(keys, { nil: undefined });
const ranges = fc.oneof(
  fc.record({ gt: bound, lt: bound }),
  fc.record({ gte: bound, lte: bound }),
  fc.record({ gt: bound, lte: bound }),
  fc.record({ gte: bound, lt: bound }),
  fc.record({ prefix: bound, gt: bound }),
);
const scenario = fc.record({
  /** One value per (key, seq), however many sources hold it. */
  sources: fc.array(
    fc.record({
      rows: fc.array(version, { maxLength: 25 }),
      pendingEvery: fc.integer({ min: 0, max: 3 }),
    }),
    { minLength: 1, maxLength: 4 },
  ),
  range: ranges,
  seqMax: fc.integer({ min: 0, max: 9 }),
  reverse: fc.boolean(),
  seeks: fc.array(fc.tuple(keys, fc.integer({ min: 0, max: 6 })), { maxLength: 4 }),
});

function model(
  rows: readonly TestRow[],
  range: KeyRange,
  seqMax: number,
  reverse: boolean,
): string[] {
  const newest = new Map<string, TestRow>();
  for (const row of rows) {
    if (row.seq <= seqMax && row.seq > (newest.get(row.key as string)?.seq ?? 0)) {
      newest.set(row.key as string, row);
    }
  }
  const within = (key: string): boolean =>
    !(range.gt !== undefined && key <= (range.gt as string)) &&
    !(range.gte !== undefined && key < (range.gte as string)) &&
    !(range.lt !== undefined && key >= (range.lt as string)) &&
    !(range.lte !== undefined && key > (range.lte as string)) &&
    key.startsWith((range.prefix as string | undefined) ?? "");
  const seen = [...newest.values()]
    .filter((row) => within(row.key as string) && row.kind === RowKind.put)
    .filter((row) => row.expiresAt === 0 || row.expiresAt! > now)
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map((row) => `${row.key}@${row.seq}=${row.value}`);
  return reverse ? seen.reverse() : seen;
}

test("a read sees what a map of the newest versions would hold, both ways, after any seeks", async () => {
  await fc.assert(
    fc.asyncProperty(scenario, async ({ sources, range, seqMax, reverse, seeks }) => {
      const stored = new Map<string, TestRow>();
      const rowsOf = sources.map(({ rows }) =>
        [...new Map(rows.map((row) => [`${row.key}@${row.seq}`, row])).entries()].map(
          ([id, row]) => {
            if (!stored.has(id)) stored.set(id, { ...row, value: `v${stored.size}` });
            return stored.get(id)!;
          },
        ),
      );
      const merged = mergeRows(
        rowsOf.map(
          (rows, i) =>
            new ArrayIterator(makeRows(rows), { reverse, pendingEvery: sources[i]!.pendingEvery }),
        ),
        reverse,
      );
      const bounds = toKeyBounds(range);
      const rows = new VisibleIterator(merged, { bounds, reverse, seqMax, now: () => now });
      const all = model([...stored.values()], range, seqMax, reverse);
      if (seeks.length === 0) expectEqual(await drain(rows), all);
      for (const [key, steps] of seeks) {
        rows.seek(encodeUtf8(key));
        const rest = all.filter((row) =>
          reverse ? row.split("@")[0]! <= key : row.split("@")[0]! >= key,
        );
        for (let i = 0; i < steps; i++) {
          const step = rows.step();
          if (step === Step.pending) await rows.fill();
          else if (step === Step.row) expect(showRow(rows.row)).toBe(rest.shift());
          else expectEqual(rest, []);
        }
        if (steps === 6) expectEqual(await drain(rows), rest);
      }
    }),
    { numRuns: 3_000 },
  );
});

test("rows of the same key and seq are one row, and the earlier source's", async () => {
  for (const reverse of [false, true]) {
    const sources = ["first", "second"].map(
      (value) => new ArrayIterator(makeRows([{ key: "k", seq: 3, value }]), { reverse }),
    );
    const rows = new VisibleIterator(mergeRows(sources, reverse), {
      bounds: allKeys,
      reverse,
      seqMax: 9,
      now: () => now,
    });
    expectEqual(await drain(rows), ["k@3=first"]);
  }
});

test("the clock is asked at each row that expires, and never for others", async () => {
  let time = 10;
  let asked = 0;
  const source = new ArrayIterator(
    makeRows([
      { key: "a", seq: 1, expiresAt: 20 },
      { key: "b", seq: 1 },
      { key: "c", seq: 1, expiresAt: 20 },
    ]),
  );
  const rows = new VisibleIterator(source, {
    bounds: allKeys,
    reverse: false,
    seqMax: 9,
    now: () => {
      asked++;
      return time;
    },
  });
  expect(rows.step()).toBe(Step.row);
  time = 20;
  expectEqual(await drain(rows), ["b@1="]);
  expect(asked).toBe(2);
});

test("a merge row is unsupported, again and again until a seek", () => {
  for (const reverse of [false, true]) {
    const source = new ArrayIterator(
      makeRows([
        { key: "b", seq: 2, kind: RowKind.merge },
        { key: "b", seq: 1 },
      ]),
      { reverse },
    );
    const rows = new VisibleIterator(source, {
      bounds: allKeys,
      reverse,
      seqMax: 9,
      now: () => now,
    });
    expect(() => rows.step()).toThrow(expect.objectContaining({ kind: "unsupported" }));
    expect(() => rows.step()).toThrow(expect.objectContaining({ kind: "unsupported" }));
    rows.seek(encodeUtf8(reverse ? "a" : "c"));
    expect(rows.step()).toBe(Step.end);
  }
});

test("long keys survive the copy", async () => {
  const long = "k".repeat(200);
  const source = new ArrayIterator(
    makeRows([
      { key: long, seq: 2, value: "new" },
      { key: long, seq: 1, value: "old" },
      { key: `${long}x`, seq: 1, value: "next" },
    ]),
    { reverse: true },
  );
  const rows = new VisibleIterator(source, {
    bounds: allKeys,
    reverse: true,
    seqMax: 9,
    now: () => now,
  });
  expectEqual(await drain(rows), [`${long}x@1=next`, `${long}@2=new`]);
});
