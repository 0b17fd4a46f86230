/** Durable checkpoints of before the log moved to another store: what they name stays where it was, and every operation finds it there. */
import { beforeEach, expect, test } from "vitest";
import { Admin } from "../../../src/admin/index.js";
import { Db, DbReader } from "../../../src/index.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { FaultyObjectStore } from "../../../src/testing/index.js";
import { HeldRequests } from "../../support/held-requests.js";
import { rowsAt, rowsOf } from "./clones.js";

const path = "db";
const quiet = { background: false, compactionThreads: 0 };
let store: MemoryObjectStore;
let wal: { store: MemoryObjectStore; path: string };

/** One record in the database's own store, named by "before"; another in the other store, named by "after". */
beforeEach(async () => {
  store = new MemoryObjectStore();
  wal = { store: new MemoryObjectStore(), path: "logs" };
  const first = await Db.open({ store, path }, quiet);
  await first.put("a", "before");
  await first.checkpoint({ scope: "durable", name: "before" });
  await first.close();
  await (await Db.open({ store, path }, { ...quiet, wal: false })).close();
  const moved = await Db.open({ store, path }, { ...quiet, wal });
  await moved.put("a", "after");
  await moved.put("b", "after");
  await moved.checkpoint({ scope: "durable", name: "after" });
  await moved.close();
});

async function namedObject(): Promise<string> {
  const keys: string[] = [];
  for await (const { key } of store.list({ prefix: `${path}/wal/` })) keys.push(key);
  return keys[0]!;
}

test("both are restored, in turn, and cloned", async () => {
  const admin = await Admin.open({ store, path }, { wal });
  await admin.restore("before");
  const readNow = async (): Promise<string> => {
    const reader = await DbReader.open({ store, path }, { wal });
    return rowsOf(reader).finally(() => reader.close());
  };
  expect(await readNow()).toBe("a=before");
  await admin.restore("after");
  expect(await readNow()).toBe("a=after b=after");
  await admin.clone({ store, path: "clone of before" }, { checkpoint: "before" });
  await admin.clone({ store, path: "clone of after" }, { checkpoint: "after" });
  expect(await rowsAt(store, "clone of before")).toBe("a=before");
  expect(await rowsAt(store, "clone of after")).toBe("a=after b=after");
  expect((await admin.verify({ deep: true })).problems).toEqual([]);
  await admin.close();
});

test("their objects count in the sizes, each from where it is", async () => {
  const admin = await Admin.open({ store, path }, { wal });
  const [before, after] = await admin.checkpointSizes();
  const { size } = (await store.head(await namedObject()))!;
  expect(before).toMatchObject({ objectCount: 1, totalBytes: size, exclusiveBytes: size });
  // What the first writer flushed when it closed, and two records.
  expect(after).toMatchObject({ name: "after", objectCount: 3 });
  await admin.close();
});

test("a deep verification reads what stayed behind, and finds damage there", async () => {
  const key = await namedObject();
  const bytes = (await store.get(key))!.bytes.slice();
  bytes[bytes.length >> 1]! ^= 1;
  await store.put(key, bytes);
  const admin = await Admin.open({ store, path }, { wal });
  const { problems } = await admin.verify({ deep: true });
  expect(problems).toMatchObject([{ kind: "damaged", object: key.slice(path.length + 1) }]);
  await admin.close();
});

test("an object that goes between the listing and the read is missing where something names it", async () => {
  const key = await namedObject();
  const faulty = new FaultyObjectStore(store);
  const admin = await Admin.open({ store: faulty, path }, { wal });
  const held = new HeldRequests(faulty, (asked) => asked.operation === "get" && asked.key === key);
  const verifying = admin.verify({ deep: true });
  await expect.poll(() => held.count).toBe(1);
  await store.delete([key]);
  held.release();
  const { problems } = await verifying;
  expect(problems).toMatchObject([{ kind: "missing", object: key.slice(path.length + 1) }]);
  await admin.close();
});
