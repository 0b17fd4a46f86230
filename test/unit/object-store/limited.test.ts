/** `limited`: how many requests are under way, in which order they are sent, and what an abort does. */
import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { encodeUtf8 } from "../../../src/common/bytes.js";
import { type Deferred, deferred } from "../../../src/common/deferred.js";
import { InvalidArgumentError } from "../../../src/common/errors.js";
import { limited } from "../../../src/object-store/limited.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import type { ObjectStore } from "../../../src/object-store/object-store.js";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A store whose gets wait until they are let go, and that remembers the order in which they came. */
class Gated extends MemoryObjectStore {
  readonly started: string[] = [];
  readonly #gates = new Map<string, Deferred<void>>();

  override async get(key: string): Promise<undefined> {
    this.started.push(key);
    const gate = deferred();
    this.#gates.set(key, gate);
    await gate.promise;
  }

  async open(key: string): Promise<void> {
    this.#gates.get(key)!.resolve();
    await turn();
  }
}

test("no more requests are under way than allowed", async () => {
  const gated = new Gated();
  const store = limited(gated, { requestsInFlight: 2 });
  for (const key of ["1", "2", "3", "4"]) void store.get(key);
  await turn();
  expect(gated.started).toEqual(["1", "2"]);
  await gated.open("2");
  expect(gated.started).toEqual(["1", "2", "3"]);
});

test("foreground goes before background, and each in the order of the calls", async () => {
  const gated = new Gated();
  const store = limited(gated, { requestsInFlight: 1 });
  void store.get("busy");
  for (const key of ["b1", "b2"]) void store.get(key, { background: true });
  for (const key of ["f1", "f2"]) void store.get(key);
  await turn();
  for (const key of ["busy", "f1", "f2", "b1"]) await gated.open(key);
  expect(gated.started).toEqual(["busy", "f1", "f2", "b1", "b2"]);
});

test("an abort while waiting rejects at once, and the request is never sent", async () => {
  const gated = new Gated();
  const store = limited(gated, { requestsInFlight: 1 });
  void store.get("busy");
  const controller = new AbortController();
  const waiting = store.get("aborted", { signal: controller.signal });
  await turn();
  const reason = new Error("enough");
  controller.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  await gated.open("busy");
  expect(gated.started).toEqual(["busy"]);
});

test("requests that wait with one signal add one listener to it, and leave none", async () => {
  const gated = new Gated();
  const store = limited(gated, { requestsInFlight: 1 });
  void store.get("busy");
  const controller = new AbortController();
  const { signal } = controller;
  const waiting = Array.from({ length: 50 }, (_, i) => store.get(`${i}`, { signal }));
  await turn();
  expect(getEventListeners(signal, "abort").length).toBe(1);
  const reason = new Error("enough");
  controller.abort(reason);
  for (const outcome of await Promise.allSettled(waiting)) {
    expect(outcome).toEqual({ status: "rejected", reason });
  }
  expect(getEventListeners(signal, "abort")).toEqual([]);
  expect(gated.started).toEqual(["busy"]);
});

test("a request that is aborted on its way keeps its turn until the store has settled it", async () => {
  const gated = new Gated();
  const store = limited(gated, { requestsInFlight: 1 });
  const controller = new AbortController();
  void store.get("sent", { signal: controller.signal });
  void store.get("next");
  await turn();
  controller.abort(new Error("enough"));
  await turn();
  expect(gated.started).toEqual(["sent"]);
  await gated.open("sent");
  expect(gated.started).toEqual(["sent", "next"]);
});

test("a listing holds no turn while its consumer thinks", async () => {
  const memory = new MemoryObjectStore();
  await memory.put("a", encodeUtf8("1"));
  await memory.put("b", encodeUtf8("2"));
  const store = limited(memory, { requestsInFlight: 1 });
  const keys: string[] = [];
  for await (const { key } of store.list({ prefix: "" })) {
    keys.push(key);
    expect((await store.get(key))?.size).toBe(1);
  }
  expect(keys).toEqual(["a", "b"]);
});

test("a listing yields what came before a failure, and then fails", async () => {
  const failure = new Error("broken");
  const inner: ObjectStore = new MemoryObjectStore();
  inner.list = async function* () {
    yield { key: "a", size: 1, lastModified: 0 };
    throw failure;
  };
  const objects = limited(inner, { requestsInFlight: 1 })
    .list({ prefix: "" })
    [Symbol.asyncIterator]();
  expect((await objects.next()).value).toMatchObject({ key: "a" });
  await expect(objects.next()).rejects.toBe(failure);
});

test("a listing that is left early is ended in the inner store", async () => {
  let ended = false;
  const inner: ObjectStore = new MemoryObjectStore();
  inner.list = async function* () {
    try {
      for (let i = 0; ; i++) yield { key: `${i}`, size: 1, lastModified: 0 };
    } finally {
      ended = true;
    }
  };
  for await (const _ of limited(inner, { requestsInFlight: 1 }).list({ prefix: "" })) break;
  expect(ended).toBe(true);
});

for (const requestsInFlight of [1, 2, 4]) {
  test(`puts whose sources read from the store end, with ${requestsInFlight} turns`, async () => {
    const memory = new MemoryObjectStore();
    await memory.put("from", encodeUtf8("x"));
    const store = limited(memory, { requestsInFlight });
    const copyTo = (key: string): Promise<void> =>
      store.put(key, async function* () {
        // Until all that may be on their way are: only then could they wait for each other.
        await turn();
        yield (await store.get("from", { background: true }))!.bytes;
      });
    await Promise.all(Array.from({ length: 10 }, (_, i) => copyTo(`to/${i}`)));
    expect((await memory.get("to/9"))?.size).toBe(1);
  });
}

test("a limit that is no limit is refused", () => {
  for (const requestsInFlight of [0, -1, 1.5, Number.NaN]) {
    expect(() => limited(new MemoryObjectStore(), { requestsInFlight })).toThrow(
      InvalidArgumentError,
    );
  }
});
