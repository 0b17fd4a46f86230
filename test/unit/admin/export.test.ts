/** Exports: a copy that opens with its source gone, holds all of a checkpoint and nothing else, and shares nothing with it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { Admin, type CopyProgress } from "../../../src/admin/index.js";
import { collect } from "../../../src/db/collect.js";
import { Compactor } from "../../../src/db/compactor.js";
import { FileObjectStore } from "../../../src/object-store/file.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { CountingObjectStore } from "../../../src/testing/index.js";
import {
  contentOf,
  deleteAll,
  exportOf,
  keysAt,
  newestAt,
  objectsAt,
  openDb,
  readAt,
  sstsAt,
  writeAll,
  writeAt,
} from "./exports.js";

const folder = mkdtempSync(join(tmpdir(), "moraine-export-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A database of two rounds in L0 and runs, and one that is only in the log. */
async function newSource(store: MemoryObjectStore) {
  const from = { store, path: "db" };
  const db = await openDb(from);
  await writeAll(db, "a");
  await db.flush({ to: "l0" });
  await writeAll(db, "b");
  await db.flush({ to: "l0" });
  await db.compact();
  await writeAll(db, "c");
  await db.flush({ to: "l0" });
  await writeAll(db, "d");
  return { from, db };
}

describe.each(["server", "stream"] as const)("copied in mode %s", (copyMode) => {
  test("what is durable now: all of it is there with the source gone, and it is written on", async () => {
    const store = new MemoryObjectStore();
    const { from, db } = await newSource(store);
    const expected = await contentOf(db);
    const target = { store, path: "copy" };
    const info = await exportOf(from, target, undefined, { copyMode });
    const { seq } = await db.put("later", "1");
    await db.close();
    expect(info).toMatchObject({ blobFiles: 0, version: 1, ...(await sstsAt(store, "copy")) });
    expect(info.seq).toBeLessThan(seq);
    expect(info.copiedBytes).toBeGreaterThan(info.totalBytes);
    const keys = await keysAt(store, "copy");
    expect(keys.some((key) => key.startsWith("wal/"))).toBe(true);
    expect(keys.filter((key) => key.startsWith("claims/"))).toEqual([]);
    // Nothing of the source is left.
    await deleteAll(store, "db");
    expect(await readAt(target)).toEqual(expected);
    expect(await writeAt(target, "own")).toEqual(expected);
    const again = await openDb(target);
    expect(await contentOf(again)).toEqual({ ...expected, own: "1" });
    expect((await again.put("next", "1")).seq).toBeGreaterThan(info.seq);
    await again.compact();
    expect(await contentOf(again)).toEqual({ ...expected, own: "1", next: "1" });
    await again.close();
    expect((await newestAt(store, "copy")).exports).toEqual([]);
  });
});

test("a named checkpoint of each scope, while the source goes on, compacts and collects", async () => {
  const store = new MemoryObjectStore();
  const { from, db } = await newSource(store);
  const first = await contentOf(db);
  await db.checkpoint({ name: "durable", scope: "durable" });
  await db.checkpoint({ name: "all" });
  await writeAll(db, "e");
  await db.flush({ to: "l0" });
  await db.compact();
  await collect(from, { graceMs: 0 });
  const second = await contentOf(db);
  for (const name of ["durable", "all"]) {
    const info = await exportOf(from, { store, path: `copy/${name}` }, name);
    expect(await readAt({ store, path: `copy/${name}` })).toEqual(first);
    expect(info).toMatchObject(await sstsAt(store, `copy/${name}`));
  }
  await exportOf(from, { store, path: "copy/now" });
  // Divergence both ways.
  expect(await writeAt({ store, path: "copy/durable" }, "own")).toEqual(first);
  expect(await contentOf(db)).toEqual(second);
  await db.put("late", "1");
  await db.close();
  await deleteAll(store, "db");
  expect(await readAt({ store, path: "copy/durable" })).toEqual({ ...first, own: "1" });
  expect(await readAt({ store, path: "copy/all" })).toEqual(first);
  expect(await readAt({ store, path: "copy/now" })).toEqual(second);
});

