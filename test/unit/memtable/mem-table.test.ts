/** The MemTable against the plainest model: a list of versions, searched and sorted anew each time. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { ByteReader } from "../../../src/common/byte-reader.js";
import { ByteWriter } from "../../../src/common/byte-writer.js";
import { compareBytes } from "../../../src/common/bytes.js";
import { RowKind, RowRef } from "../../../src/common/row.js";
import {
  appendOperation,
  newOperationRef,
  readOperation,
  readRecordHeader,
  recordHeaderBytes,
  writeRecordHeader,
} from "../../../src/format/wal-record.js";
import { type RowIterator, Step } from "../../../src/iterator/row-iterator.js";
import { MemTable, type RecordSlice } from "../../../src/memtable/mem-table.js";
import { expectEqual } from "../../support/expect-equal.js";
import { sampled } from "../../support/run-counts.js";

interface Version {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly kind: RowKind;
  readonly seq: number;
  readonly expiresAt: number;
}
type Operation = Omit<Version, "seq">;

/** The last operation of a key in a batch wins. */
class ModelTable {
  versions: Version[] = [];

  apply(seq: number, operations: readonly Operation[]): void {
    for (const operation of operations) {
      this.versions = this.versions.filter(
        ({ seq: other, key }) => other !== seq || compareBytes(key, operation.key) !== 0,
      );
      this.versions.push({ ...operation, seq });
    }
  }

  find(key: Uint8Array, seqMax: number): Version | undefined {
    return this.inOrder(false).find(
      (version) => compareBytes(version.key, key) === 0 && version.seq <= seqMax,
    );
  }

  inOrder(reverse: boolean): Version[] {
    const sorted = [...this.versions].sort((a, b) => compareBytes(a.key, b.key) || b.seq - a.seq);
    return reverse ? sorted.reverse() : sorted;
  }
}

function apply(
  table: MemTable,
  seq: number,
  operations: readonly Operation[],
  asBatch: boolean,
): RecordSlice {
  const [first] = operations;
  if (!asBatch && operations.length === 1) {
    const { kind, key, value, expiresAt } = first!;
    return table.applyOne(seq, 1000 + seq, kind, key, value, expiresAt);
  }
  const writer = new ByteWriter();
  for (const { kind, key, value, expiresAt } of operations) {
    appendOperation(writer, kind, key, value, expiresAt, 0);
  }
  return table.applyBatch(seq, 1000 + seq, [writer.view()], operations.length);
}

const show = ({ key, seq, kind, value, expiresAt }: Version): string =>
  `${Buffer.from(key).toString("hex")}@${seq} ${kind} ${Buffer.from(value).toString("hex")} ${expiresAt}`;
const showRow = (row: RowRef): string =>
  show({
    key: row.key(),
    value: row.value(),
    kind: row.kind,
    seq: row.seq,
    expiresAt: row.expiresAt,
  });

function drain(rows: RowIterator, max = Number.POSITIVE_INFINITY): string[] {
  const seen: string[] = [];
  while (seen.length < max && rows.step() === Step.row) seen.push(showRow(rows.row));
  return seen;
}

const keyArbitrary = fc.oneof(
  fc.uint8Array({ maxLength: 2 }).map((key) => key.map((byte) => byte & 3)),
  fc
    .tuple(fc.nat(2), fc.nat(3))
    .map(([a, b]) => Uint8Array.of(1, 1, 1, 1, 1, 1, 1, a, ...Array(b).fill(0))),
  fc.nat(3).map((byte) => new Uint8Array(12).fill(byte)),
);
const operationArbitrary: fc.Arbitrary<Operation> = fc
  .record({
    key: keyArbitrary,
    value: fc.uint8Array({ maxLength: 50 }),
    kind: fc.constantFrom(RowKind.put, RowKind.put, RowKind.delete),
    expiresAt: fc.constantFrom(0, 0, 5, 1_900_000_000_000),
  })
  .map((operation) =>
    operation.kind === RowKind.delete ? { ...operation, value: new Uint8Array(0) } : operation,
  );
