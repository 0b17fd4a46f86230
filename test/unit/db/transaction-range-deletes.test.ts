/** Range deletes in transactions: what is seen of own ones, and which ones of others conflict, wherever they are. */
import { expect, test } from "vitest";
import {
  bytesAppend,
  Db,
  isMoraineError,
  type OpenOptions,
  type RangeToDelete,
  type Transaction,
} from "../../../src/index.js";
import { CountingObjectStore, MemoryObjectStore } from "../../../src/testing/index.js";
import { newPlace, openAt, rows, text } from "./support.js";

const quiet = { flushIntervalMs: 3_600_000, background: false };
const openDb = (options: OpenOptions = {}): Promise<Db> =>
  Db.open({ store: new MemoryObjectStore(), path: "db" }, { ...quiet, ...options });
const soon = { durable: false };

/** What the commit answers: "ok", or the message of the conflict up to its seq. */
async function outcome(transaction: Transaction): Promise<string> {
  try {
    await transaction.commit(soon);
    return "ok";
  } catch (error) {
    if (!isMoraineError(error, "conflict")) throw error;
    return error.message.split(" at seq")[0]!;
  }
}

const flush = (db: Db): Promise<unknown> => db.flush({ to: "l0" });

const layouts: [string, (db: Db) => Promise<unknown>][] = [
  ["in memory", async () => undefined],
  ["in SSTs", flush],
];

test.each(layouts)(
  "own range deletes hide what lies beneath, and what was written here before: %s",
  async (_, settle) => {
    const db = await openDb({ mergeOperators: { append: bytesAppend } });
    await db.write(db.batch().put("a", "1").put("b", "1").put("c", "1").put("d", "1"));
    await db.merge("e", "1");
    await settle(db);
    await db.load([["f", "1"]]);
    const tx = db.begin();
    await db.put("bb", "later");
    tx.put("b", "own");
    tx.put("bc", "own");
    tx.put("z", "own");
    tx.deleteRange({ gt: "a", lte: "c" });
    expect(await rows(tx)).toBe("a=1 d=1 e=1 f=1 z=own");
    expect(await rows(tx, { reverse: true })).toBe("z=own f=1 e=1 d=1 a=1");
    expect((await tx.getMany(["a", "b", "bc", "c", "b"])).map(text)).toEqual([
      ...["1", undefined, undefined, undefined, undefined],
    ]);
    expect([await tx.has("b"), await tx.getEntry("c")]).toEqual([false, undefined]);
    expect(tx.getCached("b")).toEqual({ value: undefined });
    tx.put("b", "again");
    expect(await rows(tx, { lt: "d" })).toBe("a=1 b=again");
    expect(await tx.getEntry("b")).toMatchObject({ seq: 0 });
    const started = tx.scan({ gte: "b", reverse: true });
    expect(text((await started.next())?.key)).toBe("z");
    const asked = tx.keys();
    tx.deletePrefix("z");
    tx.deleteRange({ gte: "d", lt: "f" });
    tx.merge("e", "2");
    expect((await asked.nextMany(9)).map(text), "as of its call").toEqual([
      ...["a", "b", "d", "e", "f", "z"],
    ]);
    started.seek("e");
    expect((await started.nextMany(9)).map(({ key }) => text(key))).toEqual(["e", "d", "b"]);
    expect(await rows(tx)).toBe("a=1 b=again e=2 f=1");
    tx.deleteRange({ all: true });
    expect(await rows(tx)).toBe("");
    tx.put("c", "last");
    expect(await rows(tx, { reverse: true })).toBe("c=last");
    tx.put("bb", "last");
    tx.rollback();
    expect(await rows(db)).toBe("a=1 b=1 bb=later c=1 d=1 e=1 f=1");
    await db.close();
  },
);

