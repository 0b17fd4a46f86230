/** Readers that follow: many cost the writer nothing, some leave the log alone, and an open misses nothing that is collected meanwhile. */
import { beforeAll, expect, test } from "vitest";
import { Db, DbReader, type OpenOptions } from "../../../src/index.js";
import {
  CountingObjectStore,
  FaultyObjectStore,
  ManualClock,
  MemoryObjectStore,
} from "../../../src/testing/index.js";
import { loadEngine } from "../../support/load-engine.js";
import { newPlace, openAt, requestsOf, rows, text, turns } from "./support.js";

beforeAll(loadEngine);

const bare: OpenOptions = { background: false, gcGraceMs: 0, compactionThreads: 0 };

/** What a writer asks of the store in two minutes of writes, flushes, compactions and collections, beside so many readers. */
async function writerBeside(readerCount: number): Promise<string[]> {
  const place = newPlace();
  const { clock, inner } = place;
  const db = await openAt(place, bare);
  const readers: DbReader[] = [];
  const stores = Array.from({ length: readerCount }, () => new CountingObjectStore(inner));
  for (const store of stores) {
    readers.push(await clock.advanceUntil(DbReader.open({ store, path: "db" }, { clock })));
  }
  // As much time as the opens have taken, whoever is there.
  await clock.advance(1_000_000 - clock.monotonic());
  place.counting.reset();
  for (let i = 0; i < 12; i++) {
    await clock.advanceUntil(db.put(`key ${i % 5}`, `value ${i}`));
    if (i % 3 === 0) await clock.advanceUntil(db.flush({ to: "l0" }));
    if (i % 6 === 5) await clock.advanceUntil(db.compact());
    if (i % 6 === 5) await clock.advanceUntil(db.maintain());
    await clock.advance(10_000 - (clock.monotonic() % 10_000));
  }
  const requests = requestsOf(place.counting);
  await clock.advance(11_000);
  for (const reader of readers) {
    expect(reader.seq).toBe(12);
    await reader.close();
  }
  for (const { counts } of stores) expect(counts).toMatchObject({ put: 0, create: 0, delete: 0 });
  await clock.advanceUntil(db.close());
  return requests;
}

test("100 readers on one database cost its writer nothing, and write nothing", async () => {
  const alone = await writerBeside(0);
  expect(alone.length).toBeGreaterThan(25);
  expect(await writerBeside(100)).toEqual(alone);
}, 60_000);

test("a reader without the tail sees what is in L0, with one GET for a poll", async () => {
  const place = newPlace();
  const { clock, inner } = place;
  const db = await openAt(place, bare);
  await db.put("a", "1");
  const own = newPlace(inner, clock);
  const opening = DbReader.open(own.at, { clock, tail: false });
  const reader = await clock.advanceUntil(opening);
  expect(requestsOf(own.counting)).toEqual(["get manifest/latest", "get manifest/2.manifest"]);
  expect(await rows(reader)).toBe("");
  expect(reader.seq).toBe(0);
  own.counting.reset();
  await clock.advance(1_000);
  expect(requestsOf(own.counting)).toEqual(["get manifest/2.manifest"]);
  expect(() => reader.changes()).toThrow(/tail: false/);
  const { seq } = await db.put("a", "2");
  let isSeen = false;
  const waiting = reader.waitForSeq(seq).then(() => {
    isSeen = true;
  });
  await clock.advance(5_000);
  expect(isSeen).toBe(false);
  await clock.advanceUntil(db.flush({ to: "l0" }));
  await clock.advanceUntil(waiting);
  expect(text(await reader.get("a"))).toBe("2");
  await reader.close();
  await clock.advanceUntil(db.close());
});

test("polls back off to ten seconds while there is nothing new, and not while somebody waits", async () => {
  const place = newPlace();
  const { clock, inner } = place;
  const db = await openAt(place, bare);
  await db.put("a", "1");
  const own = newPlace(inner, clock);
  const reader = await clock.advanceUntil(DbReader.open(own.at, { clock }));
  const polls = (): number =>
    requestsOf(own.counting).filter((request) => request.startsWith("get manifest")).length;
  await clock.advance(31_000);
  own.counting.reset();
  await clock.advance(60_000);
  expect(polls()).toBe(6);
  own.counting.reset();
  const waiting = reader.waitForSeq(2);
  await clock.advance(10_000);
  expect(polls()).toBeGreaterThanOrEqual(10);
  await db.put("a", "2");
  await clock.advanceUntil(waiting);
  expect(reader.seq).toBe(2);
  await reader.close();
  await clock.advanceUntil(db.close());
});

test("an open sees what was acknowledged before it, also when that is collected while it looks", async () => {
  const inner = new MemoryObjectStore();
  const at = { store: inner, path: "db" };
  for (const held of ["/wal/", "/manifest/"]) {
    const db = await Db.open(at, bare);
    await db.put(held, "1");
    const store = new FaultyObjectStore(inner);
    let collected: Promise<unknown> | undefined;
    // The first of these requests waits until the objects of the log are in L0 and gone.
    store.intercept = ({ key }) => {
      if (!key.includes(held) || key.endsWith("latest") || collected !== undefined)
        return undefined;
      collected = db.flush({ to: "l0" }).then(() => db.maintain());
      return { kind: "delay", until: collected.then(() => undefined) };
    };
    const reader = await DbReader.open({ store, path: "db" }, { clock: new ManualClock() });
    const left: string[] = [];
    for await (const { key } of inner.list({ prefix: "db/wal/" })) left.push(key);
    expect(collected).toBeDefined();
    expect(left).toEqual([]);
    expect(await reader.has(held)).toBe(true);
    await reader.close();
    await db.close();
  }
  await turns();
});
