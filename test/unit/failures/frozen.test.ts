/** A process that was frozen and wakes: it proves its epoch before it acknowledges anything. */
import { describe, expect, test } from "vitest";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import { HeldRequests } from "../../support/held-requests.js";
import { newPlace, openAt, type Place, requestsOf, turns } from "../db/support.js";
import {
  expectCommandsEndWith,
  expectNoUnhandledRejections,
  expectSilence,
  hour,
  keysAfter,
  keysIn,
  outcomes,
  quiet,
  reopened,
  sst,
  Watched,
  wal,
} from "./support.js";

expectNoUnhandledRejections();

const sleeps: [string, (place: Place) => void][] = [
  ["hours by both clocks", ({ clock }) => clock.freeze(3 * hour)],
  ["61 s by both clocks", ({ clock }) => clock.freeze(61_000)],
  ["hours by the wall clock alone", ({ clock }) => clock.setWall(clock.now() + 3 * hour)],
  ["a month by both clocks", ({ clock }) => clock.freeze(31 * 24 * hour)],
];

describe.each(sleeps)("a writer that was frozen for %s", (name, sleep) => {
  test("and was not replaced proves its epoch beside the PUT, waits for both, and goes on", async () => {
    if (name.includes("month")) return expectListed(sleep);
    for (const held of ["get", "create"]) {
      const place = newPlace();
      const db = await openAt(place, quiet);
      await db.put("before", "value");
      sleep(place);
      place.counting.reset();
      const gate = new HeldRequests(place.faulty, ({ operation }) => operation === held);
      const waiting = new Watched("put", db.put("key", "value"));
      await turns();
      expect(requestsOf(place.counting).sort()).toEqual([
        "create wal/1/2.wal",
        "get manifest/2.manifest",
      ]);
      expect([waiting.outcome, db.stats().durableSeq]).toEqual(["pending", 1]);
      gate.release();
      await turns();
      expect([waiting.outcome, db.stats().durableSeq]).toEqual(["fulfilled", 2]);
      place.counting.reset();
      await db.put("next", "value");
      expect(requestsOf(place.counting)).toEqual(["create wal/1/3.wal"]);
      await place.clock.advanceUntil(db.flush({ to: "l0" }));
      await place.clock.advanceUntil(db.close());
      expect(await keysAfter(place)).toEqual(["before", "key", "next"]);
    }
  });

  test("and was replaced meanwhile acknowledges nothing, and is fenced by whatever it does first", async () => {
    const firsts = ["put", "interval", "flush", "checkpoint", "close"] as const;
    for (const first of firsts) {
      for (const leftovers of [true, false]) {
        const place = newPlace();
        const db = await openAt(place, { flushIntervalMs: 100 });
        await db.put("before", "value");
        const { durable } = await db.put("buffered", "value", { durable: false });
        const successor = await reopened(place, quiet);
        await successor.put("theirs", "value");
        if (!leftovers) await collectLog(place);
        sleep(place);
        const waiting: Watched[] = [];
        if (first === "put") waiting.push(new Watched(first, db.put("late", "value")));
        if (first === "flush") waiting.push(new Watched(first, db.flush({ to: "l0" })));
        if (first === "checkpoint") waiting.push(new Watched(first, db.checkpoint()));
        if (first === "close") waiting.push(new Watched(first, db.close()));
        await place.clock.advance(200_000);
        waiting.push(new Watched("durable", durable()));
        await turns();
        expect(new Set(Object.values(outcomes(waiting)))).toEqual(new Set(["fenced"]));
        expect(await db.closed).toMatchObject({ kind: "fenced", ownEpoch: 1 });
        await expectCommandsEndWith(db, "fenced");
        await expectSilence(place);
        expect(await keysIn(place, successor)).toEqual(["before", "theirs"]);
        await place.clock.advanceUntil(successor.close());
      }
    }
  });

  test("without a WAL, and was replaced meanwhile, acknowledges nothing", async () => {
    const place = newPlace();
    const db = await openAt(place, { ...quiet, wal: false });
    await db.put("before", "value");
    const successor = await reopened(place, quiet);
    await place.clock.advanceUntil(successor.put("theirs", "value"));
    sleep(place);
    const waiting = new Watched("put", db.put("late", "value"));
    await place.clock.advance(200_000);
    expect(waiting.outcome).toBe("fenced");
    await expectSilence(place);
    expect(await keysIn(place, successor)).toEqual(["before", "theirs"]);
  });

  test("without a WAL, and was not replaced, goes on", async () => {
    const place = newPlace();
    const db = await openAt(place, { ...quiet, wal: false });
    await db.put("before", "value");
    sleep(place);
    await place.clock.advanceUntil(db.put("key", "value"));
    await place.clock.advanceUntil(db.close());
    expect(await keysAfter(place)).toEqual(["before", "key"]);
  });

  test("with PUTs under way acknowledges them only where no successor has ended its log", async () => {
    for (const replaced of [false, true]) {
      for (const holds of [wal, sst]) {
        const place = newPlace();
        const db = await openAt(place, { ...quiet, memTableBytes: 4096 });
        await db.put("before", "value");
        const held = new HeldRequests(place.faulty, holds);
        const put = new Watched("put", db.put("key", "value"));
        const flush = new Watched("flush", db.flush({ to: "l0" }));
        await turns();
        const stored = put.outcome === "fulfilled";
        expect(stored).toBe(holds === sst);
        const successor = replaced ? await reopened(place, quiet) : undefined;
        sleep(place);
        held.release();
        await place.clock.advance(200_000);
        const expected = replaced ? "fenced" : "fulfilled";
        expect([put.outcome, flush.outcome]).toEqual([stored ? "fulfilled" : expected, expected]);
        const keys = stored || !replaced ? ["before", "key"] : ["before"];
        if (successor === undefined) await place.clock.advanceUntil(db.close());
        expect(await (successor ? keysIn(place, successor) : keysAfter(place))).toEqual(keys);
      }
    }
  });

  test("between the attempts of a PUT that was stored tells the truth, and is fenced by the next", async () => {
    for (const stored of [true, false]) {
      const place = newPlace();
      const db = await openAt(place, quiet);
      await db.put("before", "value");
      let attempts = 0;
      place.faulty.intercept = (request) =>
        wal(request) && attempts++ === 0 ? { kind: stored ? "after" : "before" } : undefined;
      const waiting = new Watched("put", db.put("key", "value"));
      await turns();
      expect(waiting.outcome).toBe("pending");
      const successor = await reopened(newPlaceOf(place), quiet);
      sleep(place);
      await place.clock.advance(60_000);
      const found = await keysIn(place, successor);
      expect(found).toEqual(stored ? ["before", "key"] : ["before"]);
      expect(waiting.outcome).toBe(stored ? "fulfilled" : "fenced");
      await expect(db.put("late", "value")).rejects.toMatchObject({ kind: "fenced" });
      expect(await keysIn(place, successor)).toEqual(found);
    }
  });
});

