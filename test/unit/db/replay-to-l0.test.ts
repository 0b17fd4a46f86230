import { expect, test } from "vitest";
import { Db } from "../../../src/index.js";
import { FaultyObjectStore, ManualClock, MemoryObjectStore } from "../../../src/testing/index.js";
import { HeldRequests } from "../../support/held-requests.js";

const KiB = 1024;
const small = { memTableBytes: 4 * KiB, unflushedBytesMax: 8 * KiB };

test("a database whose log filled all memory at open takes writes", async () => {
  const inner = new MemoryObjectStore();
  const dead = new FaultyObjectStore(inner);
  const first = await Db.open({ store: dead, path: "db" });
  await first.put("large", new Uint8Array(64 * KiB));
  dead.crash();
  const db = await Db.open({ store: inner, path: "db" }, small);
  const stuck = new Promise((resolve) => setTimeout(resolve, 3000, "stuck"));
  expect(await Promise.race([db.put("next", "1").then(({ seq }) => seq), stuck])).toBe(2);
  await db.close();
});

test("without a WAL, older logs stay until L0 holds all that they held", async () => {
  const inner = new MemoryObjectStore();
  const dead = new FaultyObjectStore(inner);
  const first = await Db.open({ store: dead, path: "db" });
  await first.put("a", new Uint8Array(64 * KiB));
  await first.put("b", new Uint8Array(64 * KiB));
  dead.crash();
  const second = new FaultyObjectStore(inner);
  const held = new HeldRequests(second, ({ key }) => key.includes("/sst/"));
  void Db.open({ store: second, path: "db" }, { ...small, wal: false }).catch(() => undefined);
  const turns = async (): Promise<void> => {
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
  };
  await turns();
  expect(held.keys.length).toBe(2);
  held.releaseOnly(held.keys[0]!);
  await turns();
  second.crash();
  const db = await Db.open({ store: inner, path: "db" });
  expect(await db.has("a")).toBe(true);
  expect(await db.has("b")).toBe(true);
  await db.close();
});

test("an open that fails to flush what it replayed leaves nothing running behind", async () => {
  const inner = new MemoryObjectStore();
  const dead = new FaultyObjectStore(inner);
  const first = await Db.open({ store: dead, path: "db" });
  await first.put("a", "1");
  dead.crash();
  const clock = new ManualClock();
  const store = new FaultyObjectStore(inner);
  store.intercept = ({ key }) => (key.includes("/sst/") ? { kind: "before" } : undefined);
  const opened = Db.open({ store, path: "db" }, { clock, wal: false, storeDeadlineMs: 100 });
  await expect(clock.advanceUntil(opened)).rejects.toThrow("planned fault");
  await clock.settle();
  expect(clock.pendingTimers).toBe(0);
});
