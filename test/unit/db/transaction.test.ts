/** Transactions: what they read, what they conflict with, and how they end. */
import { expect, test } from "vitest";
import {
  Db,
  type Isolation,
  isMoraineError,
  type OpenOptions,
  type Scan,
  type Transaction,
  type TransactionConflictError,
} from "../../../src/index.js";
import { FaultyObjectStore, MemoryObjectStore, seededRandom } from "../../../src/testing/index.js";
import { HeldRequests } from "../../support/held-requests.js";
import { newPlace, openAt, rows, text, turns } from "./support.js";

const quiet = { flushIntervalMs: 3_600_000 };
const openDb = (options: OpenOptions = {}): Promise<Db> =>
  Db.open({ store: new MemoryObjectStore(), path: "db" }, { ...quiet, ...options });
const soon = { durable: false };
const conflict = expect.objectContaining({ kind: "conflict" });

/** What the commit answers: "ok", or the key or range that it conflicts with. */
async function outcome(transaction: Transaction): Promise<string> {
  try {
    await transaction.commit(soon);
    return "ok";
  } catch (error) {
    if (!isMoraineError(error, "conflict")) throw error;
    return text(error.key) ?? JSON.stringify(Object.keys(error.range ?? {}));
  }
}

test("a transaction reads its own writes over the state that it began with, both ways", async () => {
  const db = await openDb();
  await db.write(db.batch().put("a", "1").put("b", "1").put("c", "1").put("d", "1"));
  await db.flush({ to: "l0" });
  await db.load([["e", "1"]]);
  const tx = db.begin();
  await db.write(db.batch().put("a", "other").put("bb", "other").delete("d"));
  tx.put("b", "own");
  tx.delete("c");
  tx.put("cc", "own");
  tx.put("e", "own");
  expect(await rows(tx)).toBe("a=1 b=own cc=own d=1 e=own");
  expect(await rows(tx, { reverse: true })).toBe("e=own d=1 cc=own b=own a=1");
  expect(await rows(tx, { gt: "b", lt: "d" })).toBe("cc=own");
  expect((await tx.getMany(["c", "b", "e", "a", "b"])).map(text)).toEqual([
    ...[undefined, "own", "own", "1", "own"],
  ]);
  expect([text(await tx.get("cc")), await tx.has("c"), text(tx.getCached("b")?.value)]).toEqual([
    ...["own", false, "own"],
  ]);
  expect(text(await db.get("cc"))).toBeUndefined();
  tx.put("cc", "again");
  tx.delete("b");
  expect(await rows(tx)).toBe("a=1 cc=again d=1 e=own");
  const keys = tx.keys({ reverse: true });
  keys.seek("d");
  expect((await keys.nextMany(2)).map(text)).toEqual(["d", "cc"]);
  const { seq } = await tx.commit();
  expect(seq).toBe(4);
  expect(await rows(db)).toBe("a=other bb=other cc=again e=own");
  expect((await db.getEntry("cc"))?.seq).toBe(4);
  await db.close();
});

test("a scan sees what had been written when it was asked for", async () => {
  const db = await openDb();
  await db.put("a", "1");
  const tx = db.begin();
  const first = tx.scan();
  tx.put("b", "1");
  const before = tx.scan();
  const started = tx.scan();
  await started.next();
  tx.put("b", "2");
  tx.put("c", "2");
  tx.delete("a");
  const all = async (scan: Scan<{ key: Uint8Array; value: Uint8Array }>): Promise<string[]> =>
    (await scan.nextMany(9)).map(({ key, value }) => `${text(key)}=${text(value)}`);
  expect(await all(first)).toEqual(["a=1"]);
  expect(await all(before)).toEqual(["a=1", "b=1"]);
  expect(await all(started)).toEqual(["b=1"]);
  expect(await rows(tx)).toBe("b=2 c=2");
  tx.rollback();
  await expect(before.next()).rejects.toMatchObject({ kind: "closed" });
  await db.close();
});

test("what a transaction wrote has no seq yet", async () => {
  const db = await openDb();
  await db.put("a", "1");
  const tx = db.begin();
  tx.put("b", "2");
  expect(await tx.getEntry("b")).toMatchObject({ seq: 0, createdAt: expect.any(Number) });
  expect(await tx.getEntry("a")).toMatchObject({ seq: 1 });
  tx.delete("a");
  expect(await tx.getEntry("a")).toBeUndefined();
  await expect(tx.getEntry(7 as never)).rejects.toMatchObject({ kind: "invalid" });
  await db.close();
});

