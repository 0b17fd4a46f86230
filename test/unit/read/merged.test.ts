/** Merged keys, wherever their versions are stored: point reads and scans agree with the operands applied one by one. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeUtf8, encodeUtf8 } from "../../../src/common/bytes.js";
import { toKeyBounds } from "../../../src/common/key-range.js";
import { RowKind, RowRef } from "../../../src/common/row.js";
import { bytesAppend, type MergeOperator } from "../../../src/index.js";
import { Step } from "../../../src/iterator/row-iterator.js";
import { tryGetRow } from "../../../src/read/get.js";
import { getMany } from "../../../src/read/get-many.js";
import { fetchMerged, tryGetMerged } from "../../../src/read/get-merged.js";
import { KeyVersions } from "../../../src/read/key-versions.js";
import { scanRows } from "../../../src/read/scan.js";
import { Lookup } from "../../../src/sst/lookup.js";
import { drain } from "../../support/array-iterator.js";
import { expectEqual } from "../../support/expect-equal.js";
import { sampled } from "../../support/run-counts.js";
import { layersOf, uncovered } from "./layers.js";
import { type Layer, type Version, ViewBuilder } from "./view-builder.js";

const nowMs = 100;
const now = (): number => nowMs;
const operators = new Map<string, MergeOperator>([["append", bytesAppend]]);
const keys = fc.string({ minLength: 0, maxLength: 1, unit: fc.constantFrom("a", "b", "c") });
const row = fc.record({
  key: keys,
  kind: fc.constantFrom<RowKind>(RowKind.put, RowKind.delete, ...Array(5).fill(RowKind.merge)),
  expiresAt: fc.constantFrom(0, 0, 0, 0, 0, nowMs, nowMs + 1),
});
const layersArbitrary = layersOf(fc.array(row, { maxLength: 25 }), keys);

function model(layers: readonly Layer[], seqMax: number): Map<string, string> {
  const values = new Map<string, { value: string | undefined; seq: number }>();
  for (const { key, kind, expiresAt, seq, value } of uncovered(layers, seqMax)) {
    const before = values.get(key)?.value;
    const isExpired = expiresAt !== 0 && expiresAt <= nowMs;
    if (isExpired || kind === RowKind.delete) values.set(key, { value: undefined, seq });
    else if (kind === RowKind.put) values.set(key, { value, seq });
    else values.set(key, { value: `${before ?? ""}${value}`, seq });
  }
  return new Map(
    [...values]
      .filter(([, { value }]) => value !== undefined)
      .map(([key, { value, seq }]) => [key, `${key}@${seq}=${value}`]),
  );
}

const show = (found: RowRef): string =>
  `${decodeUtf8(found.key())}@${found.seq}=${decodeUtf8(found.value())}`;

test("point reads find what the operands add up to, wherever they are stored", async () => {
  await fc.assert(
    fc.asyncProperty(
      layersArbitrary,
      fc.nat(100),
      fc.constantFrom(0, 1 << 20),
      fc.constantFrom(0, 1 << 20),
      fc.constantFrom(0, undefined),
      async (layers, seqMax, smallSstBytes, cacheBytes, tailBytesMax) => {
        const builder = new ViewBuilder(smallSstBytes, cacheBytes, tailBytesMax);
        const { tables } = builder;
        const view = await builder.build(layers);
        const expected = model(layers, seqMax);
        const options = { seqMax, now, operators, take: show };
        const wanted = ["", "a", "b", "c", "d", "a"];
        const many = await getMany(view, tables, wanted.map(encodeUtf8), options);
        expectEqual(
          many.map((value) => value && decodeUtf8(value)),
          wanted.map((key) => expected.get(key)?.split("=")[1]),
        );
        for (const key of wanted) {
          const fetched = await fetchMerged(view, tables, encodeUtf8(key), options);
          expect(fetched).toBe(expected.get(key));
          const before = builder.store.getCount;
          const tried = tryGetMerged(view, tables, encodeUtf8(key), options);
          expect(tried === undefined ? fetched : tried.taken).toBe(fetched);
          expect(builder.store.getCount).toBe(before);
          // A cache that has room for everything leaves nothing to fetch.
          if (cacheBytes > 0) expect(tried).toBeDefined();
        }
      },
    ),
    { numRuns: sampled(400) },
  );
});

test("scans find what the operands add up to, both ways", async () => {
  await fc.assert(
    fc.asyncProperty(
      layersArbitrary,
      fc.nat(100),
      fc.boolean(),
      fc.record({
        gte: fc.option(keys, { nil: undefined }),
        lt: fc.option(keys, { nil: undefined }),
      }),
      async (layers, seqMax, reverse, range) => {
        const builder = new ViewBuilder();
        const view = await builder.build(layers);
        const options = { bounds: toKeyBounds(range), reverse, seqMax, now, operators };
        const rows = scanRows(view, builder.tables, { ...options, readAheadBytes: 100 });
        const all = [...model(layers, seqMax)]
          .filter(([key]) => range.gte === undefined || key >= range.gte)
          .filter(([key]) => range.lt === undefined || key < range.lt)
          .sort(([a], [b]) => (a < b === reverse ? 1 : -1));
        expectEqual(
          await drain(rows),
          all.map(([, shown]) => shown),
        );
        rows.close();
      },
    ),
    { numRuns: sampled(300) },
  );
});

const version = (kind: RowKind, seq: number): Version => ({
  ...{ key: "k", seq, kind, expiresAt: 0, value: `v${seq}` },
});
const fill = (from: number): Version[] =>
  ["a", "z"].map((key, i) => ({ ...version(RowKind.put, from + i), key }));

test("what newer sources decide costs no request, and all that may be asked is opened at the same time", async () => {
  const builder = new ViewBuilder();
  const view = await builder.build([
    { place: "run", versions: [version(RowKind.put, 1), ...fill(2)] },
    { place: "flush", versions: [version(RowKind.merge, 4), ...fill(5)] },
    { place: "flush", versions: fill(7) },
    { place: "memory", versions: [version(RowKind.put, 9), version(RowKind.merge, 10)] },
    { place: "memory", versions: [version(RowKind.merge, 11)] },
  ]);
  const options = { now, operators, take: show };
  const key = encodeUtf8("k");
  expectEqual(tryGetMerged(view, builder.tables, key, { ...options, seqMax: 99 }), {
    taken: "k@11=v9v10v11",
  });
  expect(builder.store.getCount).toBe(0);
  const older = { ...options, seqMax: 8 };
  expect(tryGetMerged(view, builder.tables, key, older)).toBeUndefined();
  expect(await fetchMerged(view, builder.tables, key, older)).toBe("k@4=v1v4");
  // Three opens at once; then a block of each of the two that have the key: the filter of the third says no.
  expectEqual([builder.store.getCount, builder.store.inFlightMax], [5, 3]);
});

test("versions that two sources hold are given once, newest first, from the seq that is asked for", async () => {
  const builder = new ViewBuilder();
  const merges = (...seqs: number[]) => seqs.map((seq) => version(RowKind.merge, seq));
  // As in a reader that has adopted a flush of what it has followed.
  const view = await builder.build([
    { place: "run", versions: [...merges(1, 2), ...fill(20)] },
    { place: "flush", versions: merges(3, 4, 5, 6) },
    { place: "memory", versions: merges(5, 6, 7, 8) },
    { place: "memory", versions: merges(8, 9) },
  ]);
  for (let seqMax = 0; seqMax <= 10; seqMax++) {
    const rows = new KeyVersions(view, builder.tables, encodeUtf8("k"), {
      ...{ seqMax, hiddenBelow: 0 },
    });
    const seqs: number[] = [];
    for (let step = rows.step(); step !== Step.end; step = rows.step()) {
      if (step === Step.pending) await rows.fill();
      else seqs.push(rows.row.seq);
    }
    expectEqual(
      seqs,
      [9, 8, 7, 6, 5, 4, 3, 2, 1].filter((seq) => seq <= seqMax),
    );
    rows.close();
  }
});

test("a merged key of a database that names no operator is an error, not a value", async () => {
  const builder = new ViewBuilder();
  const view = await builder.build([{ place: "memory", versions: [version(RowKind.merge, 1)] }]);
  const { manifest } = view;
  const nameless = {
    ...view,
    manifest: { ...manifest, pinned: { ...manifest.pinned, mergeOperators: [] } },
  };
  const lookup = tryGetRow(nameless, builder.tables, encodeUtf8("k"), 9, new RowRef());
  expect(lookup).toBe(Lookup.hit);
  expect(() =>
    tryGetMerged(nameless, builder.tables, encodeUtf8("k"), {
      seqMax: 9,
      now,
      operators,
      take: show,
    }),
  ).toThrow(expect.objectContaining({ kind: "unsupported" }));
});
