/** An SST of nothing but range deletes opens like others, and whoever looks for rows in it finds none. */
import { expect, test } from "vitest";
import { allKeys, type KeyBounds } from "../../../src/common/key-range.js";
import { RowRef } from "../../../src/common/row.js";
import { hashKey } from "../../../src/format/key-hash.js";
import { fixedPrefix, probeOfBounds } from "../../../src/format/prefix-extractor.js";
import { Lookup } from "../../../src/sst/lookup.js";
import { SstIterator } from "../../../src/sst/sst-iterator.js";
import { drain, storeSst } from "./row-model.js";

const rangeDeletes = [
  { start: Uint8Array.of(5), end: Uint8Array.of(9), seq: 4 },
  { start: Uint8Array.of(7), end: undefined, seq: 6 },
];
const keys = [[], [4], [5], [5, 0], [6], [7], [9], [255]].map((key) => Uint8Array.from(key));

test.each([0, 1 << 20])("of at most %i bytes when it is read whole", async (smallSstBytes) => {
  for (const tailBytesMax of [0, 1 << 20]) {
    const layout = { smallSstBytes, tailBytesMax };
    const { store, tables, info } = await storeSst([], {}, layout, rangeDeletes);
    const table = await tables.open(info);
    expect(store.gets).toHaveLength(1);
    expect(table).toMatchObject({ blockCount: 0, partitionCount: 0, dataBytes: 0, rowBytes: 1 });
    expect(table.memoryBytes).toBeGreaterThan(0);
    expect(table.knowsBlock(0)).toBe(false);
    const row = new RowRef();
    for (const key of keys) {
      const hash = hashKey(key);
      expect(table.mayContain(key, hash)).toBe(false);
      expect(table.tryGet(key, hash, 100, row)).toBe(Lookup.miss);
      expect(await table.get(key, hash, 100, row)).toBe(false);
      await table.loadKeyPlace(key);
      expect([table.findBlockAtOrAfter(key), table.findBlockAfter(key)]).toEqual([0, 0]);
    }
    const bounds = { ...allKeys, lower: Uint8Array.of(7, 1), upper: Uint8Array.of(7, 2) };
    const probe = probeOfBounds(fixedPrefix(1), bounds)!;
    expect(table.mayContainPrefix({ ...probe, extractorName: "" }, bounds)).toBe(false);
    expect(store.gets).toHaveLength(1);
    expect((await tables.openAside(info)).blockCount).toBe(0);
    expect(tables.memoryToOpen(info)).toMatchObject({ opened: 0 });
  }
});

test("scans of it end at once, whatever their bounds and direction, and open nothing", async () => {
  const { store, tables, info } = await storeSst([], {}, {}, rangeDeletes);
  const someBounds: KeyBounds[] = [allKeys];
  for (const lower of keys) {
    for (const upper of keys) {
      for (const lowerInclusive of [true, false]) {
        const upperInclusive = lower !== upper || lowerInclusive;
        someBounds.push({ lower, upper, lowerInclusive, upperInclusive });
      }
    }
    someBounds.push({ ...allKeys, lower }, { ...allKeys, upper: lower });
  }
  for (const isOpen of [false, true]) {
    if (isOpen) await tables.open(info);
    for (const bounds of someBounds) {
      for (const reverse of [false, true]) {
        const iterator = new SstIterator({ tables, info, bounds, reverse });
        expect(await drain(iterator)).toEqual([]);
        for (const key of keys) {
          iterator.seek(key);
          expect(await drain(iterator)).toEqual([]);
        }
      }
    }
  }
  expect(store.gets).toHaveLength(1);
});
