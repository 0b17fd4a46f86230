/** How a handle ends: closed by its user, fenced by another writer, or by a store that stays away. */
import { describe, expect, test } from "vitest";
import { Db, DbReader, type MoraineError, StoreError } from "../../../src/index.js";
import { type Fault, ManualClock } from "../../../src/testing/index.js";
import { HeldRequests } from "../../support/held-requests.js";
import { newPlace, openAt, type Place, requestsOf, text, turns } from "./support.js";

/** Nothing is sent unless somebody asks for it. */
const quiet = { flushIntervalMs: 3_600_000, background: false };
const unavailable: Fault = { kind: "before", error: new StoreError("unavailable", "It is away.") };

/** Everything that reads or writes through a handle, each as a function that gives a promise. */
function methods(db: Db): [string, () => Promise<unknown>][] {
  return [
    ["put", () => db.put("key", "value")],
    ["put, not durable", () => db.put("key", "value", { durable: false })],
    ["delete", () => db.delete("key")],
    ["write", () => db.write([{ type: "delete", key: "key" }])],
    ["write, empty", () => db.write([])],
    ["flush", () => db.flush()],
    ["flush to L0", () => db.flush({ to: "l0" })],
    ["get", () => db.get("key")],
    ["getEntry", () => db.getEntry("key")],
    ["getMany", () => db.getMany(["key"])],
    ["getMany of none", () => db.getMany([])],
    ["has", () => db.has("key")],
    ["scan", async () => db.scan().next()],
    ["keys", async () => db.keys().nextMany(2)],
    ["values", async () => db.values().next()],
  ];
}

async function kindsOf(calls: [string, () => Promise<unknown>][]): Promise<string[]> {
  const kinds = calls.map(([name, run]) =>
    run().then(
      () => `${name}: fulfilled`,
      (error: MoraineError) => `${name}: ${error.kind}`,
    ),
  );
  return Promise.all(kinds);
}

async function reopened(place: Place): Promise<Db> {
  return openAt(newPlace(place.inner, place.clock));
}

describe("close()", () => {
  test("makes everything durable and flushes it, so that the next open has no log to close", async () => {
    const place = newPlace();
    const db = await openAt(place, quiet);
    await db.put("key", "value", { durable: false });
    await db.close();
    const again = newPlace(place.inner, place.clock);
    await using next = await Db.open(again.at, { clock: place.clock });
    expect(again.counting.counts.list).toBe(0);
    expect(text(await next.get("key"))).toBe("value");
    expect(next.stats()).toMatchObject({ l0Count: 1, memTableBytes: 0 });
  });

  test('with "wal" makes everything durable and leaves it to replay', async () => {
    const place = newPlace();
    const db = await openAt(place, quiet);
    await db.put("key", "value", { durable: false });
    await db.close({ flush: "wal" });
    await using next = await reopened(place);
    expect(next.stats().l0Count).toBe(0);
    expect(text(await next.get("key"))).toBe("value");
  });

  test("with false gives up what is not durable, and nothing else", async () => {
    const place = newPlace();
    const db = await openAt(place, quiet);
    await db.put("durable", "value");
    const { durable } = await db.put("not", "value", { durable: false });
    await db.close({ flush: false });
    expect(requestsOf(place.counting)).toEqual(["create wal/1/1.wal"]);
    await expect(durable()).rejects.toMatchObject({ kind: "closed" });
    await using next = await reopened(place);
    expect([await next.has("durable"), await next.has("not")]).toEqual([true, false]);
  });

  test("may be called twice: the second waits for the first, and after it all are harmless", async () => {
    const place = newPlace();
    const db = await openAt(place, quiet);
    await db.put("key", "value", { durable: false });
    await Promise.all([db.close(), db.close({ flush: "wal" }), db.close()]);
    await db.close();
    await db.close({ flush: false });
    await db[Symbol.asyncDispose]();
    await using next = await reopened(place);
    expect(await next.has("key")).toBe(true);
  });

  test("with false cuts a close short that is under way: that one says that it has not kept everything", async () => {
    const place = newPlace();
    const db = await openAt(place, quiet);
    await db.put("key", "value", { durable: false });
    const closing = expect(db.close()).rejects.toMatchObject({ kind: "closed" });
    await db.close({ flush: false });
    await closing;
    expect(await db.closed).toBeUndefined();
    await using next = await reopened(place);
    expect(await next.has("key")).toBe(false);
  });

  test("resolves `closed` with undefined", async () => {
    const db = await openAt(newPlace());
    let settled = false;
    void db.closed.then(() => {
      settled = true;
    });
    await turns();
    expect(settled).toBe(false);
    await db.close();
    expect(await db.closed).toBeUndefined();
  });

  test("ends every method with ClosedError, at once and afterwards", async () => {
    const db = await openAt(newPlace());
    const closing = db.close();
    const expected = methods(db).map(([name]) => `${name}: closed`);
    expect(await kindsOf(methods(db))).toEqual(expected);
    await closing;
    expect(await kindsOf(methods(db))).toEqual(expected);
  });

  test("ends scans that are under way", async () => {
    const db = await openAt(newPlace());
    for (const key of ["a", "b", "c"]) await db.put(key, "");
    const scan = db.keys();
    expect(text(await scan.next())).toBe("a");
    await db.close();
    await expect(scan.next()).rejects.toMatchObject({ kind: "closed" });
    await expect(scan.nextMany(5)).rejects.toMatchObject({ kind: "closed" });
    await scan.close();
  });

  test("of a write's durable promise: what is durable stays so", async () => {
    const db = await openAt(newPlace(), quiet);
    const result = await db.put("key", "value", { durable: false });
    await db.close();
    await result.durable();
  });

  test("in the middle of writes settles each of them", async () => {
    const place = newPlace();
    const db = await openAt(place);
    const writes = Array.from({ length: 20 }, (_, i) => db.put(`key ${i}`, "value"));
    await db.close();
    expect((await Promise.allSettled(writes)).map(({ status }) => status)).toEqual(
      Array(20).fill("fulfilled"),
    );
  });
});