test("values may expire, for the transaction and after the commit", async () => {
  const place = newPlace();
  const db = await openAt(place, { ...quiet, defaultTtlMs: 500 });
  const tx = db.begin();
  tx.put("a", "1", { ttlMs: 100 });
  tx.put("b", "1");
  tx.put("c", "1", { ttlMs: Number.POSITIVE_INFINITY });
  tx.put("d", "1", { expiresAt: place.clock.now() + 150 });
  await place.clock.advance(100);
  expect(await rows(tx)).toBe("b=1 c=1 d=1");
  await tx.commit(soon);
  expect(await rows(db)).toBe("a=1 b=1 c=1 d=1");
  await place.clock.advance(99);
  expect(await rows(db)).toBe("a=1 b=1 c=1");
  await place.clock.advance(401);
  expect(await rows(db)).toBe("c=1");
  expect(() => db.begin().put("a", "1", { ttlMs: 0 })).toThrow("ttlMs");
  await place.clock.advanceUntil(db.close());
});

const writers: readonly (readonly [string, (db: Db, key: string) => unknown])[] = [
  ["a put", (db, key) => db.put(key, "other", soon)],
  ["a delete", (db, key) => db.delete(key, soon)],
  ["a batch", (db, key) => db.write(db.batch().put("0", "1").put(key, "other"), soon)],
  ["a load", (db, key) => db.load([[key, "other"]])],
  [
    "a transaction",
    (db, key) => {
      const other = db.begin();
      other.put(key, "other");
      return other.commit(soon);
    },
  ],
  [
    "a put that is flushed",
    async (db, key) => {
      await db.put(key, "other");
      await db.flush({ to: "l0" });
    },
  ],
  [
    "a load that is flushed",
    async (db, key) => {
      await db.load([[key, "other"]]);
      await db.flush({ to: "l0" });
      await db.put("0", "1");
      await db.flush({ to: "l0" });
    },
  ],
];

const windows = [
  ["with a window", {}],
  ["without one", { conflictWindowBytes: 0 }],
] as const;

for (const [which, options] of windows) {
  test.each(writers)(`${which}, a written key conflicts with %s`, async (_, write) => {
    const db = await openDb(options);
    await db.put("k", "0");
    const [conflicting, apart] = [db.begin(), db.begin()];
    conflicting.put("k", "own");
    conflicting.put("l", "own");
    apart.put("m", "own");
    expect(await rows(conflicting)).toBe("k=own l=own");
    await write(db, "k");
    expect(await outcome(conflicting)).toBe("k");
    expect(await outcome(apart)).toBe("ok");
    expect(text(await db.get("k"))).not.toBe("own");
    expect(await db.has("l")).toBe(false);
    expect(text(await db.get("m"))).toBe("own");
    await db.close();
  });

  test.each(writers)(
    `${which}, what was read conflicts with %s, if serializable`,
    async (_, write) => {
      const run = async (isolation: Isolation, read: (tx: Transaction) => unknown) => {
        const db = await openDb(options);
        await db.put("k", "0");
        const tx = db.begin({ isolation });
        await read(tx);
        tx.put("own", "own");
        await write(db, "k");
        const answer = await outcome(tx);
        await db.close();
        return answer;
      };
      const reads: [(tx: Transaction) => unknown, string][] = [
        [(tx) => tx.get("k"), "k"],
        [(tx) => tx.has("k"), "k"],
        [(tx) => tx.getEntry("k"), "k"],
        [(tx) => tx.getCached("k"), "k"],
        [(tx) => tx.getMany(["a", "k"]), "k"],
        [(tx) => rows(tx, { gte: "k", lt: "kk" }), "k"],
        [(tx) => rows(tx, { gte: "a", lt: "k" }), "ok"],
        [(tx) => rows(tx, { gt: "k" }), "ok"],
        [(tx) => tx.get("kk"), "ok"],
      ];
      const loads = write.toString().includes("load");
      for (const [read, expected] of reads) {
        expect(await run("snapshot", read)).toBe("ok");
        const seen = await run("serializable", read);
        // A load is known by its range: of a range that was read there is no key to name.
        if (loads && expected === "k") expect(["k", '["gte","lt"]']).toContain(seen);
        else expect(seen).toBe(expected);
      }
    },
  );
}

