/** WAL objects that no version of Moraine, or only a later one, would write: an error that names them, and never an answer. */
import { describe, expect, test } from "vitest";
import { ByteWriter } from "../../../src/common/byte-writer.js";
import { encodeUtf8 } from "../../../src/common/bytes.js";
import { OperationKind } from "../../../src/common/row.js";
import type { L0Entry, SstInfo } from "../../../src/format/manifest.js";
import { decodeManifest, encodeLoadEntries } from "../../../src/format/manifest-codec.js";
import { encodeWalGroup } from "../../../src/format/wal-object.js";
import { appendOperation, RecordType } from "../../../src/format/wal-record.js";
import { Db, DbReader } from "../../../src/index.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import { MemoryObjectStore } from "../../../src/testing/index.js";
import { ulid } from "../manifest/manifests.js";

interface RecordLike {
  type?: number;
  seq: number;
  operationBytes?: number;
  operationCount?: number;
  operations: Uint8Array;
}

function record({ type, seq, operationBytes, operationCount, operations }: RecordLike): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(type ?? RecordType.batch);
  writer.u32(operationBytes ?? operations.length);
  writer.u64(seq);
  writer.u64(1_700_000_000_000);
  writer.u32(operationCount ?? 1);
  writer.raw(operations);
  return writer.copy();
}

function rangeDelete(start: string, value: readonly number[], expiresAt = 0): Uint8Array {
  const writer = new ByteWriter();
  const key = encodeUtf8(start);
  appendOperation(writer, OperationKind.rangeDelete, key, Uint8Array.from(value), expiresAt, 0);
  return writer.copy();
}

function put(key: string, value: string): Uint8Array {
  const writer = new ByteWriter();
  appendOperation(writer, OperationKind.put, encodeUtf8(key), encodeUtf8(value), 0, 0);
  return writer.copy();
}

/** A database of a dead writer with seq 1 in its log, then an object with these records, then a good one. */
async function withRecords(
  records: readonly Uint8Array[],
  header: { firstSeq?: number; lastSeq?: number; recordCount?: number } = {},
): Promise<MemoryObjectStore> {
  const store = new MemoryObjectStore();
  const db = await Db.open({ store, path: "db" });
  await db.put("good", "1");
  const name = `db/${ObjectPaths.manifest(1)}`;
  const { databaseId } = decodeManifest((await store.get(name))!.bytes, name, 1);
  const group = (id: number, seq: number, groupRecords: readonly Uint8Array[], over = {}) =>
    store.create(
      `db/${ObjectPaths.wal(1, id)}`,
      encodeWalGroup(databaseId, {
        ...{ epoch: 1, id, token: new Uint8Array(16), firstSeq: seq, lastSeq: seq },
        ...{ recordCount: groupRecords.length, records: groupRecords, ...over },
      }),
    );
  await group(2, 2, records, header);
  await group(3, 5, [record({ seq: 5, operations: put("later", "x") })]);
  return store;
}

const sst = (number: number, first: string, last: string, over: object = {}): SstInfo => ({
  ...{ id: ulid(number), size: 1000, metaOffset: 500, topOffset: 600, minSeq: 0, maxSeq: 0 },
  ...{
    rowCount: 1,
    deleteCount: 0,
    maxExpiresAt: 0,
    rangeDeletesOffset: 0,
    rangeDeletes: [],
    seq: 0,
    shadowedCount: 0,
    expiringCount: 0,
    owner: "",
  },
  ...{ firstKey: encodeUtf8(first), lastKey: encodeUtf8(last), ...over },
});

/** A load record with seqs up to `seq`. */
const load = (
  entries: readonly L0Entry[],
  seq: number,
  over: Partial<RecordLike> = {},
): Uint8Array =>
  record({
    ...{ type: RecordType.load, seq, operationCount: entries.length },
    ...{ operations: encodeLoadEntries(entries), ...over },
  });

const good = { ssts: [sst(1, "a", "b"), sst(2, "c", "d")], seq: 2 };
const oneSst = (over: object): Uint8Array[] => [
  load([{ ssts: [sst(1, "a", "b", over)], seq: 2 }], 2),
];
const twoSeqs = { firstSeq: 2, lastSeq: 3 };

