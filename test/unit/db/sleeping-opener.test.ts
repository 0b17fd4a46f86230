import { expect, test } from "vitest";
import { Db, type ObjectStore } from "../../../src/index.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import { ManualClock, MemoryObjectStore } from "../../../src/testing/index.js";

const day = 24 * 3_600_000;

test("an opener that sleeps right after its search does not build on a number that was deleted meanwhile", async () => {
  const clock = new ManualClock();
  const inner = new MemoryObjectStore({ clock });
  const at = { store: inner, path: "db" };
  const run = async (key: string): Promise<void> => {
    const db = await clock.advanceUntil(Db.open(at, { clock }));
    await clock.advanceUntil(db.put(key, "value"));
    await clock.advanceUntil(db.close());
  };
  await run("before");
  let slept = false;
  const sleeper: ObjectStore = {
    id: inner.id,
    head: (...args) => inner.head(...args),
    create: (...args) => inner.create(...args),
    put: (...args) => inner.put(...args),
    list: (...args) => inner.list(...args),
    delete: (...args) => inner.delete(...args),
    get: async (key, options) => {
      const object = await inner.get(key, options);
      if (object === undefined && key.endsWith(".manifest") && !slept) {
        slept = true;
        await run("meanwhile");
        clock.freeze(31 * day);
        const old = [1, 2, 3, 4, 5, 6].map((number) => `db/${ObjectPaths.manifest(number)}`);
        const found = await Promise.all(old.map((name) => inner.head(name)));
        const stored = old.filter((_, i) => found[i] !== undefined);
        await inner.delete(stored.slice(0, -1));
      }
      return object;
    },
  };
  const opened = Db.open({ store: sleeper, path: "db" }, { clock });
  const db = await clock.advanceUntil(opened, 40 * day);
  expect(slept).toBe(true);
  expect(await clock.advanceUntil(db.has("before"))).toBe(true);
  expect(await clock.advanceUntil(db.has("meanwhile"))).toBe(true);
  await clock.advanceUntil(db.close());
});
