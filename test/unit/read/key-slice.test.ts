/** What a `getMany` holds open at once. */
import { expect, test, vi } from "vitest";
import { decodeUtf8, encodeUtf8 } from "../../../src/common/bytes.js";
import { toKeyBounds } from "../../../src/common/key-range.js";
import { RowKind } from "../../../src/common/row.js";
import type { SstInfo } from "../../../src/format/manifest.js";
import { sequencesWithin } from "../../../src/read/candidates.js";
import type { DbView } from "../../../src/read/db-view.js";
import { getMany } from "../../../src/read/get-many.js";
import { planSlice } from "../../../src/read/key-slice.js";
import { type Version, ViewBuilder } from "./view-builder.js";

const options = { seqMax: 1e9, now: (): number => 100 };
const name = (i: number): string => `k${String(i).padStart(3, "0")}`;

const put = (key: string, seq: number): Version => ({
  ...{ key, seq, kind: RowKind.put, expiresAt: 0, value: `value ${seq}` },
});

/** A run of 60 SSTs with three keys each, and above it an L0 SST that reaches over all of them. */
async function stored(cacheBytes: number): Promise<{ builder: ViewBuilder; view: DbView }> {
  const builder = new ViewBuilder(0, cacheBytes);
  const run = Array.from({ length: 180 }, (_, i) => put(name(i), i + 1));
  const view = await builder.build([
    { place: "run", versions: run },
    { place: "flush", versions: [put("a", 500), put("z", 501)] },
  ]);
  return { builder, view };
}

const allSsts = (view: DbView): readonly SstInfo[] =>
  sequencesWithin(view, toKeyBounds({}), options.seqMax).flatMap(({ ssts }) => ssts);

test("tables of a getMany are opened within a bound, each once, though the cache keeps none", async () => {
  const { builder, view } = await stored(0);
  const { tables, store } = builder;
  const ssts = allSsts(view);
  const tableBytes = tables.memoryToOpen(ssts[1]!).opened;
  const isOpening = new Map(ssts.map(({ id, metaOffset }) => [id, metaOffset]));
  let openings = 0;
  let atOnce = 0;
  let mostAtOnce = 0;
  const get = store.get.bind(store);
  vi.spyOn(store, "get").mockImplementation(async (key, given) => {
    const id = key.slice(key.lastIndexOf("/") + 1, -".sst".length);
    const range = given?.range as { offset: number };
    if (range.offset !== isOpening.get(id)) {
      // Blocks are asked for when the tables of a slice are open.
      atOnce = 0;
      return get(key, given);
    }
    openings++;
    mostAtOnce = Math.max(mostAtOnce, ++atOnce);
    return get(key, given);
  });
  const keys = Array.from({ length: 180 }, (_, i) => encodeUtf8(name(i)));
  const bounded = { ...options, tableBytesMax: 10 * tableBytes + 100 };
  const values = await getMany(view, tables, keys, bounded);
  expect(values.map((value) => decodeUtf8(value!))).toEqual(
    Array.from({ length: 180 }, (_, i) => `value ${i + 1}`),
  );
  expect(openings).toBe(61);
  expect(mostAtOnce).toBeGreaterThan(8);
  expect(mostAtOnce).toBeLessThanOrEqual(11);
  openings = atOnce = mostAtOnce = 0;
  await getMany(view, tables, keys, options);
  expect([openings, mostAtOnce]).toEqual([61, 61]);
});

test("a slice counts what is to be opened, and takes keys that add nothing along", async () => {
  const { builder, view } = await stored(1 << 20);
  const { tables } = builder;
  const keys = Array.from({ length: 180 }, (_, i) => encodeUtf8(name(i)));
  const held = new Set<string>();
  const isHeld = (id: string): boolean => held.has(id);
  const slice = (from: number, bytesMax: number): [number, number] => {
    const { end, ssts } = planSlice(view, tables, keys, from, {
      ...{ seqMax: 1e9, bytesMax, isHeld, hiddenBelow: () => 0 },
    });
    return [end, ssts.length];
  };
  // A key is let through whatever it takes, and with it those of the same SSTs.
  expect(slice(0, 0)).toEqual([3, 2]);
  expect(slice(2, 0)).toEqual([3, 2]);
  expect(slice(0, 1e9)).toEqual([180, 61]);
  const [l0, first, second] = allSsts(view);
  held.add(l0!.id).add(first!.id).add(second!.id);
  expect(slice(0, 0)).toEqual([6, 3]);
  // What is open counts for nothing: it is the cache that holds it.
  held.clear();
  for (const info of [l0!, first!, second!]) await tables.open(info);
  expect(slice(0, 0)).toEqual([6, 3]);
});

test("where the index is loaded in parts, keys count too, up to all parts", () => {
  const info = (id: string): SstInfo =>
    ({
      ...{ id, minSeq: 1, maxSeq: 1, rowCount: 1, seq: 0 },
      ...{ firstKey: encodeUtf8("a"), lastKey: encodeUtf8("z") },
    }) as unknown as SstInfo;
  const ssts = [info("large")];
  const manifest = { l0: [{ ssts, seq: 0 }], runs: [] } as unknown as DbView["manifest"];
  const tables = (parts: number): Pick<ViewBuilder["tables"], "memoryToOpen"> => ({
    memoryToOpen: () => ({ opened: 1000, parts }),
  });
  const keys = Array.from({ length: 100 }, (_, i) => encodeUtf8(name(i)));
  const end = (parts: number, bytesMax: number): number =>
    planSlice({ loads: [], manifest }, tables(parts), keys, 0, {
      ...{ seqMax: 9, bytesMax, isHeld: () => false, hiddenBelow: () => 0 },
    }).end;
  expect(end(1e9, 330_000)).toBe(10);
  expect(end(200_000, 330_000)).toBe(100);
});
