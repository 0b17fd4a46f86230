/** Clones: what they hold, what they cost, and that parent and clone go their own ways. */
import { expect, test } from "vitest";
import { Admin } from "../../../src/admin/index.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { CountingObjectStore } from "../../../src/testing/index.js";
import { cloneOf, collectAt, manifestAt, openDb, pinsAt, rowsAt, rowsOf } from "./clones.js";

/** a=1 b=1 at checkpoint "one", then b=2, all of it in L0, and c=3 in the log alone. */
async function newParent(store: MemoryObjectStore | CountingObjectStore) {
  const db = await openDb(store, "p");
  await db.put("a", "1");
  await db.put("b", "1");
  await db.flush({ to: "l0" });
  await db.checkpoint({ name: "one" });
  await db.put("b", "2");
  await db.flush({ to: "l0" });
  await db.put("c", "3");
  return db;
}

test("a clone of a checkpoint has what the checkpoint has, and names the parent's SSTs", async () => {
  const store = new MemoryObjectStore();
  const db = await newParent(store);
  const made = await cloneOf(store, "p", "c", { checkpoint: "one" });
  expect(await rowsAt(store, "c")).toBe("a=1 b=1");
  expect(made.seq).toBe(2);
  const [parent, manifest] = [await manifestAt(store, "p"), await manifestAt(store, "c")];
  expect(manifest.databaseId).toBe(made.databaseId);
  expect(manifest.databaseId).not.toBe(parent.databaseId);
  expect(manifest.l0.map(({ ssts }) => ssts[0]!.owner)).toEqual([parent.databaseId]);
  expect(manifest.externals.map(({ checkpointId }) => checkpointId)).toEqual(made.checkpointIds);
  expect(await pinsAt(store, "p")).toEqual(["c"]);
  expect((await store.list({ prefix: "c/sst/" })[Symbol.asyncIterator]().next()).done).toBe(true);
  await db.close();
});

test("without a checkpoint it has all that is durable, also what only the log has, in an SST of its own", async () => {
  const store = new MemoryObjectStore();
  const db = await newParent(store);
  await cloneOf(store, "p", "c");
  expect(await rowsAt(store, "c")).toBe("a=1 b=2 c=3");
  const { l0 } = await manifestAt(store, "c");
  expect(l0.map(({ ssts }) => ssts[0]!.owner !== "")).toEqual([true, true, false]);
  await db.close();
});

test("parent and clone diverge both ways, and the clone takes writes at once", async () => {
  const store = new MemoryObjectStore();
  const parent = await newParent(store);
  await cloneOf(store, "p", "c");
  const clone = await openDb(store, "c");
  await clone.put("a", "clone");
  await clone.delete("b");
  await parent.put("a", "parent");
  expect(await rowsOf(clone)).toBe("a=clone c=3");
  expect(await rowsOf(parent)).toBe("a=parent b=2 c=3");
  await clone.close();
  await parent.close();
  expect(await rowsAt(store, "c")).toBe("a=clone c=3");
  expect(await rowsAt(store, "p")).toBe("a=parent b=2 c=3");
});

test("a clone copies no SST: requests of a clone of a checkpoint with many SSTs", async () => {
  const store = new CountingObjectStore(new MemoryObjectStore());
  const db = await openDb(store, "p", { l0HardMax: 100, l0SoftMax: 100 });
  for (let i = 0; i < 30; i++) {
    await db.put(`k${i}`, "v".repeat(1000));
    await db.flush({ to: "l0" });
  }
  await db.checkpoint({ name: "one" });
  await db.close();
  store.reset();
  await cloneOf(store, "p", "c", { checkpoint: "one" });
  const requests = store.requests.map(
    ({ operation, key }) =>
      `${operation} ${key.replace(/0{10,}(\d+)/g, "$1").replace(/[0-9a-f]{32}/, "TOKEN")}`,
  );
  expect(requests).toEqual([
    "get p/manifest/latest",
    "get p/manifest/34.manifest",
    "get p/manifest/34.manifest",
    "get c/manifest/latest",
    "list c/",
    "create c/probe/TOKEN.probe",
    "create c/probe/TOKEN.probe",
    "delete c/probe/TOKEN.probe",
    "create p/manifest/34.manifest",
    "get p/manifest/32.manifest",
    "create c/manifest/1.manifest",
    "get p/manifest/35.manifest",
    "put c/manifest/latest",
  ]);
});

