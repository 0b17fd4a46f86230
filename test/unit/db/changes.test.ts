import { beforeAll, expect, test } from "vitest";
import {
  type Change,
  type ChangeFeed,
  type Db,
  DbReader,
  FencedError,
  TruncatedError,
} from "../../../src/index.js";
import { loadEngine } from "../../support/load-engine.js";
import { newPlace, openAt, requestsOf, text, turns } from "./support.js";

beforeAll(loadEngine);

/** "3: a=1 -b" for a change of seq 3 that puts "a" and deletes "b", "*c" for a merge, "-[d,e)" for a range; of a load its rows. */
async function show(change: Change): Promise<string> {
  const parts: string[] = [];
  for (const operation of change.operations) {
    if (operation.type === "put") parts.push(`${text(operation.key)}=${text(operation.value)}`);
    else if (operation.type === "delete") parts.push(`-${text(operation.key)}`);
    else if (operation.type === "merge") parts.push(`*${text(operation.key)}`);
    else if (operation.type === "deleteRange")
      parts.push(`-[${text(operation.gte)},${text(operation.lt) ?? ""})`);
    else {
      for await (const { key, value } of operation.rows())
        parts.push(`+${text(key)}=${text(value)}`);
    }
  }
  return `${change.seq}: ${parts.join(" ")}`;
}

async function take(feed: ChangeFeed, count: number): Promise<string[]> {
  const shown: string[] = [];
  const changes = feed[Symbol.asyncIterator]();
  while (shown.length < count) {
    const result = await changes.next();
    if (result.done) break;
    shown.push(await show(result.value));
  }
  return shown;
}

async function pairs(db: Db, count: number, from = 1): Promise<void> {
  for (let i = from; i < from + count; i++) await db.put(`k${i}`, `v${i}`);
}

test("a feed of the writer gives what is written after the call, in order", async () => {
  const place = newPlace();
  const db = await openAt(place);
  await db.put("before", "0");
  const feed = db.changes();
  await db.put("a", "1");
  await db.write([
    { type: "put", key: "b", value: "2" },
    { type: "delete", key: "a" },
  ]);
  await db.load([
    ["x", "9"],
    ["y", "8"],
  ]);
  place.counting.reset();
  expect(await take(feed, 3)).toEqual(["2: a=1", "3: b=2 -a", "4: +x=9 +y=8"]);
  expect(requestsOf(place.counting)).toEqual([expect.stringContaining("get sst")]);
  expect(feed.seq).toBe(4);
  const next = take(feed, 1);
  await turns();
  await db.put("late", "5");
  expect(await next).toEqual(["5: late=5"]);
  await db.close();
});

test("every position can be resumed from, of the writer and of a reader, after flushes", async () => {
  const place = newPlace();
  const db = await openAt(place);
  const all: string[] = [];
  for (let i = 1; i <= 12; i++) {
    await db.put(`k${i}`, `v${i}`);
    all.push(`${i}: k${i}=v${i}`);
    if (i % 5 === 0) await db.flush({ to: "l0" });
  }
  const reader = await DbReader.open(place.at, { clock: place.clock });
  for (let from = 0; from <= 12; from++) {
    for (const handle of [db, reader]) {
      const feed = handle.changes({ from });
      expect(await take(feed, 12 - from)).toEqual(all.slice(from));
      await feed.close();
    }
  }
  await reader.close();
  await db.close();
});

test("a reader's feed follows over writers that closed, crashed and were fenced", async () => {
  const place = newPlace();
  const first = await openAt(place);
  const reader = await DbReader.open(place.at, { clock: place.clock });
  const feed = reader.changes({ from: 0 });
  await pairs(first, 3);
  await first.close();
  const second = await openAt(place);
  await pairs(second, 2, 4);
  const third = await openAt(place);
  await expect(second.put("lost", "x")).rejects.toThrow(FencedError);
  await pairs(third, 2, 6);
  const taken = place.clock.advanceUntil(take(feed, 7));
  expect(await taken).toEqual([1, 2, 3, 4, 5, 6, 7].map((i) => `${i}: k${i}=v${i}`));
  await third.flush({ to: "l0" });
  const replayed = third.changes({ from: 0 });
  expect(await take(replayed, 7)).toHaveLength(7);
  await reader.close();
  await third.close();
});

