/** What a caller gets wrong is a typed error before anything happens, and what a caller may do is left alone. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { toKeyBytes, toValueBytes } from "../../../src/common/bytes.js";
import { Db, DbReader, isMoraineError, settingsTable } from "../../../src/index.js";
import { CountingObjectStore, MemoryObjectStore } from "../../../src/testing/index.js";
import { text, turns } from "./support.js";

/** Calls a method as somebody without types would. */
function call(object: unknown, method: string, ...args: unknown[]): unknown {
  return (object as Record<string, (...args: unknown[]) => unknown>)[method]!(...args);
}

const store = new CountingObjectStore(new MemoryObjectStore());
const at = { store, path: "db" };
let db: Db;
let reader: DbReader;

beforeAll(async () => {
  db = await Db.open(at, { flushIntervalMs: 3_600_000 });
  await db.put("key", "value");
  reader = await DbReader.open(at, { pollIntervalMs: 3_600_000 });
  await turns();
});
beforeEach(() => store.reset());
afterAll(async () => {
  await db.close();
  await reader.close();
});

/** The error of a call, thrown or rejected; nothing else may have happened. */
async function refusal(attempt: () => unknown): Promise<Error> {
  const { seq } = db;
  let error: unknown;
  try {
    await attempt();
  } catch (caught) {
    error = caught;
  }
  await turns(3);
  expect(store.total).toBe(0);
  expect(db.seq).toBe(seq);
  expect(error).toSatisfy((caught) => isMoraineError(caught, "invalid"));
  return error as Error;
}

const nobytes: [string, unknown][] = [
  ["undefined", undefined],
  ["null", null],
  ["a number", 5],
  ["a bigint", 5n],
  ["a boolean", true],
  ["an array", [1, 2]],
  ["an object", { length: 1, 0: 1 }],
  ["a date", new Date()],
  ["a function", () => "key"],
  ["a symbol", Symbol("key")],
  ["a DataView", new DataView(new ArrayBuffer(2))],
  ["an ArrayBuffer", new ArrayBuffer(2)],
  ["a Uint16Array", new Uint16Array(2)],
  ["an Int8Array", new Int8Array(2)],
  ["a String object", new String("key")],
  ["a string with a lone surrogate", "a\ud800"],
  ["something with the tag of a Uint8Array", { [Symbol.toStringTag]: "Uint8Array" }],
];

describe.each(nobytes)("%s is neither key nor value", (_, input) => {
  test.each<[string, () => unknown]>([
    ["put, as key", () => call(db, "put", input, "value")],
    ["put, as value", () => call(db, "put", "key", input)],
    ["delete", () => call(db, "delete", input)],
    ["batch().put, as key", () => call(db.batch(), "put", input, "value")],
    ["batch().put, as value", () => call(db.batch(), "put", "key", input)],
    ["batch().delete", () => call(db.batch(), "delete", input)],
    ["write", () => call(db, "write", [{ type: "put", key: input, value: "" }])],
    ["get", () => call(db, "get", input)],
    ["getEntry", () => call(db, "getEntry", input)],
    ["has", () => call(db, "has", input)],
    ["getMany", () => call(db, "getMany", ["key", input])],
    ["a reader's get", () => call(reader, "get", input)],
    ["seek", () => call(db.scan(), "seek", input)],
    ["load, as key of a pair", () => call(db, "load", [[input, "value"]])],
    ["load, as value", () => call(db, "load", [{ key: "key", value: input }])],
  ])("%s", async (_, attempt) => {
    expect((await refusal(attempt)).message).toMatch(/key|value/);
  });
});

