/** Reads where there are merges: both ways, after any seeks, whatever is pending, they fold as the rule says. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeUtf8, encodeUtf8 } from "../../../src/common/bytes.js";
import { allKeys, toKeyBounds } from "../../../src/common/key-range.js";
import { RowKind } from "../../../src/common/row.js";
import { mergeRows } from "../../../src/iterator/merge-iterator.js";
import { ResolvingIterator } from "../../../src/iterator/resolving-iterator.js";
import { Step } from "../../../src/iterator/row-iterator.js";
import type { ApplyOperator } from "../../../src/merge/fold-versions.js";
import { packOperands } from "../../../src/merge/packed-operands.js";
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
  seq: fc.integer({ min: 1, max: 12 }),
  kind: fc.constantFrom<RowKind>(RowKind.put, RowKind.delete, ...Array(4).fill(RowKind.merge)),
  expiresAt: fc.constantFrom(0, 0, 0, now - 1, now, now + 1),
  operatorId: fc.constantFrom(1, 1, 2),
  /** "!" deletes, for operator 2. */
  operands: fc.array(fc.constantFrom("x", "y", "!"), { minLength: 1, maxLength: 2 }),
});
type Version = typeof version extends fc.Arbitrary<infer T> ? T : never;
const bound = fc.option(keys, { nil: undefined });

/** One operand onto one value. */
function fold(operatorId: number, value: string | undefined, operand: string): string | undefined {
  if (operatorId === 2 && operand === "!") return undefined;
  return `${value ?? "-"}${operatorId}${operand}`;
}

const apply: ApplyOperator = (operatorId, _key, value, operands) => {
  let text = value && decodeUtf8(value);
  for (const operand of operands) text = fold(operatorId, text, decodeUtf8(operand));
  return text === undefined ? undefined : encodeUtf8(text);
};

const toTestRow = ({ operands, ...row }: Version, i: number): TestRow & { operatorId: number } => ({
  ...row,
  operatorId: row.kind === RowKind.merge ? row.operatorId : 0,
  // Latin-1 text of the packed bytes: lengths are below 128.
  value: row.kind === RowKind.merge ? decodeUtf8(packOperands(operands.map(encodeUtf8))) : `v${i}`,
});

function sumOf(oldestFirst: readonly (readonly [Version, number])[]): string | undefined {
  let value: string | undefined;
  for (const [{ kind, expiresAt, operatorId, operands }, i] of oldestFirst) {
    const expired = expiresAt !== 0 && expiresAt <= now;
    if (expired || kind === RowKind.delete) value = undefined;
    else if (kind === RowKind.put) value = `v${i}`;
    else for (const operand of operands) value = fold(operatorId, value, operand);
  }
  return value;
}

function model(versions: readonly Version[], seqMax: number, reverse: boolean): string[] {
  const byKey = new Map<string, [Version, number][]>();
  for (const [i, row] of versions.entries()) {
    if (row.seq <= seqMax) byKey.set(row.key, [...(byKey.get(row.key) ?? []), [row, i]]);
  }
  const seen: string[] = [];
  for (const [key, all] of [...byKey].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const ordered = all.sort(([a], [b]) => a.seq - b.seq);
    const value = sumOf(ordered);
    if (value !== undefined) seen.push(`${key}@${ordered.at(-1)![0].seq}=${value}`);
  }
  return reverse ? seen.reverse() : seen;
}

const rowsOf = (versions: readonly (TestRow & { operatorId: number })[]) =>
  makeRows(versions).map((row) => {
    const from = versions.find(({ key, seq }) => seq === row.seq && key === decodeUtf8(row.key()))!;
    row.operatorId = from.operatorId;
    row.createdAt = from.seq * 10;
    return row;
  });

