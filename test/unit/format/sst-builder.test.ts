import fc from "fast-check";
import { expect, test } from "vitest";
import { concatBytes, equalBytes } from "../../../src/common/bytes.js";
import { RowKind } from "../../../src/common/row.js";
import { SstBuilder } from "../../../src/format/sst-builder.js";
import { verifySst } from "../../../src/format/verify-sst.js";
import { expectEqual } from "../../support/expect-equal.js";
import {
  buildSst,
  databaseId,
  type PlainRow,
  plainRow,
  sizes,
  sortedRows,
  sstId,
  storeSst,
  toPlain,
  toRef,
} from "../sst/row-model.js";

test("what is built verifies, gives back every row, and describes itself as the builder did", () => {
  fc.assert(
    fc.property(sortedRows, sizes, (rows, size) => {
      const { bytes, info } = buildSst(rows, size);
      const read: PlainRow[] = [];
      const onRow = (row: Parameters<typeof toPlain>[0]) => void read.push(toPlain(row));
      expectEqual(verifySst(bytes, { object: "sst/x.sst", databaseId, id: sstId, onRow }), info);
      expectEqual(read, rows);
      expect(equalBytes(buildSst(rows, size).bytes, bytes)).toBe(true);
    }),
    { numRuns: 100 },
  );
});

test("rows out of order are refused as a defect", () => {
  const bad: [PlainRow, PlainRow][] = [
    [plainRow("b", 1), plainRow("a", 2)],
    [plainRow("ab", 1), plainRow("a", 2)],
    [plainRow("a", 1), plainRow("a", 2)],
    [plainRow("a", 1), plainRow("a", 1)],
  ];
  for (const [first, second] of bad) {
    const builder = new SstBuilder({ id: sstId, databaseId });
    builder.add(toRef(first));
    expect(() => builder.add(toRef(second))).toThrow("out of order");
  }
  expect(() => new SstBuilder({ id: sstId, databaseId }).finish()).toThrow("broken invariant");
});

test("a huge value stands alone in its block and is not copied into a chunk", async () => {
  const value = new Uint8Array(3_000_000).fill(9);
  const rows = [plainRow("a", 1), plainRow("b", 2, { value }), plainRow("c", 3)];
  const builder = new SstBuilder({ id: sstId, databaseId });
  for (const row of rows) builder.add(toRef(row));
  expect(builder.bytesWritten).toBeGreaterThan(3_000_000);
  const { chunks, info } = builder.finish();
  expect(chunks.length).toBe(3);
  expectEqual(verifySst(concatBytes(chunks), { object: "sst/x.sst" }), info);
  const { tables, info: stored } = await storeSst(rows);
  expect((await tables.open(stored)).blockCount).toBe(3);
});

test("huge values are compressed where that pays, up to a bound", () => {
  const compression = { codec: "lz4", level: 0 } as const;
  const sizeOf = (value: Uint8Array): number => {
    const rows = [plainRow("a", 1), plainRow("b", 2, { value }), plainRow("c", 3)];
    const { bytes, info } = buildSst(rows, { compression });
    const values: Uint8Array[] = [];
    const onRow = (row: Parameters<typeof toPlain>[0]) => void values.push(toPlain(row).value);
    expectEqual(verifySst(bytes, { object: "sst/x.sst", onRow }), info);
    expect(equalBytes(values[1]!, value)).toBe(true);
    return bytes.length;
  };
  expect(sizeOf(new Uint8Array(3_000_000).fill(9))).toBeLessThan(20_000);
  expect(sizeOf(new Uint8Array(17 * 1024 * 1024))).toBeGreaterThan(17 * 1024 * 1024);
  let state = 1;
  const random = Uint8Array.from({ length: 2_000_000 }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  });
  expect(sizeOf(random)).toBeGreaterThan(2_000_000);
});

test("what is known of all rows is in the description", () => {
  const rows = [
    plainRow("a", 9, { expiresAt: 50 }),
    plainRow("b", 3, { kind: RowKind.delete, value: new Uint8Array(0), expiresAt: 70 }),
  ];
  const { info } = buildSst(rows);
  expect(info).toMatchObject({
    rowCount: 2,
    deleteCount: 1,
    minSeq: 3,
    maxSeq: 9,
    maxExpiresAt: 70,
  });
  expect(buildSst([...rows, plainRow("c", 1)]).info.maxExpiresAt).toBe(0);
});

test("the latest expiry is that of puts and merges, where all of them have one; deletes do not count", () => {
  const gone = plainRow("c", 1, { kind: RowKind.delete, value: new Uint8Array(0) });
  const expiring = [
    plainRow("a", 9, { expiresAt: 50 }),
    plainRow("b", 9, { kind: RowKind.merge, operatorId: 1, expiresAt: 60 }),
  ];
  const latest = (rows: PlainRow[]) => buildSst(rows).info.maxExpiresAt;
  expect(latest([...expiring, gone])).toBe(60);
  expect(latest([gone])).toBe(0);
  expect(latest([...expiring, gone, plainRow("d", 1)])).toBe(0);
  expect(latest([...expiring, plainRow("d", 1, { kind: RowKind.merge, operatorId: 1 })])).toBe(0);
});