test("a key may have 65,535 bytes and no more, a value 512 MiB and no more", async () => {
  expect(toKeyBytes("é".repeat(32_767)).length).toBe(65_534);
  expect(toKeyBytes(new Uint8Array(65_535)).length).toBe(65_535);
  await refusal(() => db.put(new Uint8Array(65_536), ""));
  await refusal(() => db.put("k".repeat(65_536), ""));
  await refusal(() => db.put("é".repeat(32_768), ""));
  await refusal(() => db.get(new Uint8Array(65_536)));
  await refusal(() => db.scan({ prefix: new Uint8Array(65_536) }));
  // Never touched, so it takes no memory.
  const large = new Uint8Array(512 * 1024 * 1024 + 1);
  expect(toValueBytes(large.subarray(1)).length).toBe(512 * 1024 * 1024);
  await refusal(() => db.put("key", large));
  expect(await db.get("key")).toEqual(Uint8Array.from(Buffer.from("value")));
});

test.each<[string, (target: Db) => unknown, string]>([
  ["put", (target) => call(target, "put", "key", "value", { durabel: true }), "durable"],
  ["delete", (target) => call(target, "delete", "key", { signl: undefined }), "signal"],
  ["write", (target) => call(target, "write", [], { durabl: true }), "durable"],
  ["get", (target) => call(target, "get", "key", { durabilty: "memory" }), "durability"],
  ["getEntry", (target) => call(target, "getEntry", "key", { Signal: 1 }), "signal"],
  ["has", (target) => call(target, "has", "key", { duribility: 1 }), "durability"],
  ["getMany", (target) => call(target, "getMany", [], { sgnal: 1 }), "signal"],
  ["scan", (target) => call(target, "scan", { reversed: true }), "reverse"],
  ["keys", (target) => call(target, "keys", { limits: 1 }), "limit"],
  ["values", (target) => call(target, "values", { prefx: "a" }), "prefix"],
  ["flush", (target) => call(target, "flush", { too: "wal" }), "to"],
  ["close", (target) => call(target, "close", { flsh: false }), "flush"],
  ["load", (target) => call(target, "load", [], { onProgres: () => undefined }), "onProgress"],
  ["refresh", () => call(reader, "refresh", { signall: undefined }), "signal"],
  ["waitForSeq", () => call(reader, "waitForSeq", 1, { signol: undefined }), "signal"],
  ["Db.open", () => call(Db, "open", at, { memTableByte: 1 }), "memTableBytes"],
  ["Db.open", () => call(Db, "open", at, { Create: "must" }), "create"],
  ["DbReader.open", () => call(DbReader, "open", at, { poolIntervalMs: 1 }), "pollIntervalMs"],
  ["a location", () => call(Db, "open", { ...at, paht: "" }), "path"],
  ["a put", (target) => call(target, "write", [{ type: "put", key: "", valeu: "" }]), "value"],
])("%s refuses an unknown option and suggests a known one", async (_, attempt, suggested) => {
  expect((await refusal(() => attempt(db))).message).toContain(`Did you mean "${suggested}"?`);
});

test("a reader refuses what only a writer heeds, and says so", async () => {
  const ofWriters = {
    ...{ create: "never", filter: "bloom", compression: "none", defaultTtlMs: 1 },
    ...{ compaction: "leveled", compactionFilter: () => "keep", background: false },
  };
  for (const [name, setting] of Object.entries(settingsTable)) {
    const options = { [name]: setting.default };
    if (!setting.handles.includes("DbReader")) Object.assign(ofWriters, options);
    else await (await DbReader.open(at, options)).close();
  }
  expect(Object.keys(ofWriters)).toContain("walPutsPerSecond");
  expect(Object.keys(ofWriters)).toContain("compactionThreads");
  store.reset();
  for (const [name, value] of Object.entries(ofWriters)) {
    const { message } = await refusal(() => call(DbReader, "open", at, { [name]: value }));
    expect(message).toBe(`DbReader.open has no option "${name}": it is an option of Db.open only.`);
  }
});

test("the bounds that writers keep to between two settings are none of a reader's", async () => {
  const memTableBytes = 2 * settingsTable.unflushedBytesMax.default;
  await (await DbReader.open(at, { memTableBytes })).close();
  store.reset();
  await refusal(() => Db.open(at, { memTableBytes }));
});