const batchesArbitrary = fc.array(
  fc.record({
    operations: fc.array(operationArbitrary, { minLength: 1, maxLength: 8 }),
    asBatch: fc.boolean(),
    gap: fc.integer({ min: 1, max: 3 }),
    /** Sorting happens at odd moments. */
    scansBefore: fc.boolean(),
  }),
  { minLength: 1, maxLength: 40 },
);

test("it finds every version at every seq, and gives all of them in order, both ways", () => {
  void fc.assert(
    fc.property(batchesArbitrary, fc.array(keyArbitrary, { maxLength: 5 }), (batches, seeks) => {
      const table = new MemTable();
      const model = new ModelTable();
      let seq = 0;
      for (const { operations, asBatch, gap, scansBefore } of batches) {
        if (scansBefore) table.iterator(false).close();
        seq += gap;
        apply(table, seq, operations, asBatch);
        model.apply(seq, operations);
      }
      expectEqual([table.firstSeq, table.lastSeq], [batches[0]!.gap, seq]);
      const row = new RowRef();
      const keys = [...model.versions.map((version) => version.key), ...seeks];
      for (const key of keys) {
        for (const seqMax of [0, 1, Math.floor(seq / 2), seq - 1, seq, Number.MAX_SAFE_INTEGER]) {
          const expected = model.find(key, seqMax);
          const found = table.get(key, seqMax, row);
          expect(found && showRow(row)).toBe(expected !== undefined && show(expected));
          if (found) expect(row.createdAt).toBe(1000 + row.seq);
        }
      }
      for (const reverse of [false, true]) {
        const expected = model.inOrder(reverse);
        const rows = table.iterator(reverse);
        expectEqual(drain(rows), expected.map(show));
        for (const key of keys) {
          rows.seek(key);
          const rest = expected.filter((version) => {
            const order = compareBytes(version.key, key);
            return reverse ? order <= 0 : order >= 0;
          });
          expectEqual(drain(rows, 3), rest.slice(0, 3).map(show));
        }
      }
    }),
    { numRuns: sampled(150) },
  );
});

/** The keys of a record's operations, as they stand in it. */
function keysOf({ chunk, start, end }: RecordSlice): string[] {
  const reader = new ByteReader(chunk, "record", 0, start, end);
  const { count, bodyBytes } = readRecordHeader(reader);
  expect(bodyBytes).toBe(end - reader.offset);
  const operation = newOperationRef();
  const keys = Array.from({ length: count }, () => {
    readOperation(reader, operation);
    const { keyStart, keyLength } = operation;
    return Buffer.from(chunk.subarray(keyStart, keyStart + keyLength)).toString("hex");
  });
  expect(reader.remaining).toBe(0);
  return keys;
}

test("a record has one operation for each key, in the order of those that count, and replays as it was applied", () => {
  void fc.assert(
    fc.property(batchesArbitrary, (batches) => {
      const table = new MemTable();
      const slices: RecordSlice[] = [];
      let seq = 0;
      for (const { operations, asBatch, scansBefore } of batches) {
        if (scansBefore) table.iterator(false).close();
        const slice = apply(table, ++seq, operations, asBatch);
        const keys = operations.map(({ key }) => Buffer.from(key).toString("hex"));
        expectEqual(
          keysOf(slice),
          keys.filter((key, i) => keys.lastIndexOf(key) === i),
        );
        slices.push(slice);
      }
      const bytes = Buffer.concat(
        slices.map(({ chunk, start, end }) => chunk.subarray(start, end)),
      );
      const replayed = new MemTable();
      replayed.applyRecords(bytes, 0, bytes.length, slices.length, 0, "object");
      expectEqual(drain(replayed.iterator(false)), drain(table.iterator(false)));
    }),
    { numRuns: sampled(150) },
  );
});

test("an iterator sees the table as it was, whatever is written meanwhile", () => {
  void fc.assert(
    fc.property(batchesArbitrary, batchesArbitrary, fc.boolean(), (before, after, reverse) => {
      const table = new MemTable();
      const model = new ModelTable();
      let seq = 0;
      for (const { operations } of before) {
        apply(table, ++seq, operations, true);
        model.apply(seq, operations);
      }
      const rows = table.iterator(reverse);
      const seen: string[] = [];
      for (const { operations, scansBefore } of after) {
        seen.push(...drain(rows, 2));
        apply(table, ++seq, operations, true);
        if (scansBefore) table.iterator(!reverse).close();
      }
      seen.push(...drain(rows));
      expectEqual(seen, model.inOrder(reverse).map(show));
    }),
    { numRuns: sampled(100) },
  );
});

