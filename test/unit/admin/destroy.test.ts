/** The end of a database: what goes, what stays, who is told, and what may be made in its place. */
import { expect, test } from "vitest";
import { Admin } from "../../../src/admin/index.js";
import { decodeUtf8 } from "../../../src/common/bytes.js";
import { type Clock, systemClock } from "../../../src/common/clock.js";
import { Compactor } from "../../../src/db/compactor.js";
import { Db } from "../../../src/db/db.js";
import { DbReader } from "../../../src/db/db-reader.js";
import { bytesAppend } from "../../../src/merge/byte-strings.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";

const text = (value: Uint8Array | undefined): string | undefined => value && decodeUtf8(value);

async function keysOf(store: MemoryObjectStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list({ prefix: "" })) keys.push(key);
  return keys.sort();
}

async function filled(location: { store: MemoryObjectStore; path: string }): Promise<Db> {
  const db = await Db.open(location, {
    background: false,
    mergeOperators: { log: bytesAppend },
  });
  for (let i = 0; i < 3; i++) {
    await db.put(`key${i}`, `${i}`);
    await db.flush({ to: "l0" });
  }
  await db.load([{ key: "loaded", value: "1" }]);
  const mergeOperators = { log: bytesAppend };
  const compactor = await Compactor.open(location, { compactionL0Trigger: 1, mergeOperators });
  await compactor.compact();
  await compactor.close();
  await db.checkpoint();
  await db.put("last", "in the log");
  return db;
}

test("what is destroyed is gone, but for its end; what others put there stays", async () => {
  const store = new MemoryObjectStore();
  const location = { store, path: "db" };
  const db = await filled(location);
  const other = { store, path: "db/inside" };
  const inside = await Db.open(other);
  await inside.put("a", "1");
  await inside.close();
  await store.put("db/notes.txt", new Uint8Array([1]));
  const admin = await Admin.open(location);
  const { databaseId } = admin;
  for (const confirm of ["", "other", undefined as unknown as string]) {
    await expect(admin.destroy({ confirm })).rejects.toMatchObject({ kind: "invalid" });
  }
  expect(text(await db.get("last"))).toBe("in the log");
  const follower = await DbReader.open(location, { pollIntervalMs: 20 });
  let deleted = 0;
  const result = await admin.destroy({
    confirm: databaseId,
    onProgress: (progress) => {
      deleted = progress.deleted;
    },
  });
  expect(result).toMatchObject({ databaseId, kept: { fences: 5, others: 0 } });
  expect(result.deleted.ssts).toBeGreaterThan(1);
  expect(result.deleted.wal).toBeGreaterThan(1);
  expect(deleted).toBeGreaterThan(4);
  expect(result.foreign).toContain("notes.txt");
  await expect(db.put("late", "1")).rejects.toMatchObject({ kind: "fenced" });
  expect(await follower.closed).toMatchObject({ kind: "not-found" });
  const left = (await keysOf(store)).filter((key) => !key.startsWith("db/inside/"));
  const kinds = new Set(left.map((key) => key.split("/")[1]));
  expect([...kinds].sort()).toEqual(["compactions", "manifest", "notes.txt", "wal"]);
  expect(left.filter((key) => key.includes("/wal/"))).toHaveLength(5);
  // The truth, not only its hint; and numbers that somebody may still remember.
  const manifests = left.filter((key) => key.endsWith(".manifest"));
  expect(manifests.at(-1)).toBe(`db/${ObjectPaths.manifest(result.manifestNumber)}`);
  expect(manifests).toHaveLength(result.manifestNumber);
  for (const open of [
    () => Db.open(location, { create: "never" }),
    () => DbReader.open(location),
    () => Compactor.open(location),
  ]) {
    await expect(open()).rejects.toMatchObject({ kind: "not-found" });
  }
  // Again: nothing is left to do.
  expect((await admin.destroy({ confirm: "db" })).deleted).toMatchObject({ ssts: 0, wal: 0 });
  await admin.close();
  const stays = await Db.open(other, { create: "never" });
  expect(text(await stays.get("a"))).toBe("1");
  await stays.close();
});

test("a database that is made again goes on from the number, the epoch and the seq of the old one, and is empty", async () => {
  const store = new MemoryObjectStore();
  const location = { store, path: "db" };
  const db = await filled(location);
  const { seq } = await db.put("last", "again");
  const admin = await Admin.open(location);
  const { databaseId } = admin;
  const { manifestNumber } = await admin.destroy({ confirm: databaseId });
  await admin.close();
  const mergeOperators = { later: bytesAppend };
  const next = await Db.open(location, { create: "must", mergeOperators });
  expect(next.stats().manifestNumber).toBe(manifestNumber + 1);
  expect(await next.keys().nextMany(9)).toEqual([]);
  const written = await next.put("new", "1");
  expect(written.seq).toBeGreaterThan(seq + 1);
  await next.flush({ to: "l0" });
  await expect(db.put("late", "1")).rejects.toMatchObject({ kind: "fenced" });
  const compactor = await Compactor.open(location, { compactionL0Trigger: 1, mergeOperators });
  await compactor.compact();
  await compactor.close();
  const reader = await DbReader.open(location);
  expect(text(await reader.get("new"))).toBe("1");
  await reader.close();
  await next.close();
  await expect(Db.open(location, { create: "must" })).rejects.toMatchObject({ kind: "exists" });
});

test("what is kept for a day goes with a call after that; the last manifest and the newest state stay", async () => {
  // The store's time alone: ages are judged by that.
  let aheadMs = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + aheadMs } as Clock;
  const store = new MemoryObjectStore({ clock });
  const location = { store, path: "db" };
  const db = await filled(location);
  await db.close();
  const admin = await Admin.open(location);
  const first = await admin.destroy({ confirm: "db" });
  expect(first.deleted).toMatchObject({ manifests: 0, compactions: 0 });
  aheadMs = 25 * 3_600_000;
  const second = await admin.destroy({ confirm: "db" });
  expect(second.deleted.manifests).toBe(first.manifestNumber - 1);
  expect(second.kept).toMatchObject({ manifests: 2, compactions: 1 });
  const left = await keysOf(store);
  expect(left).toContain(`db/${ObjectPaths.manifest(first.manifestNumber)}`);
  await store.delete(["db/manifest/latest"]);
  const next = await Db.open(location);
  expect(next.stats().manifestNumber).toBe(first.manifestNumber + 1);
  await next.close();
  await admin.close();
});
