/** Writing range deletes: alone, in batches, in the feed and the log, and what is refused. What reads make of them is tested elsewhere. */
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ByteWriter } from "../../../src/common/byte-writer.js";
import { encodeUtf8 } from "../../../src/common/bytes.js";
import { OperationKind } from "../../../src/common/row.js";
import { applyObject } from "../../../src/db/apply-object.js";
import { DbState } from "../../../src/db/db-state.js";
import { timeOperations } from "../../../src/db/timed-operations.js";
import { encodeLoadRecord } from "../../../src/format/load-record.js";
import type { Manifest, SstInfo } from "../../../src/format/manifest.js";
import { decodeManifest } from "../../../src/format/manifest-codec.js";
import { encodeRangeEnd } from "../../../src/format/range-delete-operation.js";
import { decodeWalObject, encodeWalGroup, type WalObject } from "../../../src/format/wal-object.js";
import { appendOperation } from "../../../src/format/wal-record.js";
import {
  bytesAppend,
  type Change,
  type ChangeOperation,
  Db,
  DbReader,
  type DeleteRangeChange,
  type KeyRange,
  type RangeToDelete,
  type WriteOperation,
} from "../../../src/index.js";
import { MemTable } from "../../../src/memtable/mem-table.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import { MemoryObjectStore } from "../../../src/testing/index.js";
import { ReplayedRows } from "../../../src/wal/replayed-rows.js";
import { loadEngine } from "../../support/load-engine.js";
import { newPlace, openAt, text } from "./support.js";

beforeAll(loadEngine);

const quiet = { flushIntervalMs: 3_600_000 };

/** Calls a method as somebody without types would. */
function call(object: unknown, method: string, ...args: unknown[]): unknown {
  return (object as Record<string, (...args: unknown[]) => unknown>)[method]!(...args);
}

const hex = (bytes: Uint8Array | undefined): string =>
  bytes === undefined ? "none" : Buffer.from(bytes).toString("hex");

/** "[61,62)" and so on, in hex. */
function show(operation: ChangeOperation): string {
  if (operation.type === "deleteRange") {
    expect(Object.keys(operation)).toEqual(
      operation.lt === undefined ? ["type", "gte"] : ["type", "gte", "lt"],
    );
    return `[${hex(operation.gte)},${hex(operation.lt)})`;
  }
  return operation.type === "load" ? "load" : `${operation.type} ${text(operation.key)}`;
}

async function nextChanges(changes: AsyncIterator<Change>, count: number): Promise<Change[]> {
  const found: Change[] = [];
  while (found.length < count) found.push((await changes.next()).value as Change);
  return found;
}

test("every form of a range is written as its half-open one, and an empty one is not written", async () => {
  const db = await openAt(newPlace());
  const changes = db.changes()[Symbol.asyncIterator]();
  const longest = new Uint8Array(65_535).fill(0xff);
  const forms: [RangeToDelete, string][] = [
    [{ gte: "b", lt: "c" }, "[62,63)"],
    [{ gt: "b", lte: "c" }, "[6200,6300)"],
    [{ gte: "b" }, "[62,none)"],
    [{ gt: "b" }, "[6200,none)"],
    [{ lt: "c" }, "[,63)"],
    [{ lte: "c" }, "[,6300)"],
    [{ gte: "" }, "[,none)"],
    [{ lte: longest }, "[,none)"],
    [{ all: true }, "[,none)"],
    [{ prefix: "b" }, "[62,63)"],
    [{ prefix: Uint8Array.of(0xff, 0xff) }, "[ffff,none)"],
    [{ prefix: "b", gte: "bb", lt: "z" }, "[6262,63)"],
    [{ gte: "b", lte: "b" }, "[62,6200)"],
  ];
  let seq = 0;
  for (const [range, form] of forms) {
    expect((await db.deleteRange(range)).seq).toBe(++seq);
    expect((await db.write(db.batch().deleteRange(range))).seq).toBe(++seq);
    expect((await db.write([{ type: "deleteRange", range }])).seq).toBe(++seq);
    for (const { operations } of await nextChanges(changes, 3)) {
      expect(operations.map(show)).toEqual([form]);
    }
  }
  await db.deletePrefix("b");
  await db.write(db.batch().deletePrefix(Uint8Array.of(0xff)));
  const prefixes = await nextChanges(changes, 2);
  expect(prefixes.flatMap(({ operations }) => operations.map(show))).toEqual([
    "[62,63)",
    "[ff,none)",
  ]);
  seq += 2;
  const empty: KeyRange[] = [
    { gte: "b", lt: "b" },
    { gt: "b", lte: "b" },
    { gte: "c", lt: "b" },
    { gt: "b", lt: Uint8Array.of(98, 0) },
    { gt: longest },
    { prefix: "a", gte: "b" },
  ];
  for (const range of empty) {
    const written = await db.deleteRange(range);
    expect(written.seq).toBe(seq);
    await written.durable();
    const batch = db.batch().deleteRange(range);
    expect([batch.count, batch.byteLength]).toEqual([0, 0]);
    expect((await db.write(batch)).seq).toBe(seq);
  }
  expect(db.seq).toBe(seq);
  await db.close();
});

