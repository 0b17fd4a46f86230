/**
 * What points in time must do on any store: run on memory and on a folder by the normal tests, and on every real S3 server, exports between two of
 * them.
 */
import { expect, test } from "vitest";
import { Admin } from "../../src/admin/admin.js";
import { collect } from "../../src/db/collect.js";
import { Db } from "../../src/db/db.js";
import { DbReader } from "../../src/db/db-reader.js";
import type { Location } from "../../src/db/location.js";
import type { Reads } from "../../src/db/reads.js";
import type { ObjectStore } from "../../src/object-store/object-store.js";

const path = "databases/past";
const key = (index: number): string => `key-${String(index).padStart(4, "0")}`;
const decoder = new TextDecoder();
type Content = Map<string, string>;

async function contentOf(reads: Reads): Promise<Content> {
  const content: Content = new Map();
  for await (const row of reads.scan()) {
    content.set(decoder.decode(row.key), decoder.decode(row.value));
  }
  return content;
}

/** Opened for writing, read, and closed. */
async function contentAt(location: Location): Promise<Content> {
  const db = await Db.open(location, { create: "never", background: false });
  const content = await contentOf(db);
  await db.close();
  return content;
}

async function contentRead(location: Location, checkpoint: string): Promise<Content> {
  const reader = await DbReader.open(location, { checkpoint });
  const content = await contentOf(reader);
  await reader.close();
  return content;
}

/** Overwritten and deleted keys in L0, a load, and rows that only the log has. */
async function fill(db: Db, expected: Content): Promise<void> {
  for (let round = 0; round < 2; round++) {
    const batch = db.batch();
    for (let i = round; i < 200; i += round + 1) {
      const value = `${round}/${i}`.padEnd(200, ".");
      batch.put(key(i), value);
      expected.set(key(i), value);
    }
    batch.deleteRange({ gte: key(50 + round * 10), lt: key(55 + round * 10) });
    for (let i = 0; i < 5; i++) expected.delete(key(50 + round * 10 + i));
    await db.write(batch);
    await db.flush({ to: "l0" });
  }
  await db.load(Array.from({ length: 20 }, (_, i) => ({ key: key(300 + i), value: "loaded" })));
  for (let i = 0; i < 20; i++) expected.set(key(300 + i), "loaded");
  await db.flush({ to: "l0" });
  await writeInLog(db, expected, "in the log");
}

async function writeInLog(db: Db, expected: Content, value: string): Promise<void> {
  await db.put(key(7), value);
  await db.delete(key(8));
  expected.set(key(7), value);
  expected.delete(key(8));
}

/** What lies at the database's path goes, as if somebody had deleted the folder. */
async function deleteAll(store: ObjectStore, prefix: string): Promise<void> {
  const keys: string[] = [];
  for await (const object of store.list({ prefix: `${prefix}/` })) keys.push(object.key);
  await store.delete(keys);
}

async function verified(location: Location): Promise<readonly unknown[]> {
  const admin = await Admin.open(location);
  const report = await admin.verify({ deep: true });
  await admin.close();
  expect(report.objects).toBeGreaterThan(1);
  return report.problems;
}