/** The number that would prove the epoch may have been deleted: a listing tells. */
async function expectListed(sleep: (place: Place) => void): Promise<void> {
  const place = newPlace();
  const db = await openAt(place, quiet);
  await db.put("before", "value");
  sleep(place);
  place.counting.reset();
  await db.put("key", "value");
  expect(requestsOf(place.counting).sort()).toEqual(["create wal/1/2.wal", "list manifest/"]);
  await place.clock.advanceUntil(db.close());
  expect(await keysAfter(place)).toEqual(["before", "key"]);
}

/** What a collector may do to the log of the first epoch once the successor has flushed: all goes but the fences. */
async function collectLog({ inner }: Place): Promise<void> {
  await inner.delete([`db/${ObjectPaths.wal(1, 1)}`]);
}

/** Another process on the same store, whose clock is not moved: opening takes no time. */
function newPlaceOf(place: Place): Place {
  return newPlace(place.inner, place.clock);
}

test("a writer whose clock was set back writes on, without a proof that nobody needs", async () => {
  const place = newPlace();
  const db = await openAt(place, quiet);
  await db.put("before", "value");
  place.clock.setWall(place.clock.now() - 3 * hour);
  place.counting.reset();
  await db.put("key", "value");
  expect(requestsOf(place.counting)).toEqual(["create wal/1/2.wal"]);
  await place.clock.advanceUntil(db.close());
  expect(await keysAfter(place)).toEqual(["before", "key"]);
});

test("a writer that cannot prove its epoch acknowledges nothing, though its PUT was stored; reopening tells", async () => {
  const place = newPlace();
  const db = await openAt(place, quiet);
  await db.put("before", "value");
  place.clock.freeze(3 * hour);
  place.faulty.intercept = ({ operation }) =>
    operation === "get" ? { kind: "before" } : undefined;
  const waiting = new Watched("put", db.put("key", "value"));
  await place.clock.advance(59_000);
  expect(waiting.outcome).toBe("pending");
  await place.clock.advance(2_000);
  expect(waiting.outcome).toBe("unknown");
  await expectSilence(place);
  expect(await keysAfter(place)).toEqual(["before", "key"]);
});
