/** A write whose outcome nobody knows: it is acknowledged when it proves to be stored, or said to be unknown; reopening tells. */
import { describe, expect, test } from "vitest";
import { type OpenOptions, StoreError } from "../../../src/index.js";
import type { Fault, FaultyRequest } from "../../../src/testing/index.js";
import { newPlace, openAt, type Place, turns } from "../db/support.js";
import {
  expectCommandsEndWith,
  expectNoUnhandledRejections,
  expectSilence,
  hour,
  keysAfter,
  manifest,
  outcomes,
  quiet,
  Watched,
  wal,
} from "./support.js";

expectNoUnhandledRejections();

/** With a WAL, and without one: what a durable write is stored by. */
const ways: { way: string; options: OpenOptions; deciding: (request: FaultyRequest) => boolean }[] =
  [
    { way: "with a WAL", options: quiet, deciding: wal },
    { way: "without a WAL", options: { ...quiet, wal: false }, deciding: manifest },
  ];

/** `fault` for the first `count` of the requests that `matches`. */
function fail(
  place: Place,
  matches: (request: FaultyRequest) => boolean,
  fault: Fault,
  count = Number.POSITIVE_INFINITY,
): void {
  let left = count;
  place.faulty.intercept = (request) => (matches(request) && left-- > 0 ? fault : undefined);
}

describe.each(ways)("$way, a durable write", ({ options, deciding }) => {
  test.each<[string, Fault]>([
    ["stored, and its reply lost", { kind: "after" }],
    ["not stored at first", { kind: "before" }],
    ["on its way for long", { kind: "late", afterMs: 100_000 }],
  ])(
    "that was %s is acknowledged when a repetition succeeds, and is there once",
    async (_, fault) => {
      for (const storeDeadlineMs of [60_000, Number.POSITIVE_INFINITY]) {
        const place = newPlace();
        const db = await openAt(place, { ...options, storeDeadlineMs });
        fail(place, deciding, fault, 3);
        const { seq } = await place.clock.advanceUntil(db.put("key", "value"));
        await place.clock.advance(200_000);
        expect([seq, db.seq, db.stats().durableSeq]).toEqual([1, 1, 1]);
        await place.clock.advanceUntil(db.put("next", "value"));
        await place.clock.advanceUntil(db.close());
        expect(await keysAfter(place)).toEqual(["key", "next"]);
      }
    },
  );

  test.each<[string, Fault, boolean]>([
    ["stored, and no reply ever came", { kind: "after" }, true],
    ["not stored, and no reply ever came", { kind: "before" }, false],
    [
      "stored, and then the credentials expired",
      { kind: "after", error: new StoreError("unknown-outcome", "lost") },
      true,
    ],
  ])(
    "that was %s is unknown, closes the handle, and reopening tells",
    async (name, fault, stored) => {
      const place = newPlace();
      const db = await openAt(place, options);
      await db.put("before", "value");
      fail(place, deciding, fault);
      if (name.includes("expired")) {
        let attempts = 0;
        const denied: Fault = { kind: "before", error: new StoreError("denied", "Expired.") };
        place.faulty.intercept = (request) =>
          deciding(request) ? (attempts++ === 0 ? fault : denied) : undefined;
      }
      const result = await db.put("first", "value", { durable: false });
      const waiting = [
        new Watched("put", db.put("key", "value")),
        new Watched("durable", result.durable()),
        new Watched("flush", db.flush()),
      ];
      await place.clock.advance(61_000);
      expect(outcomes(waiting)).toEqual({ put: "unknown", durable: "unknown", flush: "unknown" });
      expect(await db.closed).toMatchObject({ kind: "unknown" });
      await expect(result.durable()).rejects.toMatchObject({ kind: "unknown" });
      await expect(db.close()).rejects.toMatchObject({ kind: "closed" });
      await expectCommandsEndWith(db, "closed");
      await expectSilence(place);
      expect(await keysAfter(place)).toEqual(stored ? ["before", "first", "key"] : ["before"]);
    },
  );

  test("that is acknowledged never, and arrives after the successor has come, is void for ever", async () => {
    const place = newPlace();
    const db = await openAt(place, options);
    await db.put("before", "value");
    fail(place, deciding, { kind: "late" });
    const waiting = new Watched("put", db.put("key", "value"));
    await place.clock.advance(61_000);
    expect(waiting.outcome).toBe("unknown");
    expect(await keysAfter(place)).toEqual(["before"]);
    expect(await place.faulty.releaseLate()).toBeGreaterThan(1);
    expect(await keysAfter(place)).toEqual(["before"]);
  });

  test("that arrives late, but before the successor, is found by it", async () => {
    const place = newPlace();
    const db = await openAt(place, options);
    fail(place, deciding, { kind: "late" });
    const waiting = new Watched("put", db.put("key", "value"));
    await place.clock.advance(61_000);
    expect(waiting.outcome).toBe("unknown");
    await place.faulty.releaseLate();
    expect(await keysAfter(place)).toEqual(["key"]);
  });

  test("is never unknown while the deadline is infinite, and goes through after hours", async () => {
    const place = newPlace();
    const db = await openAt(place, { ...options, storeDeadlineMs: Number.POSITIVE_INFINITY });
    fail(place, deciding, { kind: "after" });
    const waiting = new Watched("put", db.put("key", "value"));
    await place.clock.advance(3 * hour);
    expect(waiting.outcome).toBe("pending");
    place.faulty.intercept = undefined;
    await place.clock.advance(10_000);
    expect([waiting.outcome, db.stats().durableSeq]).toEqual(["fulfilled", 1]);
    await place.clock.advanceUntil(db.close());
    expect(await keysAfter(place)).toEqual(["key"]);
  });
});

test("when the first of four WAL objects is lost, none behind it is acknowledged, and none is found", async () => {
  const place = newPlace();
  const db = await openAt(place, quiet);
  fail(place, (request) => wal(request) && request.key.endsWith("01.wal"), { kind: "late" });
  const waiting: Watched[] = [];
  for (const key of ["a", "b", "c", "d", "e"]) {
    waiting.push(new Watched(key, db.put(key, "value")));
    await turns(3);
  }
  await place.clock.advance(30_000);
  expect(new Set(Object.values(outcomes(waiting)))).toEqual(new Set(["pending"]));
  await place.clock.advance(31_000);
  expect(new Set(Object.values(outcomes(waiting)))).toEqual(new Set(["unknown"]));
  expect(await keysAfter(place)).toEqual([]);
  await place.faulty.releaseLate();
  expect(await keysAfter(place)).toEqual([]);
});

test("when the reply of the first of four WAL objects comes late, all are acknowledged, in order", async () => {
  const place = newPlace();
  const db = await openAt(place, quiet);
  fail(place, (request) => wal(request) && request.key.endsWith("01.wal"), { kind: "after" }, 5);
  const order: number[] = [];
  for (const key of ["a", "b", "c", "d"]) {
    void db.put(key, "value").then(({ seq }) => order.push(seq));
    await turns(3);
  }
  expect(order).toEqual([]);
  await place.clock.advance(60_000);
  expect(order).toEqual([1, 2, 3, 4]);
  await place.clock.advanceUntil(db.close());
});
