/** A large group that nobody waits for is sent before its interval, when nothing else is on its way. */
import { expect, test } from "vitest";
import { newPlace, openAt, turns } from "../db/support.js";

test.each([
  [1, 0],
  [4, 3],
])("of %i MiB in one interval of an hour, %i are durable at once", async (count, durable) => {
  const place = newPlace();
  const db = await openAt(place, { flushIntervalMs: 3_600_000 });
  for (let i = 0; i < count; i++) {
    await place.clock.advanceUntil(
      db.put(`k${i}`, new Uint8Array(1024 * 1024), { durable: false }),
    );
  }
  await place.clock.advance(1000);
  await turns();
  expect(db.stats().durableSeq).toBe(durable);
  await place.clock.advanceUntil(db.close());
});
