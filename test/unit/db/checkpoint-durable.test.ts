/** Checkpoints of what is durable: no data is written, and a reader finds there all that was durable when they were asked for. */
import { expect, test } from "vitest";
import { Admin } from "../../../src/admin/index.js";
import { collect } from "../../../src/db/collect.js";
import type { OpenOptions } from "../../../src/db/open-options.js";
import { Db, DbReader, MemoryObjectStore } from "../../../src/index.js";
import { CountingObjectStore, FaultyObjectStore } from "../../../src/testing/index.js";
import { HeldRequests } from "../../support/held-requests.js";

const path = "db";
const quiet: OpenOptions = { flushIntervalMs: 3_600_000, background: false };
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

async function rowsAt(store: MemoryObjectStore, checkpoint: string): Promise<string[]> {
  const reader = await DbReader.open({ store, path }, { checkpoint });
  const entries = await reader.scan().nextMany(10_000);
  await reader.close();
  return entries.map(({ key, value }) => `${text(key)}=${text(value)}`);
}

test("a checkpoint of a half-full MemTable writes exactly one manifest, and nothing else", async () => {
  const memory = new MemoryObjectStore();
  const store = new CountingObjectStore(memory);
  const db = await Db.open({ store, path }, quiet);
  for (let i = 0; i < 100; i++) await db.put(`key ${i}`, "value");
  store.reset();
  const { id, seq } = await db.checkpoint({ scope: "durable" });
  expect(seq).toBe(100);
  expect(store.requests.map(({ key }) => key)).toEqual([
    expect.stringMatching(/^db\/manifest\/.*\.manifest$/),
  ]);
  expect(store.counts.create).toBe(1);
  await db.put("key 7", "later");
  await db.flush({ to: "l0" });
  const rows = await rowsAt(memory, id);
  expect(rows).toHaveLength(100);
  expect(rows).toContain("key 7=value");
  await db.close();
});

test("what was accepted and is not durable is not waited for", async () => {
  const memory = new MemoryObjectStore();
  const db = await Db.open({ store: memory, path }, quiet);
  await db.put("a", "1");
  await db.put("b", "2", { durable: false });
  const { id, seq } = await db.checkpoint({ scope: "durable" });
  expect(seq).toBe(1);
  expect(await rowsAt(memory, id)).toEqual(["a=1"]);
  await db.close();
});

test("it names the loads in its logs, however they are flushed and compacted later", async () => {
  const memory = new MemoryObjectStore();
  const db = await Db.open({ store: memory, path }, { ...quiet, l0HardMax: 1 });
  await db.put("a", "0");
  await db.load([{ key: "a", value: "1" }]);
  const { id } = await db.checkpoint({ scope: "durable" });
  await db.put("a", "2");
  await db.compact();
  await collect({ store: memory, path }, { graceMs: 0, sweep: true });
  expect(await rowsAt(memory, id)).toEqual(["a=1"]);
  await db.close();
});

test("without a log it is what L0 has", async () => {
  const memory = new MemoryObjectStore();
  const store = new CountingObjectStore(memory);
  const db = await Db.open({ store, path }, { ...quiet, wal: false });
  await db.put("a", "1");
  await db.put("b", "2", { durable: false });
  store.reset();
  const { id, seq } = await db.checkpoint({ scope: "durable" });
  expect([seq, store.counts.create]).toEqual([1, 1]);
  expect(await rowsAt(memory, id)).toEqual(["a=1"]);
  await db.close();
});

test("it has what older logs hold and L0 does not", async () => {
  const memory = new MemoryObjectStore();
  for (let epoch = 1; epoch <= 3; epoch++) {
    const db = await Db.open({ store: memory, path }, quiet);
    await db.put(`key ${epoch}`, "value");
    await db.close({ flush: "wal" });
  }
  const db = await Db.open({ store: memory, path }, quiet);
  const { id, seq } = await db.checkpoint({ scope: "durable" });
  expect(seq).toBe(3);
  await db.put("later", "value");
  await db.flush({ to: "l0" });
  expect(await rowsAt(memory, id)).toEqual(["key 1=value", "key 2=value", "key 3=value"]);
  await db.close();
});