describe("refused", () => {
  let db: Db;
  beforeAll(async () => {
    db = await Db.open({ store: new MemoryObjectStore(), path: "db" }, quiet);
  });
  afterAll(() => db.close());

  test.each<[unknown, RegExp]>([
    [{}, /no bound.*\{ all: true \}/],
    [{ gte: undefined, lt: undefined }, /"gte".*is undefined.*leave it out/],
    [{ gte: "a", lt: undefined }, /"lt".*is undefined.*leave it out/],
    [{ gt: undefined, lte: "a" }, /"gt".*is undefined.*leave it out/],
    [{ gte: "a", lt: "b", prefix: undefined }, /"prefix".*is undefined.*leave it out/],
    [{ prefix: undefined }, /"prefix".*is undefined.*leave it out/],
    [{ all: true, lt: undefined }, /"lt".*is undefined.*leave it out/],
    [{ all: undefined }, /no bound/],
    [{ all: false }, /"all" must be true/],
    [{ all: 1, gte: "a" }, /"all" must be true/],
    [{ all: true, gte: "a" }, /not both/],
    [{ all: true, prefix: "" }, /not both/],
    [{ prefix: "" }, /prefix.*empty/],
    [{ prefix: new Uint8Array(0), gte: "a" }, /prefix.*empty/],
    [{ prefix: null }, /prefix/],
    [{ gte: null }, /gte/],
    [{ gte: "a", gt: "a" }, /gt or gte/],
    [{ gte: "a", lt: new Uint8Array(65_536) }, /65535|65,535/],
    [{ gte: "a", lt: "a\ud800" }, /surrogate/],
    [{ from: "a" }, /no option "from"/],
    [{ prefx: "a" }, /Did you mean "prefix"/],
    [{ gte: "a", durable: false }, /no option "durable"/],
    [Object.create({ gte: "a" }), /no bound/],
    [undefined, /A range is an object/],
    [null, /A range is an object/],
    ["a", /A range is an object/],
    [["a", "b"], /A range is an object/],
    [new Uint8Array(3), /A range is an object.*not a byte array/],
    [Buffer.from("a"), /A range is an object.*not a byte array/],
    [new ArrayBuffer(3), /A range is an object.*not a byte array/],
  ])("the range %j", async (range, message) => {
    const batch = db.batch();
    expect(() => call(batch, "deleteRange", range)).toThrow(message);
    expect([batch.count, batch.hasRangeDeletes]).toEqual([0, false]);
    const refusal = { kind: "invalid", message: expect.stringMatching(message) };
    await expect(call(db, "deleteRange", range)).rejects.toMatchObject(refusal);
    const operations = [
      { type: "delete", key: "a" },
      { type: "deleteRange", range },
    ];
    await expect(call(db, "write", operations)).rejects.toThrow(/^Operation 1: /);
    expect(db.seq).toBe(0);
  });

  test.each<[unknown, RegExp]>([
    ["", /prefix.*empty/],
    [new Uint8Array(0), /prefix.*empty/],
    [undefined, /prefix/],
    [null, /prefix/],
    [{ prefix: "a" }, /prefix/],
    [[], /prefix/],
    ["k".repeat(65_536), /prefix/],
  ])("the prefix %j", async (prefix, message) => {
    expect(() => call(db.batch(), "deletePrefix", prefix)).toThrow(message);
    const refusal = { kind: "invalid", message: expect.stringMatching(message) };
    await expect(call(db, "deletePrefix", prefix)).rejects.toMatchObject(refusal);
    expect(db.seq).toBe(0);
  });

  test("options that deletes do not have, and operations with more than a range", async () => {
    for (const [method, what] of [
      ["deleteRange", { gte: "a" }],
      ["deletePrefix", "a"],
    ]) {
      for (const [options, message] of [
        [{ ttlMs: 1 }, `${method} has no option "ttlMs"`],
        [{ durabel: true }, 'Did you mean "durable"'],
        [{ durable: "no" }, '"durable"'],
        [{ signal: {} }, '"signal"'],
      ] as const) {
        await expect(call(db, method as string, what, options)).rejects.toThrow(message);
      }
      const reason = new Error("enough");
      const signal = AbortSignal.abort(reason);
      await expect(call(db, method as string, what, { signal })).rejects.toBe(reason);
    }
    const operation = { type: "deleteRange", range: { gte: "a" }, key: "a" };
    await expect(call(db, "write", [operation])).rejects.toThrow(/no option "key"/);
    expect(db.seq).toBe(0);
  });

  test("everything once the handle is closed", async () => {
    const closed = await Db.open({ store: new MemoryObjectStore(), path: "db" }, quiet);
    await closed.close();
    await expect(closed.deleteRange({ gte: "b", lt: "a" })).rejects.toMatchObject({
      kind: "closed",
    });
    await expect(closed.deletePrefix("a")).rejects.toMatchObject({ kind: "closed" });
  });
});

