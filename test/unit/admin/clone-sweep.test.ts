/**
 * Clones, unions and detaches that are cut at every request: the parents' writers, compactors and collectors go on, the next call completes, nothing
 * that is named is gone, and nothing is held for ever.
 */
import { expect, test } from "vitest";
import { Admin } from "../../../src/admin/index.js";
import { isMoraineError } from "../../../src/common/errors.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import type { ObjectStore } from "../../../src/object-store/object-store.js";
import { isLong } from "../../support/run-counts.js";
import { cloneOf, collectAt, manifestAt, openDb, pinsAt, rowsAt } from "./clones.js";
import { cutStore, cuts } from "./cut-store.js";

/** Runs, L0 and rows that only the log has, with a range delete among them. */
async function newParent(store: ObjectStore, path = "p"): Promise<void> {
  const db = await openDb(store, path);
  for (const key of ["a", "b", "m", "x"]) await db.put(key, "1");
  await db.compact();
  await db.put("n", "2");
  await db.put("b", "2");
  await db.flush({ to: "l0" });
  await db.put("c", "3");
  await db.deleteRange({ gte: "m", lt: "n" });
  await db.close({ flush: "wal" });
}
const rowsOfParent = "a=1 b=2 c=3 n=2 x=1";

/** A writer goes on, and a compactor and a collector without grace. */
async function goOn(store: ObjectStore, path: string, key: string): Promise<void> {
  const db = await openDb(store, path);
  await db.put(key, "later");
  await db.compact();
  await db.close();
  await collectAt(store, path);
}

/** Everything that a database holds of others is needed, and everything that is held is held by somebody. */
async function requireHeld(store: ObjectStore, parent: string, holder: string): Promise<void> {
  const { externals } = await manifestAt(store, holder);
  const { checkpoints } = await manifestAt(store, parent);
  const held = externals.filter((one) => one.path === parent).map((one) => one.checkpointId);
  const pins = checkpoints.filter((one) => one.purpose === 1 && one.holder === holder);
  expect(pins.map(({ id }) => id).sort()).toEqual([...held].sort());
}

/** Cuts `work` at each of its requests, in each way where there is time, else in turn; `then` sees what is left. */
async function sweep(
  make: (store: ObjectStore) => Promise<void>,
  work: (store: ObjectStore) => Promise<unknown>,
  then: (store: MemoryObjectStore) => Promise<void>,
): Promise<number> {
  let at = 1;
  for (; ; at++) {
    let isOver = false;
    for (const cut of isLong ? cuts : [cuts[at % cuts.length]!]) {
      const store = new MemoryObjectStore();
      await make(store);
      const dying = cutStore(store, at, cut);
      const failure = await work(dying.store).then(
        () => undefined,
        (error: unknown) => error,
      );
      // One reply that is lost is no failure.
      if (cut === "lost") expect(failure).toBeUndefined();
      if (dying.count() < at) {
        isOver = true;
        break;
      }
      await then(store);
    }
    if (isOver) return at - 1;
  }
}

/** The next call; that the one that was cut is complete is as good. */
async function again(work: () => Promise<unknown>): Promise<void> {
  await work().catch((error: unknown) => {
    if (!isMoraineError(error, "exists") || !error.message.includes("complete")) throw error;
  });
}

test("a clone that is cut at any request is complete, or the next call completes it and leaves no second pin", {
  timeout: 600_000,
}, async () => {
  const count = await sweep(
    newParent,
    (store) => cloneOf(store, "p", "c"),
    async (store) => {
      await goOn(store, "p", "a");
      await again(() => cloneOf(store, "p", "c"));
      await goOn(store, "p", "b");
      await collectAt(store, "c");
      await requireHeld(store, "p", "c");
      expect([rowsOfParent, rowsOfParent.replace("a=1", "a=later")]).toContain(
        await rowsAt(store, "c"),
      );
      expect(await rowsAt(store, "p")).toBe("a=later b=later c=3 n=2 x=1");
      await goOn(store, "c", "z");
      await collectAt(store, "c");
      expect(await pinsAt(store, "p")).toEqual([]);
      expect(await rowsAt(store, "c")).toMatch(/^a=(1|later) b=2 c=3 n=2 x=1 z=later$/);
    },
  );
  expect(count).toBeGreaterThan(15);
});

const unionOf = (store: ObjectStore): Promise<unknown> =>
  Admin.union({ store, path: "u" }, [
    { location: { store, path: "s" } },
    { location: { store, path: "p" }, range: { gte: "c" } },
  ]);

test("so is a union of a clone and its parent", { timeout: 600_000 }, async () => {
  const make = async (store: ObjectStore): Promise<void> => {
    await newParent(store);
    await cloneOf(store, "p", "s", { range: { lt: "c" } });
  };
  await sweep(make, unionOf, async (store) => {
    await goOn(store, "p", "x");
    await again(() => unionOf(store));
    await goOn(store, "s", "a");
    await goOn(store, "p", "c");
    await collectAt(store, "u");
    await requireHeld(store, "p", "u");
    await requireHeld(store, "s", "u");
    expect([rowsOfParent, rowsOfParent.replace("x=1", "x=later")]).toContain(
      await rowsAt(store, "u"),
    );
    await goOn(store, "u", "z");
    await collectAt(store, "u");
    expect([...(await pinsAt(store, "p")), ...(await pinsAt(store, "s"))]).not.toContain("u");
    expect(await rowsAt(store, "u")).toMatch(/^a=1 b=2 c=3 n=2 x=(1|later) z=later$/);
  });
});

async function detach(store: ObjectStore): Promise<void> {
  await using admin = await Admin.open({ store, path: "c" });
  await admin.detach();
}

test("a detach that is cut at any request goes on, and then the parent may be deleted whole", {
  timeout: 600_000,
}, async () => {
  const make = async (store: ObjectStore): Promise<void> => {
    await newParent(store);
    await cloneOf(store, "p", "c");
    const clone = await openDb(store, "c");
    await clone.checkpoint({ name: "first" });
    await clone.put("d", "4");
    await clone.close();
  };
  await sweep(make, detach, async (store) => {
    await goOn(store, "p", "a");
    await goOn(store, "c", "z");
    await detach(store);
    expect(await pinsAt(store, "p")).toEqual([]);
    const keys: string[] = [];
    for await (const { key } of store.list({ prefix: "p/" })) keys.push(key);
    await store.delete(keys);
    expect(await rowsAt(store, "c")).toBe("a=1 b=2 c=3 d=4 n=2 x=1 z=later");
    expect(await rowsAt(store, "c", "first")).toBe(rowsOfParent);
    await goOn(store, "c", "y");
    expect(await rowsAt(store, "c", "first")).toBe(rowsOfParent);
    expect(await rowsAt(store, "c")).toBe("a=1 b=2 c=3 d=4 n=2 x=1 y=later z=later");
  });
});