describe("a writer that was replaced", () => {
  async function fencedPair() {
    const place = newPlace();
    const db = await openAt(place, quiet);
    await db.put("before", "1");
    const successor = await reopened(place);
    return { place, db, successor };
  }

  test("has its next write rejected with FencedError, and what it wrote is nowhere", async () => {
    const { db, successor } = await fencedPair();
    const error = await db.put("late", "2").catch((caught) => caught);
    expect(error).toMatchObject({ kind: "fenced", ownEpoch: 1, seenEpoch: 2 });
    expect(await successor.has("late")).toBe(false);
    expect(await successor.has("before")).toBe(true);
  });

  test("rejects every method with FencedError for ever, also after close()", async () => {
    const { db } = await fencedPair();
    await db.put("late", "2").catch(() => undefined);
    const expected = methods(db).map(([name]) => `${name}: fenced`);
    expect(await kindsOf(methods(db))).toEqual(expected);
    await db.close().catch(() => undefined);
    expect(await kindsOf(methods(db))).toEqual(expected);
    expect(await db.closed).toMatchObject({ kind: "fenced" });
  });

  test("settles every write that was under way, none as durable", async () => {
    const { place, db } = await fencedPair();
    const writes = Array.from({ length: 20 }, async (_, i) => {
      await turns(i);
      return db.put(`key ${i}`, "value");
    });
    for (const outcome of await Promise.allSettled(writes)) {
      expect(outcome).toMatchObject({ status: "rejected", reason: { kind: "fenced" } });
    }
    expect(place.clock.pendingTimers).toBe(0);
  });

  test("is found out by a flush to L0, too, and the flush never resolves", async () => {
    const place = newPlace();
    const db = await openAt(place, quiet);
    await db.put("before", "1");
    const successor = await reopened(place);
    await expect(db.flush({ to: "l0" })).rejects.toMatchObject({ kind: "fenced" });
    await successor.close();
  });

  test("is found out by its close, which then rejects", async () => {
    const { db } = await fencedPair();
    await expect(db.close()).rejects.toMatchObject({ kind: "fenced" });
    expect(await db.closed).toMatchObject({ kind: "fenced" });
  });

  test("and slept for an hour is found out by its next write", async () => {
    const { place, db } = await fencedPair();
    place.clock.freeze(3_600_000);
    await expect(db.put("late", "2")).rejects.toMatchObject({ kind: "fenced" });
  });
});

