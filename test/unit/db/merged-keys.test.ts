/** Merge rows on their way from the log: replayed, followed, flushed, pinned, and read by every handle with and without the operator. */
import { describe, expect, test } from "vitest";
import { ByteWriter } from "../../../src/common/byte-writer.js";
import { decodeUtf8, encodeUtf8 } from "../../../src/common/bytes.js";
import { RowKind } from "../../../src/common/row.js";
import { decodeManifest } from "../../../src/format/manifest-codec.js";
import { encodeWalGroup } from "../../../src/format/wal-object.js";
import { appendOperation, RecordType } from "../../../src/format/wal-record.js";
import {
  bytesAppend,
  Db,
  DbReader,
  type MergeOperator,
  type OpenOptions,
  type ReaderOptions,
  type ScanOptions,
  uint64Add,
} from "../../../src/index.js";
import { packOperands } from "../../../src/merge/packed-operands.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import { ManualClock, MemoryObjectStore } from "../../../src/testing/index.js";

const start = 1_700_000_000_000;
const operators = { log: bytesAppend, count: uint64Add };
const logId = 1;
const countId = 2;

interface Row {
  readonly key: string;
  readonly kind?: RowKind;
  readonly operatorId?: number;
  readonly operands?: readonly string[];
  readonly value?: string;
  readonly expiresAt?: number;
}

const put = (key: string, value: string): Row => ({ key, kind: RowKind.put, value });
const merge = (key: string, ...operands: string[]): Row => ({ key, operands });

/** A record of one row, with this seq. */
function record(row: Row, seq: number): Uint8Array {
  const { key, kind = RowKind.merge, operatorId = logId, operands = [], value = "" } = row;
  const bytes = kind === RowKind.merge ? packOperands(operands.map(encodeUtf8)) : encodeUtf8(value);
  const operation = new ByteWriter();
  const id = kind === RowKind.merge ? operatorId : 0;
  appendOperation(operation, kind, encodeUtf8(key), bytes, row.expiresAt ?? 0, id);
  const writer = new ByteWriter();
  writer.u8(RecordType.batch);
  writer.u32(operation.length);
  writer.u64(seq);
  writer.u64(start + seq);
  writer.u32(1);
  writer.raw(operation.view());
  return writer.copy();
}

/** A database of a dead writer, in whose log the rows stand, each in an object of its own, from seq 2. */
async function withRows(rows: readonly Row[], store = new MemoryObjectStore()) {
  const db = await Db.open({ store, path: "db" }, { mergeOperators: operators });
  await db.put("first", "");
  const name = `db/${ObjectPaths.manifest(1)}`;
  const { databaseId } = decodeManifest((await store.get(name))!.bytes, name, 1);
  for (const [i, row] of rows.entries()) {
    const seq = i + 2;
    const group = {
      ...{ epoch: 1, id: seq, token: new Uint8Array(16), firstSeq: seq, lastSeq: seq },
      ...{ recordCount: 1, records: [record(row, seq)] },
    };
    await store.create(`db/${ObjectPaths.wal(1, seq)}`, encodeWalGroup(databaseId, group));
  }
  return store;
}

const openDb = (store: MemoryObjectStore, options: OpenOptions = {}) =>
  Db.open({ store, path: "db" }, { mergeOperators: operators, ...options });
const openReader = (store: MemoryObjectStore, options: ReaderOptions = {}) =>
  DbReader.open({ store, path: "db" }, { mergeOperators: operators, ...options });

const text = (bytes: Uint8Array | undefined) => bytes && decodeUtf8(bytes);

async function scanned(
  handle: Pick<Db, "scan">,
  options: ScanOptions = {},
): Promise<Record<string, string>> {
  const all: Record<string, string> = {};
  for await (const { key, value } of handle.scan(options)) all[decodeUtf8(key)] = decodeUtf8(value);
  return all;
}

