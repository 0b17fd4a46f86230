/** `prefixed`: where keys end up, and copies across prefixes and wrappers. */
import { expect, test } from "vitest";
import { decodeUtf8, encodeUtf8 } from "../../../src/common/bytes.js";
import { systemClock } from "../../../src/common/clock.js";
import { seededRandom } from "../../../src/common/random.js";
import { limited } from "../../../src/object-store/limited.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import type { ObjectStore } from "../../../src/object-store/object-store.js";
import { observed } from "../../../src/object-store/observed.js";
import { prefixed } from "../../../src/object-store/prefixed.js";
import { retrying } from "../../../src/object-store/retrying.js";
import { canCopyBetween } from "../../../src/object-store/wrappers.js";
import { CountingObjectStore } from "../../../src/testing/counting-object-store.js";
import { FaultyObjectStore } from "../../../src/testing/faulty-object-store.js";

async function keysOf(store: ObjectStore, prefix = "", after?: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list({ prefix, after })) keys.push(key);
  return keys;
}

test("keys go below the path, and listings come back without it", async () => {
  const memory = new MemoryObjectStore();
  const store = prefixed(memory, "some/path");
  await store.put("a/1", encodeUtf8("x"));
  await store.create("a/2", encodeUtf8("x"));
  await memory.put("some/pathology", encodeUtf8("a neighbour"));
  expect(await keysOf(memory)).toEqual(["some/path/a/1", "some/path/a/2", "some/pathology"]);
  expect(await keysOf(store)).toEqual(["a/1", "a/2"]);
  expect(await keysOf(store, "a/", "a/1")).toEqual(["a/2"]);
  expect(store.id).toBe(`${memory.id}/some/path`);
  await store.delete(["a/1", "a/2"]);
  expect(await keysOf(memory)).toEqual(["some/pathology"]);
});

test("an empty path is the store itself, and a path that is not canonical is refused", () => {
  const memory = new MemoryObjectStore();
  expect(prefixed(memory, "")).toBe(memory);
  for (const path of ["/a", "a/", "a//b", "../a", "a/./b", "a\\b", "a\0b", "\ud800"]) {
    expect(() => prefixed(memory, path)).toThrow("not canonical");
  }
});

/** The way a database wraps its store. */
function wrapped(store: ObjectStore, path: string): ObjectStore {
  const counting = new CountingObjectStore(new FaultyObjectStore(store));
  const sent = observed(limited(counting, { requestsInFlight: 4 }), () => undefined, systemClock);
  return prefixed(
    retrying(prefixed(sent, "databases"), {
      clock: systemClock,
      random: seededRandom(1),
      deadlineMs: 1_000,
    }),
    path,
  );
}

test("a copy between two wrapped paths of one store reaches the innermost store", async () => {
  const memory = new MemoryObjectStore();
  const calls: [string, string, string | undefined][] = [];
  const copy = memory.copy.bind(memory);
  memory.copy = (from, to, options) => {
    calls.push([from, to, options?.source?.id]);
    return copy(from, to, options);
  };
  const parent = wrapped(memory, "parent");
  const child = wrapped(memory, "child");
  await parent.put("sst/1", encodeUtf8("rows"));
  expect(canCopyBetween(parent, child)).toBe(true);
  await child.copy!("sst/1", "sst/2", { source: parent });
  await child.copy!("sst/2", "sst/3");
  expect(decodeUtf8((await child.get("sst/3"))!.bytes)).toBe("rows");
  expect(calls).toEqual([
    ["databases/parent/sst/1", "databases/child/sst/2", memory.id],
    ["databases/child/sst/2", "databases/child/sst/3", undefined],
  ]);
});

test("two stores are two namespaces, also below the same path", () => {
  const path = "path";
  expect(
    canCopyBetween(wrapped(new MemoryObjectStore(), path), wrapped(new MemoryObjectStore(), path)),
  ).toBe(false);
});

test("no wrapper has a copy when the store has none", () => {
  const inner = new MemoryObjectStore();
  const store: ObjectStore = {
    id: "without copy",
    get: (key, options) => inner.get(key, options),
    head: (key) => inner.head(key),
    create: (key, bytes) => inner.create(key, bytes),
    put: (key, source) => inner.put(key, source),
    list: (options) => inner.list(options),
    delete: (keys) => inner.delete(keys),
  };
  const outer = wrapped(store, "path");
  expect(outer.copy).toBeUndefined();
  expect(new CountingObjectStore(store).copy).toBeUndefined();
  expect(canCopyBetween(outer, outer)).toBe(false);
});