test("the commit writes range deletes before rows, each range once", async () => {
  const db = await openDb({ mergeOperators: { append: bytesAppend } });
  await db.write(db.batch().put("a", "1").put("b", "1").put("c", "1").put("d", "1"));
  const changes = db.changes()[Symbol.asyncIterator]();
  const tx = db.begin();
  tx.put("b", "gone");
  tx.deleteRange({ gte: "a", lt: "b" });
  tx.deleteRange({ gte: "c", lte: "d" });
  tx.put("c", "own");
  tx.deleteRange({ gte: "b", lt: "bb" });
  tx.deleteRange({ gte: "a", lt: "b" });
  tx.merge("a", "2");
  const { seq } = await tx.commit();
  expect(seq).toBe(2);
  const { operations } = (await changes.next()).value!;
  const shown = operations.map((one) =>
    one.type === "deleteRange"
      ? `[${text(one.gte)}, ${JSON.stringify(text(one.lt))})`
      : `${one.type} ${text("key" in one ? one.key : undefined)}`,
  );
  expect(shown).toEqual(['[a, "bb")', '[c, "d\\u0000")', "put c", "merge a"]);
  expect(await rows(db)).toBe("a=2 c=own");
  await flush(db);
  expect(await rows(db)).toBe("a=2 c=own");
  await db.close();
});

test("a range delete alone is a commit, one of no key is none, and expiries stay with their rows", async () => {
  const place = newPlace();
  const db = await openAt(place, { ...quiet, defaultTtlMs: 500 });
  await db.put("a", "1", soon);
  const empty = db.begin();
  empty.deleteRange({ gte: "b", lt: "a" });
  await db.put("a", "2", soon);
  expect([(await empty.commit()).seq, db.seq]).toEqual([2, 2]);
  const alone = db.begin();
  alone.deletePrefix("a");
  expect((await alone.commit(soon)).seq).toBe(3);
  expect(await rows(db)).toBe("");
  const both = db.begin();
  both.put("a", "1", { ttlMs: 100 });
  both.put("b", "1");
  both.deleteRange({ gte: "0", lt: "1" });
  await both.commit(soon);
  await place.clock.advance(100);
  expect(await rows(db)).toBe("b=1");
  await place.clock.advance(400);
  expect(await rows(db)).toBe("");
  await place.clock.advanceUntil(db.close());
});

test("a range that was deleted conflicts with any later write in it", async () => {
  const writes: [string, (db: Db) => unknown, string][] = [
    [
      "a put",
      (db) => db.put("c", "1", soon),
      'Key "c", in the range that was deleted (>= "b", < "d"), was written',
    ],
    ["a delete", (db) => db.delete("c", soon), 'Key "c", in the range'],
    ["a put outside", (db) => db.put("d", "1", soon), "ok"],
    [
      "a load",
      (db) =>
        db.load([
          ["a", "1"],
          ["e", "1"],
        ]),
      'A load wrote to the range that was deleted (>= "b", < "d")',
    ],
    ["a load outside", (db) => db.load([["e", "1"]]), "ok"],
    [
      "a range delete",
      (db) => db.deleteRange({ gt: "c" }, soon),
      'A range delete of >= 0x6300 overlapped the range that was deleted (>= "b", < "d")',
    ],
    ["a range delete that meets it", (db) => db.deleteRange({ gte: "d" }, soon), "ok"],
    [
      "all of it",
      (db) => db.deleteRange({ all: true }, soon),
      "A range delete of all keys overlapped",
    ],
  ];
  const settles = [async () => undefined, flush];
  for (const conflictWindowBytes of [0, undefined]) {
    for (const settle of settles) {
      for (const [name, write, expected] of writes) {
        const db = await openDb({ conflictWindowBytes });
        await db.put("c", "0", soon);
        const tx = db.begin();
        tx.deleteRange({ gte: "b", lt: "d" });
        await write(db);
        await settle(db);
        const what = `${name} ${conflictWindowBytes} ${settle === flush}`;
        const seen = await outcome(tx);
        if (expected === "ok") expect(seen, what).toBe("ok");
        else expect(seen.startsWith(expected), `${what}: ${seen}`).toBe(true);
        await db.close();
      }
    }
  }
});

const footprints: [string, (tx: Transaction) => unknown, boolean, string][] = [
  ["a written key", (tx) => tx.put("k", "1"), false, 'covered key "k"'],
  ["a deleted key", (tx) => tx.delete("k"), false, 'covered key "k"'],
  ["a key that is read", (tx) => tx.get("k"), true, 'covered key "k"'],
  ["keys that are read", (tx) => tx.getMany(["i", "k", "a"]), true, 'covered key "k"'],
  [
    "a range that is read",
    (tx) => rows(tx, { gte: "k", lt: "m" }),
    true,
    "overlapped the range that was read",
  ],
  [
    "a marked range",
    (tx) => tx.markRead({ prefix: "k" }),
    false,
    "overlapped the range that was read",
  ],
  [
    "a deleted range",
    (tx) => tx.deletePrefix("ka"),
    false,
    "overlapped the range that was deleted",
  ],
];