test("absent keys that were read, and gaps that were scanned, conflict when they are filled", async () => {
  const cases: [(tx: Transaction) => unknown, string, string][] = [
    [(tx) => tx.get("b"), "b", "b"],
    [(tx) => rows(tx), "b", "b"],
    [(tx) => rows(tx, { prefix: "b" }), "b", "b"],
    [(tx) => rows(tx, { prefix: "b" }), "d", "ok"],
    [(tx) => rows(tx, { reverse: true, lte: "c" }), "0", "0"],
    // No further than what was looked at.
    [(tx) => tx.scan().nextMany(2), "b", "b"],
    [(tx) => tx.scan().nextMany(2), "c", "c"],
    [(tx) => tx.scan().nextMany(2), "d", "ok"],
    [(tx) => rows(tx, { limit: 1 }), "b", "ok"],
    [(tx) => tx.scan({ reverse: true }).nextMany(2), "d", "d"],
    [(tx) => tx.scan({ reverse: true }).nextMany(2), "b", "ok"],
    [(tx) => tx.scan().nextMany(9), "z", "z"],
    [(tx) => tx.scan(), "a", "ok"],
    [
      (tx) => {
        const scan = tx.scan();
        scan.seek("c");
        return scan.next();
      },
      "b",
      "ok",
    ],
    [
      async (tx) => {
        const scan = tx.scan({ lt: "e" });
        await scan.next();
        scan.seek("d");
        return scan.next();
      },
      "dd",
      "dd",
    ],
  ];
  for (const [i, [read, written, expected]] of cases.entries()) {
    const db = await openDb();
    await db.write(db.batch().put("a", "1").put("c", "1").put("e", "1"));
    const tx = db.begin({ isolation: "serializable" });
    await read(tx);
    tx.put("own", "own");
    await db.put(written, "2", soon);
    expect(await outcome(tx), `case ${i}`).toBe(expected);
    await db.close();
  }
});

test("the error tells the key, the range and the seq, and can be printed", async () => {
  const db = await openDb();
  const tx = db.begin({ isolation: "serializable" });
  await rows(tx, { gte: "a", lt: "c" });
  tx.put("z", "1");
  await db.put("b", "1", soon);
  const error: unknown = await tx.commit().catch((reason: unknown) => reason);
  expect(isMoraineError(error, "conflict")).toBe(true);
  const { key, range, seq, message } = error as TransactionConflictError;
  expect([text(key), text(range?.gte), text(range?.lt), range?.lte, seq]).toEqual([
    ...["b", "a", "c", undefined, 1],
  ]);
  expect(message).toBe(
    'Key "b", in the range that was read (>= "a", < "c"), was written at seq 1, after the transaction began at seq 0. Nothing of it was written; run it again.',
  );
  const byLoad = db.begin({ isolation: "serializable" });
  await rows(byLoad);
  byLoad.put("z", "1");
  await db.load([["x", "1"]]);
  await expect(byLoad.commit()).rejects.toMatchObject({
    message: expect.stringContaining("A load wrote to the range that was read (all keys) at seq 2"),
    key: undefined,
    range: {},
  });
  await db.close();
});

test("markRead lets a read count, of a key or a range; unmarkWrite lets a write not count", async () => {
  const db = await openDb();
  const cases: [(tx: Transaction) => void, string][] = [
    [(tx) => tx.markRead("k"), "k"],
    [(tx) => tx.markRead({ gte: "a", lt: "l" }), "k"],
    [(tx) => tx.markRead({ prefix: "l" }), "ok"],
    [(tx) => tx.markRead(Uint8Array.of(0x6b)), "k"],
    [(tx) => tx.put("k", "own"), "k"],
    [
      (tx) => {
        tx.put("k", "own");
        tx.unmarkWrite("k");
      },
      "ok",
    ],
    [
      (tx) => {
        tx.put("k", "own");
        tx.unmarkWrite("k");
        tx.delete("k");
      },
      "k",
    ],
    [
      (tx) => {
        tx.put("k", "own");
        tx.unmarkWrite("k");
        tx.markRead("k");
      },
      "k",
    ],
  ];
  for (const [i, [act, expected]] of cases.entries()) {
    const tx = db.begin();
    tx.put("own", "own");
    act(tx);
    await db.put("k", "other", soon);
    expect(await outcome(tx), `case ${i}`).toBe(expected);
  }
  const tx = db.begin({ isolation: "serializable" });
  tx.put("k", "own");
  await tx.get("k");
  tx.unmarkWrite("k");
  await db.put("k", "other", soon);
  expect(await outcome(tx), "an own write that was read is no read of the database").toBe("ok");
  expect(text(await db.get("k"))).toBe("own");
  const open = db.begin();
  expect(() => open.unmarkWrite("a")).toThrow("has not written");
  expect(() => open.markRead({ from: "a" } as never)).toThrow("from");
  expect(() => open.markRead(7 as never)).toThrow("range");
  open.rollback();
  await db.close();
});

