import { expect, test } from "vitest";
import { Db, DbReader } from "../../../src/index.js";
import {
  CountingObjectStore,
  FaultyObjectStore,
  MemoryObjectStore,
} from "../../../src/testing/index.js";

test("an aborted open of a reader makes no more requests", async () => {
  const inner = new MemoryObjectStore();
  const db = await Db.open({ store: inner, path: "db" });
  for (let i = 0; i < 50; i++) await db.put(`k${i}`, "v");
  const abort = new AbortController();
  const slow = new FaultyObjectStore(inner, {
    intercept: ({ key }) => {
      if (!key.includes("/wal/")) return undefined;
      return { kind: "delay", until: new Promise((resolve) => setTimeout(resolve, 2)) };
    },
  });
  const counting = new CountingObjectStore(slow);
  setTimeout(() => abort.abort(new Error("enough")), 30);
  await expect(
    DbReader.open({ store: counting, path: "db" }, { signal: abort.signal }),
  ).rejects.toThrow("enough");
  const then = counting.total;
  await new Promise((r) => setTimeout(r, 60));
  expect(counting.total).toBe(then);
  await db.close();
});