test("a feed that begins while a reader looks for the manifest goes on from what the reader shows", async () => {
  const place = newPlace();
  const db = await openAt(place);
  await db.put("a", "1");
  const reader = await DbReader.open(place.at, { clock: place.clock });
  await db.put("b", "2");
  let release!: () => void;
  const until = new Promise<void>((resolve) => {
    release = resolve;
  });
  place.faulty.intercept = ({ key }) =>
    key.includes("/manifest/") ? { kind: "delay", until } : undefined;
  const refreshed = reader.refresh();
  await turns();
  // The log comes first, and what it has is shown at once.
  expect(reader.seq).toBe(2);
  const taken = take(reader.changes(), 1);
  release();
  await refreshed;
  await db.put("c", "3");
  await reader.refresh();
  expect(await taken).toEqual(["3: c=3"]);
  await reader.close();
  await db.close();
});

test("a feed of a reader gives nothing that its reader has not come to, also of an object that L0 has in part", async () => {
  const place = newPlace();
  const db = await openAt(place);
  const watching = newPlace(place.inner, place.clock);
  const reader = await DbReader.open(watching.at, { clock: place.clock });
  const held = () => {
    let release!: () => void;
    const until = new Promise<void>((resolve) => {
      release = resolve;
    });
    return { release, until };
  };
  // The reader looks for the object before it is there, and for the manifest after; then it asks for the object again.
  const manifest = held();
  const object = held();
  let walGets = 0;
  watching.faulty.intercept = ({ key, operation }) => {
    if (operation !== "get") return undefined;
    if (key.includes("/manifest/")) return { kind: "delay", until: manifest.until };
    if (!key.includes("/wal/") || ++walGets !== 2) return undefined;
    return { kind: "delay", until: object.until };
  };
  const refreshed = reader.refresh();
  await turns();
  // One WAL object of which L0 gets the first two writes.
  for (const key of ["a", "b"]) await db.put(key, "1", { durable: false });
  const flushed = db.flush({ to: "l0" });
  const last = db.put("c", "1");
  await place.clock.advanceUntil(Promise.all([flushed, last]));
  manifest.release();
  await turns();
  expect(walGets).toBe(2);
  expect(reader.seq).toBe(2);
  const feed = reader.changes({ from: 0 });
  expect(await take(feed, 2)).toEqual(["1: a=1", "2: b=1"]);
  const next = take(feed, 1);
  await turns();
  expect(reader.seq).toBe(2);
  let isGiven = false;
  void next.then(() => {
    isGiven = true;
  });
  await turns();
  expect(isGiven).toBe(false);
  object.release();
  await refreshed;
  expect(await next).toEqual(["3: c=1"]);
  expect(reader.seq).toBe(3);
  await reader.close();
  await db.close();
});

test("what is gone is TruncatedError with the oldest position that is left", async () => {
  const place = newPlace();
  const db = await openAt(place);
  await pairs(db, 6);
  await db.flush({ to: "l0" });
  await pairs(db, 2, 7);
  const path = (id: number): string =>
    `db/wal/${"1".padStart(20, "0")}/${String(id).padStart(20, "0")}.wal`;
  await place.inner.delete([path(1), path(2), path(3)]);
  for (const from of [0, 1, 2]) {
    const error = await take(db.changes({ from }), 1).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(TruncatedError);
    expect(error.oldestSeq).toBe(3);
  }
  expect(await take(db.changes({ from: 3 }), 5)).toHaveLength(5);
  await place.inner.delete([4, 5, 6].map(path));
  const error = await take(db.changes({ from: 3 }), 1).catch((thrown) => thrown);
  expect(error.oldestSeq).toBe(6);
  expect(await take(db.changes({ from: 6 }), 2)).toHaveLength(2);
  await db.close();
});