const deletes: [string, RangeToDelete, boolean][] = [
  ["a range", { gte: "j", lt: "l" }, true],
  ["one without an end", { gte: "j" }, true],
  ["all", { all: true }, true],
  ["a prefix", { prefix: "k" }, true],
  ["one before", { gte: "j", lt: "k" }, false],
  ["one behind", { gte: "n" }, false],
];

/** Where it is when the transaction commits. */
const ways: [string, OpenOptions, (db: Db, range: RangeToDelete) => Promise<unknown>][] = [
  ["in memory", {}, (db, range) => db.deleteRange(range, soon)],
  [
    "of a batch",
    {},
    (db, range) => db.write(db.batch().put("0", "1").deleteRange(range).put("0", "1"), soon),
  ],
  [
    "of a transaction",
    {},
    (db, range) => {
      const other = db.begin();
      other.deleteRange(range);
      return other.commit(soon);
    },
  ],
  ["in the window", {}, (db, range) => db.deleteRange(range, soon).then(() => flush(db))],
  [
    "in an SST that says all of it",
    { conflictWindowBytes: 0 },
    (db, range) => db.deleteRange(range, soon).then(() => flush(db)),
  ],
  [
    "in an SST that has to be asked",
    { conflictWindowBytes: 0, blockCacheBytes: 0 },
    async (db, range) => {
      // One span that covers more than what was deleted later.
      await db.deleteRange(range, soon);
      await db.deleteRange({ gte: "0", lt: "1" }, soon);
      await db.deleteRange({ gte: "0", lt: "2" }, soon);
      await flush(db);
    },
  ],
];

test.each(ways)(
  "range deletes of others conflict with what they cover, and nothing else: %s",
  async (_, options, act) => {
    for (const [what, use, isRead, message] of footprints) {
      for (const [which, range, covers] of deletes) {
        for (const isolation of ["snapshot", "serializable"] as const) {
          const db = await openDb(options);
          await db.put("k", "0", soon);
          await db.deleteRange({ gte: "j", lt: "m" }, soon);
          await db.put("k", "0", soon);
          const tx = db.begin({ isolation });
          await use(tx);
          tx.put("m", "own");
          const expected = covers && !(isRead && isolation === "snapshot");
          const isOwn = which !== "one without an end" && which !== "all";
          await act(db, range);
          const seen = await outcome(tx);
          const name = `${isolation}, ${what}, ${which}: ${seen}`;
          if (expected) {
            expect(seen, name).toMatch(/^A range delete of /);
            if (isOwn) expect(seen, name).toContain(message);
          } else if (isOwn) expect(seen, name).toBe("ok");
          else expect(seen, name).toContain('covered key "m"');
          await db.close();
        }
      }
    }
  },
);

test("a later write that a yet later range delete hides is a conflict, in SSTs too", async () => {
  for (const conflictWindowBytes of [0, undefined]) {
    for (const flushes of [[], [1], [0, 1]]) {
      const db = await openDb({ conflictWindowBytes });
      const [key, range] = [db.begin(), db.begin({ isolation: "serializable" })];
      key.put("k", "own");
      await rows(range, { gte: "k", lt: "l" });
      range.put("x", "own");
      await db.put("k", "1", soon);
      if (flushes.includes(0)) await flush(db);
      await db.deleteRange({ gte: "j", lt: "l" }, soon);
      if (flushes.includes(1)) await flush(db);
      for (const tx of [key, range]) expect(await outcome(tx)).not.toBe("ok");
      expect(await rows(db)).toBe("");
      await db.close();
    }
  }
});

test("what a range delete before the transaction hid is no conflict, wherever it is", async () => {
  const db = await openDb({ conflictWindowBytes: 0 });
  await db.put("k", "1", soon);
  await db.deleteRange({ all: true }, soon);
  const tx = db.begin({ isolation: "serializable" });
  expect(await rows(tx)).toBe("");
  tx.put("k", "own");
  tx.deletePrefix("l");
  await flush(db);
  expect(await outcome(tx)).toBe("ok");
  expect(await rows(db)).toBe("k=own");
  await db.close();
});