test("under load each has all that was durable before the call, whichever flush it rides on", async () => {
  const memory = new MemoryObjectStore();
  const db = await Db.open(
    { store: memory, path },
    { memTableBytes: 64 * 1024, flushIntervalMs: 5 },
  );
  let durable = 0;
  let isOver = false;
  const writing = (async () => {
    for (let i = 1; !isOver; i++) {
      await db.put(`key ${String(i).padStart(6, "0")}`, "x".repeat(500));
      durable = i;
    }
  })();
  const made: { id: string; seq: number; atLeast: number }[] = [];
  for (let i = 0; i < 20; i++) {
    const atLeast = durable;
    const { id, seq } = await db.checkpoint({ scope: "durable" });
    expect(seq).toBeGreaterThanOrEqual(atLeast);
    made.push({ id, seq, atLeast });
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  isOver = true;
  await writing;
  await db.flush({ to: "l0" });
  for (const { id, seq } of made) expect(await rowsAt(memory, id)).toHaveLength(seq);
  await db.close();
});

test("sequential copies have what their source has, and children keep what their base was", async () => {
  const memory = new MemoryObjectStore();
  const db = await Db.open({ store: memory, path }, quiet);
  await db.put("a", "1");
  const first = await db.checkpoint({ scope: "durable", name: "first" });
  await db.put("a", "2");
  const copy = await db.checkpoint({ source: "first" });
  const child = await db.checkpoint({ base: first.id });
  expect(copy).toMatchObject({ seq: 1, manifestNumber: first.manifestNumber });
  expect(child).toMatchObject({ seq: 2, base: first.id });
  expect(await rowsAt(memory, copy.id)).toEqual(["a=1"]);
  await expect(db.checkpoint({ base: "none" })).rejects.toMatchObject({ kind: "not-found" });
  await expect(db.checkpoint({ source: "none" })).rejects.toMatchObject({ kind: "not-found" });
  await expect(db.checkpoint({ source: "first", scope: "all" })).rejects.toMatchObject({
    kind: "invalid",
  });
  await db.close();
});

test("a base, or a name, that another process has made or ended since is judged by the newest manifest", async () => {
  const memory = new MemoryObjectStore();
  const db = await Db.open({ store: memory, path }, quiet);
  await db.checkpoint({ name: "gone" });
  const admin = await Admin.open({ store: memory, path });
  const { id } = await admin.createCheckpoint({ name: "new" });
  // The writer has seen neither.
  expect(await db.checkpoint({ base: "new" })).toMatchObject({ base: id });
  await admin.expireCheckpoint("gone");
  expect(await db.checkpoint({ name: "gone" })).toMatchObject({ name: "gone" });
  await admin.close();
  await db.close();
});

test("policies run in the commit that adds: of the call, or else of the handle", async () => {
  const memory = new MemoryObjectStore();
  const store = new CountingObjectStore(memory);
  const db = await Db.open({ store, path }, { ...quiet, checkpointRetention: { keepNewest: 2 } });
  const admin = await Admin.open({ store: memory, path });
  const names = async (): Promise<unknown[]> => (await admin.checkpoints()).map(({ name }) => name);
  await db.checkpoint({ name: "kept", retained: true });
  for (const name of ["a", "b", "c"]) await db.checkpoint({ name });
  expect(await names()).toEqual(["kept", "b", "c"]);
  await db.checkpoint({ name: "d", retention: {} });
  expect(await names()).toEqual(["kept", "b", "c", "d"]);
  store.reset();
  await db.checkpoint({ name: "e", retention: { keepNewest: 1 } });
  expect(store.counts.create).toBe(1);
  expect(await names()).toEqual(["kept", "e"]);
  await admin.releaseCheckpoint("kept");
  await db.checkpoint({ name: "f" });
  expect(await names()).toEqual(["e", "f"]);
  for (const retention of [
    { keepNewest: 0 },
    { keepNewest: 1.5 },
    { keepByAge: [{ everyMs: 1 }] },
    { keepByAge: {} },
    { keepAll: true },
  ]) {
    await expect(db.checkpoint({ retention: retention as never })).rejects.toMatchObject({
      kind: "invalid",
    });
  }
  await admin.close();
  await db.close();
});

test("an object of the log that is on its way is not in it, and is not waited for", async () => {
  const memory = new MemoryObjectStore();
  const store = new FaultyObjectStore(memory);
  const db = await Db.open({ store, path }, quiet);
  await db.put("a", "1");
  const held = new HeldRequests(store, ({ key }) => key.includes("/wal/"));
  const put = db.put("b", "2");
  while (held.count === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  const { id, seq } = await db.checkpoint({ scope: "durable" });
  expect(seq).toBe(1);
  // What it names is there, though the other object is not.
  expect(await rowsAt(memory, id)).toEqual(["a=1"]);
  held.release();
  await put;
  await db.close();
});
