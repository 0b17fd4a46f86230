/** What only a checkpoint keeps: not what logs of the newest state need too, and not what lies at a parent until a detach is through. */
import { expect, test } from "vitest";
import { Admin, type CheckpointSizes } from "../../../src/admin/index.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { CountingObjectStore, FaultyObjectStore } from "../../../src/testing/index.js";
import { HeldRequests } from "../../support/held-requests.js";
import { cloneOf, openDb } from "./clones.js";

async function sizesAt(store: MemoryObjectStore, path: string): Promise<CheckpointSizes[]> {
  const admin = await Admin.open({ store, path });
  return admin.checkpointSizes().finally(() => admin.close());
}

/** No commit comes through any more, so that a load stays in the log. */
function keepInLog(store: FaultyObjectStore): void {
  store.intercept = ({ operation, key }) =>
    operation === "create" && key.includes("/manifest/")
      ? { kind: "delay", until: new Promise(() => undefined) }
      : undefined;
}

async function sstBytes(store: MemoryObjectStore, path: string): Promise<number> {
  let bytes = 0;
  for await (const { size } of store.list({ prefix: `${path}/sst/` })) bytes += size;
  return bytes;
}

test("a load that the newest state's log names too is not the checkpoint's alone, until it is compacted away", async () => {
  const store = new MemoryObjectStore();
  const cut = new FaultyObjectStore(store);
  const first = await openDb(cut, "p");
  keepInLog(cut);
  await first.load([{ key: "a", value: "x".repeat(5000) }]);
  const loadBytes = await sstBytes(store, "p");
  const admin = await Admin.open({ store, path: "p" });
  await admin.createCheckpoint({ name: "durable", scope: "durable" });
  await admin.close();
  const [shared] = await sizesAt(store, "p");
  cut.crash();
  expect(shared).toMatchObject({ objectCount: 2, exclusiveBytes: 0 });
  expect(shared!.totalBytes).toBeGreaterThan(loadBytes);
  const db = await openDb(store, "p");
  await db.put("a", "2");
  await db.compact();
  const [alone] = await sizesAt(store, "p");
  expect(alone!.exclusiveBytes).toBe(alone!.totalBytes);
  await db.close();
});

test("the newest logs are read only where a checkpoint names loads that L0 has not", async () => {
  const memory = new MemoryObjectStore();
  const cut = new FaultyObjectStore(memory);
  const first = await openDb(cut, "p");
  keepInLog(cut);
  await first.put("a", "1");
  const store = new CountingObjectStore(memory);
  const admin = await Admin.open({ store, path: "p" });
  await admin.createCheckpoint({ name: "without loads", scope: "durable" });
  const walReads = async (): Promise<number> => {
    store.reset();
    await admin.checkpointSizes();
    return store.requests.filter(
      ({ operation, key }) => operation === "get" && key.startsWith("p/wal/"),
    ).length;
  };
  expect(await walReads()).toBe(0);
  await first.load([{ key: "b", value: "2" }]);
  await admin.createCheckpoint({ name: "with a load", scope: "durable" });
  expect(await walReads()).toBe(2);
  cut.crash();
  const db = await openDb(memory, "p");
  await db.flush({ to: "l0" });
  expect(await walReads()).toBe(0);
  await admin.close();
  await db.close();
});

test("what a detach that was cut off has only announced lies at the parent still", async () => {
  const store = new MemoryObjectStore();
  const parent = await openDb(store, "p");
  await parent.put("a", "1");
  await parent.close();
  const bytes = await sstBytes(store, "p");
  await cloneOf(store, "p", "c");
  const db = await openDb(store, "c");
  await db.checkpoint({ name: "shared" });
  await db.put("a", "2");
  await db.compact();
  await db.close();
  const faulty = new FaultyObjectStore(store);
  const held = new HeldRequests(
    faulty,
    ({ operation, key }) => operation === "copy" || (operation === "put" && key.includes("/sst/")),
  );
  const cut = await Admin.open({ store: faulty, path: "c" });
  void cut.detach().catch(() => undefined);
  await expect.poll(() => held.count).toBe(1);
  faulty.crash();
  const before = await sizesAt(store, "c");
  expect(before).toMatchObject([{ name: "shared", totalBytes: bytes, exclusiveBytes: 0 }]);
  const admin = await Admin.open({ store, path: "c" });
  await admin.detach();
  await admin.close();
  const after = await sizesAt(store, "c");
  expect(after).toMatchObject([{ name: "shared", totalBytes: bytes, exclusiveBytes: bytes }]);
});
