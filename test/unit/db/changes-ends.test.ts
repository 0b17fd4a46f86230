import { beforeAll, expect, test } from "vitest";
import {
  ClosedError,
  type Db,
  DbReader,
  FencedError,
  InvalidArgumentError,
  UnsupportedError,
} from "../../../src/index.js";
import { loadEngine } from "../../support/load-engine.js";
import { newPlace, openAt, requestsOf, turns } from "./support.js";

beforeAll(loadEngine);

const done = { done: true, value: undefined };

test("options are checked before anything happens", async () => {
  const place = newPlace();
  const db = await openAt(place);
  await db.put("a", "1");
  const reader = await DbReader.open(place.at, { clock: place.clock });
  place.counting.reset();
  for (const handle of [db, reader]) {
    expect(() => handle.changes({ form: 1 } as never)).toThrow('Did you mean "from"?');
    for (const from of [-1, 0.5, Number.NaN, "1", null]) {
      expect(() => handle.changes({ from } as never)).toThrow(InvalidArgumentError);
    }
    expect(() => handle.changes({ signal: {} } as never)).toThrow(InvalidArgumentError);
    expect(() => handle.changes({ signal: AbortSignal.abort(new Error("no")) })).toThrow("no");
  }
  expect(() => db.changes({ from: 2 })).toThrow("the last seq of this database is 1");
  // Another reader may have seen more than this one.
  await reader.changes({ from: 2 }).close();
  expect(place.counting.total).toBe(0);
  await reader.close();
  await db.close();
  expect(() => db.changes()).toThrow(ClosedError);
  expect(() => reader.changes()).toThrow(ClosedError);
});

test("a database without a log has no changes to give", async () => {
  const place = newPlace();
  const db = await openAt(place, { wal: false });
  expect(() => db.changes()).toThrow(UnsupportedError);
  const reader = await DbReader.open(place.at, { clock: place.clock });
  expect(() => reader.changes()).toThrow("wal: true");
  await reader.close();
  await db.close();
});

test("a reader at a checkpoint sees no changes", async () => {
  const place = newPlace();
  const db = await openAt(place);
  await db.put("a", "1");
  const { id } = await db.checkpoint();
  const reader = await DbReader.open(place.at, { clock: place.clock, checkpoint: id });
  expect(() => reader.changes()).toThrow(InvalidArgumentError);
  await reader.close();
  await db.close();
});

test.each(["db", "reader"])("closing a %s ends its feeds with ClosedError, once", async (which) => {
  const place = newPlace();
  const db = await openAt(place);
  const reader = await DbReader.open(place.at, { clock: place.clock });
  const handle = which === "db" ? db : reader;
  const changes = handle.changes()[Symbol.asyncIterator]();
  const waiting = [changes.next(), changes.next()];
  await turns();
  await Promise.all([handle.close(), expect(waiting[0]).rejects.toThrow(ClosedError)]);
  expect(await waiting[1]).toEqual(done);
  expect(await changes.next()).toEqual(done);
  await reader.close();
  await db.close();
});

test.each(["db", "reader"])(
  "a %s that ends ends a feed whose store does not answer",
  async (which) => {
    const place = newPlace();
    const db = await openAt(place);
    await db.put("a", "1");
    await db.flush({ to: "l0" });
    const reader = await DbReader.open(place.at, { clock: place.clock });
    const handle = which === "db" ? db : reader;
    const changes = handle.changes({ from: 0 })[Symbol.asyncIterator]();
    place.faulty.intercept = ({ key }) =>
      key.includes("/wal/") ? { kind: "delay", until: new Promise(() => undefined) } : undefined;
    const waiting = changes.next();
    await turns();
    await Promise.all([handle.close(), expect(waiting).rejects.toThrow(ClosedError)]);
    await reader.close();
    await db.close();
  },
);

test("a fenced writer's feed has given what was durable, and ends with FencedError", async () => {
  const place = newPlace();
  const db = await openAt(place);
  const feed = db.changes();
  const changes = feed[Symbol.asyncIterator]();
  await db.put("a", "1");
  expect((await changes.next()).value?.seq).toBe(1);
  const waiting = changes.next();
  const next = await openAt(place);
  await expect(db.put("b", "2")).rejects.toThrow(FencedError);
  await expect(waiting).rejects.toThrow(FencedError);
  expect(await changes.next()).toEqual(done);
  await next.put("b", "3");
  const onward = next.changes({ from: feed.seq })[Symbol.asyncIterator]();
  expect((await onward.next()).value?.seq).toBe(2);
  await next.close();
});

test("a signal ends a feed that waits, and one that does not, with its reason, once", async () => {
  const place = newPlace();
  const db = await openAt(place);
  for (const isWaiting of [true, false]) {
    const controller = new AbortController();
    const changes = db.changes({ signal: controller.signal })[Symbol.asyncIterator]();
    const waiting = isWaiting ? changes.next() : undefined;
    await turns();
    controller.abort(new Error("enough"));
    await expect(waiting ?? changes.next()).rejects.toThrow("enough");
    expect(await changes.next()).toEqual(done);
  }
  await db.close();
});

