/** Values that expire: from when, by whose clock, in every way of reading and every place a row can be. */
import * as fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { ByteReader } from "../../../src/common/byte-reader.js";
import { timeOperations } from "../../../src/db/timed-operations.js";
import { WriteBatch } from "../../../src/db/write-batch.js";
import { newOperationRef, readOperation } from "../../../src/format/wal-record.js";
import {
  type Db,
  DbReader,
  type LifetimeOptions,
  type WriteOperation,
} from "../../../src/index.js";
import { HeldRequests } from "../../support/held-requests.js";
import { loadEngine } from "../../support/load-engine.js";
import { newPlace, openAt, type Place, text, turns } from "./support.js";

beforeAll(loadEngine);

const quiet = { flushIntervalMs: 3_600_000 };
const forever = Number.POSITIVE_INFINITY;

/** "old" has a value under the one that expires, "new" has none, "plain" does not expire. Each seq is 1 ms later. */
async function expiring(lifetime: (now: number) => LifetimeOptions) {
  const place = newPlace();
  const db = await openAt(place, quiet);
  await db.put("old", "before", { durable: false });
  await db.put("plain", "stays", { durable: false });
  const { clock } = place;
  const createdAt = clock.now();
  await db.put("old", "1", { durable: false, ...lifetime(createdAt) });
  await db.put("new", "2", { durable: false, ...lifetime(createdAt) });
  return { place, db, createdAt };
}

/** Everything that reads say, in one object. */
async function seenBy(reads: Db | DbReader) {
  const keys = ["new", "old", "plain"];
  const entries = await Promise.all(keys.map((key) => reads.getEntry(key)));
  const gets = await Promise.all(keys.map((key) => reads.get(key)));
  const has = await Promise.all(keys.map((key) => reads.has(key)));
  const many = await reads.getMany(keys);
  const forward = await reads.scan().nextMany(9);
  const backward = await reads.scan({ reverse: true }).nextMany(9);
  const durable = await reads.keys({ durability: "durable" }).nextMany(9);
  const seen = keys.filter((_, i) => gets[i] !== undefined);
  expect(keys.filter((_, i) => entries[i] !== undefined)).toEqual(seen);
  expect(keys.filter((_, i) => has[i])).toEqual(seen);
  expect(keys.filter((_, i) => many[i] !== undefined)).toEqual(seen);
  expect(forward.map(({ key }) => text(key))).toEqual(seen);
  expect(backward.map(({ key }) => text(key)).reverse()).toEqual(seen);
  expect(keys.map((key) => reads.getCached(key)?.value !== undefined)).toEqual(has);
  expect(durable.map(text)).toEqual(seen);
  return { seen, values: gets.map(text), expiries: entries.map((entry) => entry?.expiresAt) };
}

const everything = ["new", "old", "plain"];

/** Where the rows are, and who reads them. */
const places: [string, (place: Place, db: Db) => Promise<Db | DbReader>][] = [
  [
    "in a MemTable",
    async (_, db) => {
      await db.flush();
      return db;
    },
  ],
  [
    "in an SST",
    async (place, db) => {
      await place.clock.advanceUntil(db.flush({ to: "l0" }));
      return db;
    },
  ],
  [
    "replayed",
    async (place, db) => {
      await place.clock.advanceUntil(db.close({ flush: "wal" }));
      return openAt(place, quiet);
    },
  ],
  [
    "by a reader, from the log",
    async (place, db) => {
      await db.flush();
      const { clock } = place;
      return clock.advanceUntil(DbReader.open(place.at, { clock, pollIntervalMs: 3_600_000 }));
    },
  ],
  [
    "by a reader, from an SST",
    async (place, db) => {
      await place.clock.advanceUntil(db.close());
      const { clock } = place;
      return clock.advanceUntil(DbReader.open(place.at, { clock, pollIntervalMs: 3_600_000 }));
    },
  ],
];

describe.each(places)("%s", (_, move) => {
  test.each<[string, (now: number) => LifetimeOptions]>([
    ["ttlMs", () => ({ ttlMs: 1000 })],
    ["expiresAt", (now) => ({ expiresAt: now + 1000 })],
  ])(
    "a value with %s is there until that instant, and hides older ones from it on",
    async (_, lifetime) => {
      const { place, db, createdAt } = await expiring(lifetime);
      const reads = await move(place, db);
      place.clock.setWall(createdAt + 999);
      expect(await seenBy(reads)).toEqual({
        seen: everything,
        values: ["2", "1", "stays"],
        expiries: [createdAt + 1000, createdAt + 1000, undefined],
      });
      place.clock.setWall(createdAt + 1000);
      expect(await seenBy(reads)).toMatchObject({ seen: ["plain"] });
      // Only the clock decides, at each read.
      place.clock.setWall(createdAt + 999);
      expect(await seenBy(reads)).toMatchObject({ seen: everything });
    },
  );

  test("one that expired before it was written is never seen, and hides older ones", async () => {
    const { place, db } = await expiring(() => ({ expiresAt: 1 }));
    expect(await seenBy(await move(place, db))).toMatchObject({ seen: ["plain"] });
  });
});

