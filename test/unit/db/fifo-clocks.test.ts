/** What the FIFO strategy drops for its age is judged by the store's clock, whatever that of the handle says. */
import { beforeAll, expect, test } from "vitest";
import { Db } from "../../../src/index.js";
import { CountingObjectStore, ManualClock, MemoryObjectStore } from "../../../src/testing/index.js";
import { loadEngine } from "../../support/load-engine.js";

beforeAll(loadEngine);

const hour = 3_600_000;
const ttlMs = hour;

interface Place {
  readonly clock: ManualClock;
  readonly store: CountingObjectStore;
}

/** The clock of handles is so far behind that of the store. */
function newPlace(behindMs: number): Place {
  const clock = new ManualClock();
  const start = clock.now() + behindMs;
  const ofStore = Object.assign(new ManualClock(), { now: () => start + clock.monotonic() });
  return {
    clock,
    store: new CountingObjectStore(new MemoryObjectStore({ clock: ofStore })),
  };
}

async function open({ clock, store }: Place) {
  const db = await clock.advanceUntil(
    Db.open(
      { store, path: "db" },
      {
        ...{ clock, compaction: { strategy: "fifo", ttlMs }, flushIntervalMs: hour },
        ...{ compactionThreads: 0 },
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
  const { clock, db, flush, rows, headsOfSsts, maintain } = await open(newPlace(2 * hour));
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
  const { clock, db, flush, rows, headsOfSsts, maintain } = await open(newPlace(0));
  for (let i = 0; i < 3; i++) await flush();
  await clock.advance(ttlMs + 60_000);
  for (let i = 0; i < 2; i++) await flush();
  await maintain();
  expect([await rows(), headsOfSsts()]).toEqual([2, 3]);
  await clock.advanceUntil(db.close());
});

test("what is old when a handle is opened goes with the first call of maintain", async () => {
  const place = newPlace(0);
  const before = await open(place);
  for (let i = 0; i < 2; i++) await before.flush();
  const { clock } = place;
  await clock.advanceUntil(before.db.close());
  await clock.advance(10 * hour);
  const { db, rows, maintain, headsOfSsts } = await open(place);
  headsOfSsts();
  expect(await rows()).toBe(2);
  await maintain();
  expect([await rows(), headsOfSsts()]).toEqual([0, 2]);
  await clock.advanceUntil(db.close());
});

test("a clock that runs ahead lets nothing go before its time with the first call of maintain either", async () => {
  const { clock, db, flush, rows, maintain } = await open(newPlace(0));
  for (let i = 0; i < 2; i++) await flush();
  clock.setWall(clock.now() + 2 * hour);
  await maintain();
  expect(await rows()).toBe(2);
  await clock.advanceUntil(db.close());
});
