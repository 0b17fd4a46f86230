/** A log of many small objects is brought to L0, so that the next open has few of them to read. */
import { expect, test } from "vitest";
import { newPlace, openAt, requestsOf } from "./support.js";

test("a MemTable is flushed after so many WAL objects, however little it holds", async () => {
  const place = newPlace();
  const options = { walObjectsMax: 10, walPutsPerSecond: Number.POSITIVE_INFINITY };
  const db = await openAt(place, options);
  for (let i = 0; i < 35; i++) await place.clock.advanceUntil(db.put(`key ${i}`, "value"));
  await place.clock.advance(1000);
  const made = requestsOf(place.counting).filter((request) => !request.startsWith("create wal"));
  expect(made.filter((request) => request.startsWith("put sst/"))).toHaveLength(3);
  expect(db.stats().l0Count).toBe(3);
  // What the successor reads is less than the limit.
  place.counting.reset();
  const again = await openAt(newPlace(place.inner, place.clock), options);
  expect(again.stats().l0Count).toBe(3);
  expect(await again.getMany(Array.from({ length: 35 }, (_, i) => `key ${i}`))).not.toContain(
    undefined,
  );
});

test("what was replayed counts: processes that die young do not make a log without end", async () => {
  const place = newPlace();
  const options = { walObjectsMax: 10, walPutsPerSecond: Number.POSITIVE_INFINITY };
  let l0Count = 0;
  for (let life = 0; life < 8; life++) {
    // The one before is not closed: it has crashed.
    const db = await openAt(newPlace(place.inner, place.clock), options);
    for (let i = 0; i < 3; i++) await place.clock.advanceUntil(db.put(`key ${life} ${i}`, "value"));
    await place.clock.advance(1000);
    l0Count = db.stats().l0Count;
  }
  expect(l0Count).toBe(2);
});