test("a scan asks the clock at each row", async () => {
  const { place, db, createdAt } = await expiring(() => ({ ttlMs: 1000 }));
  const scan = db.keys();
  expect(text(await scan.next())).toBe("new");
  place.clock.setWall(createdAt + 1000);
  expect(text(await scan.next())).toBe("plain");
  await scan.close();
});

test("a ttl counts from the creation time, which a write gets with its seq: waiting for memory costs no lifetime", async () => {
  const place = newPlace();
  const small = { memTableBytes: 4096, unflushedBytesMax: 8192, ...quiet };
  const db = await openAt(place, small);
  const held = new HeldRequests(place.faulty, ({ operation }) => operation === "put");
  await db.put("full", "", { durable: false });
  const batch = db.batch().put("own", "", { ttlMs: 500 }).put("of the write", "");
  const waiting = [
    db.put("one", "", { ttlMs: 100, durable: false }),
    db.write(batch, { ttlMs: 100, durable: false }),
    db.put("absolute", "", { expiresAt: place.clock.now() + 5000, durable: false }),
  ];
  // What is added later is no part of the write.
  batch.put("full", "later", { ttlMs: 1 });
  const calledAt = place.clock.now();
  await turns();
  expect(db.stats().waitingWrites).toBe(3);
  place.clock.setWall(calledAt + 1000);
  held.release();
  const results = await place.clock.advanceUntil(Promise.all(waiting));
  for (const { createdAt } of results) expect(createdAt).toBe(calledAt + 1000);
  const expiryOf = async (key: string) => (await db.getEntry(key))?.expiresAt;
  expect(await expiryOf("one")).toBe(calledAt + 1100);
  expect(await expiryOf("of the write")).toBe(calledAt + 1100);
  expect(await expiryOf("own")).toBe(calledAt + 1500);
  expect(await expiryOf("absolute")).toBe(calledAt + 5000);
  expect(text(await db.get("full"))).toBe("");
  await place.clock.advanceUntil(db.close());
});

test("a batch may be written again, and its lifetimes count from each time", async () => {
  const place = newPlace();
  const db = await openAt(place, quiet);
  const batch = db.batch().put("a", "1", { ttlMs: 10 }).delete("b").put("c", "3");
  await db.write(batch, { durable: false });
  const { clock } = place;
  clock.setWall(clock.now() + 10);
  expect([await db.has("a"), await db.has("c")]).toEqual([false, true]);
  const { createdAt } = await db.write(batch.put("d", "4", { ttlMs: 20 }), { durable: false });
  expect((await db.getEntry("a"))?.expiresAt).toBe(createdAt + 10);
  expect((await db.getEntry("d"))?.expiresAt).toBe(createdAt + 20);
});

test("an operation's own lifetime goes before the write's, and that before the default", async () => {
  const place = newPlace();
  const db = await openAt(place, { defaultTtlMs: 1000, ...quiet });
  const createdAt = place.clock.now();
  const operations: WriteOperation[] = [
    { type: "put", key: "own", value: "", ttlMs: 10 },
    { type: "put", key: "at", value: "", expiresAt: createdAt + 20 },
    { type: "put", key: "never", value: "", ttlMs: forever },
    { type: "put", key: "write", value: "" },
    { type: "delete", key: "gone" },
  ];
  await db.put("gone", "", { durable: false });
  await db.write(operations, { ttlMs: 30, durable: false });
  await db.write(db.batch().put("default", ""), { durable: false });
  await db.write(db.batch().put("none", ""), { ttlMs: forever, durable: false });
  await db.put("put", "", { durable: false });
  await db.put("kept", "", { ttlMs: forever, durable: false });
  await db.put("mine", "", { ttlMs: 40, durable: false });
  const expiries: Record<string, number | undefined> = {};
  for await (const key of db.keys()) {
    const { expiresAt } = (await db.getEntry(key))!;
    expiries[text(key)!] = expiresAt === undefined ? undefined : expiresAt - createdAt;
  }
  expect(expiries).toEqual({
    ...{ own: 10, at: 20, never: undefined, write: 30, default: 1000, none: undefined },
    ...{ put: 1000, kept: undefined, mine: 40 },
  });
});

test("a lifetime that ends after the last time there is ends there", async () => {
  const place = newPlace();
  const db = await openAt(place, quiet);
  await db.put("a", "", { ttlMs: Number.MAX_SAFE_INTEGER, durable: false });
  await db.write([{ type: "put", key: "b", value: "", ttlMs: Number.MAX_SAFE_INTEGER }]);
  await place.clock.advanceUntil(db.flush({ to: "l0" }));
  const entries = [await db.getEntry("a"), await db.getEntry("b")];
  expect(entries.map((entry) => entry?.expiresAt)).toEqual([
    Number.MAX_SAFE_INTEGER,
    Number.MAX_SAFE_INTEGER,
  ]);
});

