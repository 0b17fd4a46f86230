import { expect, test } from "vitest";
import { Db } from "../../../src/index.js";
import { FaultyObjectStore, ManualClock, MemoryObjectStore } from "../../../src/testing/index.js";

test("a writer whose log has been ended is fenced, also when it cannot read the manifest", async () => {
  const inner = new MemoryObjectStore();
  const clock = new ManualClock();
  const store = new FaultyObjectStore(inner);
  const opened = Db.open({ store, path: "db" }, { clock, storeDeadlineMs: 100 });
  const db = await clock.advanceUntil(opened);
  const successor = await Db.open({ store: inner, path: "db" });
  store.intercept = ({ key }) => (key.includes("/manifest/") ? { kind: "before" } : undefined);
  await expect(clock.advanceUntil(db.put("key", "value"))).rejects.toMatchObject({
    kind: "fenced",
    seenEpoch: 2,
  });
  expect(await db.closed).toMatchObject({ kind: "fenced" });
  await successor.close();
});
