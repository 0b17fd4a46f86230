/** Range deletes in runs of several SSTs whose spans, cut short because keys are long, reach over those of their neighbours. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { decodeUtf8, encodeUtf8 } from "../../../src/common/bytes.js";
import { toKeyBounds } from "../../../src/common/key-range.js";
import { RowKind, RowRef } from "../../../src/common/row.js";
import { Step } from "../../../src/iterator/row-iterator.js";
import type { DbView } from "../../../src/read/db-view.js";
import { getRow } from "../../../src/read/get.js";
import { getMany } from "../../../src/read/get-many.js";
import { scanRows } from "../../../src/read/scan.js";
import { expectEqual } from "../../support/expect-equal.js";
import { sampled } from "../../support/run-counts.js";
import { type Layer, type Version, ViewBuilder } from "./view-builder.js";

const keyCount = 48;
/** All but the last begin alike: what is cut short of those still ends before that. */
const keyOf = (i: number): string =>
  i === keyCount - 1 ? "y" : `${"x".repeat(400)}${String(i).padStart(2, "0")}`;
const now = (): number => 0;

const put = (i: number, seq: number): Version => ({
  ...{ key: keyOf(i), seq, kind: RowKind.put, expiresAt: 0, value: `${i} at ${seq}` },
});

/** All keys in the oldest run; above it a run with few rows and many short range deletes with gaps between. */
function layersOf(
  rows: readonly number[],
  deleted: readonly number[],
  isListed: boolean,
  cutsEarly: boolean,
): Layer[] {
  const place = isListed ? "listed run" : "run";
  return [
    { place, versions: Array.from({ length: keyCount }, (_, i) => put(i, i + 1)) },
    {
      place,
      cutsEarly,
      versions: rows.map((i) => put(i, 200 + i)),
      rangeDeletes: deleted.map((i) => ({ start: keyOf(i), end: keyOf(i + 1), seq: 100 + i })),
    },
  ];
}

async function scanned(view: DbView, builder: ViewBuilder, reverse: boolean): Promise<string[]> {
  const options = { bounds: toKeyBounds({}), reverse, seqMax: 1e9, now };
  const rows = scanRows(view, builder.tables, options);
  const found: string[] = [];
  for (let step = rows.step(); step !== Step.end; step = rows.step()) {
    if (step === Step.pending) await rows.fill();
    else found.push(decodeUtf8(rows.row.value()));
  }
  rows.close();
  return reverse ? found.reverse() : found;
}

test("each key is hidden by the range deletes of the SST that has its place, wherever spans of others reach", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.nat(keyCount - 1), { minLength: 3, maxLength: 7 }),
      fc.uniqueArray(fc.nat(keyCount / 2 - 1), { minLength: 18, maxLength: 24 }),
      fc.boolean(),
      fc.boolean(),
      fc.constantFrom(0, 1 << 20),
      async (some, gaps, isListed, cutsEarly, cacheBytes) => {
        const rows = [...new Set([...some, keyCount - 1])];
        const builder = new ViewBuilder(0, cacheBytes);
        // Never two neighbours, so that no two make one stretch.
        const view = await builder.build(
          layersOf(
            rows,
            gaps.map((i) => 2 * i),
            isListed,
            cutsEarly,
          ),
          3,
        );
        const deleted = new Set(gaps.map((i) => 2 * i));
        const expected = Array.from({ length: keyCount }, (_, i) => {
          if (rows.includes(i)) return `${i} at ${200 + i}`;
          return deleted.has(i) ? undefined : `${i} at ${i + 1}`;
        });
        const row = new RowRef();
        for (let i = 0; i < keyCount; i++) {
          const isFound = await getRow(view, builder.tables, encodeUtf8(keyOf(i)), 1e9, row);
          expect(isFound ? decodeUtf8(row.value()) : undefined).toBe(expected[i]);
        }
        const keys = expected.map((_, i) => encodeUtf8(keyOf(i)));
        const values = await getMany(view, builder.tables, keys, { seqMax: 1e9, now });
        expectEqual(
          values.map((value) => value && decodeUtf8(value)),
          expected,
        );
        const there = expected.filter((value) => value !== undefined);
        expectEqual(await scanned(view, builder, false), there);
        expectEqual(await scanned(view, builder, true), there);
      },
    ),
    { numRuns: sampled(60) },
  );
}, 60_000);

test("a scan comes past parts of a list that have no range deletes to one that has some", async () => {
  const builder = new ViewBuilder();
  const letters = "abcdefghijklmnopqrstuvwxyz";
  const version = (key: string, seq: number): Version => ({ ...put(0, seq), key, value: key });
  const view = await builder.build(
    [
      { place: "run", versions: [...letters].map((key, i) => version(key, i + 1)) },
      {
        place: "listed run",
        cutsEarly: true,
        versions: [..."cdefghijklmnopqrstuvz"].map((key) => version(key, 50)),
        rangeDeletes: [
          { start: "a", end: "b", seq: 60 },
          { start: "x", end: "y", seq: 61 },
        ],
      },
    ],
    1,
  );
  for (const reverse of [false, true]) {
    expect((await scanned(view, builder, reverse)).join("")).toBe("bcdefghijklmnopqrstuvwyz");
  }
});