test("logs of writers that died, fences and all: what was acknowledged is in the copy", async () => {
  const store = new MemoryObjectStore();
  const from = { store, path: "db" };
  const expected: Record<string, string> = {};
  // Each opens without closing the one before, which can do nothing more.
  for (const round of ["1", "2", "3"]) {
    const db = await openDb(from);
    await db.put(`row ${round}`, round);
    expected[`row ${round}`] = round;
  }
  const info = await exportOf(from, { store, path: "copy" });
  expect(info.sstFiles).toBe(0);
  const logs = new Set(
    (await keysAt(store, "copy")).flatMap((key) => /^wal\/(\d+)\//.exec(key)?.[1] ?? []),
  );
  expect(logs.size).toBe(3);
  await deleteAll(store, "db");
  expect(await writeAt({ store, path: "copy" }, "own")).toEqual(expected);
  expect(await readAt({ store, path: "copy" })).toEqual({ ...expected, own: "1" });
});

test("long runs, whose lists are objects of their own", async () => {
  const store = new MemoryObjectStore();
  const from = { store, path: "db" };
  const db = await openDb(from, { sstBytesMax: 64 * 1024 });
  for (const round of [1, 2]) {
    for (let i = 0; i < 1200; i++) {
      const value = `${round} ${i} `.padEnd(1000, String(i));
      void db.put(`key ${String(i).padStart(5, "0")}`, value, { durable: false });
    }
    await db.flush({ to: "l0" });
  }
  await db.compact();
  const expected = await contentOf(db);
  await db.close();
  expect((await newestAt(store, "db")).runs[0]!.listBytes).toBeGreaterThan(0);
  const info = await exportOf(from, { store, path: "copy" }, undefined, { copyMode: "stream" });
  expect(info).toMatchObject(await sstsAt(store, "copy"));
  expect(info.copiedFiles).toBe(info.sstFiles + 1);
  await deleteAll(store, "db");
  expect(await readAt({ store, path: "copy" })).toEqual(expected);
});

test("an export of a clone of a clone is whole: every owner's objects lie at its own path", async () => {
  const store = new MemoryObjectStore();
  const { from, db } = await newSource(store);
  await db.close();
  for (const [path, next] of [
    ["db", "clone"],
    ["clone", "clone2"],
  ] as const) {
    const admin = await Admin.open({ store, path });
    await admin.clone({ store, path: next });
    await admin.close();
    const clone = await openDb({ store, path: next });
    await writeAll(clone, next);
    await clone.flush({ to: "l0" });
    await clone.put(`log of ${next}`, "1");
    await clone.close();
  }
  const expected = await readAt({ store, path: "clone2" });
  const info = await exportOf({ store, path: "clone2" }, { store, path: "copy" });
  expect(info).toMatchObject(await sstsAt(store, "copy"));
  const { externals } = await newestAt(store, "copy");
  expect(externals.length).toBe(2);
  expect(externals.every(({ path, checkpointId }) => path === "" && checkpointId === "")).toBe(
    true,
  );
  for (const path of [from.path, "clone", "clone2"]) await deleteAll(store, path);
  expect(await writeAt({ store, path: "copy" }, "own")).toEqual(expected);
  const copy = await openDb({ store, path: "copy" });
  await copy.compact();
  expect(await contentOf(copy)).toEqual({ ...expected, own: "1" });
  await copy.close();
  // An export of an export.
  await exportOf({ store, path: "copy" }, { store, path: "second" });
  await deleteAll(store, "copy");
  expect(await readAt({ store, path: "second" })).toEqual({ ...expected, own: "1" });
});

test("from memory to files, through this process, and back", async () => {
  const memory = new MemoryObjectStore();
  const { from, db } = await newSource(memory);
  const expected = await contentOf(db);
  await db.close();
  const url = `file://${folder}/copy`;
  const seen: CopyProgress[] = [];
  const info = await exportOf(from, url, undefined, {
    onProgress: (progress) => seen.push(progress),
  });
  await expect(
    exportOf(from, `file://${folder}/other`, undefined, { copyMode: "server" }),
  ).rejects.toMatchObject({
    kind: "unsupported",
  });
  expect(await keysAt(new FileObjectStore({ directory: folder }), "other")).toEqual([]);
  expect(await sstsAt(new FileObjectStore({ directory: folder }), "copy")).toMatchObject({
    ...{ sstFiles: info.sstFiles, totalBytes: info.totalBytes },
  });
  expect(await readAt(url)).toEqual(expected);
  const last = seen.at(-1)!;
  expect(last).toMatchObject({ copiedFiles: last.files, copiedBytes: last.bytes });
  expect(last).toMatchObject({ copiedFiles: info.copiedFiles, copiedBytes: info.copiedBytes });
  for (let i = 1; i < seen.length; i++) {
    expect(seen[i]!.copiedBytes).toBeGreaterThanOrEqual(seen[i - 1]!.copiedBytes);
  }
  const back = new MemoryObjectStore();
  await exportOf(url, { store: back, path: "db" });
  expect(await readAt({ store: back, path: "db" })).toEqual(expected);
});

test("where both are one store, no SST comes through this process", async () => {
  const counting = new CountingObjectStore(new MemoryObjectStore());
  const store = counting as unknown as MemoryObjectStore;
  const { from, db } = await newSource(store);
  await db.close();
  counting.reset();
  const info = await exportOf(from, { store, path: "copy" });
  expect(counting.counts.copy).toBe(info.sstFiles);
  const sstBytes = counting.requests
    .filter(({ operation, key }) => operation !== "copy" && key.endsWith(".sst"))
    .map(({ bytes }) => bytes);
  expect(Math.max(...sstBytes)).toBeLessThanOrEqual(512);
});

test("the log on a store of its own comes into the target's", async () => {
  const [store, logs] = [new MemoryObjectStore(), new MemoryObjectStore()];
  const wal = { store: logs, path: "log" };
  const db = await openDb({ store, path: "db" }, { wal });
  await writeAll(db, "a");
  await db.flush({ to: "l0" });
  await writeAll(db, "b");
  const expected = await contentOf(db);
  const admin = await Admin.open({ store, path: "db" }, { wal });
  await admin.export(undefined, { store, path: "copy" });
  await admin.close();
  await db.close();
  await deleteAll(store, "db");
  await deleteAll(logs, "log");
  expect(await writeAt({ store, path: "copy" }, "own")).toEqual(expected);
});

test("a log that has moved to another store since: what the checkpoint names of it is where it was", async () => {
  const store = new MemoryObjectStore();
  const other = { store: new MemoryObjectStore(), path: "logs/db" };
  const from = { store, path: "db" };
  const db = await openDb(from);
  await writeAll(db, "a");
  const expected = await contentOf(db);
  await db.checkpoint({ scope: "durable", name: "before" });
  await db.close();
  await (await openDb(from, { wal: false })).close();
  const moved = await openDb(from, { wal: other });
  await moved.put("later", "1");
  const later = await contentOf(moved);
  await moved.close({ flush: false });
  const admin = await Admin.open(from, { wal: other });
  await admin.export("before", { store, path: "before" });
  expect(await readAt({ store, path: "before" })).toEqual(expected);
  await admin.export(undefined, { store, path: "now" });
  expect(await readAt({ store, path: "now" })).toEqual(later);
  await admin.close();
  expect(await keysAt(other.store, other.path)).not.toEqual([]);
});

test("an empty database: nothing is copied, and it opens empty", async () => {
  const store = new MemoryObjectStore();
  await (await openDb({ store, path: "db" })).close();
  expect(await exportOf({ store, path: "db" }, { store, path: "copy" })).toMatchObject({
    ...{ sstFiles: 0, blobFiles: 0, totalBytes: 0, copiedFiles: 0, copiedBytes: 0 },
  });
  expect(await writeAt({ store, path: "copy" }, "own")).toEqual({});
});

test("nothing is left in the source, and others than the writer may work beside", async () => {
  const store = new MemoryObjectStore();
  const { from, db } = await newSource(store);
  const compactor = await Compactor.open(from, operatorsOnly);
  await exportOf(from, { store, path: "copy" });
  await compactor.compact();
  await compactor.close();
  expect((await newestAt(store, "db")).checkpoints).toEqual([]);
  await db.close();
  const before = await objectsAt(store, "copy");
  await expect(exportOf(from, { store, path: "copy" })).rejects.toMatchObject({
    kind: "exists",
    message: expect.stringContaining("refusing to overwrite"),
  });
  expect(await objectsAt(store, "copy")).toEqual(before);
});

const operatorsOnly = {};

test("options and checkpoints that are wrong are refused before anything is asked", async () => {
  const counting = new CountingObjectStore(new MemoryObjectStore());
  await (await openDb({ store: counting, path: "db" })).close();
  const admin = await Admin.open({ store: counting, path: "db" });
  counting.reset();
  const target = { store: counting, path: "copy" };
  const wrong: [unknown, object][] = [
    ["", {}],
    [5, {}],
    [undefined, { copiesInFlight: 0 }],
    [undefined, { copyMode: "fast" }],
    [undefined, { incremental: 1 }],
    [undefined, { onProgress: 1 }],
    [undefined, { name: 1 }],
    [undefined, { increment: true }],
  ];
  for (const [checkpoint, options] of wrong) {
    const call = admin.export(checkpoint as string | undefined, target, options);
    await expect(call, JSON.stringify(options)).rejects.toMatchObject({ kind: "invalid" });
  }
  expect(counting.total).toBe(0);
  await expect(admin.export("none", target)).rejects.toMatchObject({ kind: "not-found" });
  await expect(admin.export(undefined, "memory:///x?wal=false")).rejects.toMatchObject({
    kind: "invalid",
  });
  expect(await keysAt(counting, "copy")).toEqual([]);
  await admin.close();
});