test.each<[string, () => unknown]>([
  ["options that are no object", () => call(db, "put", "key", "value", true)],
  ["options that are null", () => call(db, "get", "key", null)],
  ["options that are an array", () => call(db, "get", "key", [])],
  ["a durable that is no boolean", () => call(db, "put", "key", "value", { durable: "no" })],
  ["a signal that is none", () => call(db, "put", "key", "value", { signal: {} })],
  ["an unknown durability", () => call(db, "get", "key", { durability: "disk" })],
  ["a range that is a string", () => call(db, "scan", "user:")],
  ["a range that is an array", () => call(db, "scan", ["a", "b"])],
  ["a range that is null", () => call(db, "scan", null)],
  ["gt with gte", () => db.scan({ gt: "a", gte: "b" })],
  ["lt with lte", () => db.keys({ lt: "a", lte: "b" })],
  ["a bound that is a number", () => call(db, "scan", { gt: 5 })],
  ["a prefix that is null", () => call(db, "values", { prefix: null })],
  ["a negative limit", () => db.scan({ limit: -1 })],
  ["a limit that is no integer", () => db.scan({ limit: 1.5 })],
  ["a limit that is a string", () => call(db, "scan", { limit: "1" })],
  ["a readAheadBytes that is NaN", () => db.scan({ readAheadBytes: Number.NaN })],
  ["a reverse that is no boolean", () => call(db, "scan", { reverse: 1 })],
  ["nextMany of nothing", () => db.scan().nextMany(0)],
  ["nextMany of a fraction", () => db.scan().nextMany(0.5)],
  ["an unknown flush target", () => call(db, "flush", { to: "l1" })],
  ["an unknown way to close", () => call(db, "close", { flush: "l0" })],
  ["keys that are no iterable", () => call(db, "getMany", 5)],
  ["keys that are an object", () => call(db, "getMany", {})],
  ["keys that are missing", () => call(db, "getMany")],
  ["keys that are null", () => call(db, "getMany", null)],
  ["keys that are one string", () => call(db, "getMany", "key")],
  ["a batch that is an object", () => call(db, "write", { type: "put", key: "", value: "" })],
  ["a batch that is missing", () => call(db, "write")],
  ["entries that are missing", () => call(db, "load")],
  ["entries that are null", () => call(db, "load", null)],
  ["entries that are a string", () => call(db, "load", "key")],
  ["entries that are an object", () => call(db, "load", { key: "key", value: "value" })],
  ["entries that are a function", () => call(db, "load", () => [["key", "value"]])],
  ["entries that are bytes", () => call(db, "load", Uint8Array.of(1))],
  ["an entry that is a string", () => call(db, "load", ["key"])],
  ["an entry that is a key alone", () => call(db, "load", [["key"]])],
  ["an entry that is missing", () => call(db, "load", [undefined])],
  ["an entry that expires at no time", () => db.load([{ key: "k", value: "", expiresAt: 0 }])],
  ["an entry with a bad ttl", () => db.load([{ key: "k", value: "", ttlMs: 1.5 }])],
  ["an entry with a type", () => call(db, "load", [{ type: "put", key: "k", value: "" }])],
  ["an entry that deletes", () => call(db, "load", [{ type: "delete", key: "k", value: "" }])],
  ["an onProgress that is no function", () => call(db, "load", [], { onProgress: true })],
  ["a signal of a load that is none", () => call(db, "load", [], { signal: {} })],
  ["a seq that is missing", () => call(reader, "waitForSeq")],
  ["a seq that is a string", () => call(reader, "waitForSeq", "1")],
  ["a negative seq", () => reader.waitForSeq(-1)],
])("refused: %s", async (_, attempt) => {
  await refusal(attempt);
});

