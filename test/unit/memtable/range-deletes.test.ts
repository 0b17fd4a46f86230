/** Range deletes of a MemTable, and those of batches among rows, against plain lists. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { ByteReader } from "../../../src/common/byte-reader.js";
import { ByteWriter } from "../../../src/common/byte-writer.js";
import { compareBytes, keyBytesMax } from "../../../src/common/bytes.js";
import { FragmentedTombstones } from "../../../src/common/fragmented-tombstones.js";
import type { RangeTombstone } from "../../../src/common/range-tombstone.js";
import { OperationKind } from "../../../src/common/row.js";
import { encodeRangeEnd } from "../../../src/format/range-delete-operation.js";
import {
  appendOperation,
  newOperationRef,
  readOperation,
  readRecordHeader,
} from "../../../src/format/wal-record.js";
import { Step } from "../../../src/iterator/row-iterator.js";
import { MemTable, type RecordSlice } from "../../../src/memtable/mem-table.js";
import { RangeDeletes } from "../../../src/memtable/range-deletes.js";
import { expectEqual } from "../../support/expect-equal.js";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const show = ({ start, end, seq }: RangeTombstone): string =>
  `${hex(start)}-${end === undefined ? "" : hex(end)}@${seq}`;

function coverOf(all: readonly RangeTombstone[], key: Uint8Array, seqMax: number): number {
  return all
    .filter(({ seq }) => seq <= seqMax)
    .filter(
      ({ start, end }) =>
        compareBytes(start, key) <= 0 && (end === undefined || compareBytes(key, end) < 0),
    )
    .reduce((max, { seq }) => Math.max(max, seq), 0);
}

const keyArbitrary = fc.uint8Array({ maxLength: 2 }).map((key) => key.map((byte) => byte & 7));
const rangeArbitrary = fc
  .tuple(keyArbitrary, fc.option(keyArbitrary, { nil: undefined, freq: 6 }))
  .filter(([a, b]) => b === undefined || compareBytes(a, b) !== 0)
  .map(([a, b]) =>
    b !== undefined && compareBytes(a, b) > 0 ? { start: b, end: a } : { start: a, end: b },
  );
/** Runs of writes between reads are short and long: a read looks at few one by one, and cuts many. */
const runArbitrary = fc.record({
  ranges: fc.oneof(
    fc.array(rangeArbitrary, { maxLength: 4 }),
    fc.array(rangeArbitrary, { minLength: 14, maxLength: 40 }),
  ),
  gap: fc.nat(2),
  scans: fc.boolean(),
  keys: fc.array(keyArbitrary, { maxLength: 4 }),
});

test("the newest range delete over a key at a seq is found, however many are cut and joined", () => {
  void fc.assert(
    fc.property(fc.array(runArbitrary, { maxLength: 12 }), (runs) => {
      const deletes = new RangeDeletes();
      const model: RangeTombstone[] = [];
      const held: [readonly string[], () => string[]][] = [];
      let seq = 0;
      const seqs = (): number[] => [0, 1, seq >> 1, seq - 1, seq, Number.MAX_SAFE_INTEGER];
      for (const { ranges, gap, scans, keys } of runs) {
        for (const range of ranges) {
          seq += gap;
          model.push({ ...range, seq });
          deletes.add({ ...range, seq });
        }
        for (const key of keys) {
          for (const seqMax of seqs()) {
            // In the middle of a buffer.
            const bytes = Uint8Array.from([9, ...key, 9]);
            const found = deletes.coverSeq(bytes, 1, 1 + key.length, seqMax);
            expect(found).toBe(coverOf(model, key, seqMax));
          }
        }
        if (scans) {
          const parts = deletes.fragmented();
          held.push([
            model.map(show),
            () => parts.flatMap((part) => [...part.tombstones()].map(show)),
          ]);
        }
        expect(deletes.count).toBe(model.length);
        expectEqual(deletes.all().map(show), model.map(show));
      }
      for (const [expected, actual] of held) expectEqual(actual().sort(), [...expected].sort());
    }),
    { numRuns: 150 },
  );
});