describe("a write", () => {
  test("gives what it was given: a seq and a time, of which a durable one is in the database", async () => {
    const place = newPlace();
    const db = await openAt(place);
    const first = await db.put("a", "1");
    const second = await db.write([{ type: "put", key: "b", value: "2" }]);
    expect([first.seq, second.seq]).toEqual([1, 2]);
    expect(first.createdAt).toBe(place.clock.now());
    expect(await db.getEntry("b")).toMatchObject({ seq: 2, createdAt: second.createdAt });
    expect(db.seq).toBe(2);
  });

  test("of nothing takes no seq, makes no request and is durable", async () => {
    const place = newPlace();
    const db = await openAt(place, quiet);
    await db.put("key", "value", { durable: false });
    const result = await db.write(db.batch());
    expect(result.seq).toBe(1);
    await result.durable();
    expect(place.counting.total).toBe(0);
  });

  test("is made durable by asking for it, and by nothing else before", async () => {
    const place = newPlace();
    const db = await openAt(place, quiet);
    const result = await db.put("key", "value", { durable: false });
    await turns();
    expect(place.counting.total).toBe(0);
    await Promise.all([result.durable(), result.durable()]);
    expect(requestsOf(place.counting)).toEqual(["create wal/1/1.wal"]);
    await result.durable();
    expect(place.counting.total).toBe(1);
  });

  test("that nobody asks about is no unhandled rejection when it is lost", async () => {
    const unhandled: unknown[] = [];
    const listener = (reason: unknown): void => void unhandled.push(reason);
    process.on("unhandledRejection", listener);
    const place = newPlace();
    const db = await openAt(place, quiet);
    const result = await db.put("key", "value", { durable: false });
    await db.close({ flush: false });
    await turns();
    process.off("unhandledRejection", listener);
    expect(unhandled).toEqual([]);
    await expect(result.durable()).rejects.toMatchObject({ kind: "closed" });
  });

  test("is visible before it is durable, and to durable reads only after", async () => {
    const place = newPlace();
    const db = await openAt(place, quiet);
    const durable = { durability: "durable" } as const;
    await db.put("key", "old");
    await db.put("key", "new", { durable: false });
    expect([text(await db.get("key")), text(await db.get("key", durable))]).toEqual(["new", "old"]);
    expect((await db.getMany(["key"], durable)).map(text)).toEqual(["old"]);
    expect(text((await db.values(durable).next())!)).toBe("old");
    expect(await db.flush()).toEqual({ durableSeq: 2 });
    expect(text(await db.get("key", durable))).toBe("new");
  });

  test("that is aborted after it got its seq goes on, and only the waiting ends", async () => {
    const place = newPlace();
    const db = await openAt(place);
    const held = new HeldRequests(place.faulty, () => true);
    const controller = new AbortController();
    const writing = db.put("key", "value", { signal: controller.signal });
    await turns();
    const reason = new Error("enough");
    controller.abort(reason);
    await expect(writing).rejects.toBe(reason);
    expect(await db.has("key")).toBe(true);
    held.release();
    await db.flush();
    await using next = await reopened(place);
    expect(await next.has("key")).toBe(true);
  });

  test("that is aborted before is refused, and leaves no trace", async () => {
    const db = await openAt(newPlace());
    const reason = new Error("enough");
    const options = { signal: AbortSignal.abort(reason) };
    await expect(db.put("key", "value", options)).rejects.toBe(reason);
    await expect(db.get("key", options)).rejects.toBe(reason);
    await expect(db.flush(options)).rejects.toBe(reason);
    expect([db.seq, await db.has("key")]).toEqual([0, false]);
  });
});

