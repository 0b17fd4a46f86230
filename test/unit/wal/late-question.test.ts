import { expect, test } from "vitest";
import { Db } from "../../../src/index.js";
import { FaultyObjectStore, ManualClock, MemoryObjectStore } from "../../../src/testing/index.js";
import { HeldRequests } from "../../support/held-requests.js";

test("of a write that was sent and not acknowledged, durable() says unknown also after the handle has ended", async () => {
  const clock = new ManualClock();
  const store = new FaultyObjectStore(new MemoryObjectStore());
  const db = await clock.advanceUntil(Db.open({ store, path: "db" }, { clock }));
  const held = new HeldRequests(store, ({ key }) => key.includes("/wal/"));
  const sent = await db.put("sent", "1", { durable: false });
  await clock.advance(100);
  expect(held.count).toBe(1);
  const unsent = await db.put("unsent", "2", { durable: false });
  await db.close({ flush: false });
  await expect(sent.durable()).rejects.toMatchObject({ kind: "unknown" });
  await expect(unsent.durable()).rejects.toMatchObject({ kind: "closed" });
});