/** `makeStore` gives a store below a prefix of its own each time, `otherStore` one elsewhere: of another service where there is one. */
export function pointsSuite(options: {
  makeStore: () => ObjectStore;
  otherStore: () => ObjectStore;
}): void {
  test("checkpoints keep what was there, a restore brings it back, and can be undone", async () => {
    const at = { store: options.makeStore(), path };
    const expected: Content = new Map();
    const db = await Db.open(at, { background: false, gcGraceMs: 0 });
    await fill(db, expected);
    const before = new Map(expected);
    const durable = await db.checkpoint({ name: "durable", scope: "durable" });
    await db.checkpoint({ name: "all", base: durable.id });
    await db.deleteRange({ all: true });
    await db.put("after", "wards");
    await db.compact();
    await db.maintain({ sweep: true });
    for (const name of ["durable", "all"]) expect(await contentRead(at, name)).toEqual(before);

    const admin = await Admin.open(at);
    const { checkpoint, seq } = await admin.restore("durable", { name: "undo" });
    await expect(db.put("late", "never")).rejects.toMatchObject({ kind: "fenced" });
    await db.close({ flush: false }).catch(() => undefined);
    expect(await contentAt(at)).toEqual(before);
    expect(await contentRead(at, "undo")).toEqual(new Map([["after", "wards"]]));
    expect(checkpoint.seq).toBeLessThan(seq);
    await admin.restore("undo");
    expect(await contentAt(at)).toEqual(new Map([["after", "wards"]]));
    expect((await admin.checkpointSizes()).length).toBeGreaterThanOrEqual(3);
    await admin.close();
    await collect(at, { graceMs: 0, sweep: true });
    expect(await contentRead(at, "all")).toEqual(before);
    expect(await verified(at)).toEqual([]);
  });

  test("a clone shares, diverges, is detached and outlives its parent; so do parts and their union", async () => {
    const store = options.makeStore();
    const at = { store, path };
    const place = (name: string): Location & object => ({ store, path: `databases/${name}` });
    const expected: Content = new Map();
    const db = await Db.open(at, { background: false, gcGraceMs: 0 });
    await fill(db, expected);
    const admin = await Admin.open(at);
    await admin.clone(place("clone"));
    await admin.clone(place("low"), { range: { lt: key(100) } });
    await admin.clone(place("high"), { range: { gte: key(100) } });
    await Admin.union(place("union"), [{ location: place("low") }, { location: place("high") }]);
    expect(await contentAt(place("union"))).toEqual(expected);

    const before = new Map(expected);
    const clone = await Db.open(place("clone"), { background: false, gcGraceMs: 0 });
    await clone.put("only in the clone", "yes");
    await db.deleteRange({ all: true });
    await db.compact();
    await db.maintain({ sweep: true });
    expect(await contentOf(clone)).toEqual(new Map([...before, ["only in the clone", "yes"]]));
    await expect(admin.destroy({ confirm: admin.databaseId })).rejects.toMatchObject({
      kind: "invalid",
    });
    for (const name of ["clone", "low", "high", "union"]) {
      const child = await Admin.open(place(name));
      await child.detach();
      await child.close();
    }
    await db.close();
    await admin.destroy({ confirm: admin.databaseId });
    await admin.close();
    await deleteAll(store, path);
    await clone.compact();
    expect(await contentOf(clone)).toEqual(new Map([...before, ["only in the clone", "yes"]]));
    await clone.close();
    expect(await contentAt(place("union"))).toEqual(before);
    for (const name of ["clone", "low", "high", "union"]) {
      expect(await verified(place(name))).toEqual([]);
    }
  });

  test("an export elsewhere opens with its source gone, and a second one copies what is new", async () => {
    const [store, other] = [options.makeStore(), options.otherStore()];
    const at = { store, path };
    const target = { store: other, path: "backups/past" };
    const expected: Content = new Map();
    const db = await Db.open(at, { background: false, gcGraceMs: 0 });
    await fill(db, expected);
    await db.checkpoint({ name: "first", scope: "durable" });
    const admin = await Admin.open(at);
    const first = await admin.export("first", target);
    const before = new Map(expected);
    await writeInLog(db, expected, "later");
    await db.flush({ to: "l0" });
    await expect(admin.export(undefined, target)).rejects.toMatchObject({ kind: "exists" });
    const second = await admin.export(undefined, target, { incremental: true });
    expect(first.copiedBytes).toBeGreaterThan(second.copiedBytes);
    await db.close();
    await admin.close();
    await deleteAll(store, path);

    let bytes = 0;
    let files = 0;
    for await (const { size, key: name } of other.list({ prefix: `${target.path}/sst/` })) {
      if (name.endsWith(".sst")) files++;
      bytes += size;
    }
    expect({ files, bytes }).toEqual({ files: second.sstFiles, bytes: second.totalBytes });
    expect(await verified(target)).toEqual([]);
    const reader = await DbReader.open(target);
    expect(await contentOf(reader)).toEqual(expected);
    await reader.close();
    const { checkpoints } = await listed(target);
    const earlier = await Promise.all(checkpoints.map(({ id }) => contentRead(target, id)));
    expect(earlier).toContainEqual(before);
    expect(await contentAt(target)).toEqual(expected);
  });
}

async function listed(location: Location): Promise<{ checkpoints: { id: string }[] }> {
  const admin = await Admin.open(location);
  const checkpoints = await admin.checkpoints();
  await admin.close();
  return { checkpoints };
}
