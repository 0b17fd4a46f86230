import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeUtf8 } from "../../../src/common/bytes.js";
import { compareRows, type RowRef } from "../../../src/common/row.js";
import { MergeIterator, mergeRows } from "../../../src/iterator/merge-iterator.js";
import { Step } from "../../../src/iterator/row-iterator.js";
import { ArrayIterator, drain, makeRows, showRow } from "../../support/array-iterator.js";
import { expectEqual } from "../../support/expect-equal.js";
import { sampled } from "../../support/run-counts.js";

const keys = fc.string({ minLength: 0, maxLength: 2, unit: fc.constantFrom("a", "b", "c") });
const sourcesArbitrary = fc.array(
  fc.record({
    rows: fc.array(fc.record({ key: keys, seq: fc.integer({ min: 1, max: 6 }) }), {
      maxLength: 12,
    }),
    pendingEvery: fc.integer({ min: 0, max: 4 }),
  }),
  { maxLength: 9 },
);

/** Rows carry their source as value, so that the order of ties shows. */
function rowsOf(sources: readonly { rows: readonly { key: string; seq: number }[] }[]): RowRef[][] {
  return sources.map(({ rows }, index) =>
    makeRows(rows.map((row) => ({ ...row, value: String(index) }))),
  );
}

function sortAll(sources: readonly RowRef[][], reverse: boolean): RowRef[] {
  // Array.sort is stable: of equal rows the earlier source's stays first.
  return sources.flat().sort((a, b) => (reverse ? compareRows(b, a) : compareRows(a, b)));
}

test("merging any sources gives their rows in order, the earlier source first at ties", async () => {
  await fc.assert(
    fc.asyncProperty(sourcesArbitrary, fc.boolean(), async (sources, reverse) => {
      const rows = rowsOf(sources);
      const merged = mergeRows(
        rows.map(
          (own, i) => new ArrayIterator(own, { reverse, pendingEvery: sources[i]!.pendingEvery }),
        ),
        reverse,
      );
      expectEqual(await drain(merged), sortAll(rows, reverse).map(showRow));
      expect(merged.step()).toBe(Step.end);
    }),
    { numRuns: sampled(500) },
  );
});

test("after a seek the rest of the order follows, from wherever the iterator stood", async () => {
  await fc.assert(
    fc.asyncProperty(
      sourcesArbitrary,
      fc.boolean(),
      fc.array(fc.tuple(keys, fc.integer({ min: 0, max: 5 })), { maxLength: 5 }),
      async (sources, reverse, seeks) => {
        const rows = rowsOf(sources);
        const merged = mergeRows(
          rows.map(
            (own, i) => new ArrayIterator(own, { reverse, pendingEvery: sources[i]!.pendingEvery }),
          ),
          reverse,
        );
        for (const [key, steps] of seeks) {
          merged.seek(encodeUtf8(key));
          const rest = sortAll(rows, reverse)
            .map(showRow)
            .filter((row) => (reverse ? row.split("@")[0]! <= key : row.split("@")[0]! >= key));
          for (let i = 0; i < steps; i++) {
            const step = merged.step();
            if (step === Step.pending) await merged.fill();
            else if (step === Step.row) expect(showRow(merged.row)).toBe(rest.shift());
            else expectEqual(rest, []);
          }
          if (steps === 5) expectEqual(await drain(merged), rest);
        }
      },
    ),
    { numRuns: sampled(500) },
  );
});

test("all pending sources are filled at the same time", async () => {
  let filling = 0;
  let fillingMax = 0;
  const onFill = async (): Promise<void> => {
    fillingMax = Math.max(fillingMax, ++filling);
    await new Promise((resolve) => setTimeout(resolve, 5));
    filling--;
  };
  const sources = [1, 2, 3].map(
    (seq) => new ArrayIterator(makeRows([{ key: "k", seq }]), { pendingEvery: 1, onFill }),
  );
  const merged = mergeRows(sources, false);
  expect(merged.step()).toBe(Step.pending);
  await merged.fill();
  expect(fillingMax).toBe(3);
});

test("a failed fill leaves the position, and can be tried again", async () => {
  let failures = 1;
  const onFill = (): void => {
    if (failures-- > 0) throw new Error("no network");
  };
  const sources = [
    new ArrayIterator(makeRows([{ key: "a", seq: 1 }]), { pendingEvery: 1, onFill }),
    new ArrayIterator(makeRows([{ key: "b", seq: 1 }]), { pendingEvery: 2 }),
  ];
  const merged = mergeRows(sources, false);
  expect(merged.step()).toBe(Step.pending);
  await expect(merged.fill()).rejects.toThrow("no network");
  expect(merged.step()).toBe(Step.pending);
  await merged.fill();
  expectEqual(await drain(merged), ["a@1=", "b@1="]);
  expect(sources[0]!.fillCount).toBeGreaterThanOrEqual(2);
});

test("one source is given back as it is, none gives no rows, and close closes all", () => {
  const sources = [new ArrayIterator([]), new ArrayIterator([])];
  expect(mergeRows(sources.slice(0, 1), false)).toBe(sources[0]);
  expect(mergeRows([], true).step()).toBe(Step.end);
  mergeRows(sources, false).close();
  expectEqual(
    sources.map((source) => source.closed),
    [true, true],
  );
});

test("sources that are moved on leave out what they have before that key, and nothing else", async () => {
  await fc.assert(
    fc.asyncProperty(
      sourcesArbitrary.filter((sources) => sources.length > 1),
      fc.boolean(),
      fc.array(fc.tuple(fc.nat(6), keys, fc.array(fc.nat(8), { maxLength: 4 })), { maxLength: 4 }),
      async (sources, reverse, moves) => {
        const rows = rowsOf(sources);
        const iterators = rows.map(
          (own, i) => new ArrayIterator(own, { reverse, pendingEvery: sources[i]!.pendingEvery }),
        );
        const merged = new MergeIterator(iterators, reverse);
        let left = sortAll(rows, reverse);
        for (const [count, key, wanted] of moves) {
          let given = 0;
          while (given <= count) {
            const step = merged.step();
            if (step === Step.end) {
              expectEqual(left, []);
              return;
            }
            if (step === Step.pending) await merged.fill();
            else {
              expect(showRow(merged.row)).toBe(showRow(left.shift()!));
              given++;
            }
          }
          merged.seekOn((source) => (wanted.includes(source) ? encodeUtf8(key) : undefined));
          left = left.filter((row) => {
            const own = Buffer.from(row.key()).toString();
            const isBefore = reverse ? own > key : own < key;
            return !(isBefore && wanted.includes(Number(Buffer.from(row.value()).toString())));
          });
        }
        expectEqual(await drain(merged), left.map(showRow));
      },
    ),
    { numRuns: sampled(1000) },
  );
});
