/** Where clones and unions may not be made: it is refused before anything is asked of the target, and leaves no pin. */
import { expect, test } from "vitest";
import { Admin } from "../../../src/admin/index.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { CountingObjectStore } from "../../../src/testing/index.js";
import { cloneOf, openDb, pinsAt, rowsAt } from "./clones.js";

const invalid = (message: RegExp) => ({ kind: "invalid", message: expect.stringMatching(message) });

async function newDatabase(store: MemoryObjectStore, path: string, key = path): Promise<void> {
  const db = await openDb(store, path);
  await db.put(key, "1");
  await db.flush({ to: "l0" });
  await db.close();
}

test('a target whose URL says where its log is to be is refused, as by an export: it is "wal" of nobody', async () => {
  // Of one namespace with the target, so that nothing else is wrong with that.
  const memory = new MemoryObjectStore({ id: "memory:process" });
  await newDatabase(memory, "p");
  const store = new CountingObjectStore(memory);
  const admin = await Admin.open({ store, path: "p" });
  store.reset();
  for (const wal of ["false", "true", "memory:///elsewhere"]) {
    const target = `memory:///clone-target?wal=${encodeURIComponent(wal)}`;
    const refused = invalid(/leave "wal" out/);
    await expect(admin.clone(target)).rejects.toMatchObject(refused);
    expect(store.requests).toEqual([]);
    const sources = [{ location: { store: memory, path: "p" } }];
    await expect(Admin.union(target, sources)).rejects.toMatchObject(refused);
  }
  expect(await pinsAt(memory, "p")).toEqual([]);
  await admin.close();
});

test("a clone of a clone lies neither inside nor around any database whose objects it shares", async () => {
  const store = new MemoryObjectStore();
  await newDatabase(store, "of/a", "a");
  await cloneOf(store, "of/a", "b");
  await cloneOf(store, "b", "c");
  for (const [from, to, other] of [
    ["of/a", "of/a/x", "of/a"],
    ["b", "of/a/x", "of/a"],
    ["c", "of/a/x", "of/a"],
    ["c", "of", "of/a"],
    ["c", "c/x", "c"],
  ] as const) {
    const refused = invalid(new RegExp(`"${to}" and "${other}".* lie one inside the other`));
    await expect(cloneOf(store, from, to)).rejects.toMatchObject(refused);
    const sources = [{ location: { store, path: from } }];
    await expect(Admin.union({ store, path: to }, sources)).rejects.toMatchObject(refused);
  }
  expect(await pinsAt(store, "of/a")).toEqual(["b", "c"]);
  expect(await pinsAt(store, "b")).toEqual([]);
  await cloneOf(store, "c", "of/ab");
  expect(await rowsAt(store, "of/ab")).toBe("a=1");
});

test("what is detached need not lie beside what it came from, also for a handle that was opened before", async () => {
  const store = new MemoryObjectStore();
  await newDatabase(store, "a");
  await cloneOf(store, "a", "b");
  const before = await Admin.open({ store, path: "b" });
  const admin = await Admin.open({ store, path: "b" });
  await expect(before.clone({ store, path: "a/x" })).rejects.toMatchObject({ kind: "invalid" });
  await admin.detach();
  await before.clone({ store, path: "a/x" });
  expect(await rowsAt(store, "a/x")).toBe("a=1");
  await admin.close();
  await before.close();
});