test("what was passed may be changed at once, also while the write waits for memory", async () => {
  const place = newPlace();
  const limits = { memTableBytes: 4096, unflushedBytesMax: 8192 };
  const db = await openAt(place, { ...quiet, ...limits });
  const changes = db.changes()[Symbol.asyncIterator]();
  const fill = db.put("big", new Uint8Array(100_000), { durable: false });
  const [start, end] = [encodeUtf8("b"), encodeUtf8("c")];
  const waiting = db.deleteRange({ gte: start, lt: end });
  expect(db.stats()).toMatchObject({ seq: 1, waitingWrites: 1 });
  start.fill(120);
  end.fill(121);
  await fill;
  expect((await place.clock.advanceUntil(waiting)).seq).toBe(2);
  const [, change] = await nextChanges(changes, 2);
  expect(change!.operations.map(show)).toEqual(["[62,63)"]);
  await place.clock.advanceUntil(db.close());
});

// What a batch comes to, against operations taken one after another.

interface State {
  /** "below": what was there before the batch. */
  base: string;
  operands: string[];
  expiresAt: number | undefined;
}

const untouched = (): State => ({ base: "below", operands: [], expiresAt: undefined });
const gone = (): State => ({ base: "none", operands: [], expiresAt: undefined });
const shown = ({ base, operands, expiresAt }: State): string =>
  base === "none" && operands.length === 0
    ? "none"
    : `${base === "none" ? "" : base}|${operands.join("")} ${expiresAt}`.replace(
        "|",
        base === "below" ? "+" : "",
      );

type Naive =
  | { type: "put"; key: string; value: string; expiresAt?: number }
  | { type: "delete"; key: string }
  | { type: "merge"; key: string; operand: string; expiresAt?: number }
  | { type: "deleteRange"; gte: string; lt: string | undefined };