test("a scan after each of many finds few parts", () => {
  const deletes = new RangeDeletes();
  let parts = 0;
  for (let seq = 1; seq <= 500; seq++) {
    for (let i = seq % 7; i >= 0; i--) {
      deletes.add({ start: Uint8Array.of(1), end: Uint8Array.of(2, seq & 255), seq });
    }
    parts = Math.max(parts, deletes.fragmented().length);
  }
  expect(deletes.count).toBe(1997);
  expect(parts).toBeLessThanOrEqual(11);
});

test("portions have each once, in order, as they were when the first was asked for", () => {
  const start = (i: number): Uint8Array =>
    Uint8Array.of((i * 7) & 255, i >> 8, i & 255, ...new Uint8Array(i % 900 === 0 ? 60_000 : 0));
  const of = (i: number): RangeTombstone => ({
    start: start(i),
    end: i % 5 === 0 ? undefined : Uint8Array.of(...start(i), 1),
    seq: i + 1,
  });
  for (const readAt of [0, 5000, 19_000]) {
    const deletes = new RangeDeletes();
    const count = 20_000;
    for (let i = 0; i < count; i++) {
      if (i === readAt) deletes.fragmented();
      deletes.add(of(i));
    }
    const found: RangeTombstone[] = [];
    let portions = 0;
    for (const columns of deletes.portions()) {
      // Neither a read nor a write in between changes what comes.
      if (portions++ % 2 === 0) deletes.fragmented();
      else deletes.add({ ...of(1), seq: count + portions });
      found.push(...new FragmentedTombstones(columns).tombstones());
      expect(columns.seqs.length).toBeLessThanOrEqual(Math.max(4096, readAt));
    }
    expect(portions).toBeGreaterThan(readAt === 19_000 ? 1 : 4);
    expectEqual(
      found.map(show),
      Array.from({ length: count }, (_, i) => show(of(i))),
    );
  }
});

test("a range delete between the longest keys has all of their bytes", () => {
  const deletes = new RangeDeletes();
  const longest = (last: number): Uint8Array => new Uint8Array(keyBytesMax).fill(last, -1);
  const range = { start: longest(3), end: longest(5), seq: 7 };
  deletes.add(range);
  expectEqual(deletes.all().map(show), [show(range)]);
  const seqs = [2, 3, 4, 5].map((last) => deletes.coverSeq(longest(last), 0, keyBytesMax, 9));
  expectEqual(seqs, [0, 7, 7, 0]);
});

interface Operation {
  readonly kind: OperationKind;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly expiresAt: number;
}

const operationArbitrary: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom(OperationKind.put, OperationKind.merge),
      key: keyArbitrary,
      value: fc.uint8Array({ maxLength: 50 }),
      expiresAt: fc.constantFrom(0, 1_900_000_000_000),
    }),
  },
  keyArbitrary.map((key) => {
    return { kind: OperationKind.delete, key, value: new Uint8Array(0), expiresAt: 0 };
  }),
  rangeArbitrary.map(({ start, end }) => {
    return {
      kind: OperationKind.rangeDelete,
      key: start,
      value: encodeRangeEnd(end),
      expiresAt: 0,
    };
  }),
);
const batchesArbitrary = fc.array(
  fc.record({
    operations: fc.array(operationArbitrary, { minLength: 1, maxLength: 8 }),
    asBatch: fc.boolean(),
    reads: fc.boolean(),
  }),
  { minLength: 1, maxLength: 30 },
);

function apply(
  table: MemTable,
  seq: number,
  operations: readonly Operation[],
  asBatch: boolean,
): RecordSlice {
  if (!asBatch && operations.length === 1) {
    const { kind, key, value, expiresAt } = operations[0]!;
    return table.applyOne(seq, 1000, kind, key, value, expiresAt);
  }
  const writer = new ByteWriter();
  for (const { kind, key, value, expiresAt } of operations) {
    appendOperation(writer, kind, key, value, expiresAt, 0);
  }
  return table.applyBatch(seq, 1000, [writer.view()], operations.length);
}

const isRange = ({ kind }: Operation): boolean => kind === OperationKind.rangeDelete;
const showOperation = ({ kind, key, value, expiresAt }: Operation): string =>
  `${kind} ${hex(key)} ${hex(value)} ${expiresAt}`;

