/** Checkpoints of everything accepted before the call, and readers at them. */
import { expect, test } from "vitest";
import { Db } from "../../../src/db/db.js";
import { DbReader } from "../../../src/db/db-reader.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { CountingObjectStore } from "../../../src/testing/index.js";

const path = "db";
const text = (bytes: Uint8Array | undefined): string | undefined =>
  bytes && new TextDecoder().decode(bytes);

test("a checkpoint rides on the flush that satisfies it: one SST and one commit", async () => {
  const store = new CountingObjectStore(new MemoryObjectStore());
  const db = await Db.open({ store, path });
  await db.put("a", "1");
  store.reset();
  const [one, two] = await Promise.all([
    db.checkpoint({ name: "one" }),
    db.checkpoint(),
    db.flush({ to: "l0" }),
  ]);
  expect(store.requests.filter(({ key }) => key.includes("/sst/"))).toHaveLength(1);
  expect(store.counts.create).toBe(1);
  expect(one).toMatchObject({ name: "one", seq: 1, manifestNumber: 2 });
  expect(two.manifestNumber).toBe(2);
  expect(two.name).toBeUndefined();
  await db.close();
});

test("a checkpoint of what is in L0 already is one commit and no data", async () => {
  const store = new CountingObjectStore(new MemoryObjectStore());
  const db = await Db.open({ store, path });
  await db.put("a", "1");
  await db.flush({ to: "l0" });
  store.reset();
  const { manifestNumber } = await db.checkpoint({ ttlMs: 1000 });
  expect(store.requests.filter(({ key }) => key.includes("/sst/"))).toHaveLength(0);
  expect(store.counts.create).toBe(1);
  expect(manifestNumber).toBe(3);
  await db.close();
});

test("a reader at a checkpoint sees what was accepted before it, and stands still", async () => {
  const store = new MemoryObjectStore();
  const db = await Db.open({ store, path });
  await db.put("a", "1", { durable: false });
  const { id } = await db.checkpoint({ name: "before" });
  await db.put("a", "2");
  await db.flush({ to: "l0" });
  for (const checkpoint of ["before", id]) {
    const reader = await DbReader.open({ store, path }, { checkpoint });
    expect(text(await reader.get("a"))).toBe("1");
    await reader.refresh();
    expect(text(await reader.get("a"))).toBe("1");
    expect(reader.seq).toBe(1);
    await expect(reader.waitForSeq(2)).rejects.toMatchObject({ kind: "invalid" });
    await reader.close();
  }
  await expect(DbReader.open({ store, path }, { checkpoint: "after" })).rejects.toMatchObject({
    kind: "not-found",
    message: expect.stringContaining('"before"'),
  });
  await db.close();
});

test("a name that is taken fails its caller alone, and never the batch that it would ride on", async () => {
  const store = new MemoryObjectStore();
  const db = await Db.open({ store, path });
  await db.checkpoint({ name: "taken" });
  await db.put("a", "1");
  const [second, other, flushed] = await Promise.allSettled([
    db.checkpoint({ name: "taken" }),
    db.checkpoint({ name: "free" }),
    db.flush({ to: "l0" }),
  ]);
  expect(second).toMatchObject({ status: "rejected", reason: { kind: "exists" } });
  expect(other.status).toBe("fulfilled");
  expect(flushed).toMatchObject({ status: "fulfilled", value: { durableSeq: 1 } });
  await db.put("b", "2");
  await db.close();
});

test("of two checkpoints of one name that ride on one commit, the first gets it", async () => {
  const db = await Db.open({ store: new MemoryObjectStore(), path });
  await db.put("a", "1");
  const answers = await Promise.allSettled([
    db.checkpoint({ name: "same" }),
    db.checkpoint({ name: "same" }),
  ]);
  expect(answers.map((answer) => answer.status)).toEqual(["fulfilled", "rejected"]);
  await db.close();
});

test("a fenced writer makes no checkpoint", async () => {
  const store = new MemoryObjectStore();
  const db = await Db.open({ store, path });
  await db.put("a", "1");
  const next = await Db.open({ store, path });
  await expect(db.checkpoint({ name: "late" })).rejects.toMatchObject({ kind: "fenced" });
  await expect(DbReader.open({ store, path }, { checkpoint: "late" })).rejects.toMatchObject({
    kind: "not-found",
  });
  await next.close();
});

test("bad names and times are refused before anything happens", async () => {
  const store = new CountingObjectStore(new MemoryObjectStore());
  const db = await Db.open({ store, path });
  store.reset();
  for (const options of [{ name: "" }, { name: "x".repeat(257) }, { ttlMs: 0 }, { ttlMs: 1.5 }]) {
    await expect(db.checkpoint(options)).rejects.toMatchObject({ kind: "invalid" });
  }
  await expect(db.checkpoint({ scope: "l0" as "all" })).rejects.toMatchObject({
    kind: "invalid",
  });
  expect(store.total).toBe(0);
  await db.close();
});
