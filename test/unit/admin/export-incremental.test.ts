/** Incremental exports: only what is new is copied, the earlier state stays, and nothing is added to what has gone its own way. */
import { expect, test } from "vitest";
import { Admin } from "../../../src/admin/index.js";
import { collect } from "../../../src/db/collect.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { CountingObjectStore } from "../../../src/testing/index.js";
import {
  type Content,
  contentOf,
  deleteAll,
  exportOf,
  keysAt,
  newestAt,
  objectsAt,
  openDb,
  readAt,
  writeAll,
  writeAt,
} from "./exports.js";

const incremental = true;
const exists = (part: string) => ({ kind: "exists", message: expect.stringContaining(part) });

test("each copies what is new, and every earlier state can be opened as a checkpoint", async () => {
  const counting = new CountingObjectStore(new MemoryObjectStore());
  const from = { store: counting, path: "db" };
  const target = { store: counting, path: "copy" };
  const db = await openDb(from);
  const states: Content[] = [];
  const versions: number[] = [];
  for (const [i, round] of ["a", "b", "c", "d"].entries()) {
    await writeAll(db, round);
    await db.flush({ to: "l0" });
    if (round === "c") await db.compact();
    await writeAll(db, `${round}2`);
    await db.checkpoint({ name: round, scope: "durable" });
    states.push(await contentOf(db));
    const before = new Set(await keysAt(counting, "copy"));
    counting.reset();
    const info = await exportOf(from, target, round, { incremental: i > 0 });
    versions.push(info.version);
    const wrote = counting.requests.filter(
      ({ operation, key }) =>
        (operation === "copy" || operation === "put") && /^copy\/(sst|runs|wal)\//.test(key),
    );
    expect(wrote).toHaveLength(info.copiedFiles);
    expect(wrote.filter(({ key }) => before.has(key.slice("copy/".length)))).toEqual([]);
    expect(await readAt(target)).toEqual(states[i]);
  }
  expect(versions).toEqual([1, 2, 3, 4]);
  await db.close();
  await deleteAll(counting, "db");
  const { checkpoints, exports } = await newestAt(counting, "copy");
  expect(checkpoints.map(({ manifestNumber }) => manifestNumber)).toEqual([1, 2, 3]);
  expect(exports).toHaveLength(4);
  for (const [i, { id }] of checkpoints.entries()) {
    expect(await readAt(target, id)).toEqual(states[i]);
  }
  // Nothing that a checkpoint needs is collected, and what only an ended one needed is.
  await collect(target, { graceMs: 0 });
  for (const [i, { id }] of checkpoints.entries()) {
    expect(await readAt(target, id)).toEqual(states[i]);
  }
  const admin = await Admin.open(target);
  for (const { id } of checkpoints) await admin.expireCheckpoint(id);
  await admin.close();
  const before = (await keysAt(counting, "copy")).length;
  await collect(target, { graceMs: 0 });
  expect((await keysAt(counting, "copy")).length).toBeLessThan(before);
  expect(await writeAt(target, "own")).toEqual(states[3]);
});

test("the same checkpoint twice copies nothing", async () => {
  const store = new MemoryObjectStore();
  const db = await openDb({ store, path: "db" });
  await writeAll(db, "a");
  await db.flush({ to: "l0" });
  await writeAll(db, "b");
  await db.checkpoint({ name: "one", scope: "durable" });
  const target = { store, path: "copy" };
  const first = await exportOf({ store, path: "db" }, target, "one");
  const second = await exportOf({ store, path: "db" }, target, "one", { incremental });
  expect(second).toEqual({ ...first, version: 2, copiedFiles: 0, copiedBytes: 0 });
  await db.close();
});

test("into an empty path it is a first one", async () => {
  const store = new MemoryObjectStore();
  await writeAt({ store, path: "db" }, "row");
  await exportOf({ store, path: "db" }, { store, path: "copy" }, undefined, { incremental });
  expect(await readAt({ store, path: "copy" })).toEqual({ row: "1" });
});

test("what has been written to, is another database or has a later state is refused, untouched", async () => {
  const store = new MemoryObjectStore();
  const from = { store, path: "db" };
  const db = await openDb(from);
  await writeAll(db, "a");
  await db.checkpoint({ name: "old", scope: "durable" });
  await writeAll(db, "b");
  await db.flush({ to: "l0" });
  await exportOf(from, { store, path: "copy" });
  await exportOf(from, { store, path: "written" });
  await writeAt({ store, path: "written" }, "own");
  await writeAt({ store, path: "other" }, "own");
  await store.put("strange/photo.jpg", new Uint8Array(3));
  const refusals = [
    ["copy", "old", "later state"],
    ["written", undefined, "its own way"],
    ["other", undefined, "another database"],
    ["strange", undefined, "refusing to overwrite"],
  ] as const;
  for (const [path, checkpoint, part] of refusals) {
    const before = await objectsAt(store, path);
    await expect(
      exportOf(from, { store, path }, checkpoint, { incremental }),
    ).rejects.toMatchObject(exists(part));
    expect(await objectsAt(store, path)).toEqual(before);
  }
  await db.close();
});

test("after a restore of the source, the restored state is added; what the target gave up is not named again", async () => {
  const store = new MemoryObjectStore();
  const from = { store, path: "db" };
  const target = { store, path: "copy" };
  const db = await openDb(from);
  await writeAll(db, "a");
  await db.flush({ to: "l0" });
  await db.checkpoint({ name: "first" });
  const first = await contentOf(db);
  await exportOf(from, target);
  await writeAll(db, "b");
  await db.flush({ to: "l0" });
  await db.compact();
  const second = await contentOf(db);
  await exportOf(from, target, undefined, { incremental });
  await db.close();
  const admin = await Admin.open(from);
  await admin.restore("first");
  await admin.close();
  await exportOf(from, target, undefined, { incremental });
  expect(await readAt(target)).toEqual(first);
  const { checkpoints } = await newestAt(store, "copy");
  expect(await readAt(target, checkpoints[1]!.id)).toEqual(second);
  // What retired list there is names nothing that the newest manifest does.
  await collect(target, { graceMs: 0 });
  expect(await readAt(target)).toEqual(first);
  // Once more to the state of the second, whose checkpoint has ended there meanwhile.
  const there = await Admin.open(target);
  for (const { id } of checkpoints) await there.expireCheckpoint(id);
  await there.close();
  const again = await Admin.open(from);
  const [replaced] = await again.checkpoints({ all: true }).then((all) => all.slice(-1));
  await again.restore(replaced!.id);
  await again.close();
  await expect(exportOf(from, target, undefined, { incremental })).rejects.toMatchObject(
    exists("given up"),
  );
  expect(await readAt(target)).toEqual(first);
});
