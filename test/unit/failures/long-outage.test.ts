/** A store that stays away for hours: who waits is settled once, memory and requests are bounded, and all goes on afterwards. */
import { describe, expect, test } from "vitest";
import { deferred } from "../../../src/common/deferred.js";
import { type Db, type OpenOptions, StoreError } from "../../../src/index.js";
import type { FaultyRequest } from "../../../src/testing/index.js";
import { newPlace, openAt, type Place, text, turns } from "../db/support.js";
import {
  expectCommandsEndWith,
  expectNoUnhandledRejections,
  expectSilence,
  hour,
  keysAfter,
  manifest,
  outcomes,
  quiet,
  reopened,
  sst,
  Watched,
  wal,
} from "./support.js";

expectNoUnhandledRejections();

const KiB = 1024;
const infinite = Number.POSITIVE_INFINITY;
const unflushedBytesMax = 256 * KiB;
/** Some four tables fill the memory. */
const small: OpenOptions = { ...quiet, memTableBytes: 4 * KiB, unflushedBytesMax };
/** One write may overshoot, and a table that is being uploaded is there as an SST, too. */
const memoryMax = unflushedBytesMax + 100 * KiB;

function goAway(place: Place, matches: (request: FaultyRequest) => boolean = () => true): void {
  place.faulty.intercept = (request) =>
    matches(request)
      ? { kind: "before", error: new StoreError("unavailable", "It is away.") }
      : undefined;
}

interface Crowd {
  writes: Watched[];
  others: Watched[];
}

/** Twenty durable writes and twenty others, of which many wait for memory, and each kind of waiter beside them. */
async function crowd(db: Db): Promise<Crowd> {
  const writes: Watched[] = [];
  for (let i = 0; i < 40; i++) {
    const key = `key ${String(i).padStart(2, "0")}`;
    writes.push(new Watched(key, db.put(key, `value ${i}`, { durable: i % 2 === 0 })));
    await turns(2);
  }
  const others = [
    new Watched("flush", db.flush()),
    new Watched("flush to L0", db.flush({ to: "l0" })),
    new Watched("checkpoint", db.checkpoint({ name: "kept" })),
  ];
  await turns();
  expect(db.stats().waitingWrites).toBeGreaterThan(0);
  return { writes, others };
}

/** Moves the time by hours, and looks at the memory on the way. */
async function wait(place: Place, db: Db, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 600_000) {
    await place.clock.advance(600_000);
    expect(db.stats().unflushedBytes).toBeLessThan(memoryMax);
  }
}

/** Full jitter waits half of the longest delay on average, and begins anew with each deadline. */
function expectFewRequests(place: Place, waiting: number, ms: number): void {
  expect(place.counting.total).toBeGreaterThan(0);
  expect(place.counting.total).toBeLessThan((waiting * ms) / 2000);
}

/** Everything that was written is there once, with its value, and in order. */
async function expectWhole(place: Place, db: Db): Promise<void> {
  const check = async (handle: Db): Promise<void> => {
    const rows = await place.clock.advanceUntil(handle.scan().nextMany(1000));
    const found = rows.map(({ key, value }) => `${text(key)}: ${text(value)}`);
    expect(found).toEqual(
      Array.from({ length: 40 }, (_, i) => `key ${String(i).padStart(2, "0")}: value ${i}`),
    );
  };
  await check(db);
  await place.clock.advanceUntil(db.close());
  const again = await reopened(place);
  expect(again.stats().memTableBytes).toBeLessThan(40 * KiB);
  await check(again);
  expect((await place.clock.advanceUntil(again.put("next", ""))).seq).toBe(41);
  await place.clock.advanceUntil(again.close());
}

describe.each([{ wal: true }, { wal: false }])("with %o, an outage of hours", (options) => {
  test("and an infinite deadline: everybody waits, and then everything goes on", async () => {
    const place = newPlace();
    const db = await openAt(place, { ...small, ...options, storeDeadlineMs: infinite });
    goAway(place);
    const { writes, others } = await crowd(db);
    place.counting.reset();
    await wait(place, db, 2 * hour);
    // Four WAL objects or tables and the tables of the others: the limits of what is in flight.
    expectFewRequests(place, options.wal ? 8 : 4, 2 * hour);
    const settled = [...writes, ...others].filter(({ outcome }) => outcome !== "pending");
    // Writes that are not durable and had room.
    expect(settled.every(({ outcome }) => outcome === "fulfilled")).toBe(true);
    expect(settled.length).toBeLessThan(20);
    expect(outcomes(others)).toEqual({
      flush: "pending",
      "flush to L0": "pending",
      checkpoint: "pending",
    });
    place.faulty.intercept = undefined;
    await place.clock.advance(120_000);
    expect([...writes, ...others].filter(({ outcome }) => outcome !== "fulfilled")).toEqual([]);
    expect(writes.map(({ value }) => (value as { seq: number }).seq)).toEqual(
      Array.from({ length: 40 }, (_, i) => i + 1),
    );
    await expectWhole(place, db);
  });

  test("and the usual deadline: everybody is told, the handle ends, and nothing acknowledged is lost", async () => {
    const place = newPlace();
    const db = await openAt(place, { ...small, ...options });
    await place.clock.advanceUntil(db.put("before", "value"));
    goAway(place);
    const { writes, others } = await crowd(db);
    place.counting.reset();
    await wait(place, db, 2 * hour);
    for (const { name, outcome } of writes) {
      const durable = Number(name.slice(4)) % 2 === 0;
      expect([name, durable ? ["unknown", "closed"] : ["closed", "fulfilled"]]).toEqual([
        name,
        expect.arrayContaining([outcome]),
      ]);
    }
    for (const { outcome } of others)
      expect(["unknown", "unavailable", "closed"]).toContain(outcome);
    expect(await db.closed).toMatchObject({ kind: "unknown" });
    // It ended with the deadline: what was sent was sent in a minute.
    expect(place.counting.total).toBeLessThan(8 * 60);
    await expectCommandsEndWith(db, "closed");
    await expectSilence(place);
    place.faulty.intercept = undefined;
    expect(await keysAfter(place)).toEqual(["before"]);
  });
});