test("write skew is let through by snapshot isolation, and not by serializable", async () => {
  const run = async (isolation: Isolation): Promise<string[]> => {
    const db = await openDb();
    await db.write(db.batch().put("a", "1").put("b", "1"));
    const [first, second] = [db.begin({ isolation }), db.begin({ isolation })];
    for (const tx of [first, second]) expect(await rows(tx)).toBe("a=1 b=1");
    first.delete("a");
    second.delete("b");
    const answers = [await outcome(first), await outcome(second)];
    await db.close();
    return answers;
  };
  expect(await run("snapshot")).toEqual(["ok", "ok"]);
  expect(await run("serializable")).toEqual(["ok", "a"]);
});

test("a transaction that wrote nothing commits, whatever was written", async () => {
  const db = await openDb();
  await db.put("a", "1");
  const tx = db.begin({ isolation: "serializable" });
  await rows(tx);
  await db.put("a", "2");
  const { seq } = await tx.commit();
  expect([seq, db.seq]).toEqual([2, 2]);
  await db.close();
});

test("a conflicting commit leaves nothing behind, and the transaction is over", async () => {
  const db = await openDb();
  const tx = db.begin();
  tx.put("a", "own");
  tx.put("b", "own");
  await db.put("a", "other");
  await expect(tx.commit()).rejects.toEqual(conflict);
  expect([db.seq, await rows(db)]).toEqual([1, "a=other"]);
  expect(db.stats()).toMatchObject({ transactionCount: 0, snapshotCount: 0 });
  await expect(tx.commit()).rejects.toMatchObject({
    kind: "closed",
    message: "The transaction could not be committed. Begin a new one.",
  });
  tx.rollback();
  await db.close();
});

test("the methods of a transaction that has ended throw or reject, and say how it ended", async () => {
  const db = await openDb();
  const committed = db.begin();
  committed.put("a", "1");
  const scan = committed.scan();
  await committed.commit();
  const rolledBack = db.begin();
  rolledBack.put("a", "2");
  rolledBack.rollback();
  rolledBack.rollback();
  const disposed = db.begin();
  disposed[Symbol.dispose]();
  await disposed[Symbol.asyncDispose]();
  for (const [tx, how] of [
    [committed, "has been committed"],
    [rolledBack, "has been rolled back"],
    [disposed, "has been rolled back"],
  ] as const) {
    const closed = { kind: "closed", message: `The transaction ${how}. Begin a new one.` };
    await expect(tx.get("a")).rejects.toMatchObject(closed);
    await expect(tx.getEntry("a")).rejects.toMatchObject(closed);
    await expect(tx.getMany(["a"])).rejects.toMatchObject(closed);
    await expect(tx.commit()).rejects.toMatchObject(closed);
    for (const call of [
      () => tx.put("a", "1"),
      () => tx.delete("a"),
      () => tx.scan(),
      () => tx.keys(),
      () => tx.getCached("a"),
      () => tx.markRead("a"),
      () => tx.unmarkWrite("a"),
    ]) {
      expect(call).toThrow(closed.message);
    }
    expect(tx.isActive).toBe(false);
  }
  await expect(scan.next()).rejects.toMatchObject({ kind: "closed" });
  expect(() => committed.rollback()).toThrow("has been committed");
  expect(text(await db.get("a"))).toBe("1");
  await db.close();
});

