/** Between the soft and the hard limit of L0 writes wait in proportion to their bytes, and never for nothing. */
import { beforeAll, describe, expect, test } from "vitest";
import { WriteSlowdown } from "../../../src/db/write-slowdown.js";
import { Db } from "../../../src/index.js";
import { ManualClock } from "../../../src/testing/index.js";
import { loadEngine } from "../../support/load-engine.js";
import { newPlace, openAt, type Place, text, turns } from "./support.js";

beforeAll(loadEngine);

const KiB = 1024;

describe("the pace", () => {
  function slowdown(l0: { count: number }, limits = { l0SoftMax: 8, l0HardMax: 16 }) {
    const clock = new ManualClock();
    const ready: number[] = [];
    const pace: WriteSlowdown = new WriteSlowdown({
      ...{ clock, ...limits, memTableBytes: 1000 * KiB, l0Count: () => l0.count },
      onReady: () => ready.push(clock.monotonic()),
    });
    return { clock, pace, ready };
  }

  /** ms that a MemTable of writes of 10 KiB takes. */
  async function memTableMs(count: number): Promise<number> {
    const { clock, pace } = slowdown({ count });
    const start = clock.monotonic();
    for (let i = 0; i < 100; i++) {
      while (!pace.mayWrite()) await clock.advance(1);
      pace.wrote(10 * KiB);
    }
    return clock.monotonic() - start;
  }

  test("is none below the soft limit, and falls evenly up to the hard one", async () => {
    const paces = [];
    for (const count of [0, 7, 8, 11, 15, 16, 40]) paces.push(await memTableMs(count));
    expect(paces.slice(0, 2)).toEqual([0, 0]);
    for (const [i, expected] of [250, 1000, 2000, 2000, 2000].entries()) {
      expect(paces[i + 2]).toBeGreaterThan(0.95 * expected);
      expect(paces[i + 2]).toBeLessThanOrEqual(expected);
    }
  });

  test("of one large write is bounded", async () => {
    const { clock, pace, ready } = slowdown({ count: 15 });
    pace.wrote(500_000 * KiB);
    expect(pace.mayWrite()).toBe(false);
    pace.wait();
    await clock.advance(999);
    expect(ready).toEqual([]);
    await clock.advance(1);
    expect(ready).toHaveLength(1);
    expect(pace.mayWrite()).toBe(true);
  });

  test("is forgotten once a compaction has made room", () => {
    const l0 = { count: 15 };
    const { pace } = slowdown(l0);
    pace.wrote(500_000 * KiB);
    expect(pace.mayWrite()).toBe(false);
    l0.count = 7;
    expect(pace.mayWrite()).toBe(true);
    l0.count = 15;
    expect(pace.mayWrite()).toBe(true);
  });

  test("has no timer while nobody waits, one while somebody does, and none after the end", () => {
    const { clock, pace } = slowdown({ count: 15 });
    pace.wrote(500_000 * KiB);
    expect(clock.pendingTimers).toBe(0);
    pace.wait();
    pace.wait();
    expect(clock.pendingTimers).toBe(1);
    pace.end();
    expect(clock.pendingTimers).toBe(0);
  });

  test("is none where both limits are the same: the hard one stops at once", () => {
    const { pace } = slowdown({ count: 4 }, { l0SoftMax: 4, l0HardMax: 4 });
    pace.wrote(500_000 * KiB);
    expect(pace.mayWrite()).toBe(true);
  });

  test("is that of twice the soft limit where nothing stops", () => {
    const { pace } = slowdown({ count: 4 }, { l0SoftMax: 4, l0HardMax: Infinity });
    pace.wrote(1000 * KiB);
    expect(pace.mayWrite()).toBe(false);
  });
});

const limits = { compaction: false, l0SoftMax: 1, l0HardMax: 3 } as const;
const value = "x".repeat(100);

/** L0 has an entry, and a write of a MemTable's bytes would take a second. */
async function slowed(place: Place): Promise<Db> {
  const db = await openAt(place, { ...limits, memTableBytes: 8 * KiB });
  await place.clock.advanceUntil(db.put("first", "1"));
  await place.clock.advanceUntil(db.flush({ to: "l0" }));
  // What this one owes, those behind it wait for.
  await place.clock.advanceUntil(db.put("large", "x".repeat(2 * KiB), { durable: false }));
  return db;
}

test("a write waits until its turn, in order, is seen then, and a flush waits for it", async () => {
  const place = newPlace();
  const db = await slowed(place);
  const order: string[] = [];
  for (const key of ["a", "b", "c"]) {
    void db.put(key, value, { durable: false }).then(() => order.push(key));
  }
  const flushed = db.flush();
  await turns();
  expect(db.stats().waitingWrites).toBe(4);
  expect(await db.get("a")).toBeUndefined();
  await place.clock.advanceUntil(flushed);
  expect(order).toEqual(["a", "b", "c"]);
  expect(text(await db.get("c"))).toBe(value);
  await place.clock.advanceUntil(db.close());
});

test("an abort ends the wait without a trace", async () => {
  const place = newPlace();
  const db = await slowed(place);
  const controller = new AbortController();
  const { seq } = db;
  const waiting = db.put("a", "1", { signal: controller.signal });
  controller.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
  await place.clock.advance(5000);
  expect([await db.get("a"), db.seq]).toEqual([undefined, seq]);
  await place.clock.advanceUntil(db.close());
});

test("a close ends the wait, and leaves no timer", async () => {
  const place = newPlace();
  const db = await slowed(place);
  const waiting = expect(db.put("a", "1")).rejects.toMatchObject({ kind: "closed" });
  await place.clock.advanceUntil(db.close());
  await waiting;
  expect(place.clock.pendingTimers).toBe(0);
});

test("a fence ends the wait", async () => {
  const place = newPlace();
  const db = await slowed(place);
  const { clock, inner } = place;
  const successor = await clock.advanceUntil(Db.open({ store: inner, path: "db" }, { clock }));
  const waiting = expect(db.put("a", "1")).rejects.toMatchObject({ kind: "fenced" });
  await clock.advanceUntil(waiting);
  await clock.advanceUntil(successor.close());
});