const hostileLoads: [string, string, readonly Uint8Array[], object?][] = [
  ["no entry", "corruption", [load([], 2)]],
  ["no entry, and a count of one", "corruption", [load([], 2, { operationCount: 1 })]],
  ["fewer entries than it says", "corruption", [load([good], 3, { operationCount: 2 })], twoSeqs],
  [
    "more entries than it says",
    "corruption",
    [load([good, { ssts: [sst(3, "a", "b")], seq: 3 }], 2, { operationCount: 1 })],
  ],
  ["more entries than seqs", "corruption", [load([good], 2, { operationCount: 3 })]],
  ["an entry without an SST", "corruption", [load([{ ssts: [], seq: 2 }], 2)]],
  ["an entry of another seq", "corruption", [load([{ ...good, seq: 7 }], 2)]],
  ["an entry without a seq", "corruption", [load([{ ...good, seq: 0 }], 2)]],
  [
    "entries whose seqs do not ascend",
    "corruption",
    [
      load(
        [
          { ...good, seq: 3 },
          { ssts: [sst(3, "a", "b")], seq: 2 },
        ],
        3,
      ),
    ],
    twoSeqs,
  ],
  [
    "SSTs that overlap",
    "corruption",
    [load([{ ssts: [sst(1, "a", "c"), sst(2, "c", "d")], seq: 2 }], 2)],
  ],
  [
    "SSTs out of order",
    "corruption",
    [load([{ ssts: [sst(1, "c", "d"), sst(2, "a", "b")], seq: 2 }], 2)],
  ],
  ["one SST twice", "corruption", [load([good, { ssts: [sst(1, "a", "b")], seq: 3 }], 3)], twoSeqs],
  ["rows that carry a seq", "corruption", oneSst({ minSeq: 1, maxSeq: 2 })],
  ["an SST that ends before it begins", "corruption", oneSst({ firstKey: encodeUtf8("x") })],
  ["an SST smaller than its parts", "corruption", oneSst({ size: 10 })],
  [
    "a body that is no protobuf",
    "corruption",
    [load([good], 2, { operations: new Uint8Array(50).fill(255) })],
  ],
  ["no body", "corruption", [load([good], 2, { operations: new Uint8Array(0) })]],
  [
    "a body that is cut off",
    "corruption",
    [load([good], 2, { operations: encodeLoadEntries([good]).slice(0, -9) })],
  ],
  [
    "a body that is longer than the object",
    "corruption",
    [load([good], 2, { operationBytes: 2 ** 32 - 1 })],
  ],
  [
    "a batch after it with one of its seqs",
    "corruption",
    [
      load([good, { ssts: [sst(3, "a", "b")], seq: 3 }], 3),
      record({ seq: 3, operations: put("a", "b") }),
    ],
    twoSeqs,
  ],
];

