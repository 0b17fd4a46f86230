/** What is kept for the check of conflicts: bounded, found at its edge, and freed. */
import { expect, test } from "vitest";
import { Db, type OpenOptions } from "../../../src/index.js";
import { CountingObjectStore, MemoryObjectStore } from "../../../src/testing/index.js";

const KiB = 1024;
const soon = { durable: false };

async function openDb(options: OpenOptions) {
  const store = new CountingObjectStore(new MemoryObjectStore());
  const db = await Db.open({ store, path: "db" }, { flushIntervalMs: 3_600_000, ...options });
  return { db, store };
}

/** A MemTable of some 30 KiB that is in L0 then. */
async function flushed(db: Db, key: string): Promise<void> {
  await db.put(key, new Uint8Array(1000), soon);
  await db.flush({ to: "l0" });
}

test("nothing is kept while no transaction is open, and all is freed with the last that needs it", async () => {
  const { db } = await openDb({});
  const kept = (): number => db.stats().conflictWindowBytes;
  await flushed(db, "a");
  expect(kept()).toBe(0);
  const first = db.begin();
  await flushed(db, "b");
  const one = kept();
  expect(one).toBeGreaterThan(1000);
  const second = db.begin();
  await flushed(db, "c");
  expect(kept()).toBeGreaterThan(one);
  const both = kept();
  await flushed(db, "d");
  expect(kept()).toBeGreaterThan(both);
  first.rollback();
  expect(kept()).toBeLessThanOrEqual(2 * one);
  expect(kept()).toBeGreaterThan(0);
  second.put("z", "1");
  await second.commit();
  expect(kept()).toBe(0);
  await db.close();
});

test("what reads make of the range deletes of a table does not change what it was counted as", async () => {
  const { db } = await openDb({});
  for (let i = 0; i < 40; i++) await db.deleteRange({ gte: `k${i}`, lt: "l" }, soon);
  const [reading, needing] = [db.begin(), db.begin()];
  reading.put("x", "own");
  await db.put("other", "1", soon);
  await db.flush({ to: "l0" });
  const counted = db.stats().conflictWindowBytes;
  expect(counted).toBeGreaterThan(0);
  await reading.scan().next();
  expect(db.stats().conflictWindowBytes).toBe(counted);
  reading.rollback();
  needing.rollback();
  expect(db.stats().conflictWindowBytes).toBe(0);
  await db.close();
});

test("it holds no more than its bound, and what is older is read from SSTs", async () => {
  const { db, store } = await openDb({ conflictWindowBytes: 100 * KiB, blockCacheBytes: 0 });
  const begun = Array.from({ length: 4 }, () => db.begin({ isolation: "serializable" }));
  const [oldest, newest, apart, range] = begun as [
    ...[(typeof begun)[0], (typeof begun)[0], (typeof begun)[0], (typeof begun)[0]],
  ];
  for (let i = 0; i < 10; i++) {
    await flushed(db, `key ${i}`);
    expect(db.stats().conflictWindowBytes).toBeLessThanOrEqual(100 * KiB);
  }
  expect(db.stats().conflictWindowBytes).toBeGreaterThan(30 * KiB);
  oldest.put("key 0", "own");
  newest.put("key 9", "own");
  apart.put("other", "own");
  await range.scan({ lte: "key 0" }).next();
  range.put("another", "own");
  store.reset();
  await expect(newest.commit(soon)).rejects.toMatchObject({ kind: "conflict", seq: 10 });
  await expect(oldest.commit(soon)).rejects.toMatchObject({ kind: "conflict", seq: 1 });
  expect(store.total, "the oldest is in an SST").toBeGreaterThan(0);
  await expect(range.commit(soon)).rejects.toMatchObject({
    ...{ kind: "conflict", seq: 1, range: {} },
  });
  await apart.commit(soon);
  expect(db.stats()).toMatchObject({ conflictWindowBytes: 0, transactionCount: 0 });
  await db.close();
});

test("within the window a check takes no request", async () => {
  const { db, store } = await openDb({ blockCacheBytes: 0 });
  const tx = db.begin({ isolation: "serializable" });
  await tx.scan({ prefix: "x" }).next();
  tx.put("x", "own");
  for (let i = 0; i < 5; i++) await flushed(db, `key ${i}`);
  store.reset();
  await tx.commit(soon);
  expect(store.total).toBe(0);
  await db.close();
});

test("a signal ends a commit that reads SSTs, and a store that fails leaves nothing behind", async () => {
  const { db, store } = await openDb({ conflictWindowBytes: 0, blockCacheBytes: 0 });
  const tx = db.begin();
  tx.put("key 0", "own");
  await flushed(db, "key 0");
  const abort = new AbortController();
  const seq = db.seq;
  store.reset();
  const committing = tx.commit({ signal: abort.signal });
  abort.abort(new Error("enough"));
  await expect(committing).rejects.toThrow("enough");
  expect([db.seq, tx.isActive, db.stats().transactionCount]).toEqual([seq, false, 0]);
  await db.close();
});

test("more may leave memory while a check reads SSTs: it goes on until it has seen all", async () => {
  const { db } = await openDb({ conflictWindowBytes: 0, blockCacheBytes: 0 });
  const [tx, apart] = [db.begin(), db.begin()];
  tx.put("key 0", "own");
  tx.put("key 1", "own");
  apart.put("key 2", "own");
  await flushed(db, "key 3");
  await db.put("key 1", "other", soon);
  // The look at the SSTs and the flush of what they lack run at the same time.
  const [refused, done] = await Promise.allSettled([
    tx.commit(soon),
    apart.commit(soon),
    db.flush({ to: "l0" }),
  ]);
  expect(refused).toMatchObject({ status: "rejected", reason: { kind: "conflict" } });
  expect(done.status).toBe("fulfilled");
  await db.close();
});