test("thousands of versions of thousands of keys are found, through every growth and merge", () => {
  const table = new MemTable();
  const count = 20_000;
  const keyOf = (i: number): Uint8Array => Uint8Array.from(Buffer.from(`key ${(i * 7919) % 5000}`));
  for (let i = 0; i < count; i++) {
    table.applyOne(i + 1, 0, RowKind.put, keyOf(i), Uint8Array.of(i & 255, i >> 8), 0);
  }
  expect(table.rowCount).toBe(count);
  const row = new RowRef();
  for (let i = 0; i < count; i += 37) {
    expectEqual(table.get(keyOf(i), i + 1, row) && [row.seq, ...row.value()], [
      i + 1,
      i & 255,
      i >> 8,
    ]);
  }
  const rows = table.iterator(false);
  let previous: { key: Uint8Array; seq: number } | undefined;
  let seen = 0;
  for (; rows.step() === Step.row; seen++) {
    const key = Uint8Array.from(rows.row.key());
    const order =
      previous === undefined ? 1 : compareBytes(key, previous.key) || previous.seq - rows.row.seq;
    expect(order).toBeGreaterThan(0);
    previous = { key, seq: rows.row.seq };
  }
  expect(seen).toBe(count);
});

test("what it says of its memory covers what it holds, and an empty one holds none", () => {
  const table = new MemTable();
  expectEqual([table.bytes, table.rowCount, table.firstSeq, table.lastSeq], [0, 0, 0, 0]);
  for (let i = 0; i < 100; i++) {
    table.applyOne(i + 1, 0, RowKind.put, Uint8Array.of(i), new Uint8Array(10_000), 0);
    expect(table.bytes).toBeGreaterThan((i + 1) * 10_000);
  }
  expect(table.bytes).toBeLessThan(3 * 100 * 10_000);
});

test("a stored record that has a key twice gives its last operation", () => {
  const writer = new ByteWriter();
  const key = Uint8Array.of(1);
  for (const value of [7, 8, 9]) {
    appendOperation(writer, RowKind.put, key, Uint8Array.of(value), 0, 0);
  }
  const header = new Uint8Array(recordHeaderBytes);
  const operations = writer.view();
  const record = { operationBytes: operations.length, seq: 4, createdAt: 5, operationCount: 3 };
  writeRecordHeader(header, 0, record);
  const bytes = Buffer.concat([header, operations]);
  const table = new MemTable();
  table.applyRecords(bytes, 0, bytes.length, 1, 0, "object");
  expectEqual(drain(table.iterator(false)), ["01@4 1 09 0"]);
});

test("an operation with a flag that is not known is refused", () => {
  const writer = new ByteWriter();
  appendOperation(writer, RowKind.put, Uint8Array.of(1), Uint8Array.of(2), 0, 0);
  writer.bytes[0] = RowKind.put | 0x20;
  const reader = new ByteReader(writer.view(), "object");
  expect(() => readOperation(reader, newOperationRef())).toThrow(/kind 33/);
});

test("records of a WAL object are added above a seq only, and are the caller's bytes", () => {
  const source = new MemTable();
  const slices = [1, 2, 3].map((seq) =>
    source.applyOne(seq, 0, RowKind.put, Uint8Array.of(seq), Uint8Array.of(seq), 0),
  );
  const bytes = Buffer.concat(slices.map(({ chunk, start, end }) => chunk.subarray(start, end)));
  const table = new MemTable();
  expect(table.applyRecords(bytes, 0, bytes.length, 3, 1, "object")).toBe(2);
  expectEqual([table.firstSeq, table.lastSeq, table.rowCount], [2, 3, 2]);
  const row = new RowRef();
  expect(table.get(Uint8Array.of(1), 9, row)).toBe(false);
  expect(table.get(Uint8Array.of(3), 9, row)).toBe(true);
  expect(row.valueBytes).toBe(bytes);
  expect(new MemTable().applyRecords(bytes, 0, bytes.length, 3, 3, "object")).toBe(0);
});