/** What is left in the record: range deletes, and of each key the last operation. */
function kept(operations: readonly Operation[]): Operation[] {
  const keys = operations.map((one) => (isRange(one) ? "" : `key ${hex(one.key)}`));
  return operations.filter((one, i) => isRange(one) || keys.lastIndexOf(keys[i]!) === i);
}

function operationsOf({ chunk, start, end }: RecordSlice): string[] {
  const reader = new ByteReader(chunk, "record", 0, start, end);
  const { count } = readRecordHeader(reader);
  const ref = newOperationRef();
  const operations = Array.from({ length: count }, () => {
    readOperation(reader, ref);
    const { kind, keyStart, keyLength, valueLength, expiresAt } = ref;
    const valueStart = keyStart + keyLength;
    const key = chunk.subarray(keyStart, valueStart);
    const value = chunk.subarray(valueStart, valueStart + valueLength);
    return showOperation({ kind, key, value, expiresAt });
  });
  expect(reader.remaining).toBe(0);
  return operations;
}

function rowsOf(table: MemTable): string[] {
  const rows = table.iterator(false);
  const seen: string[] = [];
  while (rows.step() === Step.row) {
    const { row } = rows;
    const { kind, seq, expiresAt } = row;
    seen.push(`${showOperation({ kind, key: row.key(), value: row.value(), expiresAt })} @${seq}`);
  }
  return seen;
}

const rangesOf = (table: MemTable): string[] => table.rangeDeletes?.all().map(show) ?? [];

test("batches of all kinds: rows, range deletes and records are what the batches say, and replay gives the same", () => {
  void fc.assert(
    fc.property(batchesArbitrary, (batches) => {
      const table = new MemTable();
      const slices: RecordSlice[] = [];
      const rows: { key: Uint8Array; seq: number; text: string }[] = [];
      const ranges: string[] = [];
      for (const [i, { operations, asBatch, reads }] of batches.entries()) {
        const seq = i + 1;
        const slice = apply(table, seq, operations, asBatch);
        slices.push(slice);
        for (const operation of kept(operations)) {
          const { key, value } = operation;
          if (isRange(operation)) {
            const end = value[0] === 0 ? undefined : value.subarray(1);
            ranges.push(show({ start: key, end, seq }));
          } else rows.push({ key, seq, text: `${showOperation(operation)} @${seq}` });
        }
        expectEqual(operationsOf(slice), kept(operations).map(showOperation));
        expect(table.isEmpty).toBe(false);
        if (!reads) continue;
        table.rangeDeletes?.fragmented();
        table.iterator(true).close();
      }
      rows.sort((a, b) => compareBytes(a.key, b.key) || b.seq - a.seq);
      expectEqual(
        rowsOf(table),
        rows.map(({ text }) => text),
      );
      expectEqual(rangesOf(table), ranges);
      expect(table.rowCount + ranges.length).toBeGreaterThanOrEqual(rows.length + ranges.length);
      expectEqual([table.firstSeq, table.lastSeq], [1, batches.length]);

      const bytes = Buffer.concat(slices.map((one) => one.chunk.subarray(one.start, one.end)));
      const replayed = new MemTable();
      replayed.applyRecords(bytes, 0, bytes.length, slices.length, 0, "object");
      expectEqual(rowsOf(replayed), rowsOf(table));
      expectEqual(rangesOf(replayed), ranges);
    }),
    { numRuns: 200 },
  );
});

test("a table of range deletes alone is not empty, and its memory counts", () => {
  const table = new MemTable();
  expectEqual([table.isEmpty, table.bytes, table.rangeDeletes], [true, 0, undefined]);
  const key = new Uint8Array(1000);
  for (let seq = 1; seq <= 100; seq++) {
    const end = encodeRangeEnd(Uint8Array.of(1, seq));
    table.applyOne(seq, 0, OperationKind.rangeDelete, key, end, 0);
    expect(table.bytes).toBeGreaterThan(seq * (key.length + 100));
  }
  expectEqual([table.isEmpty, table.rowCount, table.rangeDeletes?.count], [false, 0, 100]);
  expectEqual([table.firstSeq, table.lastSeq], [1, 100]);
  const before = table.bytes;
  table.rangeDeletes?.fragmented();
  expect(table.bytes).toBeGreaterThan(before);
  expect(table.bytes).toBeLessThan(1_000_000);
  expectEqual(rowsOf(table), []);
});