test("leaving the loop, return and close end a feed without an error, also one that waits", async () => {
  const place = newPlace();
  const db = await openAt(place);
  const left = db.changes();
  await db.put("a", "1");
  for await (const change of left) {
    expect(change.seq).toBe(1);
    break;
  }
  expect(await left[Symbol.asyncIterator]().next()).toEqual(done);
  for (const end of ["return", "close"]) {
    const feed = db.changes();
    const changes = feed[Symbol.asyncIterator]();
    const waiting = changes.next();
    await turns();
    await (end === "return" ? changes.return?.() : feed.close());
    expect(await waiting).toEqual(done);
    await feed.close();
  }
  const feed = db.changes();
  const changes = feed[Symbol.asyncIterator]();
  await expect(changes.throw?.(new Error("mine"))).rejects.toThrow("mine");
  expect(await changes.next()).toEqual(done);
  await db.close();
});

test("a failing store fails the feed, once, and a new feed goes on from its position", async () => {
  const place = newPlace();
  const db = await openAt(place, { storeDeadlineMs: 100 });
  for (let i = 0; i < 3; i++) await db.put(`k${i}`, "v");
  await db.flush({ to: "l0" });
  const feed = db.changes({ from: 1 });
  const changes = feed[Symbol.asyncIterator]();
  place.faulty.intercept = ({ key }) => (key.includes("/wal/") ? { kind: "before" } : undefined);
  const failing = changes.next();
  await expect(place.clock.advanceUntil(failing)).rejects.toThrow("planned fault");
  expect(await changes.next()).toEqual(done);
  place.faulty.intercept = undefined;
  const again = db.changes({ from: feed.seq })[Symbol.asyncIterator]();
  expect((await again.next()).value?.seq).toBe(2);
  await db.close();
});

test("a stream gives the same changes, reads nothing ahead, and closes the feed when it is cancelled", async () => {
  const place = newPlace();
  const db = await openAt(place);
  for (let i = 0; i < 3; i++) await db.put(`k${i}`, "v");
  await db.flush({ to: "l0" });
  place.counting.reset();
  const feed = db.changes({ from: 0 });
  const stream = feed.toReadableStream();
  await turns();
  expect(place.counting.total).toBe(0);
  const reader = stream.getReader();
  expect((await reader.read()).value?.seq).toBe(1);
  expect((await reader.read()).value?.seq).toBe(2);
  await reader.cancel();
  expect(await feed[Symbol.asyncIterator]().next()).toEqual(done);
  await db.close();
});

test("a reader's feeds leave no timer behind, and keep the process alive only while they wait", async () => {
  const place = newPlace();
  const db = await openAt(place);
  const idle: (boolean | undefined)[] = [];
  const after = place.clock.after.bind(place.clock);
  place.clock.after = (ms, callback, options) => {
    idle.push(options?.idle);
    return after(ms, callback, options);
  };
  const reader = await DbReader.open(place.at, { clock: place.clock });
  expect(place.clock.pendingTimers).toBe(1);
  const feed = reader.changes();
  const waiting = feed[Symbol.asyncIterator]().next();
  await turns();
  expect(idle).toEqual([true, false]);
  expect(place.clock.pendingTimers).toBe(1);
  await feed.close();
  await waiting;
  expect(idle).toEqual([true, false, true]);
  await reader.close();
  expect(place.clock.pendingTimers).toBe(0);
  await db.close();
});

async function lives(db: Db, count: number, bytes: number): Promise<void> {
  for (let i = 0; i < count; i++) await db.put(`k${i}`, new Uint8Array(bytes));
}

test("a writer's feed that keeps up makes no request at all", async () => {
  const place = newPlace();
  const db = await openAt(place);
  const changes = db.changes()[Symbol.asyncIterator]();
  place.counting.reset();
  for (let i = 1; i <= 20; i++) {
    const next = changes.next();
    await db.put(`k${i}`, "v");
    expect((await next).value?.seq).toBe(i);
  }
  expect(place.counting.counts).toMatchObject({ get: 0, create: 20, list: 0 });
  await db.close();
});

test("a writer's feed that falls behind reads one object for each step, and joins again", async () => {
  const place = newPlace();
  const db = await openAt(place);
  const changes = db.changes()[Symbol.asyncIterator]();
  await lives(db, 6, 1024 * 1024);
  place.counting.reset();
  for (let i = 1; i <= 6; i++) {
    expect((await changes.next()).value?.seq).toBe(i);
    expect(place.counting.counts.get).toBe(i);
  }
  place.counting.reset();
  const next = changes.next();
  await turns();
  await db.put("near", "v");
  expect((await next).value?.seq).toBe(7);
  expect(place.counting.counts.get).toBe(0);
  await db.close();
});

