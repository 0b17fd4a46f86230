/** The probe before a database is made: a store that ignores conditions is refused. */
import { expect, test } from "vitest";
import { isMoraineError, StoreError, UnsupportedStoreError } from "../../src/common/errors.js";
import { seededRandom } from "../../src/common/random.js";
import { MemoryObjectStore } from "../../src/object-store/memory.js";
import { probeConditionalCreate } from "../../src/object-store/probe.js";
import { CountingObjectStore } from "../../src/testing/counting-object-store.js";

class Careless extends MemoryObjectStore {
  override async create(key: string, bytes: Uint8Array): Promise<"created" | "exists"> {
    await this.put(key, bytes);
    return "created";
  }
}

async function keysOf(store: MemoryObjectStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list({ prefix: "" })) keys.push(key);
  return keys;
}

test("a good store costs two creates and a delete, and nothing stays", async () => {
  const memory = new MemoryObjectStore();
  const store = new CountingObjectStore(memory);
  await probeConditionalCreate(store, seededRandom(1));
  expect(store.requests.map(({ operation }) => operation)).toEqual(["create", "create", "delete"]);
  expect(new Set(store.requests.map(({ key }) => key)).size).toBe(1);
  expect(store.requests[0]!.key).toMatch(/^probe\/[0-9a-f]{32}\.probe$/);
  expect(await keysOf(memory)).toEqual([]);
});

test("a store that ignores the condition is refused, and its probe is deleted", async () => {
  const store = new Careless();
  const refusal = await probeConditionalCreate(store, seededRandom(1)).catch((error) => error);
  expect(refusal).toBeInstanceOf(UnsupportedStoreError);
  expect(isMoraineError(refusal, "unsupported")).toBe(true);
  expect(refusal.message).toContain(store.id);
  expect(await keysOf(store)).toEqual([]);
});

test("a store that says of a new name that it exists is refused", async () => {
  const store = new MemoryObjectStore();
  store.create = async () => "exists";
  const probe = probeConditionalCreate(store, seededRandom(1));
  await expect(probe).rejects.toThrow(UnsupportedStoreError);
});

test("a store that does not know the condition is refused with its error as the cause", async () => {
  const store = new MemoryObjectStore();
  const cause = new StoreError("unsupported", "501 NotImplemented");
  store.create = () => Promise.reject(cause);
  const refusal = await probeConditionalCreate(store, seededRandom(1)).catch((error) => error);
  expect(refusal).toBeInstanceOf(UnsupportedStoreError);
  expect(refusal.cause).toBe(cause);
});

test("other failures are passed on as they are", async () => {
  const store = new MemoryObjectStore();
  const denied = new StoreError("denied", "no");
  store.create = () => Promise.reject(denied);
  await expect(probeConditionalCreate(store, seededRandom(1))).rejects.toBe(denied);
});

test("a role that may not delete can still open a database", async () => {
  const store = new MemoryObjectStore();
  store.delete = () => Promise.reject(new StoreError("denied", "no"));
  await probeConditionalCreate(store, seededRandom(1));
  expect(await keysOf(store)).toHaveLength(1);
});