describe.each([
  ["uploads", sst, 4],
  ["commits", manifest, 1],
] as const)("when only %s fail for hours", (_, matches, waiting) => {
  test("flushes and checkpoints are told after the deadline, writers wait for memory, and then all goes on", async () => {
    const place = newPlace();
    const db = await openAt(place, small);
    goAway(place, matches);
    const { writes, others } = await crowd(db);
    place.counting.reset();
    await wait(place, db, 2 * hour);
    expectFewRequests(place, waiting, 2 * hour);
    // The first flush is in line behind writes that wait for memory, which have no deadline.
    const late = new Watched("late flush", db.flush({ to: "l0" }));
    expect(await place.clock.advanceUntil(db.has("key 00"))).toBe(true);
    const { flush, checkpoint } = outcomes(others);
    expect(flush).toBe("pending");
    expect(checkpoint).toMatch(/unavailable|unknown/);
    expect(writes.every(({ outcome }) => ["fulfilled", "pending"].includes(outcome))).toBe(true);
    expect(db.stats().l0Count).toBe(0);
    place.faulty.intercept = undefined;
    await place.clock.advance(200_000);
    expect([...writes, late].filter(({ outcome }) => outcome !== "fulfilled")).toEqual([]);
    expect(outcomes(others)["flush to L0"]).toBe("fulfilled");
    expect(db.stats().l0Count).toBeGreaterThan(3);
    await expectWhole(place, db);
  });
});

test("a checkpoint whose commit is in flight is not told of another table's failed upload", async () => {
  const place = newPlace();
  const db = await openAt(place, { ...quiet, memTableBytes: 4 * KiB });
  await db.put("a", "value");
  const gate = deferred();
  await turns();
  place.faulty.intercept = (request) =>
    manifest(request) ? { kind: "delay", until: gate.promise } : undefined;
  const checkpoint = new Watched("checkpoint", db.checkpoint({ name: "kept" }));
  await turns();
  const delayed = place.faulty.intercept;
  place.faulty.intercept = (request) => (sst(request) ? { kind: "before" } : delayed(request));
  await db.put("b", "value");
  const flush = new Watched("flush", db.flush({ to: "l0" }));
  await place.clock.advance(120_000);
  expect([checkpoint.outcome, flush.outcome]).toEqual(["pending", "unavailable"]);
  gate.resolve();
  place.faulty.intercept = undefined;
  await place.clock.advance(120_000);
  expect(checkpoint.outcome).toBe("fulfilled");
  await place.clock.advanceUntil(db.close());
});

test("writes that waited for memory when the handle failed got no seq: they are told closed, not unknown", async () => {
  const place = newPlace();
  const db = await openAt(place, small);
  goAway(place);
  const { writes } = await crowd(db);
  const accepted = db.seq;
  await place.clock.advance(120_000);
  expect(await db.closed).toMatchObject({ kind: "unknown" });
  const waited = writes.slice(accepted);
  expect(waited.length).toBeGreaterThan(10);
  for (const { outcome, error } of waited) {
    expect(outcome).toBe("closed");
    expect(error).toMatchObject({ cause: { kind: "unknown" } });
  }
});

test("when only the log fails, tables are uploaded and none of them is committed", async () => {
  const place = newPlace();
  const db = await openAt(place, { ...small, storeDeadlineMs: infinite });
  goAway(place, wal);
  const { writes } = await crowd(db);
  await wait(place, db, 2 * hour);
  expect(db.stats()).toMatchObject({ l0Count: 0, durableSeq: 0, manifestNumber: 1 });
  place.faulty.intercept = undefined;
  await place.clock.advance(120_000);
  expect(writes.filter(({ outcome }) => outcome !== "fulfilled")).toEqual([]);
  await expectWhole(place, db);
});

test("outages that come and go for a day lose nothing and write nothing twice", async () => {
  const place = newPlace();
  const db = await openAt(place, { ...small, storeDeadlineMs: infinite });
  const writes: Watched[] = [];
  const parts = [wal, sst, manifest, () => true];
  for (let i = 0; i < 40; i++) {
    goAway(place, parts[i % parts.length]);
    const key = `key ${String(i).padStart(2, "0")}`;
    writes.push(new Watched(key, db.put(key, `value ${i}`)));
    await place.clock.advance(hour / 4);
    place.faulty.intercept = undefined;
    await place.clock.advance(hour / 4);
    expect(writes[i]!.outcome).toBe("fulfilled");
  }
  await expectWhole(place, db);
});
