/** Seqs that were given and then lost with their process are no tokens: nobody is told to wait for them. */
import { expect, test } from "vitest";
import { DbReader } from "../../../src/db/db-reader.js";
import { HeldRequests } from "../../support/held-requests.js";
import { newPlace, openAt } from "./support.js";

const KiB = 1024;

test("a successor reports the last seq that is there, though a manifest says that a later one was given", async () => {
  const place = newPlace();
  const { clock } = place;
  // A MemTable of one row is full, so the first write is flushed; the commit finds that a second one has its seq.
  const dying = newPlace(place.inner, clock);
  const options = { memTableBytes: 4 * KiB, flushIntervalMs: 3_600_000 };
  const db = await openAt(dying, options);
  const held = new HeldRequests(dying.faulty, ({ key }) => key.includes("/sst/"));
  await clock.advanceUntil(db.put("key", "1"));
  expect((await db.put("key", "2", { durable: false })).seq).toBe(2);
  held.release();
  await clock.advance(1000);
  expect(db.stats().l0Count).toBe(1);
  dying.faulty.crash();

  const next = await openAt(place, options);
  expect(next.seq).toBe(2);
  expect(next.stats().durableSeq).toBe(1);
  const { durableSeq } = await next.flush();
  expect(durableSeq).toBe(1);
  const reader = await clock.advanceUntil(DbReader.open(place.at, { clock }));
  await reader.waitForSeq(durableSeq);
  expect((await clock.advanceUntil(next.put("key", "3"))).seq).toBe(3);
  expect((await next.flush()).durableSeq).toBe(3);
  await clock.advanceUntil(reader.waitForSeq(3));
  await reader.close();
  await clock.advanceUntil(next.close());
});