const hostile: [string, string, readonly Uint8Array[], object?][] = [
  [
    "a record of a type of later versions",
    "unsupported",
    [record({ type: 3, seq: 2, operations: put("a", "b") })],
  ],
  ["a record of type 0", "unsupported", [record({ type: 0, seq: 2, operations: put("a", "b") })]],
  [
    "an operation of an unknown kind",
    "unsupported",
    [record({ seq: 2, operations: Uint8Array.of(9, 1, 1, 65, 65) })],
  ],
  [
    "a record that is longer than its object",
    "corruption",
    [record({ seq: 2, operationBytes: 2 ** 32 - 1, operations: put("a", "b") })],
  ],
  [
    "a record that is shorter than its operations",
    "corruption",
    [record({ seq: 2, operationBytes: 2, operations: put("a", "b") })],
  ],
  [
    "a record that is longer than its operations",
    "corruption",
    [record({ seq: 2, operations: Uint8Array.from([...put("a", "b"), 0, 0, 0]) })],
  ],
  [
    "more operations than there are",
    "corruption",
    [record({ seq: 2, operationCount: 2 ** 32 - 1, operations: put("a", "b") })],
  ],
  [
    "fewer operations than there are",
    "corruption",
    [
      record({
        seq: 2,
        operationCount: 1,
        operations: Uint8Array.from([...put("a", "b"), ...put("c", "d")]),
      }),
    ],
  ],
  [
    "a key length near 2^53",
    "corruption",
    [
      record({
        seq: 2,
        operations: Uint8Array.of(1, 255, 255, 255, 255, 255, 255, 255, 15, 0, 65),
      }),
    ],
  ],
  [
    "a value length near 2^32",
    "corruption",
    [record({ seq: 2, operations: Uint8Array.of(1, 1, 255, 255, 255, 255, 15, 65) })],
  ],
  [
    "a number that does not end",
    "corruption",
    [record({ seq: 2, operations: new Uint8Array(40).fill(255).fill(1, 0, 1) })],
  ],
  [
    "a key that is longer than keys are",
    "corruption",
    [record({ seq: 2, operations: put("k".repeat(65_537), "b") })],
  ],
  ...(
    [
      ["without a value", rangeDelete("m", [])],
      ["with an unknown flag", rangeDelete("m", [2, 120])],
      ["with the bytes of an end that it says is not there", rangeDelete("m", [0, 120])],
      ["that ends where it starts", rangeDelete("m", [1, 109])],
      ["that ends before it starts", rangeDelete("m", [1, 97])],
      ["that ends before all keys", rangeDelete("", [1])],
      ["that expires", rangeDelete("m", [1, 120], 5)],
      ["with a start that is longer than keys are", rangeDelete("k".repeat(65_536), [0])],
      ["with an end that is longer than keys are", rangeDelete("", Array(65_537).fill(1))],
      ["that is cut off", rangeDelete("m", [1, 120]).slice(0, -1)],
    ] as const
  ).map(([name, operations]): (typeof hostileLoads)[number] => [
    `a range delete ${name}`,
    "corruption",
    [record({ seq: 2, operations })],
  ]),
  [
    "a seq that is not in the object's range",
    "corruption",
    [record({ seq: 9, operations: put("a", "b") })],
  ],
  [
    "seqs that do not ascend",
    "corruption",
    [record({ seq: 3, operations: put("a", "b") }), record({ seq: 2, operations: put("a", "c") })],
    { firstSeq: 2, lastSeq: 3 },
  ],
  [
    "fewer records than there are",
    "corruption",
    [record({ seq: 2, operations: put("a", "b") }), record({ seq: 3, operations: put("a", "c") })],
    { recordCount: 1, lastSeq: 3 },
  ],
  [
    "more records than there are",
    "corruption",
    [record({ seq: 2, operations: put("a", "b") })],
    { recordCount: 2 ** 32 - 1 },
  ],
  ["no record", "corruption", []],
  ...hostileLoads.map(([name, ...rest]): (typeof hostileLoads)[number] => [
    `a load with ${name}`,
    ...rest,
  ]),
];

/** Its WAL object is named by every error of damage. */
const expected = (kind: string): object =>
  kind === "corruption" ? { kind, object: expect.stringMatching(/wal\/0+1\/0+2\.wal$/) } : { kind };

describe.each(hostile)("%s", (_, kind, records, header) => {
  test("refuses to open for writing", async () => {
    const store = await withRecords(records, header);
    await expect(Db.open({ store, path: "db" })).rejects.toMatchObject(expected(kind));
  });

  test("refuses to open for reading", async () => {
    const store = await withRecords(records, header);
    await expect(DbReader.open({ store, path: "db" })).rejects.toMatchObject(expected(kind));
  });
});

test.each([...hostile.slice(0, 2), ...hostile.slice(-2)])(
  "a reader that comes to %s ends, and never answers with what comes after",
  async (_, kind, records, header) => {
    const store = await withRecords(records, header);
    const path = `db/${ObjectPaths.wal(1, 2)}`;
    const { bytes } = (await store.get(path))!;
    await store.delete([path]);
    const reader = await DbReader.open({ store, path: "db" }, { pollIntervalMs: 3_600_000 });
    await reader.refresh();
    expect([await reader.has("good"), await reader.has("later")]).toEqual([true, false]);
    await store.create(path, bytes);
    await expect(reader.refresh()).rejects.toMatchObject({ kind });
    expect(await reader.closed).toMatchObject({ kind });
    await expect(reader.refresh()).rejects.toMatchObject({ kind: "closed" });
    await expect(reader.has("later")).rejects.toMatchObject({ kind: "closed" });
  },
);

test("a load whose SST is not there, or is another one, is an error of each read that needs it, which names it", async () => {
  for (const stored of [undefined, new Uint8Array(1000)]) {
    const store = await withRecords([load([good], 2)]);
    const missing = `db/${ObjectPaths.sst(ulid(1))}`;
    if (stored !== undefined) await store.create(missing, stored);
    const db = await Db.open({ store, path: "db" });
    const reader = await DbReader.open({ store, path: "db" });
    for (const handle of [db, reader]) {
      expect(await handle.has("later")).toBe(true);
      await expect(handle.get("a")).rejects.toMatchObject({
        ...{ kind: "corruption", object: expect.stringContaining(ulid(1)) },
      });
      await expect(handle.scan().nextMany(10)).rejects.toMatchObject({ kind: "corruption" });
    }
    await reader.close();
    await db.close({ flush: false });
  }
});