test("the check asks only SSTs whose spans may matter, each once", async () => {
  const store = new CountingObjectStore(new MemoryObjectStore());
  const db = await Db.open(
    { store, path: "db" },
    { ...quiet, conflictWindowBytes: 0, blockCacheBytes: 0 },
  );
  const layer = async (prefix: string): Promise<void> => {
    for (const end of ["b", "c", "d"]) {
      await db.deleteRange({ gte: `${prefix}a`, lt: `${prefix}${end}` }, soon);
    }
    await flush(db);
  };
  await layer("m");
  const [apart, near, inside] = [db.begin(), db.begin(), db.begin()];
  for (const prefix of ["k", "m", "p"]) await layer(prefix);
  apart.deleteRange({ gte: "l", lt: "m" });
  near.put("mdd", "own");
  inside.put("mcc", "own");
  const requests = async (tx: Transaction): Promise<[string, number]> => {
    store.reset();
    const answer = await outcome(tx);
    return [answer.slice(0, 40), store.total];
  };
  expect(await requests(apart)).toEqual(["ok", 0]);
  expect(await requests(near)).toEqual(["ok", 0]);
  expect(await requests(inside)).toEqual([expect.stringContaining('"ma", < "md"'), 1]);
  await db.close();
});

test("unmarkWrite is of keys, and a range that was deleted counts all the same", async () => {
  const db = await openDb();
  const tx = db.begin();
  tx.put("b", "own");
  tx.deleteRange({ gte: "a", lt: "c" });
  expect(() => tx.unmarkWrite("b"), "it has been dropped").toThrow("has not written");
  tx.put("b", "own");
  tx.put("d", "own");
  tx.unmarkWrite("b");
  tx.unmarkWrite("d");
  await db.put("d", "other", soon);
  await db.put("b", "other", soon);
  expect(await outcome(tx)).toContain("the range that was deleted");
  await db.close();
});

test("bad ranges have typed errors, and nothing happens", async () => {
  const db = await openDb();
  await db.put("a", "1", soon);
  const tx = db.begin();
  const invalid = (message: string) =>
    expect.objectContaining({ kind: "invalid", message: expect.stringContaining(message) });
  expect(() => tx.deleteRange({})).toThrow(invalid("no bound"));
  expect(() => tx.deleteRange({ gte: undefined })).toThrow(invalid("is undefined"));
  expect(() => tx.deleteRange({ all: false } as never)).toThrow(invalid("all"));
  expect(() => tx.deleteRange({ all: true, gte: "a" })).toThrow(invalid("not both"));
  expect(() => tx.deleteRange({ gt: "a", gte: "a" })).toThrow(invalid("gt or gte"));
  expect(() => tx.deleteRange({ from: "a" } as never)).toThrow(invalid("from"));
  expect(() => tx.deleteRange("a" as never)).toThrow(invalid("range"));
  expect(() => tx.deleteRange({ gte: "a", lt: undefined })).toThrow(invalid("is undefined"));
  expect(() => tx.deleteRange(new Uint8Array(3) as never)).toThrow(invalid("a byte array"));
  expect(() => tx.deletePrefix("")).toThrow(invalid("empty"));
  expect(() => tx.deletePrefix(undefined as never)).toThrow(invalid("prefix"));
  expect(await rows(tx)).toBe("a=1");
  tx.rollback();
  expect(() => tx.deleteRange({ all: true })).toThrow("has been rolled back");
  expect(() => tx.deletePrefix("a")).toThrow("has been rolled back");
  await db.close();
});

test("the error has the range of the transaction, or its key", async () => {
  const db = await openDb();
  const [key, range] = [db.begin(), db.begin()];
  key.put("k", "own");
  range.deleteRange({ gte: "a", lte: "c" });
  await db.deleteRange({ gte: "b" }, soon);
  await expect(key.commit()).rejects.toMatchObject({
    message:
      'A range delete of >= "b" covered key "k" at seq 1, after the transaction began at seq 0. Nothing of it was written; run it again.',
    range: undefined,
    seq: 1,
  });
  const error = await range.commit().catch((reason: unknown) => reason);
  expect(error).toMatchObject({ key: undefined, seq: 1 });
  if (!isMoraineError(error, "conflict")) throw error;
  expect([text(error.range?.gte), text(error.range?.lt)]).toEqual(["a", "c\0"]);
  await db.close();
});
