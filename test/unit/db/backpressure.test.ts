/** Writers wait while memory is full, in order, until a flush, an abort, a close or a failure ends it. */
import { expect, test } from "vitest";
import { Db, type OpenOptions } from "../../../src/index.js";
import { FaultyObjectStore, ManualClock, MemoryObjectStore } from "../../../src/testing/index.js";
import { HeldRequests } from "../../support/held-requests.js";

const KiB = 1024;
/** A MemTable of one row takes some 30 KiB, so the first write fills it and the second finds no room. */
const small: OpenOptions = { memTableBytes: 4 * KiB, unflushedBytesMax: 8 * KiB };

async function fullDatabase(options: OpenOptions = {}) {
  const inner = new MemoryObjectStore();
  const store = new FaultyObjectStore(inner);
  const db = await Db.open({ store, path: "db" }, { ...small, ...options });
  const held = new HeldRequests(store, ({ operation }) => operation === "put");
  await db.put("first", "1", { durable: false });
  expect(db.stats().unflushedBytes).toBeGreaterThan(8 * KiB);
  return { inner, db, held };
}

async function turns(count = 20): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

test("a write waits while memory is full, is not visible meanwhile, and goes on after a flush", async () => {
  const { db, held } = await fullDatabase();
  let settled = false;
  const waiting = db.put("second", "2", { durable: false }).then((result) => {
    settled = true;
    return result;
  });
  await turns();
  expect(settled).toBe(false);
  expect(db.stats().waitingWrites).toBe(1);
  expect(await db.get("second")).toBeUndefined();
  held.release();
  expect((await waiting).seq).toBe(2);
  expect(await db.has("second")).toBe(true);
  await db.close();
});

test("writes that waited keep the order of their calls, whatever memory each needs", async () => {
  const { db, held } = await fullDatabase();
  const order: number[] = [];
  const writes = Array.from({ length: 30 }, (_, i) =>
    db
      .put("key", new Uint8Array(i % 3 === 0 ? 5000 : 1).fill(i), { durable: i % 4 === 0 })
      .then(({ seq }) => {
        order.push(seq);
        return seq;
      }),
  );
  await turns();
  held.release();
  expect(await Promise.all(writes)).toEqual(Array.from({ length: 30 }, (_, i) => i + 2));
  expect((await db.get("key"))![0]).toBe(29);
  await db.close();
});

test("a write larger than all memory gets through when there is room for a byte", async () => {
  const db = await Db.open({ store: new MemoryObjectStore(), path: "db" }, small);
  await db.put("key", new Uint8Array(100 * KiB), { durable: false });
  await db.put("key", new Uint8Array(200 * KiB).fill(1), { durable: false });
  expect((await db.get("key"))!.length).toBe(200 * KiB);
  await db.close();
});

test("a waiting write holds copies of what it was given", async () => {
  const { db, held } = await fullDatabase();
  const key = Uint8Array.of(1);
  const value = Uint8Array.of(2);
  const waiting = db.put(key, value);
  const batch = db.batch().put("batch", value);
  const other = db.write(batch);
  key[0] = 9;
  value[0] = 9;
  batch.put("later", "x");
  await turns();
  held.release();
  await Promise.all([waiting, other]);
  expect(await db.get(Uint8Array.of(1))).toEqual(Uint8Array.of(2));
  expect(await db.get("batch")).toEqual(Uint8Array.of(2));
  expect(await db.has("later")).toBe(false);
  await db.close();
});

test("an aborted write that waited leaves no trace, and those behind it keep their places", async () => {
  const { db, held } = await fullDatabase();
  const controller = new AbortController();
  const aborted = db.put("aborted", "x", { signal: controller.signal });
  const after = db.put("after", "y");
  const reason = new Error("enough");
  controller.abort(reason);
  await expect(aborted).rejects.toBe(reason);
  expect(db.stats().waitingWrites).toBe(1);
  held.release();
  expect((await after).seq).toBe(2);
  expect(await db.has("aborted")).toBe(false);
  await db.close();
});

test("a close rejects the writes that wait, and they leave no trace", async () => {
  const { inner, db, held } = await fullDatabase();
  const waiting = db.put("second", "2");
  const settled = expect(waiting).rejects.toMatchObject({ kind: "closed" });
  const closing = db.close();
  await settled;
  held.release();
  await closing;
  await using again = await Db.open({ store: inner, path: "db" });
  expect([await again.has("first"), await again.has("second")]).toEqual([true, false]);
});

test("a fence rejects the writes that wait", async () => {
  const { inner, db, held } = await fullDatabase();
  const waiting = db.put("second", "2");
  const settled = expect(waiting).rejects.toMatchObject({ kind: "fenced" });
  const successor = await Db.open({ store: inner, path: "db" });
  held.release();
  await settled;
  expect(await successor.has("second")).toBe(false);
  await successor.close();
});

test("a write that waits does not wait for the flush interval of what was written before it", async () => {
  const store = new MemoryObjectStore();
  const clock = new ManualClock();
  const options = {
    memTableBytes: 4 * KiB,
    unflushedBytesMax: 40 * KiB,
    flushIntervalMs: 3_600_000,
    clock,
  };
  const db = await Db.open({ store, path: "db" }, options);
  const before = clock.monotonic();
  for (let i = 0; i < 20; i++) {
    await clock.advanceUntil(db.put(`key ${i}`, "value", { durable: false }));
  }
  expect(clock.monotonic() - before).toBeLessThan(1000);
  await db.close();
});

test("a MemTable that reads have filled, by cutting its range deletes, is flushed for the writes that wait", async () => {
  const clock = new ManualClock();
  const db = await Db.open(
    { store: new MemoryObjectStore(), path: "db" },
    { memTableBytes: 40 * KiB, unflushedBytesMax: 40 * KiB, flushIntervalMs: 3_600_000, clock },
  );
  await clock.advanceUntil(db.put("k", "value", { durable: false }));
  for (let i = 0; i < 400; i++) {
    const key = `key ${i}`;
    await clock.advanceUntil(db.deleteRange({ gte: key, lte: key }, { durable: false }));
    expect(await db.has("k")).toBe(true);
  }
  expect(db.stats().l0Count).toBeGreaterThan(0);
  await db.close();
});

test("a write whose signal is aborted already does not wait", async () => {
  const { db, held } = await fullDatabase();
  const signal = AbortSignal.abort(new Error("enough"));
  await expect(db.put("second", "2", { signal })).rejects.toBe(signal.reason);
  expect(db.stats().waitingWrites).toBe(0);
  held.release();
  await db.close();
});