test("open transactions are counted, pin their seq, and are closed with the database", async () => {
  const db = await openDb();
  await db.put("a", "1");
  const first = db.begin();
  await db.put("a", "2");
  const second = db.begin();
  const snapshot = db.snapshot();
  const open = { transactionCount: 2, snapshotCount: 3, oldestSnapshotSeq: 1 };
  expect(db.stats()).toMatchObject(open);
  expect([first.seq, second.seq]).toEqual([1, 2]);
  first.rollback();
  expect(db.stats()).toMatchObject({ transactionCount: 1, oldestSnapshotSeq: 2 });
  snapshot.close();
  second.put("a", "3");
  await db.close();
  await expect(second.get("a")).rejects.toMatchObject({ kind: "closed" });
  await expect(second.commit()).rejects.toMatchObject({ kind: "closed" });
  expect(() => second.put("a", "1")).toThrow(expect.objectContaining({ kind: "closed" }));
  expect(() => db.begin()).toThrow(expect.objectContaining({ kind: "closed" }));
  await expect(db.transaction(() => 1)).rejects.toMatchObject({ kind: "closed" });
  expect(db.stats()).toMatchObject({ transactionCount: 0, snapshotCount: 0 });
});

test("a cancelled commit leaves nothing behind", async () => {
  const db = await openDb();
  const reason = new Error("enough");
  const before = db.begin();
  before.put("a", "1");
  await expect(before.commit({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  expect(before.isActive).toBe(false);
  expect([db.seq, await db.has("a")]).toEqual([0, false]);
  await db.close();
});

test("a commit that waits for memory can be called off, and checks when its turn comes", async () => {
  const store = new FaultyObjectStore(new MemoryObjectStore());
  const small = { memTableBytes: 4096, unflushedBytesMax: 8192 };
  const db = await Db.open({ store, path: "db" }, { ...quiet, ...small });
  const held = new HeldRequests(store, ({ operation }) => operation === "put");
  const [called, conflicting, passing] = [db.begin(), db.begin(), db.begin()];
  called.put("a", "1");
  conflicting.put("b", "1");
  passing.put("c", "1");
  await db.put("0", "fills it", soon);
  const writing = db.put("b", "other", soon);
  const abort = new AbortController();
  const outcomes = [
    called.commit({ ...soon, signal: abort.signal }),
    conflicting.commit(soon),
    passing.commit(soon),
  ];
  const settled = Promise.allSettled(outcomes);
  await turns();
  expect(db.stats().waitingWrites).toBe(4);
  await expect(called.get("a")).rejects.toThrow("is being committed");
  expect(() => passing.rollback()).toThrow("is being committed");
  passing[Symbol.dispose]();
  const reason = new Error("enough");
  abort.abort(reason);
  held.release();
  await writing;
  const results = await settled;
  expect(results.map(({ status }) => status)).toEqual(["rejected", "rejected", "fulfilled"]);
  expect(results[0]).toMatchObject({ reason });
  expect(results[1]).toMatchObject({ reason: { kind: "conflict" } });
  expect(await rows(db)).toBe("0=fills it b=other c=1");
  await db.close();
});

test("transaction(fn) commits, answers what fn does, and runs it again on a conflict", async () => {
  const db = await openDb();
  await db.put("count", "0");
  let runs = 0;
  const increment = (): Promise<number> =>
    db.transaction(async (tx) => {
      runs++;
      const next = Number(text(await tx.get("count"))) + 1;
      await turns(1);
      tx.put("count", String(next));
      return next;
    });
  const answers = await Promise.all(Array.from({ length: 6 }, increment));
  expect(answers.toSorted()).toEqual([1, 2, 3, 4, 5, 6]);
  expect(text(await db.get("count"))).toBe("6");
  expect(runs).toBeGreaterThan(6);
  expect(db.stats().transactionCount).toBe(0);
  await db.close();
});

test("transaction(fn) gives up after its attempts, and waits between them by the clock", async () => {
  const place = newPlace();
  const db = await openAt(place, { ...quiet, random: seededRandom(7) });
  let runs = 0;
  const always = async (tx: Transaction): Promise<void> => {
    runs++;
    tx.put("a", "own");
    await db.put("a", "other", soon);
  };
  const started = place.clock.monotonic();
  const outcomes = db.transaction(always, { attempts: 4 });
  await turns();
  expect(runs).toBe(1);
  await expect(place.clock.advanceUntil(outcomes)).rejects.toEqual(conflict);
  expect(runs).toBe(4);
  expect(place.clock.monotonic() - started).toBeLessThanOrEqual(4 + 8 + 16);
  expect(place.clock.monotonic()).toBeGreaterThan(started);
  await place.clock.advanceUntil(db.close());
});

test("what fn throws rolls back and is passed on; what it ends itself is run once", async () => {
  const db = await openDb();
  const reason = new Error("mine");
  const failing = (tx: Transaction): never => {
    tx.put("a", "1");
    throw reason;
  };
  await expect(db.transaction(failing)).rejects.toBe(reason);
  await expect(db.transaction(async (tx) => failing(tx))).rejects.toBe(reason);
  expect(await db.transaction((tx) => tx.rollback() ?? "given up")).toBe("given up");
  const own = await db.transaction(async (tx) => {
    tx.put("b", "1");
    return (await tx.commit()).seq;
  });
  expect(own).toBe(1);
  expect([await rows(db), db.stats().transactionCount]).toEqual(["b=1", 0]);
  await db.close();
});

test("a signal ends transaction(fn) while fn runs, and between attempts", async () => {
  const place = newPlace();
  const db = await openAt(place, quiet);
  const [first, second] = [new AbortController(), new AbortController()];
  let kept: Transaction | undefined;
  const hanging = db.transaction(
    (tx) => {
      kept = tx;
      return new Promise(() => undefined);
    },
    { signal: first.signal },
  );
  first.abort(new Error("first"));
  await expect(hanging).rejects.toThrow("first");
  expect(() => kept?.put("a", "1")).toThrow("has been rolled back");
  const retrying = db.transaction(
    async (tx) => {
      tx.put("a", "own");
      await db.put("a", "other", soon);
    },
    { signal: second.signal },
  );
  const settled = retrying.catch((error: unknown) => error);
  await turns();
  second.abort(new Error("second"));
  expect(await settled).toMatchObject({ message: "second" });
  const never = db.transaction(() => 1, { signal: AbortSignal.abort(new Error("third")) });
  await expect(never).rejects.toThrow("third");
  expect(db.stats().transactionCount).toBe(0);
  await place.clock.advanceUntil(db.close());
});

test("commits of plain memory take one PUT, and wait for it only where they are to be durable", async () => {
  const place = newPlace();
  const db = await openAt(place, quiet);
  const tx = db.begin({ isolation: "serializable" });
  await tx.get("a");
  tx.put("a", "1");
  const result = await tx.commit({ durable: false });
  expect(db.stats().durableSeq).toBe(0);
  await place.clock.advanceUntil(result.durable());
  expect(place.counting.total).toBe(1);
  await place.clock.advanceUntil(db.close());
});

test("bad arguments have typed errors, and the transaction goes on", async () => {
  const db = await openDb();
  const invalid = (message: string) => ({
    kind: "invalid",
    message: expect.stringContaining(message),
  });
  expect(() => db.begin({ isolation: "none" as never })).toThrow('"snapshot" or "serializable"');
  expect(() => db.begin({ isolatoin: "snapshot" } as never)).toThrow("isolation");
  const tx = db.begin();
  await expect(tx.commit({ durable: 1 as never })).rejects.toMatchObject(invalid("durable"));
  await expect(tx.commit({ sync: true } as never)).rejects.toMatchObject(invalid("sync"));
  await expect(tx.get("a", { seq: 0 })).rejects.toMatchObject(invalid("began with"));
  await expect(tx.get("a", { durability: "durable" })).rejects.toMatchObject(invalid("began with"));
  await expect(tx.get("a", { snapshot: db.snapshot() })).rejects.toMatchObject(invalid("snapshot"));
  expect(() => tx.put("a", 7 as never)).toThrow("value");
  expect(() => tx.put("a", "1", { ttl: 1 } as never)).toThrow("ttl");
  expect(() => tx.delete(null as never)).toThrow("key");
  for (const [fn, options, message] of [
    [undefined, {}, "function"],
    [7, {}, "function"],
    [() => 1, { attempts: 0 }, "attempts"],
    [() => 1, { isolation: "x" }, "isolation"],
    [() => 1, { retries: 3 }, "retries"],
    [() => 1, { signal: 1 }, "signal"],
  ] as const) {
    const call = db.transaction(fn as never, options as never);
    await expect(call).rejects.toMatchObject(invalid(message));
  }
  tx.put("a", "1");
  await tx.commit();
  expect(text(await db.get("a"))).toBe("1");
  await db.close();
});