test("several feeds of a reader take what its polls find: they add no request", async () => {
  const place = newPlace();
  const db = await openAt(place);
  const reader = await DbReader.open(place.at, { clock: place.clock });
  const feeds = [reader.changes(), reader.changes()].map((feed) => feed[Symbol.asyncIterator]());
  const waiting = feeds.map((feed) => feed.next());
  await turns();
  await db.put("a", "1");
  await db.put("b", "2");
  place.counting.reset();
  await place.clock.advanceUntil(Promise.all(waiting));
  for (const feed of feeds) expect((await feed.next()).value?.seq).toBe(2);
  const again = feeds.map((feed) => feed.next());
  await turns();
  // A manifest that is not there, two objects, and the one that is not there.
  expect(requestsOf(place.counting).sort()).toEqual([
    "get manifest/2.manifest",
    "get wal/1/1.wal",
    "get wal/1/2.wal",
    "get wal/1/3.wal",
  ]);
  place.counting.reset();
  await place.clock.advance(1_000);
  // A poll without news.
  expect(place.counting.counts.get).toBe(2);
  await reader.close();
  for (const next of again) await expect(next).rejects.toThrow(ClosedError);
  await db.close();
});

test("a position far back is found in few small requests", async () => {
  const place = newPlace();
  const db = await openAt(place, { walPutsPerSecond: Infinity });
  for (let i = 1; i <= 300; i++) await db.put(`k${i}`, "v".repeat(1000));
  await db.flush({ to: "l0" });
  const reader = await DbReader.open(place.at, { clock: place.clock });
  for (const handle of [db, reader]) {
    place.counting.reset();
    const changes = handle.changes({ from: 41 })[Symbol.asyncIterator]();
    expect((await changes.next()).value?.seq).toBe(42);
    const { requests } = place.counting;
    expect(requests.length).toBeLessThanOrEqual(10);
    expect(requests.filter(({ range }) => range === undefined)).toHaveLength(1);
    await changes.return?.();
  }
  await reader.close();
  await db.close();
});

test("nothing is fetched beyond the object at hand", async () => {
  const place = newPlace();
  const db = await openAt(place);
  for (let i = 1; i <= 4; i++) await db.put(`k${i}`, "v");
  await db.flush({ to: "l0" });
  const changes = db.changes({ from: 0 })[Symbol.asyncIterator]();
  await changes.next();
  place.counting.reset();
  await turns();
  expect(place.counting.total).toBe(0);
  await changes.next();
  await turns();
  expect(place.counting.total).toBe(1);
  await db.close();
});

test("what is not durable yet is not given", async () => {
  const place = newPlace();
  const db = await openAt(place);
  let release!: () => void;
  const until = new Promise<void>((resolve) => {
    release = resolve;
  });
  const changes = db.changes()[Symbol.asyncIterator]();
  const next = changes.next();
  place.faulty.intercept = ({ key }) =>
    key.includes("/wal/") ? { kind: "delay", until } : undefined;
  const put = db.put("a", "1");
  let given = false;
  void next.then(() => {
    given = true;
  });
  await turns();
  expect(given).toBe(false);
  release();
  await put;
  expect((await next).value?.seq).toBe(1);
  await db.close();
});

test("of several objects in flight only those that are acknowledged are given", async () => {
  const place = newPlace();
  const db = await openAt(place);
  let release!: () => void;
  const until = new Promise<void>((resolve) => {
    release = resolve;
  });
  place.faulty.intercept = ({ operation, key }) =>
    operation === "create" && key.endsWith("2.wal") ? { kind: "delay", until } : undefined;
  const changes = db.changes()[Symbol.asyncIterator]();
  const first = changes.next();
  const puts = [db.put("a", "1")];
  await turns(1);
  puts.push(db.put("b", "2"));
  expect((await first).value?.seq).toBe(1);
  await turns();
  const second = changes.next();
  await turns();
  release();
  await Promise.all(puts);
  expect((await second).value?.seq).toBe(2);
  await db.close();
});

test("a batch of many operations and a large value come whole, and expiry with them", async () => {
  const place = newPlace();
  const db = await openAt(place);
  const batch = db.batch();
  for (let i = 0; i < 5_000; i++) batch.put(`k${i}`, `v${i}`);
  await db.write(batch);
  await db.put("large", new Uint8Array(9 * 1024 * 1024).fill(7));
  await db.put("brief", "v", { ttlMs: 5_000 });
  const changes = db.changes({ from: 0 })[Symbol.asyncIterator]();
  expect((await changes.next()).value?.operations).toHaveLength(5_000);
  const [large] = (await changes.next()).value!.operations;
  expect(large?.type === "put" && large.value.length).toBe(9 * 1024 * 1024);
  const { createdAt, operations } = (await changes.next()).value!;
  expect(operations[0]).toMatchObject({ type: "put", expiresAt: createdAt + 5_000 });
  await place.clock.advance(10_000);
  const again = db.changes({ from: 2 })[Symbol.asyncIterator]();
  expect((await again.next()).value?.operations).toHaveLength(1);
  await db.close();
});