const badLifetimes: [string, Record<string, unknown>, RegExp][] = [
  ["a ttl of zero", { ttlMs: 0 }, /"ttlMs" must be a whole number of ms from 1.* not 0\. .*delete/],
  ["a negative ttl", { ttlMs: -5 }, /not -5/],
  ["a ttl of less than nothing for ever", { ttlMs: Number.NEGATIVE_INFINITY }, /not -Infinity/],
  ["a ttl that is NaN", { ttlMs: Number.NaN }, /not NaN/],
  ["a ttl that is a fraction", { ttlMs: 1.5 }, /not 1.5/],
  ["a ttl that is no safe integer", { ttlMs: 2 ** 53 }, /ttlMs/],
  ["a ttl that is a string", { ttlMs: "1000" }, /not string/],
  ["a ttl that is a bigint", { ttlMs: 1000n }, /not bigint/],
  ["a ttl that is null", { ttlMs: null }, /not null/],
  ["an expiry of zero", { expiresAt: 0 }, /"expiresAt" must be .* ms since 1970, from 1, not 0\./],
  ["a negative expiry", { expiresAt: -1 }, /not -1/],
  ["an infinite expiry", { expiresAt: Number.POSITIVE_INFINITY }, /Leave it out/],
  ["an expiry that is a fraction", { expiresAt: 0.5 }, /not 0.5/],
  ["an expiry that is NaN", { expiresAt: Number.NaN }, /not NaN/],
  ["an expiry that is a date", { expiresAt: new Date() }, /Date/],
  ["an expiry that is null", { expiresAt: null }, /not null/],
  ["a ttl and an expiry", { ttlMs: 1, expiresAt: 1 }, /"ttlMs" or "expiresAt", not both/],
];

describe.each(badLifetimes)("refused: %s", (_, lifetime, message) => {
  test.each<[string, () => unknown]>([
    ["put", () => call(db, "put", "k", "v", lifetime)],
    ["write", () => call(db, "write", [{ type: "put", key: "k", value: "v" }], lifetime)],
    ["an operation", () => call(db, "write", [{ type: "put", key: "k", value: "v", ...lifetime }])],
    ["batch().put", () => call(db.batch(), "put", "k", "v", lifetime)],
    ["load", () => call(db, "load", [{ key: "k", value: "v", ...lifetime }])],
  ])("%s", async (_, attempt) => {
    expect((await refusal(attempt)).message).toMatch(message);
  });
});

test.each(badLifetimes.filter(([, { expiresAt }]) => expiresAt === undefined))(
  "defaultTtlMs is refused: %s",
  async (_, { ttlMs }) => {
    const error = await refusal(() => call(Db, "open", at, { defaultTtlMs: ttlMs }));
    expect(error.message).toContain("defaultTtlMs");
  },
);

test("a delete does not expire, and a reader has no default", async () => {
  const remove = { type: "delete", key: "k", ttlMs: 1 };
  expect((await refusal(() => call(db, "delete", "k", { ttlMs: 1 }))).message).toContain("ttlMs");
  expect((await refusal(() => call(db, "write", [remove]))).message).toContain("ttlMs");
  await refusal(() => call(DbReader, "open", at, { defaultTtlMs: 1 }));
});

test("a put of a batch that is refused for its ttl leaves the batch as it was", () => {
  const batch = db.batch().put("kept", "1");
  const { byteLength } = batch;
  expect(() => batch.put("bad", "2", { ttlMs: -1 })).toThrow(/ttlMs/);
  expect(() => call(batch, "put", "bad", 5, { ttlMs: 1 })).toThrow(/value/);
  expect([batch.count, batch.byteLength]).toEqual([1, byteLength]);
});

test("what a close is refused for is a rejection, and the handle stays open", async () => {
  const closing = call(db, "close", { flush: "l0" });
  await expect(closing).rejects.toMatchObject({ kind: "invalid" });
  expect(await db.has("key")).toBe(true);
});