describe("a store that is down", () => {
  test("for a while: uploads go on where they stopped, and nothing is lost", async () => {
    const place = newPlace();
    const db = await openAt(place, { memTableBytes: 4096, ...quiet });
    place.faulty.intercept = ({ key }) => (key.includes("sst/") ? unavailable : undefined);
    for (let i = 0; i < 5; i++) await db.put(`key ${i}`, "value");
    await place.clock.advance(3 * 3_600_000);
    expect(db.stats()).toMatchObject({ l0Count: 0, durableSeq: 5 });
    place.faulty.intercept = undefined;
    await place.clock.advance(60_000);
    expect(db.stats()).toMatchObject({ l0Count: 5, memTableBytes: 0 });
    await place.clock.advanceUntil(db.close());
    await using next = await reopened(place);
    expect((await next.keys().nextMany(10)).map(text)).toEqual(
      [0, 1, 2, 3, 4].map((i) => `key ${i}`),
    );
  });

  test("for longer than the deadline: who waits for a flush is told, and a later flush succeeds", async () => {
    const place = newPlace();
    const db = await openAt(place, quiet);
    await db.put("key", "value");
    place.faulty.intercept = ({ key }) => (key.includes("sst/") ? unavailable : undefined);
    await expect(place.clock.advanceUntil(db.flush({ to: "l0" }))).rejects.toMatchObject({
      kind: "unavailable",
    });
    place.faulty.intercept = undefined;
    expect(await place.clock.advanceUntil(db.flush({ to: "l0" }))).toEqual({ durableSeq: 1 });
    expect(db.stats().l0Count).toBe(1);
  });

  test("for the manifest, which loses replies: the commit is tried again, and names each table once", async () => {
    const place = newPlace();
    const db = await openAt(place, quiet);
    await db.put("key", "value");
    const lost: Fault = { kind: "after" };
    place.faulty.intercept = ({ operation, key }) =>
      operation === "create" && key.includes("manifest/") ? lost : undefined;
    await expect(place.clock.advanceUntil(db.flush({ to: "l0" }))).rejects.toMatchObject({
      kind: "unknown",
    });
    expect(db.stats()).toMatchObject({ l0Count: 0, manifestNumber: 1 });
    expect(await db.has("key")).toBe(true);
    place.faulty.intercept = undefined;
    await place.clock.advanceUntil(db.flush({ to: "l0" }));
    expect(db.stats()).toMatchObject({ l0Count: 1, manifestNumber: 2 });
    await place.clock.advanceUntil(db.close());
    await using next = await reopened(place);
    expect(next.stats().l0Count).toBe(1);
  });

  test("and a clock that counts fractions of milliseconds: flushes go on", async () => {
    const place = newPlace(undefined, new ManualClock({ now: 1_700_000_000_000.25 }));
    const db = await openAt(place);
    const { createdAt } = await db.put("key", "value");
    expect(createdAt).toBe(1_700_000_000_000);
    await db.close();
    await using next = await reopened(place);
    expect(await next.getEntry("key")).toMatchObject({ createdAt });
  });

  test("for the log, within the deadline: the write goes through", async () => {
    const place = newPlace();
    const db = await openAt(place);
    place.faulty.intercept = () => unavailable;
    const writing = db.put("key", "value");
    await place.clock.advance(30_000);
    place.faulty.intercept = undefined;
    expect((await place.clock.advanceUntil(writing)).seq).toBe(1);
  });

  test("for the log, beyond the deadline: the handle closes with kind unknown, and reopening tells", async () => {
    for (const fault of [unavailable, { kind: "after" } satisfies Fault]) {
      const place = newPlace();
      const db = await openAt(place);
      await db.put("before", "1");
      place.faulty.intercept = ({ operation }) => (operation === "create" ? fault : unavailable);
      await expect(place.clock.advanceUntil(db.put("key", "value"))).rejects.toMatchObject({
        kind: "unknown",
      });
      expect(await db.closed).toMatchObject({ kind: "unknown" });
      const expected = methods(db).map(([name]) => `${name}: closed`);
      expect(await kindsOf(methods(db))).toEqual(expected);
      await expect(db.close()).rejects.toMatchObject({ kind: "closed" });
      await using next = await reopened(place);
      expect([await next.has("before"), await next.has("key")]).toEqual([
        true,
        fault !== unavailable,
      ]);
      expect((await next.put("after", "3")).seq).toBe(fault === unavailable ? 2 : 3);
    }
  });
});

