/** What a detach does to what is read later, and to clones that are being made meanwhile; and clones that lose what they were made from. */
import { expect, test } from "vitest";
import { Admin } from "../../../src/admin/index.js";
import { DbReader } from "../../../src/index.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { FaultyObjectStore } from "../../../src/testing/index.js";
import { HeldRequests } from "../../support/held-requests.js";
import { cloneOf, collectAt, manifestAt, openDb, pinsAt, rowsAt, rowsOf } from "./clones.js";

/** a=1 in L0 at "p", its clone at "c". */
async function newClone(store: MemoryObjectStore): Promise<void> {
  const parent = await openDb(store, "p");
  await parent.put("a", "1");
  await parent.flush({ to: "l0" });
  await parent.close();
  await cloneOf(store, "p", "c");
}

async function detachAt(store: MemoryObjectStore, path: string): Promise<void> {
  const admin = await Admin.open({ store, path });
  await admin.detach();
  await admin.close();
}

async function compactAt(store: MemoryObjectStore, path: string): Promise<void> {
  const db = await openDb(store, path);
  await db.put("b", "2");
  await db.flush({ to: "l0" });
  await db.compact();
  await db.close();
}

test("retired copies of another database's SSTs are no damage, and damage in them is found", async () => {
  const store = new MemoryObjectStore();
  await newClone(store);
  await detachAt(store, "c");
  const copies: string[] = [];
  for await (const { key } of store.list({ prefix: "c/sst/" })) copies.push(key);
  expect(copies).toHaveLength(1);
  await compactAt(store, "c");
  const admin = await Admin.open({ store, path: "c" });
  const { problems } = await admin.verify({ deep: true });
  expect(problems).toEqual([]);
  const bytes = (await store.get(copies[0]!))!.bytes.slice();
  bytes[3]! ^= 1;
  await store.put(copies[0]!, bytes);
  const damaged = await admin.verify({ deep: true });
  expect(damaged.problems).toMatchObject([{ kind: "damaged", object: copies[0]!.slice(2) }]);
  await admin.close();
});

test("an old state that names what was never copied does not open after the detach; one of before opens while the parent keeps it", async () => {
  const store = new MemoryObjectStore();
  await newClone(store);
  const old = (await manifestAt(store, "c")).number;
  await compactAt(store, "c");
  const before = await DbReader.open({ store, path: "c" }, { manifestNumber: old });
  expect(await rowsOf(before)).toBe("a=1");
  await before.close();
  await detachAt(store, "c");
  const { number } = await manifestAt(store, "c");
  await compactAt(store, "p");
  await collectAt(store, "p");
  await expect(DbReader.open({ store, path: "c" }, { manifestNumber: old })).rejects.toMatchObject({
    kind: "not-found",
  });
  const since = await DbReader.open({ store, path: "c" }, { manifestNumber: number });
  expect(await rowsOf(since)).toBe("a=1 b=2");
  await since.close();
});

test("a parent that detaches while it is cloned: the clone names the copies, and the grandparent may go", async () => {
  const store = new MemoryObjectStore();
  await newClone(store);
  const faulty = new FaultyObjectStore(store);
  const held = new HeldRequests(faulty, ({ key }) => key.startsWith("p/manifest/"));
  const clone = cloneOf(faulty, "c", "d");
  await expect.poll(() => held.count).toBe(1);
  await detachAt(store, "c");
  expect(await pinsAt(store, "p")).toEqual([]);
  held.release();
  await clone;
  expect(await pinsAt(store, "p")).toEqual([]);
  const { externals, l0 } = await manifestAt(store, "d");
  const owner = l0[0]!.ssts[0]!.owner;
  expect(externals).toMatchObject([{ databaseId: owner, path: "c", isLeaving: false }]);
  for (const path of ["p", "c"]) {
    await compactAt(store, path);
    await collectAt(store, path);
  }
  for await (const { key } of store.list({ prefix: "p/" })) await store.delete([key]);
  expect(await rowsAt(store, "d")).toBe("a=1");
});

test("a clone whose pin is taken before its first manifest is there is given up, and says so", async () => {
  const store = new MemoryObjectStore();
  await newClone(store);
  const own = await openDb(store, "c");
  await own.put("b", "2");
  await own.flush({ to: "l0" });
  await own.close();
  for (const taken of ["p", "c"]) {
    const faulty = new FaultyObjectStore(store);
    const held = new HeldRequests(
      faulty,
      ({ operation, key }) => operation === "create" && /^d\/manifest\/0*1\.manifest$/.test(key),
    );
    const outcome = cloneOf(faulty, "c", "d").catch((error: unknown) => error);
    await expect.poll(() => held.count).toBe(1);
    const { checkpoints } = await manifestAt(store, taken);
    const pin = checkpoints.find(({ holder }) => holder === "d")!;
    const admin = await Admin.open({ store, path: taken });
    await admin.expireCheckpoint(pin.id, { force: true });
    await admin.close();
    held.release();
    expect(await outcome).toMatchObject({
      ...{ kind: "not-found", message: expect.stringContaining(pin.id) },
    });
    await expect(rowsAt(store, "d")).rejects.toMatchObject({ kind: "not-found" });
    expect(await pinsAt(store, "c")).toEqual([]);
    expect(await pinsAt(store, "p")).toEqual(["c"]);
    // What was given up is a database that was destroyed: its path is free once it is deleted.
    for await (const { key } of store.list({ prefix: "d/" })) await store.delete([key]);
  }
  expect(await rowsAt(store, "c")).toBe("a=1 b=2");
});
