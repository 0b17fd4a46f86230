/** What the FIFO strategy drops for its age is judged by the store's clock, whatever that of the handle says. */
import { beforeAll, expect, test } from "vitest";
import { Db } from "../../../src/index.js";
import { CountingObjectStore, ManualClock, MemoryObjectStore } from "../../../src/testing/index.js";
import { loadEngine } from "../../support/load-engine.js";

beforeAll(loadEngine);

const hour = 3_600_000;
const ttlMs = hour;

/** A handle whose clock is so far behind that of the store. */
async function open(behindMs: number, options = {}) {
  const clock = new ManualClock();
  const ofStore = Object.assign(new ManualClock(), { now: () => clock.now() + behindMs });
  const store = new CountingObjectStore(new MemoryObjectStore({ clock: ofStore }));
  const db = await clock.advanceUntil(
    Db.open(
      { store, path: "db" },
      {
        ...{ clock, compaction: { strategy: "fifo", ttlMs }, flushIntervalMs: hour },
        ...{ compactionThreads: 0, ...options },
      },
    ),
  );
  let count = 0;
  const flush = async (): Promise<void> => {
    await clock.advanceUntil(db.put(`key ${++count}`, "value"));
    await clock.advanceUntil(db.flush({ to: "l0" }));
  };
  const rows = async (): Promise<number> => {
    const scan = db.scan();
    const found = await clock.advanceUntil(scan.nextMany(100));
    scan.close();
    return found.length;
  };
  const headsOfSsts = (): number => {
    const heads = store.requests.filter(
      ({ operation, key }) => operation === "head" && key.includes("/sst/"),
    );
    store.reset();
    return heads.length;
  };
  const maintain = () => clock.advanceUntil(db.maintain());
  return { clock, db, flush, rows, headsOfSsts, maintain };
}

test("a clock that is two hours behind lets nothing go before its time, and all of it after", async () => {
  const { clock, db, flush, rows, headsOfSsts, maintain } = await open(2 * hour);
  for (let i = 0; i < 6; i++) {
    await flush();
    await clock.advance(1000);
  }
  await maintain();
  expect(await rows()).toBe(6);
  await clock.advance(hour / 2);
  headsOfSsts();
  await flush();
  await maintain();
  expect(await rows()).toBe(7);
  // Those that were found to be too young are not asked for again.
  expect(headsOfSsts()).toBe(1);
  await clock.advance(hour / 2 + 60_000);
  await flush();
  await maintain();
  expect(await rows()).toBe(2);
  expect(headsOfSsts()).toBe(1);
  await clock.advance(2 * hour);
  await flush();
  await maintain();
  expect(await rows()).toBe(1);
  await clock.advanceUntil(db.close());
});

test("each SST that goes for its age is asked for once, and what stays is not", async () => {
  const { clock, db, flush, rows, headsOfSsts, maintain } = await open(0);
  for (let i = 0; i < 3; i++) await flush();
  await clock.advance(ttlMs + 60_000);
  for (let i = 0; i < 2; i++) await flush();
  await maintain();
  expect([await rows(), headsOfSsts()]).toEqual([2, 3]);
  await clock.advanceUntil(db.close());
});
