/** Several attempts at one clone: what one has left is deleted in the end, and what another one needs never is. */
import { expect, test } from "vitest";
import { Admin } from "../../../src/admin/index.js";
import { StoreError } from "../../../src/index.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import type { ObjectStore } from "../../../src/object-store/object-store.js";
import { cloneOf, collectAt, openDb, pinsAt, rowsAt } from "./clones.js";

/** Calls `before` before the first manifest at the path is created; where that throws, nothing comes through any more. */
function watched(inner: MemoryObjectStore, path: string, before: () => Promise<void>): ObjectStore {
  let dead: Error | undefined;
  const ask = async <T>(call: () => Promise<T>): Promise<T> => {
    if (dead !== undefined) throw dead;
    return call();
  };
  return {
    id: inner.id,
    get: (key, options) => ask(() => inner.get(key, options)),
    head: (key, options) => ask(() => inner.head(key, options)),
    list: (options) => inner.list(options),
    put: (key, source, options) => ask(() => inner.put(key, source, options)),
    delete: (keys, options) => ask(() => inner.delete(keys, options)),
    create: (key, bytes, options) =>
      ask(async () => {
        if (key.startsWith(`${path}/manifest/`)) {
          await before().catch((error: Error) => {
            dead = error;
            throw error;
          });
        }
        return inner.create(key, bytes, options);
      }),
  };
}

const die = async (): Promise<void> => {
  throw new StoreError("denied", "The process has died.");
};

async function sstsAt(store: MemoryObjectStore, path: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list({ prefix: `${path}/sst/` })) keys.push(key);
  return keys;
}

test("what an attempt that died has stored is deleted by the collector of the clone that was made after it", async () => {
  const store = new MemoryObjectStore();
  const db = await openDb(store, "p");
  await db.put("a", "1");
  await expect(cloneOf(watched(store, "c", die), "p", "c")).rejects.toMatchObject({
    reason: "denied",
  });
  const left = await sstsAt(store, "c");
  expect(left).toHaveLength(1);
  expect(await pinsAt(store, "p")).toEqual(["c"]);
  await cloneOf(store, "p", "c");
  const clone = await openDb(store, "c");
  await clone.put("b", "2");
  await clone.flush({ to: "l0" });
  await clone.compact();
  await clone.close();
  await collectAt(store, "c");
  expect((await sstsAt(store, "c")).filter((key) => left.includes(key))).toEqual([]);
  expect(await rowsAt(store, "c")).toBe("a=1 b=2");
  await db.close();
});

test("an attempt that begins after another one has read its sources, and dies, is an earlier one for that", async () => {
  const store = new MemoryObjectStore();
  const db = await openDb(store, "p");
  await db.put("a", "1");
  let left: string[] = [];
  const late = { ...watched(store, "elsewhere", die), get: store.get.bind(store) };
  late.get = async (key, options) => {
    if (key.startsWith("c/") && left.length === 0) {
      await expect(cloneOf(watched(store, "c", die), "p", "c")).rejects.toMatchObject({
        reason: "denied",
      });
      left = await sstsAt(store, "c");
    }
    return store.get(key, options);
  };
  await cloneOf(late, "p", "c");
  expect(left).toHaveLength(1);
  expect(await rowsAt(store, "c")).toBe("a=1");
  // All that it has is its own.
  expect(await pinsAt(store, "p")).toEqual([]);
  await db.close();
});

test("what an attempt at a clone of another database has left is in the way, and the error says so", async () => {
  const store = new MemoryObjectStore();
  for (const path of ["p", "q"]) {
    const db = await openDb(store, path);
    await db.put("a", path);
    // Not closed: what is in its log a clone stores as an SST of its own.
  }
  await expect(cloneOf(watched(store, "c", die), "p", "c")).rejects.toMatchObject({
    reason: "denied",
  });
  const left = await sstsAt(store, "c");
  await expect(cloneOf(store, "q", "c")).rejects.toMatchObject({
    kind: "exists",
    message: expect.stringMatching(/no manifest.*a clone of another database/),
  });
  expect(await sstsAt(store, "c")).toEqual(left);
  expect(await pinsAt(store, "q")).toEqual([]);
});

test("a union that fails or comes late leaves the copies that another one at the same path names", async () => {
  const store = new MemoryObjectStore();
  const db = await openDb(store, "p");
  for (const key of ["a", "m"]) {
    await db.put(key, "1");
    await db.flush({ to: "l0" });
  }
  await db.close();
  await cloneOf(store, "p", "lower", { range: { lt: "m" } });
  await cloneOf(store, "p", "upper", { range: { gte: "m" } });
  const lower = await Admin.open({ store, path: "lower" });
  await lower.detach();
  await lower.close();
  // Now objects of "p" lie at two places.
  const union = (through: ObjectStore) =>
    Admin.union(
      { store: through, path: "u" },
      ["lower", "upper"].map((path) => ({ location: { store: through, path } })),
    );
  const late = union(
    watched(store, "u", async () => {
      const { checkpointIds } = await union(store);
      expect(checkpointIds).not.toContain("");
    }),
  );
  await expect(late).rejects.toMatchObject({ kind: "exists" });
  expect(await rowsAt(store, "u")).toBe("a=1 m=1");
  const admin = await Admin.open({ store, path: "u" });
  expect((await admin.verify({ deep: true })).problems).toEqual([]);
  await admin.close();
});
