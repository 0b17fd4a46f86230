/** Promises about what is durable when, whole, and in whose order (R30, R35). */
import { describe, expect, test } from "vitest";
import { DbReader } from "../../../src/index.js";
import { HeldRequests } from "../../support/held-requests.js";
import { newPlace, openAt, requestsOf, text, turns } from "../db/support.js";
import { manifest, quiet, sst, tiny, Watched, wal } from "../failures/support.js";
import { beside, logOf } from "./support.js";

const KiB = 1024;

describe("a durable write", () => {
  test("with a WAL is answered by the WAL object alone, and not before it is stored", async () => {
    const place = newPlace();
    const db = await openAt(place, quiet);
    const held = new HeldRequests(place.faulty, () => true);
    const put = new Watched("put", db.put("a", "1"));
    const { durable } = await db.put("b", "2", { durable: false });
    const later = new Watched("durable", durable());
    await turns();
    expect(requestsOf(place.counting)).toEqual(["create wal/1/1.wal"]);
    expect([put.outcome, later.outcome]).toEqual(["pending", "pending"]);
    held.release();
    await turns();
    expect([put.outcome, later.outcome]).toEqual(["fulfilled", "fulfilled"]);
    expect(place.counting.total).toBe(1);
    await db.close();
  });

  test("without a WAL is answered by the commit that names its SST, and not before", async () => {
    const place = newPlace();
    const db = await openAt(place, { ...quiet, wal: false });
    const held = new HeldRequests(place.faulty, (request) => sst(request) || manifest(request));
    const { durable } = await db.put("a", "1", { durable: false });
    const waiting = [
      new Watched("put", db.put("b", "2")),
      new Watched("durable", durable()),
      new Watched("flush", db.flush()),
    ];
    for (const part of ["/sst/", "/manifest/"]) {
      await turns();
      expect(held.keys.at(-1)).toContain(part);
      expect(waiting.map(({ outcome }) => outcome)).toEqual(Array(3).fill("pending"));
      held.releaseOnly(part);
    }
    await turns();
    expect(waiting.map(({ outcome }) => outcome)).toEqual(Array(3).fill("fulfilled"));
    held.release();
    await db.close();
  });

  test("of a batch larger than all groups is one create of one object", async () => {
    const place = newPlace();
    const db = await openAt(place, quiet);
    void db.put("before", "", { durable: false });
    const batch = db.batch();
    for (let i = 0; i < 40; i++) batch.put(`key ${i}`, new Uint8Array(512 * KiB));
    void db.write(batch, { durable: false });
    await db.put("after", "");
    const log = await logOf(place);
    const sizes = log.map(({ bytes }) => bytes.length);
    expect(Math.max(...sizes)).toBeGreaterThan(20 * 1024 * KiB);
    const walRequests = place.counting.requests.filter(({ key }) => key.includes("/wal/"));
    expect(walRequests.map(({ operation, bytes }) => [operation, bytes])).toEqual(
      sizes.map((size) => ["create", size]),
    );
    expect(log.reduce((count, { recordCount }) => count + recordCount, 0)).toBe(3);
    await db.close();
  });
});

test("a close rejects with what kept it from flushing: the log, a table or a commit", async () => {
  for (const [part, kind, logged] of [
    [wal, "unknown", false],
    [sst, "unavailable", true],
    [manifest, "unknown", true],
  ] as const) {
    const place = newPlace();
    const db = await openAt(place, quiet);
    await db.put("a", "1", { durable: false });
    place.faulty.intercept = (request) => (part(request) ? { kind: "before" } : undefined);
    const closing = place.clock.advanceUntil(db.close());
    await expect(closing).rejects.toMatchObject({ kind });
    await expect(db.close()).rejects.toMatchObject({ kind });
    expect(await db.closed).toMatchObject({ kind });
    await using next = await openAt(beside(place));
    expect(await next.has("a")).toBe(logged);
  }
});

test("a close after a failure sends nothing, whatever was buffered, frozen or uploading", async () => {
  for (const options of [quiet, tiny]) {
    const place = newPlace();
    const db = await openAt(place, { ...options, storeDeadlineMs: 1000 });
    await db.put("before", "1");
    place.faulty.intercept = (request) =>
      wal(request) || sst(request) ? { kind: "before" } : undefined;
    for (const key of ["a", "b"]) await db.put(key, "", { durable: false });
    await expect(place.clock.advanceUntil(db.put("c", ""))).rejects.toMatchObject({
      kind: "unknown",
    });
    place.faulty.intercept = undefined;
    place.counting.reset();
    for (const flush of [true, "wal", false] as const) {
      await db.close({ flush }).catch(() => undefined);
    }
    await place.clock.advance(3_600_000);
    expect([place.counting.total, place.clock.pendingTimers]).toEqual([0, 0]);
    await using next = await openAt(beside(place));
    expect((await next.keys().nextMany(9)).map(text)).toEqual(["before"]);
  }
});

