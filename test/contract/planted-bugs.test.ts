/** The conformance suite fails on stores with known defects: a suite that passes everything proves nothing. */
import { expect, test } from "vitest";
import { copyBytes } from "../../src/common/bytes.js";
import { MemoryObjectStore } from "../../src/object-store/memory.js";
import type { ObjectStore } from "../../src/object-store/object-store.js";
import { objectStoreSuite } from "../../src/testing/object-store-suite.js";

/** The names of the cases that fail. */
async function failures(
  change: (store: MemoryObjectStore) => Partial<ObjectStore>,
): Promise<string[]> {
  const cases: { name: string; body: () => Promise<void> }[] = [];
  objectStoreSuite({
    test: (name, body) => cases.push({ name, body }),
    makeStore: () => withChange(new MemoryObjectStore(), change),
    largeBytes: 100_000,
  });
  const failed: string[] = [];
  for (const { name, body } of cases) await body().catch(() => failed.push(name));
  return failed;
}

function withChange(
  store: MemoryObjectStore,
  change: (store: MemoryObjectStore) => Partial<ObjectStore>,
): ObjectStore {
  return {
    id: store.id,
    get: (key, options) => store.get(key, options),
    head: (key, options) => store.head(key, options),
    create: (key, bytes, options) => store.create(key, bytes, options),
    put: (key, source, options) => store.put(key, source, options),
    list: (options) => store.list(options),
    delete: (keys, options) => store.delete(keys, options),
    copy: (from, to, options) => store.copy(from, to, options),
    ...change(store),
  };
}

test("a store without a defect fails nothing", async () => {
  expect(await failures(() => ({}))).toEqual([]);
});

test("a store that ignores the condition of a create fails", async () => {
  const failed = await failures((store) => ({
    async create(key, bytes, options) {
      await store.put(key, bytes, options);
      return "created";
    },
  }));
  expect(failed).toContain("create stores an object once, and refuses it afterwards");
  expect(failed).toContain(
    "of 32 creates that race for a key exactly one wins, and its bytes stay",
  );
});

test("a store that keeps the array that it was given fails", async () => {
  const kept = new Map<string, Uint8Array>();
  const failed = await failures((store) => ({
    async create(key, bytes, options) {
      const result = await store.create(key, bytes, options);
      if (result === "created") kept.set(key, bytes);
      return result;
    },
    async get(key, options) {
      const object = await store.get(key, options);
      const bytes = kept.get(key);
      if (object === undefined || bytes?.length !== object.bytes.length) return object;
      return { ...object, bytes: copyBytes(bytes) };
    },
  }));
  expect(failed).toContain(
    "what was stored stays when the caller uses the memory for something else",
  );
});

test("a store that looks first and creates afterwards fails by the race alone", async () => {
  const failed = await failures((store) => ({
    async create(key, bytes, options) {
      if ((await store.head(key, options)) !== undefined) return "exists";
      await store.put(key, bytes, options);
      return "created";
    },
  }));
  expect(failed).toEqual([
    "of 32 creates that race for a key exactly one wins, and its bytes stay",
  ]);
});

test("a store whose refused creates replace the object fails", async () => {
  const failed = await failures((store) => ({
    async create(key, bytes, options) {
      const result = await store.create(key, bytes, options);
      if (result === "exists") await store.put(key, bytes);
      return result;
    },
  }));
  expect(failed).toContain("create stores an object once, and refuses it afterwards");
});

test("a store that shares the bytes it returns fails", async () => {
  const failed = await failures((store) => {
    const shared = new Map<string, Promise<Awaited<ReturnType<ObjectStore["get"]>>>>();
    return {
      get(key, options) {
        if (options?.range !== undefined || options?.signal !== undefined) {
          return store.get(key, options);
        }
        const known = shared.get(key) ?? store.get(key);
        shared.set(key, known);
        return known;
      },
      create(key, bytes, options) {
        shared.delete(key);
        return store.create(key, bytes, options);
      },
      put(key, source, options) {
        shared.delete(key);
        return store.put(key, source, options);
      },
      delete(keys, options) {
        shared.clear();
        return store.delete(keys, options);
      },
      copy(from, to, options) {
        shared.delete(to);
        return store.copy(from, to, options);
      },
    };
  });
  expect(failed).toEqual(["returned bytes belong to the caller"]);
});

test("a store that keeps the array it was given fails", async () => {
  const failed = await failures((store) => {
    const kept = new Map<string, Uint8Array>();
    return {
      async create(key, bytes, options) {
        const result = await store.create(key, bytes, options);
        if (result === "created") kept.set(key, bytes);
        return result;
      },
      async get(key, options) {
        const object = await store.get(key, options);
        const bytes = kept.get(key);
        if (object === undefined || bytes?.length !== object.bytes.length) return object;
        return { ...object, bytes: copyBytes(bytes) };
      },
    };
  });
  expect(failed).toContain("what is passed in may be changed once the call has settled");
});

test("a store whose listing ends after its first page fails by the many keys alone", async () => {
  const failed = await failures((store) => ({
    list: (options) => store.list({ ...options, limit: Math.min(options.limit ?? 1_000, 1_000) }),
  }));
  expect(failed).toEqual(["list gives all of 1100 keys, once each, and delete removes them"]);
});

test("a store whose listing leaves out the newest key fails", async () => {
  const failed = await failures((store) => {
    let newest = "";
    return {
      async create(key, bytes, options) {
        newest = key;
        return store.create(key, bytes, options);
      },
      async *list(options) {
        for await (const object of store.list(options)) {
          if (object.key !== newest) yield object;
        }
      },
    };
  });
  expect(failed).toContain("list sees a write or a delete as soon as it has resolved");
});

test("a store that answers a range with the whole object fails", async () => {
  const failed = await failures((store) => ({
    get: (key, options) => store.get(key, { signal: options?.signal }),
  }));
  expect(failed).toContain(
    "a range gives its bytes and the size of the whole; what is past the end is left out",
  );
});

test("a store that ignores signals fails", async () => {
  const failed = await failures((store) => ({ head: (key) => store.head(key) }));
  expect(failed).toEqual([
    "an aborted call rejects with the signal's reason, whatever the operation",
  ]);
});