const rows = [
  put("a", "1"),
  merge("a", "2", "3"),
  merge("b", "x"),
  { key: "a", kind: RowKind.delete },
  merge("a", "4"),
  merge("b", "y"),
  put("c", "plain"),
] satisfies Row[];
const values = { a: "4", b: "xy", c: "plain", first: "" };

async function expectValues(handle: Db | DbReader): Promise<void> {
  expect(await scanned(handle)).toEqual(values);
  expect(Object.keys(await scanned(handle, { reverse: true }))).toEqual(["first", "c", "b", "a"]);
  expect(await scanned(handle, { reverse: true })).toEqual(values);
  expect((await handle.getMany(["b", "a", "nothing", "b"])).map(text)).toEqual([
    ...["xy", "4", undefined, "xy"],
  ]);
  expect([await handle.has("a"), await handle.has("nothing")]).toEqual([true, false]);
  expect(await handle.getEntry("b")).toEqual({
    ...{ key: encodeUtf8("b"), value: encodeUtf8("xy"), seq: 7, createdAt: start + 7 },
  });
  expect(text(await handle.get("a"))).toBe("4");
}

test("what a log holds is replayed, flushed, and read alike from memory and from SSTs", async () => {
  const store = await withRows(rows);
  const db = await openDb(store);
  await expectValues(db);
  expect(text(db.getCached("b")?.value)).toBe("xy");
  await db.flush({ to: "l0" });
  await expectValues(db);
  await db.put("a", "5");
  await db.close();
  const again = await openDb(store, { blockCacheBytes: 0 });
  expect(await scanned(again)).toEqual({ ...values, a: "5" });
  await again.close();
});

test("readers follow merges, in the log and in L0", async () => {
  const store = await withRows(rows);
  const reader = await openReader(store);
  await expectValues(reader);
  const db = await openDb(store);
  await db.flush({ to: "l0" });
  await reader.refresh();
  await expectValues(reader);
  await reader.close();
  const cold = await openReader(store, { blockCacheBytes: 0 });
  await expectValues(cold);
  await cold.close();
  await db.close();
});

test("getCached answers only what memory decides, however deep the operands lie", async () => {
  const store = await withRows([put("k", "1"), merge("k", "2")]);
  const db = await openDb(store);
  expect(text(db.getCached("k")?.value)).toBe("12");
  await db.close();
  const cold = await openDb(store);
  expect(cold.getCached("k")).toBeUndefined();
  expect(text(await cold.get("k"))).toBe("12");
  expect(text(cold.getCached("k")?.value)).toBe("12");
  await cold.close();
});

test("an older seq, a snapshot and a checkpoint see what was merged until then", async () => {
  const store = await withRows([put("k", "1"), merge("k", "2"), merge("k", "3"), merge("k", "4")]);
  const db = await openDb(store);
  const seen = async () => Promise.all([1, 2, 3, 4, 5].map((seq) => db.get("k", { seq })));
  const expected = [undefined, "1", "12", "123", "1234"];
  expect((await seen()).map(text)).toEqual(expected);
  const snapshot = db.snapshot();
  const { id } = await db.checkpoint();
  expect((await seen()).map(text)).toEqual(expected);
  await db.put("k", "new");
  expect(text(await snapshot.get("k"))).toBe("1234");
  expect(await scanned(snapshot, { prefix: "k" })).toEqual({ k: "1234" });
  const reader = await openReader(store, { checkpoint: id });
  expect(text(await reader.get("k"))).toBe("1234");
  await reader.close();
  await db.close();
});