test("bytes on their way to the log or to L0 count as memory beside those of the tables", async () => {
  const place = newPlace();
  const db = await openAt(place, quiet);
  const beyondTables = (): number => db.stats().unflushedBytes - db.stats().memTableBytes;
  const held = new HeldRequests(place.faulty, (request) => wal(request) || sst(request));
  const put = db.put("key", new Uint8Array(512 * KiB));
  await turns();
  expect([held.count, beyondTables() >= 512 * KiB]).toEqual([1, true]);
  held.releaseOnly("/wal/");
  await put;
  expect(beyondTables()).toBe(0);
  const flush = db.flush({ to: "l0" });
  await turns();
  expect([held.count, beyondTables() >= 512 * KiB]).toEqual([1, true]);
  held.release();
  await flush;
  expect(db.stats().unflushedBytes).toBe(0);
  await db.close();
});

test("a write has no say in its seq: asking for one is refused and changes nothing", async () => {
  const place = newPlace();
  const db = await openAt(place, quiet);
  await db.put("a", "1");
  place.counting.reset();
  for (const seq of [1, 7]) {
    const options = { seq } as object;
    await expect(db.put("a", "2", options)).rejects.toMatchObject({ kind: "invalid" });
    await expect(db.write(db.batch().delete("a"), options)).rejects.toMatchObject({
      kind: "invalid",
    });
  }
  expect([text(await db.get("a")), db.seq, place.counting.total]).toEqual(["1", 1, 0]);
  expect((await db.put("b", "2")).seq).toBe(2);
  await db.close();
});

test("readers in this process and in others see all of a batch or nothing, in memory, logs and SSTs", async () => {
  const place = newPlace();
  const db = await openAt(place, { ...tiny, flushIntervalMs: 1, background: false });
  const keys = Array.from({ length: 6 }, (_, i) => `key ${i}`);
  const other = beside(place);
  const reader = await DbReader.open(other.at, { clock: place.clock, pollIntervalMs: 10 });
  let looks = 0;
  const seen = new Set<string | undefined>();
  const look = async (): Promise<void> => {
    for (const handle of [db, reader]) {
      const scan = handle.values();
      const [values, first] = await Promise.all([handle.getMany(keys), scan.next()]);
      const rest = await scan.nextMany(9);
      expect(new Set(values.map(text)).size).toBe(1);
      if (first !== undefined) {
        expect(rest.length).toBe(keys.length - 1);
        expect(new Set([first, ...rest].map(text)).size).toBe(1);
      }
      seen.add(text(values[0]));
      looks++;
    }
  };
  const looking: Promise<void>[] = [];
  for (let i = 0; i < 60; i++) {
    const batch = db.batch();
    for (const key of keys) batch.put(key, `${i}`);
    const written = db.write(batch, { durable: i % 3 === 0 });
    looking.push(look());
    if (i % 5 === 0) looking.push(reader.refresh().then(look));
    await written;
  }
  await Promise.all(looking);
  expect(db.stats().l0Count).toBeGreaterThan(5);
  expect([looks > 100, seen.size > 20]).toEqual([true, true]);
  await reader.close();
  await db.close();
});

test("a batch is whole after a crash at any request, applied or not", async () => {
  for (const options of [quiet, { ...tiny, wal: false }]) {
    const found = new Set<string | undefined>();
    for (const applied of [false, true]) {
      for (let cut = 0; cut < 8; cut++) {
        const place = newPlace();
        const dying = beside(place);
        const db = await openAt(dying, options);
        let left = cut;
        dying.faulty.intercept = () => (left-- > 0 ? undefined : { kind: "crash", applied });
        for (let i = 0; i < 3; i++) {
          const both = db.batch().put("left", `${i}`).put("right", `${i}`);
          void db.write(both).catch(() => undefined);
          await turns();
        }
        dying.faulty.crash();
        await using next = await openAt(place);
        const [first, right] = (await next.getMany(["left", "right"])).map(text);
        expect(first).toBe(right);
        found.add(first);
      }
    }
    expect([...found].sort()).toEqual(["0", "1", "2", undefined]);
  }
});
