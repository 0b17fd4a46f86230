/** Range deletes that are stored: what reads see, and which requests they make for it. */
import { beforeAll, beforeEach, expect, test } from "vitest";
import { type Db, DbReader } from "../../../src/index.js";
import { loadEngine } from "../../support/load-engine.js";
import { newPlace, openAt, type Place, requestsOf, text, turns } from "./support.js";

const quiet = { flushIntervalMs: 3_600_000 };
const name = (i: number): string => `key ${String(i).padStart(5, "0")}`;

beforeAll(loadEngine);

let place: Place;
beforeEach(() => {
  place = newPlace();
});

/** Rows in three SSTs, each of 200 KB. */
async function fill(db: Db): Promise<void> {
  for (let sst = 0; sst < 3; sst++) {
    const batch = db.batch();
    for (let i = 0; i < 1000; i++) batch.put(name(i), new Uint8Array(200).fill(sst));
    await db.write(batch);
    await db.flush({ to: "l0" });
  }
}

async function reopened(write: (db: Db) => Promise<unknown>): Promise<Db> {
  const before = await openAt(place, quiet);
  await fill(before);
  await write(before);
  await before.close();
  return openAt(place, quiet);
}

const requests = (): string[] => {
  const made = requestsOf(place.counting);
  place.counting.reset();
  return made;
};

test("a cold get or scan of what one range delete covers makes no request", async () => {
  const db = await reopened((before) => before.deletePrefix("key"));
  expect(await db.get(name(7))).toBeUndefined();
  expect(db.getCached(name(8))).toEqual({ value: undefined });
  expect(await db.getMany([name(1), name(999)])).toEqual([undefined, undefined]);
  expect(await db.scan().nextMany(10)).toEqual([]);
  expect(await db.scan({ reverse: true }).nextMany(10)).toEqual([]);
  expect(requests()).toEqual([]);
});

test("what is outside of all range deletes is read as if there were none", async () => {
  const db = await reopened((before) => before.deleteRange({ lt: name(500) }));
  expect(text(await db.get(name(600)))).toHaveLength(200);
  // Three tables at once, then a block of the newest that has the key.
  expect(requests()).toHaveLength(4);
  const first = await db.keys().next();
  expect(text(first)).toBe(name(500));
});

test("SSTs that are hidden whole are not opened, and those of the rest are", async () => {
  const db = await reopened(async (before) => {
    await before.deleteRange({ all: true });
    await before.put(name(3), "again");
    await before.put("zzz", "new");
    await before.flush({ to: "l0" });
  });
  expect(text(await db.get(name(3)))).toBe("again");
  expect(requests()).toHaveLength(1);
  expect((await db.keys().nextMany(10)).map(text)).toEqual([name(3), "zzz"]);
  expect(requests()).toEqual([]);
});

test("where spans do not say enough, the range deletes of an SST are read once, beside the tables", async () => {
  const db = await reopened(async (before) => {
    for (let i = 0; i < 300; i += 3) await before.deleteRange({ gte: name(i), lt: name(i + 2) });
  });
  expect(await db.get(name(0))).toBeUndefined();
  // Three tables, and the range deletes; the rows that they hide are found and then dropped without a block.
  expect(requests()).toEqual(Array(4).fill("get sst/ULID.sst"));
  expect(await db.getMany([name(1), name(3), name(4)])).toEqual(Array(3).fill(undefined));
  expect(requests()).toEqual([]);
  expect(await db.get(name(2))).toBeDefined();
  expect(requests()).toHaveLength(1);
  expect((await db.keys({ lt: name(9) }).nextMany(9)).map(text)).toEqual([2, 5, 8].map(name));
});

test("a snapshot and a read at an older seq see what was deleted later, stored or not", async () => {
  const db = await openAt(place, quiet);
  await fill(db);
  const { seq } = db;
  const snapshot = db.snapshot();
  await db.deletePrefix("key");
  expect(await db.get(name(5))).toBeUndefined();
  for (const flush of [false, true]) {
    if (flush) await db.flush({ to: "l0" });
    expect(text(await snapshot.get(name(5)))).toHaveLength(200);
    expect(text(await db.get(name(5), { seq }))).toHaveLength(200);
    expect(await snapshot.keys().nextMany(2000)).toHaveLength(1000);
    expect(await db.keys({ seq, reverse: true }).nextMany(2000)).toHaveLength(1000);
    expect(await db.keys().next()).toBeUndefined();
  }
  snapshot.close();
});

test("a reader sees range deletes from the log and from SSTs", async () => {
  const db = await openAt(place, quiet);
  await fill(db);
  const { clock, at } = place;
  const reader = await clock.advanceUntil(DbReader.open(at, { clock }));
  const { seq } = await db.deleteRange({ gte: name(10), lte: name(989) });
  await clock.advanceUntil(reader.waitForSeq(seq));
  expect(await reader.keys().nextMany(2000)).toHaveLength(20);
  await db.put(name(500), "later");
  await db.flush({ to: "l0" });
  await clock.advanceUntil(reader.refresh());
  await turns();
  expect(await reader.keys().nextMany(2000)).toHaveLength(21);
  expect(text(await reader.get(name(500)))).toBe("later");
  expect(await reader.get(name(501))).toBeUndefined();
  await clock.advanceUntil(reader.close());
});

test("a load after a range delete is seen, one before it is not", async () => {
  const db = await openAt(place, quiet);
  await db.load([
    { key: "a", value: "1" },
    { key: "b", value: "1" },
  ]);
  await db.deletePrefix("a");
  expect((await db.keys().nextMany(9)).map(text)).toEqual(["b"]);
  await db.load([{ key: "a", value: "2" }]);
  expect(text(await db.get("a"))).toBe("2");
  await db.flush({ to: "l0" });
  expect(text(await db.get("a"))).toBe("2");
  await db.deleteRange({ all: true });
  await db.flush({ to: "l0" });
  expect(await db.getMany(["a", "b"])).toEqual([undefined, undefined]);
});

test("a write of a range delete costs the same whatever it covers, and a flush of it one SST", async () => {
  const db = await openAt(place, quiet);
  await fill(db);
  place.counting.reset();
  await db.deletePrefix("key");
  const [wal] = place.counting.requests;
  expect(requests()).toHaveLength(1);
  expect(wal!.bytes).toBeLessThan(300);
  await db.flush({ to: "l0" });
  expect(requests().filter((request) => !request.includes("manifest"))).toEqual([
    "put sst/ULID.sst",
  ]);
});
