import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeUtf8, encodeUtf8 } from "../../../src/common/bytes.js";
import { allKeys, toKeyBounds } from "../../../src/common/key-range.js";
import { RowKind, RowRef } from "../../../src/common/row.js";
import { Step } from "../../../src/iterator/row-iterator.js";
import { getRow, resolveRow, tryGetRow } from "../../../src/read/get.js";
import { getMany } from "../../../src/read/get-many.js";
import { scanRows } from "../../../src/read/scan.js";
import { Lookup } from "../../../src/sst/lookup.js";
import { drain, showRow } from "../../support/array-iterator.js";
import { expectEqual } from "../../support/expect-equal.js";
import { sampled } from "../../support/run-counts.js";
import { layersOf, uncovered } from "./layers.js";
import { type Layer, type Version, ViewBuilder } from "./view-builder.js";

const nowMs = 100;
const now = (): number => nowMs;
const keys = fc.string({ minLength: 0, maxLength: 2, unit: fc.constantFrom("a", "b", "c", "d") });
const versions = fc.array(
  fc.record({
    key: keys,
    kind: fc.constantFrom(RowKind.put, RowKind.put, RowKind.put, RowKind.delete),
    expiresAt: fc.constantFrom(0, 0, 0, nowMs, nowMs + 1),
  }),
  { maxLength: 25 },
);
const layersArbitrary = layersOf(versions, keys);

/** What a read at `seqMax` finds, by key. */
function model(layers: readonly Layer[], seqMax: number): Map<string, Version> {
  const newest = new Map<string, Version>();
  for (const version of uncovered(layers, seqMax)) newest.set(version.key, version);
  for (const [key, { kind, expiresAt }] of newest) {
    if (kind === RowKind.delete || (expiresAt !== 0 && expiresAt <= nowMs)) newest.delete(key);
  }
  return newest;
}

const put = (key: string, seq: number): Version => ({
  key,
  seq,
  kind: RowKind.put,
  expiresAt: 0,
  value: `v${seq}`,
});

test("get and getMany find what the model holds, wherever it is stored", async () => {
  await fc.assert(
    fc.asyncProperty(
      layersArbitrary,
      fc.nat(100),
      fc.array(keys, { maxLength: 12 }),
      fc.constantFrom(0, 1 << 20),
      fc.constantFrom(0, 1 << 20),
      fc.constantFrom(0, undefined),
      fc.constantFrom(0, 2000, undefined),
      async (layers, seqMax, wanted, smallSstBytes, cacheBytes, tailBytesMax, tableBytesMax) => {
        const builder = new ViewBuilder(smallSstBytes, cacheBytes, tailBytesMax);
        const view = await builder.build(layers);
        const expected = model(layers, seqMax);
        const encoded = wanted.map((key) => encodeUtf8(key));
        for (const key of encoded) {
          const row = new RowRef();
          const found = await getRow(view, builder.tables, key, seqMax, row);
          const value = found ? resolveRow(row, now) : undefined;
          const version = expected.get(decodeUtf8(key));
          expect(value && `${row.seq}=${decodeUtf8(value)}`).toBe(
            version && `${version.seq}=${version.value}`,
          );
        }
        const options = { seqMax, now, tableBytesMax };
        const many = await getMany(view, builder.tables, encoded, options);
        expectEqual(
          many.map((value) => value && decodeUtf8(value)),
          wanted.map((key) => expected.get(key)?.value),
        );
      },
    ),
    { numRuns: sampled(200) },
  );
});