function applyTo(state: State, key: string, operation: Naive): State {
  if (operation.type === "deleteRange") {
    const { gte, lt } = operation;
    return gte <= key && (lt === undefined || key < lt) ? gone() : state;
  }
  if (operation.key !== key) return state;
  if (operation.type === "delete") return gone();
  const { expiresAt } = operation;
  if (operation.type === "put") return { base: operation.value, operands: [], expiresAt };
  return { base: state.base, operands: [...state.operands, operation.operand], expiresAt };
}

const keys = ["a", "b", "c", "d", "e"];
const keyArbitrary = fc.constantFrom(...keys);
const boundArbitrary = fc.constantFrom("", ...keys, "f");
const expiresAt = fc.option(fc.constantFrom(4e12, 5e12), { nil: undefined, freq: 4 });
const operationArbitrary: fc.Arbitrary<Naive> = fc.oneof(
  fc.tuple(keyArbitrary, fc.constantFrom("x", "y"), expiresAt).map(
    ([key, value, at]): Naive => ({
      type: "put",
      key,
      value,
      ...(at !== undefined && { expiresAt: at }),
    }),
  ),
  keyArbitrary.map((key): Naive => ({ type: "delete", key })),
  fc.tuple(keyArbitrary, fc.constantFrom("1", "2"), expiresAt).map(
    ([key, operand, at]): Naive => ({
      type: "merge",
      key,
      operand,
      ...(at !== undefined && { expiresAt: at }),
    }),
  ),
  fc
    .tuple(boundArbitrary, fc.option(boundArbitrary, { nil: undefined }))
    .map(([gte, lt]): Naive => ({ type: "deleteRange", gte, lt })),
);

function toOperation(operation: Naive): WriteOperation {
  if (operation.type !== "deleteRange") return operation;
  const { gte, lt } = operation;
  return { type: "deleteRange", range: lt === undefined ? { gte } : { gte, lt } };
}

const naiveOf = (operation: ChangeOperation): Naive => {
  if (operation.type === "deleteRange") {
    return { type: "deleteRange", gte: text(operation.gte)!, lt: text(operation.lt) };
  }
  if (operation.type === "load") throw new Error("no load was written");
  const key = text(operation.key)!;
  if (operation.type === "delete") return { type: "delete", key };
  const at = operation.expiresAt === undefined ? {} : { expiresAt: operation.expiresAt };
  return operation.type === "put"
    ? { type: "put", key, value: text(operation.value)!, ...at }
    : { type: "merge", key, operand: operation.operands.map(text).join(""), ...at };
};

const covers = (operation: Naive, key: string): boolean =>
  operation.type === "deleteRange" &&
  operation.gte <= key &&
  (operation.lt === undefined || key < operation.lt);

test("a batch comes to what its operations come to one by one, and has nothing that a later range delete hides", async () => {
  const options = { ...quiet, mergeOperators: { log: bytesAppend } };
  const place = newPlace();
  const db = await openAt(place, { ...options, flushIntervalMs: 1 });
  const changes = db.changes()[Symbol.asyncIterator]();
  const run = fc.asyncProperty(
    fc.array(operationArbitrary, { minLength: 1, maxLength: 14 }),
    fc.boolean(),
    async (operations, asArray) => {
      const given = operations.map(toOperation);
      const batch = db.batch();
      for (const operation of given) {
        if (operation.type === "deleteRange") batch.deleteRange(operation.range);
        else if (operation.type === "delete") batch.delete(operation.key);
        else if (operation.type === "put") {
          batch.put(operation.key, operation.value, { expiresAt: operation.expiresAt });
        } else batch.merge(operation.key, operation.operand, { expiresAt: operation.expiresAt });
      }
      const { seq } = db;
      const { count, byteLength } = batch;
      await place.clock.advanceUntil(db.write(asArray ? given : batch));
      // It may be written again.
      expect([batch.count, batch.byteLength]).toEqual([count, byteLength]);
      if (db.seq === seq) {
        expect(batch.count).toBe(0);
        return;
      }
      const [change] = await nextChanges(changes, 1);
      const written = change!.operations.map(naiveOf);
      for (const key of keys) {
        const fold = (list: readonly Naive[]): string =>
          shown(list.reduce((state, one) => applyTo(state, key, one), untouched()));
        expect(fold(written)).toBe(fold(operations));
        const own = written.findIndex((one) => one.type !== "deleteRange" && one.key === key);
        if (own < 0) continue;
        const later = written.slice(own + 1);
        expect(later.some((one) => covers(one, key))).toBe(false);
        expect(later.some((one) => one.type !== "deleteRange" && one.key === key)).toBe(false);
        const below = operations.findLastIndex((one) => covers(one, key));
        // A merge of a key that the batch deletes, be it by range alone, is merged into nothing at once.
        const since = operations.slice(below + 1).filter((one) => "key" in one && one.key === key);
        const isOpen = below < 0 && since.every((one) => one.type === "merge");
        expect(written[own]!.type === "merge").toBe(isOpen);
      }
    },
  );
  await fc.assert(run, { numRuns: 300 });
  await place.clock.advanceUntil(db.close());
});