test.each<[string, unknown]>([
  ["an unknown type", { type: "increment", key: "k", value: "v" }],
  ["a merge where there is no operator", { type: "merge", key: "k", operand: "v" }],
  ["a merge of a value", { type: "merge", key: "k", value: "v" }],
  ["no type", { key: "k", value: "v" }],
  ["a put without a value", { type: "put", key: "k" }],
  ["a delete with a value", { type: "delete", key: "k", value: "v" }],
  ["null", null],
  ["a string", "put"],
  ["a key that is too long", { type: "delete", key: "k".repeat(65_536) }],
])("a batch with a bad operation (%s) names its index and applies none", async (_, bad) => {
  const good = { type: "put", key: "good", value: "v" };
  const error = await refusal(() => call(db, "write", [good, good, bad, good]));
  expect(error.message).toMatch(/^Operation 2: /);
  expect(await db.has("good")).toBe(false);
});

test("a batch that refused an operation can still be written, without it", async () => {
  const batch = db.batch().put("kept", "1");
  expect(() => call(batch, "put", "bad", 5)).toThrow(/value/);
  expect(batch.count).toBe(1);
  await db.write(batch, { durable: false });
  expect([await db.has("kept"), await db.has("bad")]).toEqual([true, false]);
});

test.each<[string, Record<string, unknown>]>([
  ["below the least", { memTableBytes: 4095 }],
  ["above the most", { walPutsInFlight: 65 }],
  ["NaN", { blockBytes: Number.NaN }],
  ["null", { blockBytes: null }],
  ["a string", { blockBytes: "4096" }],
  ["a bigint", { blockBytes: 4096n }],
  ["a fraction", { uploadsInFlight: 1.5 }],
  ["negative", { blockCacheBytes: -1 }],
  ["infinite where that is no number of things", { blockCacheBytes: Number.POSITIVE_INFINITY }],
  ["a rate of nothing", { walPutsPerSecond: 0 }],
  ["a retention of less than a day", { manifestRetentionMs: 24 * 3_600_000 - 1 }],
  ["a MemTable that all memory cannot hold", { memTableBytes: 32_768, unflushedBytesMax: 16_384 }],
  ["an unknown create", { create: "always" }],
  ["a create of null", { create: null }],
])("a setting is refused: %s", async (_, options) => {
  const error = await refusal(() => call(Db, "open", at, options));
  expect(error.message).toContain(Object.keys(options).at(-1));
});

test("a poll interval is refused below 10 ms and above an hour", async () => {
  await refusal(() => DbReader.open(at, { pollIntervalMs: 9 }));
  await refusal(() => DbReader.open(at, { pollIntervalMs: 3_600_001 }));
});

test.each<[unknown]>([
  ["s3://"],
  ["s3://bucket"],
  ["s3://bucket/"],
  ["s3:///path"],
  ["s3://bucket/a//b"],
  ["s3://bucket/../b"],
  ["file://host/x"],
  ["file://"],
  ["file:///"],
  ["file:///a/../b"],
  ["file:///a/%2e%2e/b"],
  ["file:///a/./b"],
  ["file:///a//b"],
  ["file:///a\\b"],
  ["file:///a%5Cb"],
  ["file:///a%00b"],
  ["file:///a\0b"],
  ["file:///a%zz"],
  ["file:///a\ud800"],
  ["file:///a?region=x"],
  ["file:///a#b"],
  ["memory://"],
  ["memory:///"],
  ["memory://name"],
  ["memory:///a/../b"],
  ["memory:///a?b=c"],
  ["http://host/path"],
  ["/absolute/path"],
  ["relative"],
  [""],
  [5],
  [null],
  [undefined],
  [[]],
  [{}],
  [{ store }],
  [{ path: "db" }],
  [{ store: null, path: "db" }],
  [{ store: {}, path: "db" }],
  [{ store, path: "" }],
  [{ store, path: "/db" }],
  [{ store, path: "db/" }],
  [{ store, path: "a/../b" }],
  [{ store, path: "a\\b" }],
  [{ store, path: "a\0" }],
  [{ store, path: "a\ud800" }],
  [{ store, path: 5 }],
])("the location %j is refused, for writers and readers", async (location) => {
  await refusal(() => call(Db, "open", location, { create: "never" }));
  await refusal(() => call(DbReader, "open", location));
});

