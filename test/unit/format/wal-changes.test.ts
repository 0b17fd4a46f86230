import fc from "fast-check";
import { expect, test } from "vitest";
import { ByteWriter } from "../../../src/common/byte-writer.js";
import { MoraineError } from "../../../src/common/errors.js";
import { RowKind } from "../../../src/common/row.js";
import { encodeLoadRecord } from "../../../src/format/load-record.js";
import { storedChanges } from "../../../src/format/wal-changes.js";
import {
  decodeWalObject,
  encodeWalFence,
  encodeWalGroup,
  peekBytes,
  peekFirstSeq,
} from "../../../src/format/wal-object.js";
import {
  appendOperation,
  recordHeaderBytes,
  writeRecordHeader,
} from "../../../src/format/wal-record.js";

const databaseId = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

const bytes = (maxLength: number): fc.Arbitrary<Uint8Array<ArrayBuffer>> =>
  fc.uint8Array({ maxLength }).map((array) => Uint8Array.from(array));
const operation = fc.oneof(
  fc.record({
    kind: fc.constantFrom(RowKind.put, RowKind.merge),
    key: bytes(6),
    value: bytes(60),
    expiresAt: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 2 ** 50 })),
    operatorId: fc.integer({ min: 1, max: 9 }),
  }),
  fc.record({
    kind: fc.constant(RowKind.delete),
    key: bytes(6),
    value: fc.constant(new Uint8Array(0)),
    expiresAt: fc.constant(0),
    operatorId: fc.constant(0),
  }),
);
const record = fc.oneof(
  { weight: 4, arbitrary: fc.array(operation, { minLength: 1, maxLength: 5 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 3 }) },
);

type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

function encodeBatch(seq: number, operations: readonly Operation[]): Uint8Array {
  const writer = new ByteWriter(64);
  for (const { kind, key, value, expiresAt, operatorId } of operations) {
    appendOperation(writer, kind, key, value, expiresAt, operatorId);
  }
  const body = writer.view();
  const encoded = new Uint8Array(recordHeaderBytes + body.length);
  const header = {
    operationBytes: body.length,
    seq,
    createdAt: seq * 10,
    operationCount: operations.length,
  };
  encoded.set(body, writeRecordHeader(encoded, 0, header));
  return encoded;
}

const sst = (index: number): object => ({
  id: `01ARZ3NDEKTSV4RRFFQ69G${String(index).padStart(4, "0")}`,
  size: 100,
  metaOffset: 10,
  topOffset: 20,
  firstKey: Uint8Array.of(1),
  lastKey: Uint8Array.of(2),
  minSeq: 0,
  maxSeq: 0,
  rowCount: 3,
  deleteCount: 0,
  maxExpiresAt: 0,
  rangeDeletesOffset: 0,
  rangeDeletes: [],
  seq: 0,
  shadowedCount: 0,
  expiringCount: 0,
  owner: "",
});

test("every batch and every entry of a load is given once, and from each position on", () => {
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 6 }), fc.nat(20), (parts, gap) => {
      const records: Uint8Array[] = [];
      const expected: { seq: number; operations: readonly Operation[] | undefined }[] = [];
      let seq = gap;
      for (const part of parts) {
        if (typeof part === "number") {
          const entries = Array.from({ length: part }, (_, i) => ({
            ssts: [sst(seq + i)],
            seq: seq + 1 + i,
          }));
          records.push(encodeLoadRecord(entries as never, 7));
          for (let i = 0; i < part; i++) expected.push({ seq: ++seq, operations: undefined });
        } else {
          records.push(encodeBatch(++seq, part));
          expected.push({ seq, operations: part });
        }
      }
      const object = encodeWalGroup(databaseId, {
        ...{ epoch: 1, id: 1, token: new Uint8Array(16), records, recordCount: records.length },
        ...{ firstSeq: gap + 1, lastSeq: seq },
      });
      expect(peekFirstSeq(object.subarray(0, peekBytes), "w")).toBe(gap + 1);
      const decoded = decodeWalObject(object, "w", databaseId, { epoch: 1, id: 1 });
      for (let from = 0; from <= seq; from++) {
        const changes = [...storedChanges(decoded, "w", from)];
        expect(changes.map((change) => change.seq)).toEqual(
          expected.filter((change) => change.seq > from).map((change) => change.seq),
        );
        for (const { seq: at, operations, loaded } of changes) {
          const wanted = expected.find((change) => change.seq === at)!.operations;
          if (wanted === undefined) expect(loaded?.seq).toBe(at);
          else {
            expect(loaded).toBeUndefined();
            expect(operations).toEqual(
              wanted.map((one) => (one.kind === RowKind.merge ? one : { ...one, operatorId: 0 })),
            );
          }
        }
      }
    }),
  );
});

test("changes keep nothing of the object that they were read from", () => {
  const object = encodeWalGroup(databaseId, {
    ...{ epoch: 1, id: 1, token: new Uint8Array(16), firstSeq: 1, lastSeq: 1, recordCount: 1 },
    records: [
      encodeBatch(1, [
        {
          kind: RowKind.put,
          key: Uint8Array.of(1),
          value: Uint8Array.of(2),
          expiresAt: 0,
          operatorId: 0,
        },
      ]),
    ],
  });
  const decoded = decodeWalObject(object, "w", databaseId, { epoch: 1, id: 1 });
  const [change] = [...storedChanges(decoded, "w", 0)];
  object.fill(0);
  expect(change!.operations[0]!.key).toEqual(Uint8Array.of(1));
  expect(change!.operations[0]!.value).toEqual(Uint8Array.of(2));
});

test("the first seq of a fence is 0, and an end inside the header is damage", () => {
  const fence = encodeWalFence(databaseId, {
    epoch: 1,
    id: 1,
    token: new Uint8Array(16),
    closerEpoch: 2,
  });
  expect(peekFirstSeq(fence.subarray(0, peekBytes), "w")).toBe(0);
  expect(() => peekFirstSeq(fence.subarray(0, peekBytes - 1), "w")).toThrow("damaged");
});

test("operations that do not fill their record are damage, never changes", () => {
  const whole = encodeBatch(1, [
    {
      kind: RowKind.put,
      key: Uint8Array.of(1),
      value: Uint8Array.of(2),
      expiresAt: 0,
      operatorId: 0,
    },
  ]);
  fc.assert(
    fc.property(
      fc.integer({ min: recordHeaderBytes, max: whole.length - 1 }),
      fc.nat(255),
      (at, value) => {
        const damaged = whole.slice();
        damaged[at] = value;
        const object = encodeWalGroup(databaseId, {
          ...{
            epoch: 1,
            id: 1,
            token: new Uint8Array(16),
            firstSeq: 1,
            lastSeq: 1,
            recordCount: 1,
          },
          records: [damaged],
        });
        const decoded = decodeWalObject(object, "w", databaseId, { epoch: 1, id: 1 });
        try {
          for (const { operations } of storedChanges(decoded, "w", 0)) {
            expect(operations).toHaveLength(1);
          }
        } catch (error) {
          if (!(error instanceof MoraineError)) throw error;
          expect(["corruption", "unsupported"]).toContain(error.kind);
        }
      },
    ),
  );
});