test("operators may follow one another in a batch that has deleted the key by range, and only there", async () => {
  const mergeOperators = { log: bytesAppend, other: bytesAppend };
  const db = await openAt(newPlace(), { ...quiet, mergeOperators });
  const soon = { durable: false };
  await db.put("k", "old", soon);
  await db.put("l", "old", soon);
  const merge = (key: string, operator: string): WriteOperation => ({
    ...{ type: "merge", key, operand: operator[0]!, operator },
  });
  const both = [merge("k", "log"), merge("k", "other"), merge("k", "log")];
  const range: WriteOperation = { type: "deleteRange", range: { gte: "k", lt: "l" } };
  await db.write([range, ...both], soon);
  expect(text(await db.get("k"))).toBe("lol");
  const refused = { kind: "invalid", message: expect.stringContaining("is not known yet") };
  await expect(db.write(both, soon)).rejects.toMatchObject(refused);
  const beside = [range, merge("l", "log"), merge("l", "other")];
  await expect(db.write(beside, soon)).rejects.toMatchObject(refused);
  await db.write([...both, range, merge("k", "other")], soon);
  expect(text(await db.get("k"))).toBe("o");
  expect(text(await db.get("l"))).toBe("old");
  await db.close();
});

test("a batch of thousands of nested range deletes among as many puts is written in no time to speak of", async () => {
  const db = await openAt(newPlace());
  const changes = db.changes()[Symbol.asyncIterator]();
  const batch = db.batch();
  const count = 5000;
  const keyOf = (i: number): string => `key ${String(i).padStart(6, "0")}`;
  for (let i = 0; i < count; i++) {
    batch.put(keyOf(i), "value");
    if (i % 2 === 0) batch.put(keyOf(count + i), "stays");
    batch.deleteRange({ lte: keyOf(i) });
  }
  const start = performance.now();
  await db.write(batch);
  expect(performance.now() - start).toBeLessThan(2000);
  const [{ operations }] = (await nextChanges(changes, 1)) as [Change];
  expect(operations.filter(({ type }) => type === "put")).toHaveLength(count / 2);
  expect(operations.filter(({ type }) => type === "deleteRange")).toHaveLength(count);
  await db.close();
});

test("a change can be applied again: the end is left out where there is none", async () => {
  const db = await openAt(newPlace());
  const changes = db.changes()[Symbol.asyncIterator]();
  for (const range of [{ gte: "a" }, { lt: "b" }, { all: true } as const]) {
    await db.deleteRange(range);
    const [{ operations: first }] = (await nextChanges(changes, 1)) as [Change];
    const { type: _, ...again } = first[0] as DeleteRangeChange;
    await db.deleteRange(again);
    const [{ operations: second }] = (await nextChanges(changes, 1)) as [Change];
    expect(second).toStrictEqual(first);
  }
  await db.close();
});