test("expiry is judged at each read: an expired row is none to fold onto, and none to see", async () => {
  const store = await withRows([
    put("base", "old"),
    { ...put("base", "v"), expiresAt: start + 100 },
    { ...merge("base", "m"), expiresAt: start + 300 },
    merge("middle", "1"),
    { ...merge("middle", "2"), expiresAt: start + 100 },
    merge("middle", "3"),
  ]);
  const clock = new ManualClock({ now: start });
  const db = await clock.advanceUntil(openDb(store, { clock }));
  const read = async () => [await scanned(db), await scanned(db, { reverse: true })];
  const expectAll = async (all: Record<string, string>) =>
    expect(await read()).toEqual([
      { ...all, first: "" },
      { ...all, first: "" },
    ]);
  await clock.advanceUntil(expectAll({ base: "vm", middle: "123" }));
  await clock.advance(start + 99 - clock.now());
  await clock.advanceUntil(expectAll({ base: "vm", middle: "123" }));
  await clock.advance(1);
  await clock.advanceUntil(expectAll({ base: "m", middle: "3" }));
  expect((await db.getEntry("base"))?.expiresAt).toBe(start + 300);
  await clock.advance(200);
  await clock.advanceUntil(expectAll({ middle: "3" }));
  expect(await db.get("base")).toBeUndefined();
  await clock.advanceUntil(db.close({ flush: false }));
});

describe("a key whose operator fails", () => {
  const bad = { key: "b", operatorId: countId, operands: ["too short"] };
  const all = [put("a", "1"), bad, merge("c", "2"), put("d", "3")];

  test("fails alone, with its name and that of the operator", async () => {
    const store = await withRows(all);
    const db = await openDb(store);
    const reader = await openReader(store);
    const failure = {
      kind: "invalid",
      name: "MergeError",
      operator: "count",
      key: encodeUtf8("b"),
    };
    for (const flushed of [false, true]) {
      if (flushed) await db.flush({ to: "l0" });
      for (const handle of [db, reader]) {
        await expect(handle.get("b")).rejects.toMatchObject(failure);
        await expect(handle.has("b")).rejects.toMatchObject(failure);
        await expect(handle.getEntry("b")).rejects.toMatchObject(failure);
        await expect(handle.getMany(["a", "b"])).rejects.toMatchObject(failure);
        expect(() => handle.getCached("b")).toThrow(expect.objectContaining(failure));
        expect((await handle.getMany(["a", "c"])).map(text)).toEqual(["1", "2"]);
        await expect(scanned(handle)).rejects.toMatchObject(failure);
        await expect(
          handle
            .keys()
            .nextMany(9)
            .then(() => "rows first"),
        ).resolves.toBe("rows first");
      }
    }
    // Whatever it holds, it can be written over.
    await db.put("b", "mended");
    expect(text(await db.get("b"))).toBe("mended");
    await reader.close();
    await db.close();
  });

  test.each([false, true])(
    "stops a scan there, which can be seeked past it (reverse: %s)",
    async (reverse) => {
      const db = await openDb(await withRows(all));
      const scan = db.scan({ reverse, gte: "a", lt: "e" });
      const before = (await scan.nextMany(9)).map(({ key }) => decodeUtf8(key));
      expect(before).toEqual(reverse ? ["d", "c"] : ["a"]);
      await expect(scan.next()).rejects.toMatchObject({ name: "MergeError" });
      await expect(scan.nextMany(9)).rejects.toMatchObject({ name: "MergeError" });
      scan.seek(reverse ? "a" : "c");
      const after = (await scan.nextMany(9)).map(({ key }) => decodeUtf8(key));
      expect(after).toEqual(reverse ? ["a"] : ["c", "d"]);
      await scan.close();
      await db.close();
    },
  );

  test("a flush and a replay carry it all the same", async () => {
    const store = await withRows(all);
    await (await openDb(store)).close();
    const mended: MergeOperator = { merge: () => encodeUtf8("copes") };
    const db = await openDb(store, { mergeOperators: { ...operators, count: mended } });
    expect(text(await db.get("b"))).toBe("copes");
    await db.close();
  });
});

