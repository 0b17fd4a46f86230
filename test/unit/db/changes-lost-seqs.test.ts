/** Seqs that were lost with their process are no changes; those of a writer without a log are, and are never passed over. */
import { beforeAll, expect, test } from "vitest";
import { type ChangeFeed, type Db, DbReader, TruncatedError } from "../../../src/index.js";
import { HeldRequests } from "../../support/held-requests.js";
import { loadEngine } from "../../support/load-engine.js";
import { newPlace, openAt, type Place } from "./support.js";

beforeAll(loadEngine);

async function take(feed: ChangeFeed, count: number): Promise<number[]> {
  const seqs: number[] = [];
  for await (const { seq } of feed) {
    seqs.push(seq);
    if (seqs.length === count) break;
  }
  return seqs;
}

/** Seq 1 is in L0, and the manifest says that seq 2 was given, which died with its writer. */
async function loseASeq(place: Place): Promise<void> {
  const { clock } = place;
  const dying = newPlace(place.inner, clock);
  const options = { memTableBytes: 4 * 1024, flushIntervalMs: 3_600_000 };
  const db = await openAt(dying, options);
  const held = new HeldRequests(dying.faulty, ({ key }) => key.includes("/sst/"));
  await clock.advanceUntil(db.put("key", "1"));
  await db.put("key", "2", { durable: false });
  held.release();
  await clock.advance(1000);
  expect(db.stats().l0Count).toBe(1);
  dying.faulty.crash();
}

async function expectBoth(place: Place, db: Db, expected: number[]): Promise<void> {
  const reader = await place.clock.advanceUntil(DbReader.open(place.at, { clock: place.clock }));
  for (const handle of [db, reader]) {
    expect(await take(handle.changes({ from: 0 }), expected.length)).toEqual(expected);
  }
  await reader.close();
}

test("lost seqs between two logs are passed over, in the chain and once both are retired", async () => {
  const place = newPlace();
  await loseASeq(place);
  const next = await openAt(place);
  await place.clock.advanceUntil(next.put("key", "3"));
  expect(next.seq).toBe(3);
  await expectBoth(place, next, [1, 3]);
  await place.clock.advanceUntil(next.flush({ to: "l0" }));
  await place.clock.advanceUntil(next.put("key", "4"));
  await expectBoth(place, next, [1, 3, 4]);
  await place.clock.advanceUntil(next.close());
  const last = await openAt(place);
  await expectBoth(place, last, [1, 3, 4]);
  await place.clock.advanceUntil(last.close());
});

test("what a writer without a log has written is never passed over, whatever followed it", async () => {
  const place = newPlace();
  const { clock } = place;
  await loseASeq(place);
  const without = await openAt(place, { wal: false });
  await clock.advanceUntil(without.put("key", "3"));
  await clock.advanceUntil(without.close());
  const next = await openAt(place, { wal: true });
  const reader = await clock.advanceUntil(DbReader.open(place.at, { clock }));
  for (const handle of [next, reader]) {
    await expect(take(handle.changes({ from: 1 }), 1)).rejects.toThrow(TruncatedError);
  }
  await clock.advanceUntil(next.put("key", "4"));
  await clock.advanceUntil(next.flush({ to: "l0" }));
  await clock.advanceUntil(reader.refresh());
  for (const handle of [next, reader]) {
    const error = await take(handle.changes({ from: 1 }), 1).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(TruncatedError);
    expect(error.oldestSeq).toBe(3);
    expect(await take(handle.changes({ from: error.oldestSeq }), 1)).toEqual([4]);
  }
  await reader.close();
  await clock.advanceUntil(next.close());
});

/** Opens and is gone at once: its log never holds a record. */
async function openAndDie(place: Place): Promise<void> {
  const dying = newPlace(place.inner, place.clock);
  await openAt(dying);
  dying.faulty.crash();
}

test("a writer that has flushed what it found, and died before it logged anything, hides nothing", async () => {
  const first = newPlace();
  const { clock } = first;
  const one = await openAt(first);
  await clock.advanceUntil(one.put("key", "1"));
  const second = newPlace(first.inner, clock);
  const two = await openAt(second, { flushIntervalMs: 3_600_000 });
  const flushed = two.flush({ to: "l0" });
  await two.put("key", "2", { durable: false });
  await clock.advanceUntil(flushed);
  second.faulty.crash();
  const third = newPlace(first.inner, clock);
  const three = await openAt(third);
  await clock.advanceUntil(three.load([["loaded", "3"]]));
  expect(three.seq).toBe(3);
  await expectBoth(third, three, [1, 3]);
  await clock.advanceUntil(three.flush({ to: "l0" }));
  await expectBoth(third, three, [1, 3]);
  await clock.advanceUntil(three.close());
});

test("nor do several in a row, behind a log that its own writer had retired", async () => {
  const place = newPlace();
  const { clock } = place;
  await loseASeq(place);
  for (let i = 0; i < 3; i++) await openAndDie(place);
  const next = await openAt(place);
  await clock.advanceUntil(next.put("key", "3"));
  expect(next.seq).toBe(3);
  await expectBoth(place, next, [1, 3]);
  await clock.advanceUntil(next.flush({ to: "l0" }));
  await expectBoth(place, next, [1, 3]);
  await clock.advanceUntil(next.close());
});

/** Both handles are cut off behind seq 1, and go on with `next` where they are told to. */
async function expectCut(place: Place, db: Db, oldestSeq: number, next: number): Promise<void> {
  const reader = await place.clock.advanceUntil(DbReader.open(place.at, { clock: place.clock }));
  for (const handle of [db, reader]) {
    const feed = handle.changes({ from: 0 });
    const error = await take(feed, 2).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(TruncatedError);
    expect(feed.seq).toBe(1);
    expect(error.oldestSeq).toBe(oldestSeq);
    expect(await take(handle.changes({ from: error.oldestSeq }), 1)).toEqual([next]);
  }
  await reader.close();
}

test.each([0, 1, 2])(
  "a writer without a log is never passed over, with %i around it that died without a record",
  async (count) => {
    const place = newPlace();
    const { clock } = place;
    await loseASeq(place);
    for (let i = 0; i < count; i++) await openAndDie(place);
    const without = await openAt(place, { wal: false });
    await clock.advanceUntil(without.put("key", "3"));
    await clock.advanceUntil(without.close());
    await clock.advanceUntil((await openAt(place, { wal: true })).close());
    for (let i = 0; i < count; i++) await openAndDie(place);
    const next = await openAt(place);
    await clock.advanceUntil(next.put("key", "4"));
    await clock.advanceUntil(next.flush({ to: "l0" }));
    await expectCut(place, next, 3, 4);
    await clock.advanceUntil(next.close());
  },
);

test.each([
  ["closed without a record", { wal: true }],
  ["had no log and wrote nothing", { wal: false }],
])("behind lost seqs and a writer that %s a feed is cut off, and can go on", async (_, options) => {
  const place = newPlace();
  const { clock } = place;
  await loseASeq(place);
  await clock.advanceUntil((await openAt(place, options)).close());
  const next = await openAt(place, { wal: true });
  await clock.advanceUntil(next.put("key", "3"));
  await clock.advanceUntil(next.flush({ to: "l0" }));
  await expectCut(place, next, 2, 3);
  await clock.advanceUntil(next.close());
});