test("a range delete takes no expiry, whatever the defaults and the options of the write say", async () => {
  const place = newPlace();
  const db = await openAt(place, { defaultTtlMs: 1000 });
  const changes = db.changes()[Symbol.asyncIterator]();
  await db.deleteRange({ gte: "a" });
  const batch = db.batch().put("x", "1", { ttlMs: 5 }).deleteRange({ gte: "a", lt: "b" });
  const { createdAt } = await db.write(batch.put("y", "2"), { ttlMs: 50 });
  const [alone, mixed] = await nextChanges(changes, 2);
  expect(alone!.operations).toStrictEqual([{ type: "deleteRange", gte: encodeUtf8("a") }]);
  expect(mixed!.operations).toMatchObject([
    { type: "put", expiresAt: createdAt + 5 },
    { type: "deleteRange", gte: encodeUtf8("a"), lt: encodeUtf8("b") },
    { type: "put", expiresAt: createdAt + 50 },
  ]);
  await db.close();
  // As bytes: the flag of an expiry would be refused.
  const writer = new ByteWriter();
  const end = encodeRangeEnd(encodeUtf8("b"));
  appendOperation(writer, OperationKind.rangeDelete, encodeUtf8("a"), end, 0, 0);
  const times = { count: 1, lifetimes: [7], fallback: 9, createdAt: 1 };
  expect(Buffer.from(timeOperations([writer.view()], times))).toEqual(Buffer.from(writer.view()));
});

// The log.

const databaseId = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const end = (key: string): Uint8Array => encodeRangeEnd(encodeUtf8(key));

/** A range delete, a load, a range delete, then a batch of a put and a range delete. */
function loggedObject(): WalObject {
  const table = new MemTable();
  const { put, rangeDelete } = OperationKind;
  const writer = new ByteWriter();
  appendOperation(writer, put, encodeUtf8("c"), encodeUtf8("1"), 0, 0);
  appendOperation(writer, rangeDelete, encodeUtf8("d"), encodeRangeEnd(undefined), 0, 0);
  const [first, second, batch] = [
    table.applyOne(1, 9, rangeDelete, encodeUtf8("b"), end("d"), 0),
    table.applyOne(3, 9, rangeDelete, encodeUtf8("x"), end("z"), 0),
    table.applyBatch(4, 9, [writer.view()], 2),
  ].map((slice) => slice.chunk.slice(slice.start, slice.end));
  const sst: SstInfo = {
    ...{ id: databaseId, size: 100, metaOffset: 10, topOffset: 20, minSeq: 0, maxSeq: 0 },
    ...{ firstKey: encodeUtf8("c"), lastKey: encodeUtf8("c"), rowCount: 1, deleteCount: 0 },
    ...{ maxExpiresAt: 0, rangeDeletesOffset: 0, rangeDeletes: [] },
    ...{ seq: 0, shadowedCount: 0, expiringCount: 0, owner: "" },
  };
  const load = encodeLoadRecord([{ ssts: [sst], seq: 2 }], 9);
  const object = encodeWalGroup(databaseId, {
    ...{ epoch: 1, id: 1, token: new Uint8Array(16), firstSeq: 1, lastSeq: 4, recordCount: 4 },
    records: [first!, load, second!, batch!],
  });
  return decodeWalObject(object, "object", databaseId, { epoch: 1, id: 1 });
}

const rangesOf = (table: MemTable): string[] =>
  (table.rangeDeletes?.all() ?? []).map(
    ({ start, end, seq }) => `[${text(start)},${text(end) ?? "none"})@${seq}`,
  );

test("replay keeps a MemTable of range deletes alone apart from the load after it", () => {
  const rows = new ReplayedRows({ lastL0Seq: 0, memTableBytes: 2 ** 20 });
  rows.apply(loggedObject());
  expect(rows.queue).toHaveLength(2);
  const [before, load] = rows.queue as [MemTable, { seq: number }[]];
  expect([before.frozen, before.rowCount, rangesOf(before)]).toEqual([true, 0, ["[b,d)@1"]]);
  expect(load).toMatchObject([{ seq: 2 }]);
  expect([rows.active.rowCount, rangesOf(rows.active)]).toEqual([1, ["[x,z)@3", "[d,none)@4"]]);
  expect([rows.active.firstSeq, rows.active.lastSeq]).toEqual([3, 4]);
});

