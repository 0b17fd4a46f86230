/** A clone that is used and let go of by its own collector before the call that made it has looked at its pins. */
import { expect, test } from "vitest";
import { MemoryObjectStore } from "../../../src/testing/index.js";
import { cloneOf, collectAt, manifestAt, openDb, pinsAt, rowsAt } from "./clones.js";

test("a clone that has let go of its parent meanwhile is not taken for one whose parent has", async () => {
  const store = new MemoryObjectStore();
  const db = await openDb(store, "db");
  await db.put("a", "1");
  await db.flush({ to: "l0" });
  await db.close();

  let isUsed = false;
  const create = store.create.bind(store);
  store.create = async (key, bytes, options) => {
    const created = await create(key, bytes, options);
    if (/^clone\/manifest\/.*1\.manifest$/.test(key) && !isUsed) {
      isUsed = true;
      const clone = await openDb(store, "clone", { create: "never" });
      await clone.put("b", "2");
      await clone.flush({ to: "l0" });
      await clone.compact();
      await clone.close();
      for (let i = 0; i < 2; i++) await collectAt(store, "clone");
      expect(await pinsAt(store, "db")).toEqual([]);
    }
    return created;
  };
  await cloneOf(store, "db", "clone");
  expect(isUsed).toBe(true);
  expect((await manifestAt(store, "clone")).destroyed).toBe(false);
  expect(await rowsAt(store, "clone")).toBe("a=1 b=2");
});
