/** A large group that nobody waits for is sent before its interval, when nothing else is on its way. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { Db } from "../../../src/index.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";

test.each([
  [1, 0],
  [4, 3],
])("of %i MiB in one interval of an hour, %i are durable at once", async (count, durable) => {
  const place = { store: new MemoryObjectStore(), path: "db" };
  const db = await Db.open(place, { flushIntervalMs: 3_600_000 });
  for (let i = 0; i < count; i++) {
    await db.put(`k${i}`, new Uint8Array(1024 * 1024), { durable: false });
  }
  for (let i = 0; i < 200 && db.stats().durableSeq < durable; i++) await sleep(10);
  await sleep(20);
  expect(db.stats().durableSeq).toBe(durable);
  await db.close();
});
