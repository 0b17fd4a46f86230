/** Credentials that expire, and are renewed: who waits is told, nothing acknowledged is lost, and the rest goes on. */
import { describe, expect, test } from "vitest";
import { isMoraineError, StoreError } from "../../../src/index.js";
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
  sst,
  Watched,
  wal,
} from "./support.js";

expectNoUnhandledRejections();

const denied: Fault = { kind: "before", error: new StoreError("denied", "The token has expired.") };

function expire(place: Place, matches: (request: FaultyRequest) => boolean = () => true): void {
  place.faulty.intercept = (request) => (matches(request) ? denied : undefined);
}

test("a durable write that the store denies at once is denied, was not stored, and closes the handle", async () => {
  const place = newPlace();
  const db = await openAt(place, quiet);
  await db.put("before", "value");
  expire(place);
  const error = await db.put("key", "value").catch((caught) => caught);
  expect([isMoraineError(error, "denied"), error.kind]).toEqual([true, "denied"]);
  expect(await db.closed).toMatchObject({ kind: "denied" });
  await expectCommandsEndWith(db, "closed");
  await expect(db.close()).rejects.toMatchObject({ kind: "closed", cause: { kind: "denied" } });
  await expectSilence(place);
  place.faulty.intercept = undefined;
  expect(await keysAfter(place)).toEqual(["before"]);
});

test("of several WAL objects under way the one that was denied is denied, and the others are unknown", async () => {
  const place = newPlace();
  const db = await openAt(place, quiet);
  let attempts = 0;
  place.faulty.intercept = (request) => {
    if (!wal(request)) return undefined;
    return attempts++ < 2 ? { kind: "after" } : denied;
  };
  const waiting: Watched[] = [];
  for (const key of ["a", "b", "c"]) {
    waiting.push(new Watched(key, db.put(key, "value")));
    await turns(3);
  }
  await place.clock.advance(10_000);
  expect(outcomes(waiting)).toEqual({ a: "unknown", b: "unknown", c: "denied" });
  place.faulty.intercept = undefined;
  expect(await keysAfter(place)).toEqual(["a", "b"]);
});

test("without a WAL a durable write that is denied is unknown, with the refusal as its cause", async () => {
  for (const matches of [sst, manifest]) {
    const place = newPlace();
    const db = await openAt(place, { ...quiet, wal: false });
    await db.put("before", "value");
    expire(place, matches);
    const error = await db.put("key", "value").catch((caught) => caught);
    expect(error).toMatchObject({ kind: "unknown", cause: { kind: "denied" } });
    await expectSilence(place);
    place.faulty.intercept = undefined;
    expect(await keysAfter(place)).toEqual(["before"]);
  }
});

describe.each([
  ["uploads", sst],
  ["commits", manifest],
])("when only %s are denied", (_, matches) => {
  test("flushes and checkpoints are told at once, writes go on, and after the renewal all is flushed", async () => {
    const place = newPlace();
    const db = await openAt(place, { ...quiet, memTableBytes: 4096 });
    expire(place, matches);
    for (let i = 0; i < 5; i++) await db.put(`key ${i}`, "value");
    const waiting = [
      new Watched("flush", db.flush({ to: "l0" })),
      new Watched("checkpoint", db.checkpoint({ name: "kept" })),
    ];
    // Tables that were denied already are tried again after a pause.
    await place.clock.advance(10_000);
    expect(outcomes(waiting)).toEqual({ flush: "denied", checkpoint: "denied" });
    expect(db.stats()).toMatchObject({ l0Count: 0, durableSeq: 5 });
    place.faulty.intercept = undefined;
    await place.clock.advance(60_000);
    expect(db.stats()).toMatchObject({ l0Count: 5, memTableBytes: 0 });
    // Nothing was made of it, so the name is free.
    await place.clock.advanceUntil(db.checkpoint({ name: "kept" }));
    await place.clock.advanceUntil(db.close());
    expect(await keysAfter(place)).toEqual([0, 1, 2, 3, 4].map((i) => `key ${i}`));
  });

  test("for hours, few requests are made: one for each that waits in about as long as the longest backoff", async () => {
    const place = newPlace();
    const db = await openAt(place, { ...quiet, memTableBytes: 4096 });
    expire(place, matches);
    for (let i = 0; i < 6; i++) await db.put(`key ${i}`, "value");
    await place.clock.advance(60_000);
    place.counting.reset();
    await place.clock.advance(2 * hour);
    const waiting = matches === sst ? 4 : 1;
    expect(place.counting.total).toBeGreaterThan(0);
    expect(place.counting.total).toBeLessThanOrEqual((waiting * 2 * hour) / 5000 + waiting);
    await db.close({ flush: false });
    await expectSilence(place);
  });

  test("a close is denied, and what was acknowledged is replayed", async () => {
    const place = newPlace();
    const db = await openAt(place, quiet);
    await db.put("key", "value");
    expire(place, matches);
    await expect(place.clock.advanceUntil(db.close())).rejects.toMatchObject({ kind: "denied" });
    await expectSilence(place);
    place.faulty.intercept = undefined;
    expect(await keysAfter(place)).toEqual(["key"]);
  });
});

test("while nothing may be read, reads of what is in memory go on, and the others are denied", async () => {
  const place = newPlace();
  const db = await openAt(place, { ...quiet, blockCacheBytes: 0 });
  await db.put("stored", "value");
  await db.flush({ to: "l0" });
  await db.put("fresh", "value");
  expire(place);
  expect(await db.has("fresh")).toBe(true);
  await expect(db.get("stored")).rejects.toMatchObject({ kind: "denied" });
  place.faulty.intercept = undefined;
  expect(await db.has("stored")).toBe(true);
  await place.clock.advanceUntil(db.close());
});
