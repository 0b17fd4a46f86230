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