test("a message about a location does not repeat credentials", async () => {
  const error = await Db.open("s3://user:secret@bucket", { create: "never" }).catch((e) => e);
  expect(isMoraineError(error)).toBe(true);
  expect(error.message).not.toContain("secret");
});

test("equal memory URLs are one database, spelled with or without percents", async () => {
  const one = await Db.open("memory:///bad-input/a b");
  await one.put("key", "1");
  await one.close();
  await using two = await Db.open(new URL("memory:///bad-input/a b"), { create: "never" });
  expect(text(await two.get("key"))).toBe("1");
});

test("a folder is a database, and a reader of it makes nothing", async () => {
  const directory = mkdtempSync(join(tmpdir(), "moraine-bad-input-"));
  try {
    await expect(DbReader.open(`file://${directory}/db`)).rejects.toMatchObject({
      kind: "not-found",
    });
    await using made = await Db.open(`file://${directory}/db`, { create: "must" });
    await made.put("key", "value");
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test("a path that holds something else is refused and left as it is", async () => {
  const other = new MemoryObjectStore();
  await other.put("db/readme.txt", new Uint8Array(1));
  const counting = new CountingObjectStore(other);
  await expect(Db.open({ store: counting, path: "db" })).rejects.toMatchObject({ kind: "invalid" });
  expect(counting.counts).toMatchObject({ create: 0, put: 0, delete: 0 });
});

test("data without a manifest is corruption, for writers and readers, and left as it is", async () => {
  const other = new MemoryObjectStore();
  const victim = await Db.open({ store: other, path: "db" });
  await victim.put("key", "value");
  await victim.close();
  const names: string[] = [];
  for await (const { key } of other.list({ prefix: "db/manifest/" })) names.push(key);
  await other.delete(names);
  const counting = new CountingObjectStore(other);
  for (const open of [Db.open, DbReader.open]) {
    await expect(open({ store: counting, path: "db" })).rejects.toMatchObject({
      kind: "corruption",
    });
  }
  expect(counting.counts).toMatchObject({ create: 0, put: 0, delete: 0 });
});

test("create decides between making and finding", async () => {
  const other = new CountingObjectStore(new MemoryObjectStore());
  const place = { store: other, path: "db" };
  await expect(Db.open(place, { create: "never" })).rejects.toMatchObject({ kind: "not-found" });
  await expect(DbReader.open(place)).rejects.toMatchObject({ kind: "not-found" });
  expect(other.counts).toMatchObject({ create: 0, put: 0, delete: 0 });
  await (await Db.open(place, { create: "must" })).close();
  other.reset();
  await expect(Db.open(place, { create: "must" })).rejects.toMatchObject({ kind: "exists" });
  expect(other.counts).toMatchObject({ create: 0, put: 0, delete: 0 });
  await (await Db.open(place, { create: "never" })).close();
});

test("an open that is aborted before rejects with the reason and makes no request", async () => {
  const other = new CountingObjectStore(new MemoryObjectStore());
  const reason = new Error("enough");
  const signal = AbortSignal.abort(reason);
  await expect(Db.open({ store: other, path: "db" }, { signal })).rejects.toBe(reason);
  await expect(DbReader.open({ store: other, path: "db" }, { signal })).rejects.toBe(reason);
  expect(other.total).toBe(0);
});

test("keys and values of other realms, Buffers and views are taken", async () => {
  const foreign = runInNewContext("new Uint8Array([1, 2, 3])");
  expect(foreign instanceof Uint8Array).toBe(false);
  await call(db, "put", foreign, foreign, { durable: false });
  expect(await db.get(Uint8Array.of(1, 2, 3))).toEqual(Uint8Array.of(1, 2, 3));
  await db.put(Buffer.from("buffer"), Buffer.from("from a pool"), { durable: false });
  const value = await db.get("buffer");
  expect(text(value)).toBe("from a pool");
  expect(Buffer.isBuffer(value)).toBe(false);
  await db.put(new Uint8Array([0, 1, 2, 3]).subarray(1, 3), "view", { durable: false });
  expect(text(await db.get(Uint8Array.of(1, 2)))).toBe("view");
});

test("the empty key and the empty value are a key and a value, distinct from absence", async () => {
  expect(await db.has("")).toBe(false);
  await db.put("", "", { durable: false });
  expect(await db.get("")).toEqual(new Uint8Array(0));
  expect(await db.has("")).toBe(true);
  expect((await db.keys({ limit: 1 }).next())!.length).toBe(0);
  await db.delete("", { durable: false });
  expect(await db.get("")).toBeUndefined();
});

test("names of object members are keys like others", async () => {
  const names = ["__proto__", "constructor", "toString", "hasOwnProperty", "__defineGetter__"];
  for (const name of names) expect(await db.has(name)).toBe(false);
  await db.write(
    names.map((key) => ({ type: "put" as const, key, value: key })),
    { durable: false },
  );
  expect((await db.getMany(names)).map(text)).toEqual(names);
});

test("what is done to inputs after the call does not reach the database", async () => {
  const key = Uint8Array.of(7, 7);
  const value = Uint8Array.of(8, 8);
  const writes = [
    db.put(key, value, { durable: false }),
    db.write([{ type: "put", key: "array", value }], { durable: false }),
  ];
  const bounds = { gte: Uint8Array.of(7) };
  const many = db.getMany([key]);
  const scan = db.scan({ ...bounds, limit: 1 });
  key.fill(0);
  value.fill(0);
  bounds.gte.fill(255);
  await Promise.all(writes);
  expect(await many).toEqual([Uint8Array.of(8, 8)]);
  expect((await scan.next())!.key).toEqual(Uint8Array.of(7, 7));
  expect(await db.get(Uint8Array.of(7, 7))).toEqual(Uint8Array.of(8, 8));
  expect(await db.get("array")).toEqual(Uint8Array.of(8, 8));
});

test("what is done to results does not reach the database, in memory or on the store", async () => {
  const place = { store: new MemoryObjectStore(), path: "results" };
  await using own = await Db.open(place);
  await own.put("key", "value");
  for (const flush of [false, true]) {
    if (flush) await own.flush({ to: "l0" });
    for (let i = 0; i < 2; i++) {
      (await own.get("key"))!.fill(0);
      const entry = await own.getEntry("key");
      entry!.key.fill(0);
      entry!.value.fill(0);
      (await own.getMany(["key", "key"]))[0]!.fill(0);
      for await (const row of own.scan()) {
        row.key.fill(0);
        row.value.fill(0);
      }
      expect((await own.getMany(["key", "key"])).map(text)).toEqual(["value", "value"]);
      expect(text((await own.scan().next())!.key)).toBe("key");
      expect(text(await own.get("key"))).toBe("value");
    }
  }
});

test("each value of a getMany is an array of its own, even for the same key", async () => {
  const [one, two] = await db.getMany(["key", "key"]);
  one!.fill(0);
  expect(text(two)).toBe("value");
});

test("what is done to the location and the options after the call of open changes nothing", async () => {
  const place = { store: new MemoryObjectStore(), path: "db" };
  const options: { create: string; checkpoint?: string } = { create: "must" };
  const opening = Db.open(place, options as { create: "must" });
  place.path = "elsewhere";
  options.create = "nonsense";
  const own = await opening;
  await own.close();
  place.path = "db";
  const readerOptions: { pollIntervalMs?: number; checkpoint?: string } = {};
  const openingReader = DbReader.open(place, readerOptions);
  readerOptions.checkpoint = "nothing of this name";
  await (await openingReader).close();
});