describe("a reader", () => {
  const slow = { pollIntervalMs: 3_600_000 };

  async function readerAt(place: Place, options = {}): Promise<DbReader> {
    const { clock } = place;
    return clock.advanceUntil(
      DbReader.open({ store: place.inner, path: "db" }, { clock, ...options }),
    );
  }

  test("sees what was durable when it was opened, and after a refresh what is", async () => {
    const place = newPlace();
    const db = await openAt(place, quiet);
    await db.put("a", "1");
    await using reader = await readerAt(place, slow);
    await db.put("b", "2");
    await db.put("c", "3", { durable: false });
    expect((await reader.getMany(["a", "b", "c"])).map(text)).toEqual(["1", undefined, undefined]);
    await reader.refresh();
    expect((await reader.getMany(["a", "b", "c"])).map(text)).toEqual(["1", "2", undefined]);
    expect(reader.seq).toBe(2);
  });

  test("follows flushes, clean closes and crashes of its writers, and never sees a row twice or not at all", async () => {
    const place = newPlace();
    let writer = newPlace(place.inner, place.clock);
    let db = await openAt(writer, { ...quiet, memTableBytes: 4096, background: false });
    await db.put("0", "");
    await using reader = await readerAt(place, slow);
    for (let i = 1; i < 40; i++) {
      await db.put(String(i).padStart(2, "0"), "");
      if (i % 3 === 0) await db.flush({ to: "l0" });
      if (i % 5 === 0) {
        if (i % 2 === 0) await db.close();
        else writer.faulty.crash();
        writer = newPlace(place.inner, place.clock);
        db = await openAt(writer, { ...quiet, memTableBytes: 4096, background: false });
      }
      if (i % 4 === 0) await reader.refresh();
      const seen = await reader.keys().nextMany(100);
      expect(seen.length).toBe(4 * Math.floor(i / 4) + 1);
    }
    await db.close();
  });

  test("waits for a seq until it sees it, however rarely it polls", async () => {
    const place = newPlace();
    const db = await openAt(place);
    await using reader = await readerAt(place, { pollIntervalMs: 1000 });
    await reader.waitForSeq(0);
    const { seq } = await db.put("key", "value");
    const before = place.clock.monotonic();
    await place.clock.advanceUntil(reader.waitForSeq(seq));
    expect(place.clock.monotonic()).toBe(before);
    expect(await reader.has("key")).toBe(true);
    const later = reader.waitForSeq(seq + 1);
    await place.clock.advance(5000);
    await db.put("key", "value");
    await place.clock.advanceUntil(later);
  });

  test("that waits stops waiting when aborted, and when it is closed", async () => {
    const place = newPlace();
    await openAt(place);
    const reader = await readerAt(place, slow);
    const controller = new AbortController();
    const reason = new Error("enough");
    const aborted = expect(reader.waitForSeq(9, { signal: controller.signal })).rejects.toBe(
      reason,
    );
    controller.abort(reason);
    await aborted;
    const closed = expect(reader.waitForSeq(9)).rejects.toMatchObject({ kind: "closed" });
    await reader.close();
    await closed;
  });

  test("that is closed ends every method, twice, and resolves `closed`", async () => {
    const place = newPlace();
    await openAt(place);
    const reader = await readerAt(place);
    const scan = reader.scan();
    await Promise.all([reader.close(), reader.close()]);
    const calls: [string, () => Promise<unknown>][] = [
      ["get", () => reader.get("key")],
      ["getMany", () => reader.getMany(["key"])],
      ["scan", async () => reader.scan().next()],
      ["scan under way", () => scan.next()],
      ["refresh", () => reader.refresh()],
      ["waitForSeq", () => reader.waitForSeq(0)],
    ];
    expect(await kindsOf(calls)).toEqual(calls.map(([name]) => `${name}: closed`));
    expect(await reader.closed).toBeUndefined();
    await place.clock.advance(100_000);
    expect(place.clock.pendingTimers).toBe(0);
  });

  test("stays open while its store is away, reads what it has, and goes on", async () => {
    const place = newPlace();
    const db = await openAt(newPlace(place.inner, place.clock));
    await db.put("key", "1");
    await using reader = await place.clock.advanceUntil(
      DbReader.open(place.at, { clock: place.clock }),
    );
    place.faulty.intercept = () => unavailable;
    await db.put("key", "2");
    await place.clock.advance(200_000);
    expect(text(await reader.get("key"))).toBe("1");
    place.faulty.intercept = undefined;
    await place.clock.advance(20_000);
    expect(text(await reader.get("key"))).toBe("2");
  });

  test("never writes", async () => {
    const place = newPlace();
    const db = await openAt(newPlace(place.inner, place.clock));
    await db.put("key", "1");
    const reader = await place.clock.advanceUntil(DbReader.open(place.at, { clock: place.clock }));
    await db.flush({ to: "l0" });
    await place.clock.advance(100_000);
    await reader.get("key");
    await reader.close();
    expect(place.counting.counts).toMatchObject({ create: 0, put: 0, delete: 0, copy: 0 });
  });
});
