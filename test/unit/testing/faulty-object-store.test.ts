/** `FaultyObjectStore` and `CountingObjectStore`: what reaches the inner store, and what the caller hears. */
import { expect, test } from "vitest";
import { decodeUtf8, encodeUtf8 } from "../../../src/common/bytes.js";
import { deferred } from "../../../src/common/deferred.js";
import { seededRandom } from "../../../src/common/random.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { CountingObjectStore } from "../../../src/testing/counting-object-store.js";
import type { Fault } from "../../../src/testing/fault.js";
import { FaultyObjectStore } from "../../../src/testing/faulty-object-store.js";
import { ManualClock } from "../../../src/testing/manual-clock.js";

const bytes = encodeUtf8("x");

function setUp(fault?: Fault) {
  const clock = new ManualClock();
  const inner = new MemoryObjectStore({ clock });
  return { clock, inner, store: new FaultyObjectStore(inner, { clock, intercept: () => fault }) };
}

async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let pending = true;
  const settled = (): void => {
    pending = false;
  };
  promise.then(settled, settled);
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
  return pending;
}

test("before: nothing is applied", async () => {
  const { inner, store } = setUp({ kind: "before" });
  await expect(store.create("a", bytes)).rejects.toMatchObject({ reason: "unavailable" });
  expect(await inner.head("a")).toBeUndefined();
});

test("after: it is applied, and the reply is lost", async () => {
  const { inner, store } = setUp({ kind: "after" });
  await expect(store.create("a", bytes)).rejects.toMatchObject({ reason: "unknown-outcome" });
  expect(await inner.head("a")).toBeDefined();
});

test("an error of the test's own is thrown as it is", async () => {
  const error = new Error("mine");
  for (const kind of ["before", "after", "late"] as const) {
    await expect(setUp({ kind, error }).store.put("a", bytes)).rejects.toBe(error);
  }
});

test("late: it is applied when it is released, with the bytes that were sent", async () => {
  const { inner, store } = setUp({ kind: "late" });
  const sent = encodeUtf8("as sent");
  await expect(store.put("a", sent)).rejects.toMatchObject({ reason: "unknown-outcome" });
  await expect(store.create("b", sent)).rejects.toMatchObject({ reason: "unknown-outcome" });
  await expect(store.create("c", sent)).rejects.toMatchObject({ reason: "unknown-outcome" });
  sent.fill(0);
  expect([store.pendingLate, await inner.head("a")]).toEqual([3, undefined]);
  await inner.create("b", encodeUtf8("was first"));
  expect(await store.releaseLate(1)).toBe(1);
  expect(await store.releaseLate()).toBe(2);
  expect(decodeUtf8((await inner.get("a"))!.bytes)).toBe("as sent");
  expect(decodeUtf8((await inner.get("c"))!.bytes)).toBe("as sent");
  expect(decodeUtf8((await inner.get("b"))!.bytes)).toBe("was first");
});

test("late with a time: it is applied by the clock", async () => {
  const { clock, inner, store } = setUp({ kind: "late", afterMs: 100 });
  await store.put("a", bytes).catch(() => undefined);
  await clock.advance(99);
  expect(await inner.head("a")).toBeUndefined();
  await clock.advance(1);
  expect([await inner.head("a"), store.pendingLate]).toEqual([
    { size: 1, lastModified: clock.now() },
    0,
  ]);
});

test("delay: it is sent when the promise resolves, or never when it is aborted before", async () => {
  const gate = deferred();
  const { inner, store } = setUp({ kind: "delay", until: gate.promise });
  const controller = new AbortController();
  const reason = new Error("enough");
  const aborted = store.put("aborted", bytes, { signal: controller.signal });
  const sent = store.put("sent", bytes);
  controller.abort(reason);
  await expect(aborted).rejects.toBe(reason);
  expect(await isPending(sent)).toBe(true);
  gate.resolve();
  await sent;
  expect([await inner.head("aborted"), (await inner.head("sent"))?.size]).toEqual([undefined, 1]);
});

for (const applied of [false, true]) {
  test(`crash: nothing settles any more; the request is applied: ${applied}`, async () => {
    const { inner, store } = setUp({ kind: "crash", applied });
    expect(await isPending(store.put("a", bytes))).toBe(true);
    expect(store.crashed).toBe(true);
    store.intercept = undefined;
    expect(await isPending(store.get("a"))).toBe(true);
    expect(await isPending(store.list({ prefix: "" })[Symbol.asyncIterator]().next())).toBe(true);
    expect((await inner.head("a")) !== undefined).toBe(applied);
  });
}

test("crash: the reply to what was under way reaches nobody", async () => {
  const gate = deferred();
  const { inner, store } = setUp();
  const head = inner.head.bind(inner);
  inner.head = async (key) => {
    await gate.promise;
    return head(key);
  };
  const waiting = store.head("a");
  store.crash();
  gate.resolve();
  expect(await isPending(waiting)).toBe(true);
});

test("a listing fails before its first key, or in the middle", async () => {
  for (const [kind, expected] of [
    ["before", 0],
    ["after", 2],
  ] as const) {
    const { inner, store } = setUp({ kind });
    for (const key of ["a", "b", "c", "d"]) await inner.put(key, bytes);
    const keys: string[] = [];
    const list = async (): Promise<void> => {
      for await (const { key } of store.list({ prefix: "" })) keys.push(key);
    };
    await expect(list()).rejects.toMatchObject({ reason: "unavailable" });
    expect(keys).toHaveLength(expected);
  }
});

test("the same seed gives the same faults, another seed others", async () => {
  const run = async (seed: number): Promise<string[]> => {
    const rates = { before: 0.1, after: 0.1, throttled: 0.1, conflict: 0.1, late: 0.1 };
    const store = FaultyObjectStore.seeded(new MemoryObjectStore(), seededRandom(seed), rates);
    const outcomes: string[] = [];
    for (let i = 0; i < 200; i++) {
      outcomes.push(await store.create(`${i}`, bytes).catch((error) => error.reason));
    }
    return outcomes;
  };
  const first = await run(1);
  expect(new Set(first)).toEqual(
    new Set(["created", "unavailable", "unknown-outcome", "throttled", "conflict"]),
  );
  expect(await run(1)).toEqual(first);
  expect(await run(2)).not.toEqual(first);
});

test("a counting store remembers each request, failed ones too", async () => {
  const { store } = setUp();
  const counting = new CountingObjectStore(store);
  await counting.create("a", encodeUtf8("12345"), { background: true });
  await counting.get("a", { range: { offset: 1, length: 2 } });
  await counting.delete(["a", "b"]);
  store.intercept = () => ({ kind: "before" });
  await counting.head("a").catch(() => undefined);
  expect(counting.requests).toEqual([
    { operation: "create", key: "a", bytes: 5, background: true },
    { operation: "get", key: "a", bytes: 2, background: false, range: { offset: 1, length: 2 } },
    { operation: "delete", key: "a", keys: ["a", "b"], bytes: 0, background: false },
    { operation: "head", key: "a", bytes: 0, background: false },
  ]);
  expect(counting.counts).toEqual({
    get: 1,
    head: 1,
    create: 1,
    put: 0,
    list: 0,
    delete: 1,
    copy: 0,
  });
  expect(counting.total).toBe(4);
  counting.reset();
  expect(counting.total).toBe(0);
});