test("a range delete of two keys of 16 bytes takes at most 100 bytes of a table that nobody reads, its record included", () => {
  const table = new MemTable();
  const batchCount = 300;
  const perBatch = 1000;
  // What a table takes before: columns and an index for the first rows.
  const emptyTableBytes = 16_384;
  let most = 0;
  for (let seq = 1; seq <= batchCount; seq++) {
    const writer = new ByteWriter();
    for (let i = 0; i < perBatch; i++) {
      const start = Buffer.from(`${String(seq).padStart(8, "0")}${String(i).padStart(8, "0")}`);
      const end = encodeRangeEnd(Buffer.concat([start.subarray(0, 15), Buffer.from("~")]));
      appendOperation(writer, OperationKind.rangeDelete, start, end, 0, 0);
    }
    table.applyBatch(seq, 1000, [writer.view()], perBatch);
    const count = seq * perBatch;
    expect(table.rangeDeletes?.count).toBe(count);
    // Earlier, the arena counts chunks that are not full.
    if (count > 60_000) most = Math.max(most, (table.bytes - emptyTableBytes) / count);
  }
  expect(most).toBeLessThan(100);
  // The record alone takes 36; less would say that something is not counted.
  expect(most).toBeGreaterThan(36 + 20);
  const last = table.rangeDeletes!.at(batchCount * perBatch - 1);
  expect(Buffer.from(last.start).toString()).toBe("0000030000000999");
  expect(Buffer.from(last.end!).toString()).toBe("000003000000099~");
  expect(last.seq).toBe(batchCount);
});

test("views of range deletes stay as they are while more are added", () => {
  const deletes = new RangeDeletes();
  const range = (i: number): RangeTombstone => ({
    start: Buffer.from(`key ${i}`),
    end: i % 3 === 0 ? undefined : Buffer.from(`key ${i}~`),
    seq: i,
  });
  const held: (readonly RangeTombstone[])[] = [];
  for (let i = 1; i <= 3000; i++) {
    deletes.add(range(i));
    if (i % 500 === 0) held.push(deletes.all());
  }
  for (const [i, all] of held.entries()) {
    const expected = Array.from({ length: (i + 1) * 500 }, (_, at) => show(range(at + 1)));
    expectEqual(all.map(show), expected);
  }
});

test("a range delete that no version writes is damage", () => {
  const refuse = (value: readonly number[], expiresAt = 0, key = [5]): RegExp | string => {
    const writer = new ByteWriter();
    const bytes = Uint8Array.from(value);
    appendOperation(writer, OperationKind.rangeDelete, Uint8Array.from(key), bytes, expiresAt, 0);
    try {
      readOperation(new ByteReader(writer.view(), "object"), newOperationRef());
      return "fine";
    } catch (error) {
      return (error as Error).message;
    }
  };
  expect(refuse([0])).toBe("fine");
  expect(refuse([1, 6])).toBe("fine");
  expect(refuse([1, 5, 0])).toBe("fine");
  expect(refuse([1, ...new Uint8Array(65_535).fill(6)])).toBe("fine");
  expect(refuse([])).toMatch(/without a value/);
  expect(refuse([0, 6])).toMatch(/without an end that has bytes/);
  expect(refuse([2, 6])).toMatch(/flag 2/);
  expect(refuse([1])).toMatch(/does not end above its start/);
  expect(refuse([1], 0, [])).toMatch(/does not end above its start/);
  expect(refuse([1, 5])).toMatch(/does not end above its start/);
  expect(refuse([1, 4])).toMatch(/does not end above its start/);
  expect(refuse([1, 6], 7)).toMatch(/that expires/);
  expect(refuse([1, ...new Uint8Array(65_536).fill(6)])).toMatch(/65536 bytes/);
});
