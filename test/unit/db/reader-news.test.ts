import { expect, test } from "vitest";
import { Db, DbReader } from "../../../src/index.js";
import { FaultyObjectStore, ManualClock, MemoryObjectStore } from "../../../src/testing/index.js";

test("a reader keeps what it read of the WAL when the look for a newer manifest failed", async () => {
  const inner = new MemoryObjectStore();
  const db = await Db.open({ store: inner, path: "db" });
  await db.put("first", "1");
  const clock = new ManualClock();
  const store = new FaultyObjectStore(inner);
  const opened = DbReader.open({ store, path: "db" }, { clock, storeDeadlineMs: 100 });
  const reader = await clock.advanceUntil(opened);
  await db.put("second", "2");
  store.intercept = ({ key }) => (key.includes("/manifest/") ? { kind: "before" } : undefined);
  await expect(clock.advanceUntil(reader.refresh())).rejects.toThrow("planned fault");
  expect(await reader.has("second")).toBe(true);
  store.intercept = undefined;
  await db.put("third", "3");
  await clock.advanceUntil(reader.refresh());
  expect(await reader.has("second")).toBe(true);
  expect(await reader.has("third")).toBe(true);
  await reader.close();
  await db.close();
});

test("a refresh finds what the log has lost to a collector while it looked", async () => {
  const inner = new MemoryObjectStore();
  const at = { store: inner, path: "db" };
  const db = await Db.open(at, { background: false, gcGraceMs: 0 });
  await db.put("first", "1");
  const clock = new ManualClock();
  const store = new FaultyObjectStore(inner);
  const reader = await DbReader.open({ store, path: "db" }, { clock });
  await db.put("second", "2");
  let collected: Promise<unknown> | undefined;
  const isLog = (key: string): boolean => key.includes("/wal/");
  // The first request for the log waits until its objects are in L0 and gone; nothing else waits.
  store.intercept = ({ key }) => {
    if (!isLog(key) || collected !== undefined) return undefined;
    collected = db.flush({ to: "l0" }).then(() => db.maintain());
    return { kind: "delay", until: collected.then(() => undefined) };
  };
  await reader.refresh();
  const left: string[] = [];
  for await (const { key } of inner.list({ prefix: "db/wal/" })) left.push(key);
  expect(left).toEqual([]);
  expect(await reader.has("second")).toBe(true);
  await reader.close();
  await db.close();
});
