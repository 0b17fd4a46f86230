/** Destroy and restore of databases that share objects: a parent is kept for its clones, a clone lets go of its parent. */
import { expect, test } from "vitest";
import { Admin } from "../../../src/admin/index.js";
import { Db } from "../../../src/db/db.js";
import { DbReader } from "../../../src/db/db-reader.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { contentOf } from "./crash-world.js";

test("a parent is not destroyed while a clone needs it; a clone that is destroyed lets go of it", async () => {
  const store = new MemoryObjectStore();
  const parent = { store, path: "parent" };
  const db = await Db.open(parent, { background: false });
  await db.put("a", "1");
  await db.flush({ to: "l0" });
  await db.checkpoint({ name: "wanted" });
  const admin = await Admin.open(parent);
  for (const path of ["one", "two"]) await admin.clone({ store, path }, { checkpoint: "wanted" });
  const refused = admin.destroy({ confirm: "parent" });
  await expect(refused).rejects.toMatchObject({ kind: "invalid" });
  await expect(refused).rejects.toThrow(/"one", "two"/);
  // The writer is not fenced for it.
  await db.put("b", "1");
  const one = await Admin.open({ store, path: "one" });
  const { id } = (await one.createCheckpoint({ name: "before" })) as { id: string };
  const clone = await Db.open({ store, path: "one" }, { background: false });
  await clone.put("a", "2");
  await clone.close();
  // A restore in the clone names objects of the parent again.
  await one.restore(id);
  const reader = await DbReader.open({ store, path: "one" });
  expect(await contentOf(reader)).toEqual({ a: "1" });
  await reader.close();
  expect((await one.verify({ deep: true })).problems).toEqual([]);
  await one.destroy({ confirm: one.databaseId });
  await one.close();
  await expect(admin.destroy({ confirm: "parent" })).rejects.toThrow(/: "two"\./);
  const two = await Admin.open({ store, path: "two" });
  await two.detach();
  await admin.destroy({ confirm: "parent" });
  expect((await two.verify({ deep: true })).problems).toEqual([]);
  const last = await DbReader.open({ store, path: "two" });
  expect(await contentOf(last)).toEqual({ a: "1" });
  await last.close();
  // Copies of its parent's objects are its own, and go with it.
  await two.destroy({ confirm: "two" });
  const left: string[] = [];
  for await (const { key } of store.list({ prefix: "" })) left.push(key);
  expect(left.filter((key) => /\/(sst|runs)\//.test(key))).toEqual([]);
  await Promise.all([two.close(), admin.close()]);
});