test("a scan finds what the model holds, both ways, within bounds, after any seeks", async () => {
  await fc.assert(
    fc.asyncProperty(
      layersArbitrary,
      fc.nat(100),
      fc.boolean(),
      fc.record({
        gte: fc.option(keys, { nil: undefined }),
        lt: fc.option(keys, { nil: undefined }),
      }),
      fc.array(fc.tuple(keys, fc.nat(6)), { maxLength: 3 }),
      fc.constantFrom(0, 1 << 20),
      fc.constantFrom(0, undefined),
      fc.option(fc.nat(20), { nil: undefined }),
      async (layers, seqMax, reverse, range, seeks, cacheBytes, tailBytesMax, rowsLeft) => {
        const builder = new ViewBuilder(0, cacheBytes, tailBytesMax);
        const view = await builder.build(layers);
        const options = {
          ...{ bounds: toKeyBounds(range), reverse, seqMax, now, readAheadBytes: 100 },
          // Only a hint: whatever it says, the rows are the same.
          ...(rowsLeft === undefined ? {} : { rowsLeft: () => rowsLeft }),
        };
        const rows = scanRows(view, builder.tables, options);
        const all = [...model(layers, seqMax).values()]
          .filter(({ key }) => range.gte === undefined || key >= range.gte)
          .filter(({ key }) => range.lt === undefined || key < range.lt)
          .sort((a, b) => (a.key < b.key === reverse ? 1 : -1));
        const show = (version: Version): string => `${version.key}@${version.seq}=${version.value}`;
        if (seeks.length === 0) expectEqual(await drain(rows), all.map(show));
        for (const [key, steps] of seeks) {
          rows.seek(encodeUtf8(key));
          const rest = all.filter((row) => (reverse ? row.key <= key : row.key >= key)).map(show);
          for (let i = 0; i < steps; i++) {
            const step = rows.step();
            if (step === Step.pending) await rows.fill();
            else if (step === Step.row) expect(showRow(rows.row)).toBe(rest.shift());
            else expectEqual(rest, []);
          }
          if (steps === 6) expectEqual(await drain(rows), rest);
        }
        rows.close();
      },
    ),
    { numRuns: sampled(300) },
  );
});

test("what memory or the manifest decides is answered at once, without a request", async () => {
  const builder = new ViewBuilder();
  const view = await builder.build([
    { place: "flush", versions: [put("b", 1), put("d", 2)] },
    { place: "memory", versions: [put("b", 3)] },
  ]);
  const { hit, miss, pending } = Lookup;
  const get = (key: string, seqMax: number): Lookup =>
    tryGetRow(view, builder.tables, encodeUtf8(key), seqMax, new RowRef());
  expectEqual([get("b", 9), get("a", 9), get("e", 9), get("d", 0)], [hit, miss, miss, miss]);
  expect(get("d", 9)).toBe(pending);
  expect(builder.store.getCount).toBe(0);
  expect(await getRow(view, builder.tables, encodeUtf8("d"), 9, new RowRef())).toBe(true);
  expect(builder.store.getCount).toBe(2);
  expectEqual([get("d", 9), get("c", 9)], [hit, miss]);
  expect(builder.store.getCount).toBe(2);
});

test("a row in memory decides, unless a load that the manifest does not name yet came after it", async () => {
  const builder = new ViewBuilder();
  const view = await builder.build([
    { place: "flush", versions: [put("a", 1), put("b", 2)] },
    { place: "pending load", versions: [put("a", 3), put("c", 3)] },
    { place: "memory", versions: [put("a", 4), put("b", 5)] },
    { place: "pending load", versions: [put("a", 6), put("d", 6)] },
    { place: "memory", versions: [put("d", 7)] },
  ]);
  const row = new RowRef();
  const seqOf = async (key: string, seqMax: number): Promise<number | undefined> =>
    (await getRow(view, builder.tables, encodeUtf8(key), seqMax, row)) ? row.seq : undefined;
  expect(await seqOf("d", 9)).toBe(7);
  expect(builder.store.getCount).toBe(0);
  const found = [];
  for (const seqMax of [1, 2, 3, 4, 5, 6, 9]) found.push(await seqOf("a", seqMax));
  expectEqual(found, [1, 1, 3, 4, 4, 6, 6]);
  expectEqual([await seqOf("b", 9), await seqOf("c", 9), await seqOf("d", 6)], [5, 3, 6]);
});

