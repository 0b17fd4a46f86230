/** Rows of a source without those that range deletes hide: what is left, and how much of what is hidden is stepped over. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeUtf8 } from "../../../src/common/bytes.js";
import { FragmentedTombstones } from "../../../src/common/fragmented-tombstones.js";
import { Step } from "../../../src/iterator/row-iterator.js";
import { CoverCursor, type CoverPart, type CoverReader } from "../../../src/read/cover-cursor.js";
import { UncoveredRows } from "../../../src/read/uncovered-rows.js";
import { ArrayIterator, drain, makeRows, showRow } from "../../support/array-iterator.js";
import { expectEqual } from "../../support/expect-equal.js";

/** No run has a list of its own. */
const noLists = undefined as unknown as CoverReader["runLists"];

const noReader: CoverReader = {
  runLists: noLists,
  rangeDeletesOf: () => undefined,
  loadRangeDeletes: () => Promise.reject(new Error("nothing is stored")),
};

/** For rows of one source. */
const seekOlder =
  (source: ArrayIterator, maxSeq: number) =>
  (key: Uint8Array, cover: number): void => {
    if (maxSeq < cover) source.seek(key);
  };

const keys = fc.string({ minLength: 0, maxLength: 2, unit: fc.constantFrom("a", "b", "c") });
const tombstonesArbitrary = fc
  .array(
    fc.record({
      start: keys,
      end: fc.option(keys, { nil: undefined }),
      seq: fc.integer({ min: 1, max: 20 }),
    }),
    { maxLength: 5 },
  )
  .map((all) => all.filter(({ start, end }) => end === undefined || start < end));
const rowsArbitrary = fc.uniqueArray(
  fc.record({ key: keys, seq: fc.integer({ min: 1, max: 20 }) }),
  { maxLength: 40, selector: ({ key, seq }) => `${key}@${seq}` },
);

type Tombstones = readonly { start: string; end: string | undefined; seq: number }[];

const fragmented = (tombstones: Tombstones): FragmentedTombstones =>
  FragmentedTombstones.of(
    tombstones.map(({ start, end, seq }) => ({
      ...{ start: encodeUtf8(start), end: end === undefined ? undefined : encodeUtf8(end), seq },
    })),
  );

test("what range deletes hide is left out, both ways, after any seeks, however soon it is passed by", async () => {
  await fc.assert(
    fc.asyncProperty(
      rowsArbitrary,
      fc.array(tombstonesArbitrary, { maxLength: 3 }),
      fc.boolean(),
      fc.integer({ min: 0, max: 22 }),
      fc.constantFrom(0, 1, 16),
      fc.constantFrom(0, 2),
      fc.array(fc.tuple(keys, fc.nat(8)), { maxLength: 3 }),
      async (drawn, lists, reverse, seqMax, hiddenRowsMax, pendingEvery, seeks) => {
        const seen = drawn.filter(({ seq }) => seq <= seqMax);
        const source = new ArrayIterator(makeRows(seen), { reverse, pendingEvery });
        const cursor = new CoverCursor(lists.map(fragmented), noReader, seqMax);
        const maxSeq = Math.max(0, ...seen.map(({ seq }) => seq));
        const rows = new UncoveredRows(source, cursor, {
          ...{ reverse, hiddenRowsMax, seekOlder: seekOlder(source, maxSeq) },
        });
        const expected = makeRows(
          seen.filter(
            (row) =>
              !lists
                .flat()
                .some(
                  ({ start, end, seq }) =>
                    seq <= seqMax &&
                    row.seq < seq &&
                    row.key >= start &&
                    (end === undefined || row.key < end),
                ),
          ),
        );
        if (reverse) expected.reverse();
        if (seeks.length === 0) expectEqual(await drain(rows), expected.map(showRow));
        for (const [key, steps] of seeks) {
          rows.seek(encodeUtf8(key));
          const isBeyond = (other: string): boolean => (reverse ? other <= key : other >= key);
          const rest = expected.filter((row) => isBeyond(Buffer.from(row.key()).toString()));
          for (let i = 0; i < steps; i++) {
            const step = rows.step();
            if (step === Step.pending) await rows.fill();
            else if (step === Step.row) expect(showRow(rows.row)).toBe(showRow(rest.shift()!));
            else expectEqual(rest, []);
          }
        }
        rows.close();
      },
    ),
    { numRuns: 2000 },
  );
});

for (const reverse of [false, true]) {
  test(`a long stretch that is hidden is not stepped through, ${reverse ? "in reverse" : "forward"}`, async () => {
    const name = (i: number): string => `k${String(i).padStart(5, "0")}`;
    const all = makeRows(Array.from({ length: 10_000 }, (_, i) => ({ key: name(i), seq: 1 })));
    let steps = 0;
    class Counted extends ArrayIterator {
      override step(): Step {
        steps++;
        return super.step();
      }
    }
    const hidden = [
      { start: name(10), end: name(9_990), seq: 5 },
      { start: name(100), end: name(200), seq: 7 },
    ];
    const cursor = new CoverCursor([fragmented(hidden)], noReader, 9);
    const source = new Counted(all, { reverse });
    const rows = new UncoveredRows(source, cursor, { reverse, seekOlder: seekOlder(source, 1) });
    expect(await drain(rows)).toHaveLength(20);
    expect(steps).toBeLessThan(150);
  });
}

test("a source with newer rows is read on, row by row", async () => {
  const old = Array.from({ length: 50 }, (_, i) => ({ key: `k${10 + i}`, seq: 1 }));
  const all = makeRows([...old, { key: "k40", seq: 9 }]);
  const cursor = new CoverCursor([fragmented([{ start: "k", end: "l", seq: 5 }])], noReader, 9);
  const source = new ArrayIterator(all);
  const rows = new UncoveredRows(source, cursor, {
    ...{ reverse: false, seekOlder: seekOlder(source, 9) },
  });
  expectEqual(await drain(rows), ["k40@9="]);
});

test("range deletes of an SST are read where its spans do not say enough, and only there", async () => {
  const stored = fragmented([
    { start: "c", end: "f", seq: 5 },
    { start: "d", end: "e", seq: 8 },
  ]);
  const loads: string[] = [];
  const reader: CoverReader = {
    runLists: noLists,
    rangeDeletesOf: () => undefined,
    loadRangeDeletes: async ({ id }) => {
      loads.push(id);
      return stored;
    },
  };
  const span = { start: encodeUtf8("c"), end: encodeUtf8("f"), endless: false, count: 2 };
  const part = { id: "x", rangeDeletes: [{ ...span, minSeq: 5, maxSeq: 8 }] };
  const drained = async (keysOf: readonly string[], seq: number): Promise<string[]> => {
    const all = makeRows(keysOf.map((key) => ({ key, seq })));
    const cursor = new CoverCursor([part as unknown as CoverPart], reader, 9);
    const source = new ArrayIterator(all);
    return drain(
      new UncoveredRows(source, cursor, { reverse: false, seekOlder: seekOlder(source, 9) }),
    );
  };
  expect(await drained(["a", "b", "f", "z"], 1)).toHaveLength(4);
  expectEqual(loads, []);
  expectEqual(await drained(["b", "c", "d", "e", "f"], 6), ["b@6=", "c@6=", "e@6=", "f@6="]);
  expectEqual(loads, ["x"]);
});