test("a load keeps what its entries say, and the default where they say nothing", async () => {
  const place = newPlace();
  const db = await openAt(place, { defaultTtlMs: 1000, ...quiet });
  const calledAt = place.clock.now();
  const sorted = [
    ["a", ""] as const,
    { key: "b", value: "", ttlMs: 10 },
    { key: "c", value: "", expiresAt: calledAt + 20 },
    { key: "d", value: "", ttlMs: forever },
    { key: "e", value: "", ttlMs: undefined, expiresAt: undefined },
  ];
  const expected = [calledAt + 1000, calledAt + 10, calledAt + 20, undefined, calledAt + 1000];
  for (const entries of [sorted, sorted.toReversed()]) {
    await place.clock.advanceUntil(db.load(entries));
    const found = await Promise.all(["a", "b", "c", "d", "e"].map((key) => db.getEntry(key)));
    expect(found.map((entry) => entry?.expiresAt)).toEqual(expected);
  }
  place.clock.setWall(calledAt + 20);
  expect((await db.keys().nextMany(9)).map(text)).toEqual(["a", "d", "e"]);
  await place.clock.advanceUntil(db.close());
});

test.each([true, false])(
  "thousands of rows of a load keep each its own expiry (sorted: %s)",
  async (sorted) => {
    const place = newPlace();
    const db = await openAt(place, { loadBufferBytes: 64 * 1024, ...quiet });
    const calledAt = place.clock.now();
    const name = (i: number) => String(sorted ? i : (i * 7919) % 5000).padStart(5, "0");
    const expires = (i: number) => i >= 1000 && i % 3 > 0;
    const entries = Array.from({ length: 5000 }, (_, i) => ({
      ...{ key: name(i), value: "v" },
      ...(expires(i) && { ttlMs: i }),
    }));
    await place.clock.advanceUntil(db.load(entries));
    place.clock.setWall(calledAt);
    for (const [i, { key }] of entries.entries()) {
      const entry = await db.getEntry(key);
      expect(entry?.expiresAt).toBe(expires(i) ? calledAt + i : undefined);
    }
    await place.clock.advanceUntil(db.close());
  },
);

test("a delete has no expiry, whatever is said of the batch", () => {
  const batch = new WriteBatch().put("a", "1").delete("b").put("c", "2", { ttlMs: 5 });
  const timed = timeOperations(batch.operations(), {
    ...{ count: batch.count, lifetimes: batch.lifetimes, fallback: 10, createdAt: 100 },
  });
  const reader = new ByteReader(timed, "batch");
  const operation = newOperationRef();
  const expiries: number[] = [];
  while (reader.remaining > 0) {
    readOperation(reader, operation);
    expiries.push(operation.expiresAt);
  }
  expect(expiries).toEqual([110, 0, 105]);
});

const lifetimeArbitrary: fc.Arbitrary<LifetimeOptions> = fc.oneof(
  fc.constant({}),
  fc.constant({ ttlMs: forever }),
  fc.integer({ min: 1, max: 50 }).map((ttlMs) => ({ ttlMs })),
  fc.constant({ ttlMs: 2 ** 40 }),
  fc.integer({ min: 1, max: 100 }).map((expiresAt) => ({ expiresAt })),
);

test("batches of any size and shape keep the expiry, key and value of each operation", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          key: fc.string({ maxLength: 60 }),
          value: fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.constant(new Uint8Array(900))),
          isDelete: fc.boolean(),
          lifetime: lifetimeArbitrary,
        }),
        { minLength: 1, maxLength: 12 },
      ),
      lifetimeArbitrary,
      fc.option(fc.integer({ min: 1, max: 50 }), { nil: undefined }),
      async (operations, ofWrite, defaultTtlMs) => {
        const place = newPlace();
        const { clock } = place;
        const db = await openAt(place, { defaultTtlMs, ...quiet });
        const batch = db.batch();
        for (const { key, value, isDelete, lifetime } of operations) {
          if (isDelete) batch.delete(key);
          else batch.put(key, value, lifetime);
        }
        const createdAt = clock.now();
        await clock.advanceUntil(db.write(batch, ofWrite));
        const expected = new Map<string, unknown>();
        for (const { key, value, isDelete, lifetime } of operations) {
          const said = [lifetime, ofWrite, { ttlMs: defaultTtlMs ?? forever }].find(
            ({ ttlMs, expiresAt }) => ttlMs !== undefined || expiresAt !== undefined,
          )!;
          const end = said.expiresAt ?? createdAt + said.ttlMs!;
          const isSeen = !isDelete && end > createdAt;
          const expiresAt = end === forever ? undefined : end;
          expected.set(key, isSeen ? { value, expiresAt } : undefined);
        }
        const check = async (reads: Db): Promise<void> => {
          for (const [key, row] of expected) {
            const entry = await reads.getEntry(key);
            const found = entry && { value: entry.value, expiresAt: entry.expiresAt };
            expect(found).toEqual(row);
          }
        };
        await check(db);
        await clock.advanceUntil(db.close({ flush: "wal" }));
        clock.setWall(createdAt);
        const again = await openAt(place, quiet);
        clock.setWall(createdAt);
        await check(again);
      },
    ),
    { numRuns: 60 },
  );
});