test("a read sees what each key adds up to, both ways, after any seeks", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        versions: fc.uniqueArray(version, {
          selector: ({ key, seq }) => `${key}@${seq}`,
          maxLength: 40,
        }),
        /** In which of the sources a version is: one at least, and perhaps in another too. */
        places: fc.array(fc.tuple(fc.nat(2), fc.nat(5)), { minLength: 40, maxLength: 40 }),
        pendingEvery: fc.tuple(fc.nat(3), fc.nat(3), fc.nat(3)),
        range: fc.record({ gt: bound, lte: bound, prefix: bound }),
        seqMax: fc.integer({ min: 0, max: 13 }),
        reverse: fc.boolean(),
        seeks: fc.array(fc.tuple(keys, fc.integer({ min: 0, max: 6 })), { maxLength: 4 }),
      }),
      async ({ versions, places, pendingEvery, range, seqMax, reverse, seeks }) => {
        const all = versions.map(toTestRow);
        const sources = pendingEvery.map(
          (every, s) =>
            new ArrayIterator(
              rowsOf(all.filter((_, i) => places[i]![0] === s || places[i]![1] === s)),
              { reverse, pendingEvery: every },
            ),
        );
        const bounds = toKeyBounds(range);
        const visible = { bounds, reverse, seqMax, now: () => now };
        const rows = new ResolvingIterator(mergeRows(sources, reverse), { ...visible, apply });
        const within = model(versions, seqMax, reverse).filter((row) => {
          const key = row.split("@")[0]!;
          const { gt, lte, prefix } = range;
          return (
            !(gt !== undefined && key <= gt) &&
            !(lte !== undefined && key > lte) &&
            key.startsWith(prefix ?? "")
          );
        });
        if (seeks.length === 0) expectEqual(await drain(rows), within);
        for (const [key, steps] of seeks) {
          rows.seek(encodeUtf8(key));
          const rest = within.filter((row) =>
            reverse ? row.split("@")[0]! <= key : row.split("@")[0]! >= key,
          );
          for (let i = 0; i < steps; i++) {
            const step = rows.step();
            if (step === Step.pending) await rows.fill();
            else if (step === Step.row) {
              expect(showRow(rows.row)).toBe(rest.shift());
              expect(rows.row.createdAt).toBe(rows.row.seq * 10);
            } else expectEqual(rest, []);
          }
          if (steps === 6) expectEqual(await drain(rows), rest);
        }
      },
    ),
    { numRuns: 5_000 },
  );
});

const failing: ApplyOperator = (_id, key) => {
  throw new Error(`at ${decodeUtf8(key)}`);
};

test.each([false, true])(
  "an operator that throws fails at its key, and can be seeked past (reverse: %s)",
  async (reverse) => {
    const merge = { kind: RowKind.merge, operatorId: 1, value: "\x01x" };
    const put = { operatorId: 0, value: "v" };
    const versions = [
      { key: "a", seq: 1, ...put },
      { key: "b", seq: 2, ...put },
      { key: "b", seq: 3, ...merge },
      { key: "c", seq: 1, ...merge },
      { key: "c", seq: 4, ...put },
      { key: "d", seq: 5, ...merge, expiresAt: now },
      { key: "e", seq: 6, ...merge },
    ];
    const visible = {
      ...{ bounds: toKeyBounds({ gt: "", lt: "e" }), reverse, seqMax: 9, now: () => now },
    };
    const source = new ArrayIterator(rowsOf(versions), { reverse });
    const rows = new ResolvingIterator(source, { ...visible, apply: failing });
    const [first, last] = reverse ? ["c@4=v", "a@1=v"] : ["a@1=v", "c@4=v"];
    expectEqual([rows.step(), showRow(rows.row)], [Step.row, first]);
    expect(() => rows.step()).toThrow("at b");
    expect(() => rows.step()).toThrow("at b");
    rows.seek(encodeUtf8("b"));
    expect(() => rows.step()).toThrow("at b");
    rows.seek(encodeUtf8(reverse ? "ab" : "bb"));
    expectEqual(await drain(rows), [last]);
  },
);

test("forward, nothing is read beyond what decides a key", () => {
  const rows = rowsOf([
    { key: "k", seq: 9, kind: RowKind.merge, operatorId: 1, value: "\x01x" },
    { key: "k", seq: 8, operatorId: 0, value: "v" },
    { key: "k", seq: 7, operatorId: 0, value: "old" },
  ]);
  const source = new ArrayIterator(rows, { pendingEvery: 3 });
  const options = { bounds: allKeys, reverse: false, seqMax: 9, now: () => now };
  const folding = new ResolvingIterator(source, { ...options, apply });
  expectEqual([folding.step(), showRow(folding.row)], [Step.row, "k@9=v1x"]);
});
