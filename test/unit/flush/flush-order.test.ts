/** The flush pipeline through a database: uploads end in any order, tables are retired in theirs, one commit per batch. */
import { expect, test } from "vitest";
import type { Db } from "../../../src/index.js";
import { HeldRequests } from "../../support/held-requests.js";
import { newPlace, openAt, type Place, requestsOf, turns } from "../db/support.js";

/** Each write fills a MemTable of its own. */
const options = {
  ...{ memTableBytes: 4096, flushIntervalMs: 3_600_000, uploadsInFlight: 4 },
  background: false,
};

async function fourUploads(): Promise<{ place: Place; db: Db; held: HeldRequests }> {
  const place = newPlace();
  const db = await openAt(place, options);
  const held = new HeldRequests(place.faulty, ({ key }) => key.includes("sst/"));
  for (let i = 0; i < 4; i++) await db.put(`key ${i}`, "value");
  await turns();
  expect(held.count).toBe(4);
  return { place, db, held };
}

const commits = (place: Place): number =>
  requestsOf(place.counting).filter((request) => /^create manifest/.test(request)).length;

test("uploads that end out of order are retired in order, by one commit for each prefix", async () => {
  const { place, db, held } = await fourUploads();
  // Ids are given in the order of the queue, so their order is that of the uploads.
  const ids = [...held.keys].sort();
  expect(held.keys).toEqual(ids);
  for (const done of [2, 1, 3]) {
    held.releaseOnly(ids[done]!);
    await turns();
    expect([commits(place), db.stats().l0Count]).toEqual([0, 0]);
  }
  held.releaseOnly(ids[0]!);
  await turns();
  expect([commits(place), db.stats().l0Count, db.stats().memTableBytes]).toEqual([1, 4, 0]);
  held.release();
  for (let i = 0; i < 4; i++) expect(await db.has(`key ${i}`)).toBe(true);
  expect((await db.keys().nextMany(9)).length).toBe(4);
  await db.close();
});

test("no more uploads are under way than allowed", async () => {
  const { db, held } = await fourUploads();
  for (let i = 4; i < 8; i++) await db.put(`key ${i}`, "value");
  await turns();
  expect(held.count).toBe(4);
  held.releaseOnly(held.keys[3]!);
  await turns();
  expect(held.keys.length).toBe(5);
  held.release();
  await db.close();
});

test("a table is retired only when its rows are durable in the log", async () => {
  const place = newPlace();
  const db = await openAt(place, { ...options, unflushedBytesMax: 1 << 20 });
  await db.put("key", "value", { durable: false });
  await turns();
  expect(requestsOf(place.counting)).toEqual(["put sst/ULID.sst"]);
  expect(db.stats()).toMatchObject({ l0Count: 0, durableSeq: 0 });
  await db.flush();
  await turns();
  expect(db.stats()).toMatchObject({ l0Count: 1, durableSeq: 1 });
  await db.close();
});

test("an upload that fails is sent again with the same id and the same bytes", async () => {
  const place = newPlace();
  const db = await openAt(place, options);
  let failures = 0;
  place.faulty.intercept = ({ key }) =>
    key.includes("sst/") && ++failures <= 5 ? { kind: "after" } : undefined;
  await place.clock.advanceUntil(db.put("key", "value").then(() => db.flush({ to: "l0" })));
  const uploads = place.counting.requests.filter(({ key }) => key.includes("sst/"));
  expect(uploads.length).toBe(6);
  expect(new Set(uploads.map(({ key, bytes }) => `${key} ${bytes}`)).size).toBe(1);
  await db.close();
});

test("flush waiters are answered when what they wait for is in L0, and not before", async () => {
  const { place, db, held } = await fourUploads();
  const answered: string[] = [];
  void db.flush().then(() => answered.push("wal"));
  void db.flush({ to: "l0" }).then(() => answered.push("l0"));
  await turns();
  expect(answered).toEqual(["wal"]);
  held.release();
  await turns();
  expect(answered).toEqual(["wal", "l0"]);
  expect(commits(place)).toBeGreaterThan(0);
  await db.close();
});