test("a clone goes on when the parent's checkpoint has expired, and the parent writes, compacts and collects", async () => {
  const store = new MemoryObjectStore();
  const parent = await newParent(store);
  await cloneOf(store, "p", "c", { checkpoint: "one" });
  const admin = await Admin.open({ store, path: "p" });
  expect(await admin.expireCheckpoint("one")).toBe(true);
  await admin.close();
  await parent.deleteRange({ all: true });
  await parent.compact();
  await parent.close();
  await collectAt(store, "p");
  expect(await rowsAt(store, "p")).toBe("");
  expect(await rowsAt(store, "c")).toBe("a=1 b=1");
  expect(await pinsAt(store, "p")).toEqual(["c"]);
});

test("a clone that names nothing of its parent any more lets go of it when it collects, and then the parent's objects go", async () => {
  const store = new MemoryObjectStore();
  const parent = await newParent(store);
  await parent.close();
  await cloneOf(store, "p", "c", { checkpoint: "one" });
  const clone = await openDb(store, "c");
  await clone.compact();
  await clone.close();
  await collectAt(store, "c");
  expect(await pinsAt(store, "p")).toEqual([]);
  expect((await manifestAt(store, "c")).externals).toEqual([]);
  expect(await rowsAt(store, "c")).toBe("a=1 b=1");
});

test("a clone of a clone holds both, and stays whole when the one between is gone", async () => {
  const store = new MemoryObjectStore();
  const parent = await newParent(store);
  await cloneOf(store, "p", "c");
  const clone = await openDb(store, "c");
  await clone.put("d", "4");
  await cloneOf(store, "c", "e");
  expect((await pinsAt(store, "p")).sort()).toEqual(["c", "e"]);
  expect(await pinsAt(store, "c")).toEqual(["e"]);
  await clone.deleteRange({ all: true });
  await clone.compact();
  await clone.close();
  await parent.deleteRange({ all: true });
  await parent.compact();
  await parent.close();
  await collectAt(store, "c");
  expect(await pinsAt(store, "p")).toContain("e");
  await collectAt(store, "p");
  expect(await rowsAt(store, "e")).toBe("a=1 b=2 c=3 d=4");
});

test("targets that cannot be clones are refused, and nothing is pinned", async () => {
  const store = new MemoryObjectStore();
  const parent = await newParent(store);
  const admin = await Admin.open({ store, path: "p" });
  const other = new MemoryObjectStore();
  await expect(admin.clone({ store: other, path: "c" })).rejects.toMatchObject({
    ...{ kind: "invalid", message: expect.stringContaining("export") },
  });
  await expect(admin.clone({ store, path: "p" })).rejects.toMatchObject({ kind: "exists" });
  await expect(admin.clone({ store, path: "p/c" })).rejects.toMatchObject({ kind: "invalid" });
  await store.put("full/of/something", new Uint8Array(1));
  await expect(admin.clone({ store, path: "full" })).rejects.toMatchObject({ kind: "invalid" });
  await expect(admin.clone({ store, path: "c" }, { checkpoint: "no" })).rejects.toMatchObject({
    kind: "not-found",
  });
  await expect(admin.clone({ store, path: "c" }, { from: 1 } as never)).rejects.toMatchObject({
    kind: "invalid",
  });
  expect(await pinsAt(store, "p")).toEqual([]);
  await admin.clone({ store, path: "c" });
  await expect(admin.clone({ store, path: "c" })).rejects.toMatchObject({ kind: "exists" });
  expect(await pinsAt(store, "p")).toEqual(["c"]);
  await admin.close();
  await parent.close();
});

test("clones that are made while the parent writes, compacts and collects have a prefix of its writes, whole", async () => {
  const store = new MemoryObjectStore();
  const parent = await openDb(store, "p", { gcGraceMs: 0, walPutsPerSecond: Infinity });
  let isOver = false;
  const writing = (async () => {
    for (let i = 0; !isOver; i++) {
      await parent.put(`k${String(i).padStart(4, "0")}`, "1");
      if (i % 5 === 4) await parent.flush({ to: "l0" });
      if (i % 20 === 19) await parent.compact();
      if (i % 20 === 9) await collectAt(store, "p");
    }
  })();
  const counts: number[] = [];
  for (let i = 0; i < 12; i++) {
    const { seq } = await cloneOf(store, "p", `c${i}`);
    counts.push(seq);
  }
  isOver = true;
  await writing;
  await parent.compact();
  await parent.close();
  await collectAt(store, "p");
  for (const [i, count] of counts.entries()) {
    const keys = Array.from({ length: count }, (_, n) => `k${String(n).padStart(4, "0")}=1`);
    expect(await rowsAt(store, `c${i}`)).toBe(keys.join(" "));
  }
});
