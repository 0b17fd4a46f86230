import { expect, test } from "vitest";
import { concatBytes } from "../../../src/common/bytes.js";
import { SstBuilder } from "../../../src/format/sst-builder.js";
import { verifySst } from "../../../src/format/verify-sst.js";
import { databaseId, type PlainRow, plainRow, storeSst, toPlain, toRef } from "../sst/row-model.js";

const rows = Array.from({ length: 400 }, (_, i) =>
  plainRow(`m/${String(i).padStart(4, "0")}`, 100 + i),
);
const before = plainRow("a", 7);
const after = [plainRow("m/0399x", 1), plainRow("z", 900)];

/** An SST of a row, copies of all partitions of another SST, and more rows. */
async function copied(over: object, tamper?: (block: Uint8Array) => void): Promise<Uint8Array> {
  const { tables, info } = await storeSst(rows, { blockBytes: 300, indexPartitionBytes: 60 });
  const table = await tables.open(info);
  const { partitions, properties } = table;
  expect(partitions.count).toBeGreaterThan(3);
  const builder = new SstBuilder({ id: "01BX5ZZKBKACTAV9WEVGEMMVRX", databaseId });
  builder.add(toRef(before));
  builder.openCopy(info.firstKey);
  const bytes = await table.read(0, info.size, false, new AbortController().signal);
  tamper?.(bytes);
  for (let p = 0; p < partitions.count; p++) {
    if (!table.knowsBlock(partitions.firstBlock(p))) await partitions.load(p);
    for (let n = partitions.firstBlock(p); n < partitions.firstBlock(p + 1); n++) {
      const { index } = partitions.get(p)!;
      const separator =
        n === table.blockCount - 1 ? info.lastKey : index.key(n - partitions.firstBlock(p));
      builder.addCopiedBlock(table.storedBlock({ offset: 0, bytes }, n), separator);
    }
    builder.closeCopiedPartition(partitions.get(p)!.filterPayload, partitions.rowCount(p));
  }
  const { rowCount, deleteCount, mergeCount, minSeq, maxSeq, minCreatedAt, maxCreatedAt } =
    properties;
  const known = { rowCount, deleteCount, mergeCount, minSeq, maxSeq, minCreatedAt, maxCreatedAt };
  builder.closeCopy(info.lastKey, { ...known, ...over });
  for (const row of after) builder.add(toRef(row));
  return concatBytes(builder.finish().chunks);
}

test("blocks and filters of another SST become part of a new one", async () => {
  const bytes = await copied({});
  const found: PlainRow[] = [];
  const onRow = (row: Parameters<typeof toPlain>[0]) => void found.push(toPlain(row));
  const info = verifySst(bytes, { object: "sst/x.sst", databaseId, onRow });
  expect(found).toEqual([before, ...rows, ...after]);
  expect(info).toMatchObject({ minSeq: 1, maxSeq: 900, rowCount: 403 });
});

test("seqs and times of copied rows may be bounds, but they have to hold", async () => {
  const verified = async (over: object) => verifySst(await copied(over), { object: "sst/x.sst" });
  const wide = await verified({ minSeq: 0, maxSeq: 5000, minCreatedAt: 0, maxCreatedAt: 2 ** 50 });
  expect(wide).toMatchObject({ minSeq: 0, maxSeq: 5000 });
  await expect(verified({ rowCount: 399 })).rejects.toThrow("rowCount");
  await expect(verified({ deleteCount: 1 })).rejects.toThrow("deleteCount");
  await expect(verified({ mergeCount: 1 })).rejects.toThrow("mergeCount");
});

test("seqs that do not hold are found", async () => {
  const narrow = { minSeq: 300, maxSeq: 300, minCreatedAt: 0, maxCreatedAt: 0 };
  const { tables, info } = await storeSst(rows);
  const table = await tables.open(info);
  const builder = new SstBuilder({ id: "01BX5ZZKBKACTAV9WEVGEMMVRX", databaseId });
  builder.openCopy(info.firstKey);
  const bytes = await table.read(0, info.size, false, new AbortController().signal);
  const { partitions } = table;
  for (let n = 0; n < table.blockCount; n++) {
    builder.addCopiedBlock(
      table.storedBlock({ offset: 0, bytes }, n),
      partitions.get(0)!.index.key(n),
    );
  }
  builder.closeCopiedPartition(partitions.get(0)!.filterPayload, rows.length);
  builder.closeCopy(info.lastKey, { rowCount: 400, deleteCount: 0, mergeCount: 0, ...narrow });
  const built = concatBytes(builder.finish().chunks);
  expect(() => verifySst(built, { object: "sst/x.sst" })).toThrow("minSeq");
});

test("a damaged block is not copied", async () => {
  await expect(
    copied({}, (bytes) => {
      bytes[1000]! ^= 4;
    }),
  ).rejects.toMatchObject({ kind: "corruption" });
});

test("copied partitions are above the rows before them", () => {
  const builder = new SstBuilder({ id: "01BX5ZZKBKACTAV9WEVGEMMVRX", databaseId });
  builder.add(toRef(plainRow("b", 1)));
  expect(() => builder.openCopy(Uint8Array.of(97))).toThrow("broken invariant");
});