test("a reader without the operator reads all but the keys that need it, and says which", async () => {
  const store = await withRows([
    put("a", "1"),
    merge("b", "2"),
    merge("hidden", "3"),
    put("hidden", "4"),
    { ...merge("expired", "5"), expiresAt: 1 },
  ]);
  for (const mergeOperators of [undefined, { count: uint64Add }]) {
    const reader = await openReader(store, { mergeOperators });
    expect([text(await reader.get("a")), text(await reader.get("hidden"))]).toEqual(["1", "4"]);
    expect(await reader.has("expired")).toBe(false);
    const failure = {
      ...{ kind: "unsupported", message: expect.stringMatching(/Key "b" .*merge operator "log"/) },
    };
    await expect(reader.get("b")).rejects.toMatchObject(failure);
    await expect(scanned(reader)).rejects.toMatchObject(failure);
    expect(await scanned(reader, { gt: "b" })).toEqual({ first: "", hidden: "4" });
    await reader.close();
  }
});

test("an operator that changes what it gets changes nothing that is stored", async () => {
  const store = await withRows([put("k", "1"), merge("k", "2")]);
  const hostile: MergeOperator = {
    merge(key, value, operands) {
      const joined = bytesAppend.merge(key, value, operands)!.slice();
      for (const array of [key, value!, ...operands]) array.fill(0);
      return joined;
    },
  };
  const db = await openDb(store, { mergeOperators: { ...operators, log: hostile } });
  for (let i = 0; i < 2; i++) {
    expect(text(await db.get("k"))).toBe("12");
    expect(await scanned(db, { prefix: "k" })).toEqual({ k: "12" });
    await db.flush({ to: "l0" });
  }
  await db.close();
  const again = await openDb(store);
  expect(text(await again.get("k"))).toBe("12");
  await again.close();
});

test("an operator that answers undefined deletes the key, until more is merged", async () => {
  const untilEnd: MergeOperator = {
    merge(key, value, operands) {
      let state = value;
      for (const operand of operands) {
        state =
          decodeUtf8(operand) === "end" ? undefined : bytesAppend.merge(key, state, [operand]);
      }
      return state;
    },
  };
  const ofOne = async (...merges: Row[]) => {
    const store = await withRows([put("k", "1"), ...merges]);
    const db = await openDb(store, { mergeOperators: { ...operators, log: untilEnd } });
    const found = [text(await db.get("k")), await db.has("k"), await scanned(db, { prefix: "k" })];
    await db.close();
    return found;
  };
  expect(await ofOne(merge("k", "2"), merge("k", "end"))).toEqual([undefined, false, {}]);
  expect(await ofOne(merge("k", "end", "3"))).toEqual(["3", true, { k: "3" }]);
});

test.each([
  ["packed operands that end too early", Uint8Array.of(9, 1)],
  ["no operand at all", new Uint8Array(0)],
])("%s are damage that names the key", async (_, value) => {
  const store = await withRows([put("a", "1")]);
  const name = `db/${ObjectPaths.manifest(1)}`;
  const { databaseId } = decodeManifest((await store.get(name))!.bytes, name, 1);
  const operation = new ByteWriter();
  appendOperation(operation, RowKind.merge, encodeUtf8("k"), value, 0, logId);
  const header = new ByteWriter();
  header.u8(RecordType.batch);
  header.u32(operation.length);
  header.u64(3);
  header.u64(start);
  header.u32(1);
  header.raw(operation.view());
  await store.create(
    `db/${ObjectPaths.wal(1, 3)}`,
    encodeWalGroup(databaseId, {
      ...{ epoch: 1, id: 3, token: new Uint8Array(16), firstSeq: 3, lastSeq: 3 },
      ...{ recordCount: 1, records: [header.copy()] },
    }),
  );
  const db = await openDb(store);
  const damage = { kind: "corruption", object: 'merge row of key "k"' };
  await expect(db.get("k")).rejects.toMatchObject(damage);
  await expect(scanned(db)).rejects.toMatchObject(damage);
  expect(text(await db.get("a"))).toBe("1");
  await db.close();
});
