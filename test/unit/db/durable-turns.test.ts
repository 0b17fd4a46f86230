/** Durable writes on a store that answers within the turn of the event loop. */
import { expect, test } from "vitest";
import { Db } from "../../../src/db/db.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import type { RequestOptions } from "../../../src/object-store/object-store.js";

const groupsMax = 5_000;

/** While a group is on its way the next write comes, so that each answer sends another group. */
class Endless extends MemoryObjectStore {
  groups = 0;
  write: () => void = () => undefined;

  override async create(
    key: string,
    bytes: Uint8Array,
    options?: RequestOptions,
  ): Promise<"created" | "exists"> {
    if (key.includes("/wal/") && this.groups++ < groupsMax) this.write();
    for (let i = 0; i < 20; i++) await Promise.resolve();
    return super.create(key, bytes, options);
  }
}

test("groups that follow each other on a store in memory leave timers their turn", async () => {
  const store = new Endless();
  const options = { walPutsPerSecond: Infinity, walPutsInFlight: 1, background: false };
  const db = await Db.open({ store, path: "db" }, options);
  const written: Promise<unknown>[] = [];
  store.write = () => void written.push(db.put("key", "value"));
  const done = db.put("key", "first");
  const groups = await new Promise<number>((resolve) => {
    setTimeout(() => resolve(store.groups), 1);
    void done;
  });
  expect(groups).toBeGreaterThan(0);
  expect(groups).toBeLessThan(groupsMax);
  store.write = () => undefined;
  await Promise.all([done, ...written]);
  await db.close();
});