test("replay takes range deletes that L0 does not hold yet, and a reader does as well", () => {
  const rows = new ReplayedRows({ lastL0Seq: 3, memTableBytes: 2 ** 20 });
  rows.apply(loggedObject());
  expect([rows.queue.length, rangesOf(rows.active)]).toEqual([0, ["[d,none)@4"]]);
  const state = new DbState({ lastL0Seq: 0 } as Manifest, new MemTable());
  applyObject(state, loggedObject(), 0, 2 ** 20);
  expect(state.view.tables.map(rangesOf)).toEqual([["[x,z)@3", "[d,none)@4"], ["[b,d)@1"]]);
  expect(state.view.loads).toMatchObject([{ seq: 2 }]);
});

test("range deletes alone fill a MemTable, which is then frozen", () => {
  const rows = new ReplayedRows({ lastL0Seq: 0, memTableBytes: 1 });
  rows.apply(loggedObject());
  rows.apply(loggedObject());
  expect(
    rows.queue.map((one) => (one instanceof MemTable ? rangesOf(one).length : "load")),
  ).toEqual([1, "load", 2, 1, "load"]);
});

test("what is left in the log is in memory and in the feed when the database is opened again", async () => {
  const place = newPlace();
  const { clock, inner } = place;
  const db = await openAt(place, quiet);
  await db.put("a", "1", { durable: false });
  await db.deleteRange({ gte: "a", lt: "c" }, { durable: false });
  const put: WriteOperation = { type: "put", key: "b", value: "2" };
  await db.write([put, { type: "deleteRange", range: { all: true } }, put], { durable: false });
  await clock.advanceUntil(db.close({ flush: "wal" }));
  const name = `db/${ObjectPaths.manifest(1)}`;
  const manifest = decodeManifest((await inner.get(name))!.bytes, name, 1);
  const rows = new ReplayedRows({ lastL0Seq: 0, memTableBytes: 2 ** 20 });
  const path = `db/${ObjectPaths.wal(1, 1)}`;
  const { bytes } = (await inner.get(path))!;
  rows.apply(decodeWalObject(bytes, path, manifest.databaseId, { epoch: 1, id: 1 }));
  expect(rangesOf(rows.active)).toEqual(["[a,c)@2", "[,none)@3"]);
  expect([rows.active.firstSeq, rows.active.lastSeq, rows.active.rowCount]).toEqual([1, 3, 2]);

  const again = await openAt(place, quiet);
  const changes = again.changes({ from: 0 })[Symbol.asyncIterator]();
  const found = await clock.advanceUntil(nextChanges(changes, 3));
  expect(found.map(({ seq, operations }) => [seq, ...operations.map(show)])).toEqual([
    [1, "put a"],
    [2, "[61,63)"],
    [3, "[,none)", "put b"],
  ]);
  expect(again.seq).toBe(3);
  expect([text(await again.get("a")), text(await again.get("b"))]).toEqual([undefined, "2"]);
  await clock.advanceUntil(again.close({ flush: false }));
});

test("a reader lets go of range deletes once they are in L0", async () => {
  const place = newPlace();
  const { clock } = place;
  const db = await openAt(place, quiet);
  await db.put("a", "1", { durable: false });
  await clock.advanceUntil(db.flush({ to: "l0" }));
  const reader = await clock.advanceUntil(DbReader.open(place.at, { clock }));
  await clock.advanceUntil(db.deleteRange({ gte: "a", lt: "c" }));
  await clock.advanceUntil(reader.refresh());
  expect([reader.seq, text(await reader.get("a"))]).toEqual([2, undefined]);
  expect(reader.stats().memTableBytes).toBeGreaterThan(0);
  await clock.advanceUntil(db.flush({ to: "l0" }));
  expect(db.stats()).toMatchObject({ l0Count: 2, memTableBytes: 0 });
  await clock.advanceUntil(reader.refresh());
  expect([reader.seq, text(await reader.get("a"))]).toEqual([2, undefined]);
  expect(reader.stats()).toMatchObject({ memTableBytes: 0, memTableCount: 1 });
  await reader.close();
  await clock.advanceUntil(db.close());
});