test("a cold get opens all candidates at the same time, and reads one block", async () => {
  const builder = new ViewBuilder();
  const layers = [1, 3, 5].map(
    (seq): Layer => ({ place: "flush", versions: [put("a", seq), put("z", seq + 1)] }),
  );
  const view = await builder.build([
    { place: "run", versions: [put("x", 0), put("y", 0)] },
    ...layers,
  ]);
  const row = new RowRef();
  expect(await getRow(view, builder.tables, encodeUtf8("z"), 9, row)).toBe(true);
  expect(row.seq).toBe(6);
  expect(builder.store).toMatchObject({ getCount: 4, inFlightMax: 3 });
});

test("getMany reads each distinct key once, and gives every position a copy of its own", async () => {
  const builder = new ViewBuilder(0, 0);
  const view = await builder.build([{ place: "flush", versions: [put("a", 1)] }]);
  const key = encodeUtf8("a");
  const values = await getMany(view, builder.tables, [key, encodeUtf8("b"), key, key], {
    seqMax: 9,
    now,
  });
  expect(builder.store.getCount).toBe(2);
  values[0]!.fill(0);
  expectEqual(
    values.slice(1).map((value) => value && decodeUtf8(value)),
    [undefined, "v1", "v1"],
  );
});

test("a scan asks all sources at the same time, and only those that can hold a key", async () => {
  const builder = new ViewBuilder(1 << 20);
  const view = await builder.build([
    { place: "run", versions: [put("m", 1), put("n", 2), put("o", 3), put("p", 4)] },
    { place: "flush", versions: [put("a", 5)] },
    { place: "flush", versions: [put("n", 6)] },
  ]);
  const options = { bounds: toKeyBounds({ gt: "a", lt: "n~" }), reverse: false, seqMax: 9, now };
  const rows = scanRows(view, builder.tables, options);
  expect(builder.store.getCount).toBe(0);
  expectEqual(await drain(rows), ["m@1=v1", "n@6=v6"]);
  expect(builder.store).toMatchObject({ getCount: 2, inFlightMax: 2 });
});

test("a scan of a run opens its next SST while it reads one, unless its limit ends before", async () => {
  const run = Array.from({ length: 30 }, (_, i) => put(`m${String(i).padStart(2, "0")}`, i + 1));
  for (const [rowsLeft, gets] of [
    [undefined, 4],
    [() => 1, 2],
  ] as const) {
    for (const reverse of [false, true]) {
      const builder = new ViewBuilder();
      const view = await builder.build([{ place: "run", versions: run }], 10);
      const options = { bounds: allKeys, reverse, seqMax: 99, now };
      const rows = scanRows(view, builder.tables, { ...options, rowsLeft });
      expect(rows.step()).toBe(Step.pending);
      await rows.fill();
      for (let i = 0; i < 9; i++) expect(rows.step()).toBe(Step.row);
      for (let i = 0; i < 9; i++) await new Promise((resolve) => setImmediate(resolve));
      expect(builder.store.getCount).toBe(gets);
      expect((await drain(rows)).length).toBe(21);
      rows.close();
    }
  }
});

test("an aborted read rejects with the reason of its signal", async () => {
  const builder = new ViewBuilder();
  const view = await builder.build([{ place: "flush", versions: [put("a", 1)] }]);
  const reason = new Error("enough");
  const signal = AbortSignal.abort(reason);
  const key = encodeUtf8("a");
  await expect(getRow(view, builder.tables, key, 9, new RowRef(), signal)).rejects.toBe(reason);
  await expect(getMany(view, builder.tables, [key], { seqMax: 9, now, signal })).rejects.toBe(
    reason,
  );
  const rows = scanRows(view, builder.tables, { bounds: allKeys, reverse: false, seqMax: 9, now });
  expect(rows.step()).toBe(Step.pending);
  await expect(rows.fill(signal)).rejects.toBe(reason);
});
