/** What docs/points-in-time.md says of checkpoints and no other test asserts: ids, empty databases, children, crashes, what ends and what goes. */
import { expect, test } from "vitest";
import { Admin } from "../../../src/admin/index.js";
import { collect } from "../../../src/db/collect.js";
import type { OpenOptions } from "../../../src/db/open-options.js";
import { Db, MemoryObjectStore } from "../../../src/index.js";
import { FaultyObjectStore } from "../../../src/testing/index.js";
import { HeldRequests } from "../../support/held-requests.js";
import { type Content, contentOf, keysAt, openDb, readAt, writeAll } from "./exports.js";

const path = "db";
const quiet: OpenOptions = { flushIntervalMs: 3_600_000 };

/** With no grace and with a sweep: all that may go goes. */
const tidy = (store: MemoryObjectStore) => collect({ store, path }, { graceMs: 0, sweep: true });

async function sstsAt(store: MemoryObjectStore): Promise<string[]> {
  return (await keysAt(store, path)).filter((key) => key.startsWith("sst/"));
}

test("ids are given once, whoever makes checkpoints, also when others have ended", async () => {
  const at = { store: new MemoryObjectStore(), path };
  const given: string[] = [];
  for (let life = 0; life < 2; life++) {
    const db = await openDb(at, quiet);
    const admins = await Promise.all([Admin.open(at), Admin.open(at)]);
    for (let round = 0; round < 3; round++) {
      const made = await Promise.all([
        db.checkpoint({ scope: "durable" }),
        db.checkpoint(),
        ...admins.flatMap((admin) => [admin.createCheckpoint(), admin.createCheckpoint()]),
      ]);
      given.push(...made.map(({ id }) => id));
      for (const { id } of made) expect(await admins[0]!.expireCheckpoint(id)).toBe(true);
      expect(await admins[0]!.checkpoints({ all: true })).toEqual([]);
    }
    for (const admin of admins) await admin.close();
    await db.close();
  }
  expect(new Set(given).size).toBe(2 * 3 * 6);
});

test("an empty database has checkpoints of every scope, which open empty", async () => {
  const at = { store: new MemoryObjectStore(), path };
  const db = await openDb(at, quiet);
  const admin = await Admin.open(at);
  const made = [
    await db.checkpoint(),
    await db.checkpoint({ scope: "durable" }),
    await admin.createCheckpoint(),
    await admin.createCheckpoint({ scope: "l0" }),
  ];
  await writeAll(db, "a");
  await db.flush({ to: "l0" });
  for (const { id, seq } of made) {
    expect(seq).toBe(0);
    expect(await readAt(at, id)).toEqual({});
  }
  await admin.close();
  await db.close();
});

test("a child is as whole as a checkpoint without a base, to read and to restore, and so is the next one", async () => {
  const at = { store: new MemoryObjectStore(), path };
  const db = await openDb(at, quiet);
  await writeAll(db, "a");
  await db.checkpoint({ name: "base", scope: "durable" });
  await db.flush({ to: "l0" });
  await writeAll(db, "b");
  const content = await contentOf(db);
  const [child, alone] = await Promise.all([
    db.checkpoint({ name: "child", base: "base", scope: "durable" }),
    db.checkpoint({ name: "alone", scope: "durable" }),
  ]);
  expect(child).toMatchObject({ seq: alone.seq, manifestNumber: alone.manifestNumber });
  await writeAll(db, "c");
  await db.flush({ to: "l0" });
  await db.compact();
  const later = await contentOf(db);
  await db.close();
  const admin = await Admin.open(at);
  await admin.expireCheckpoint("base");
  for (const name of ["child", "alone"]) {
    expect(await readAt(at, name)).toEqual(content);
    const { checkpoint } = await admin.restore(name);
    expect(await readAt(at)).toEqual(content);
    // What is made of a restored state has no base, and needs none.
    const { id, base } = await admin.createCheckpoint();
    expect(base).toBeUndefined();
    await admin.restore(checkpoint.id);
    expect(await readAt(at)).toEqual(later);
    expect(await readAt(at, id)).toEqual(content);
  }
  await admin.close();
});

test("an end deletes nothing; a collection then deletes what neither a child nor the newest state needs", async () => {
  const store = new MemoryObjectStore();
  const at = { store, path };
  const db = await openDb(at, quiet);
  await writeAll(db, "a");
  await db.checkpoint({ name: "base" });
  const [only] = await sstsAt(store);
  await writeAll(db, "b");
  await db.compact();
  const shared = await contentOf(db);
  await db.checkpoint({ name: "child", base: "base" });
  const admin = await Admin.open(at);
  await tidy(store);
  const before = await keysAt(store, path);
  expect(before).toContain(only);
  await admin.expireCheckpoint("base");
  // It lingers: nothing that its manifest names is gone.
  await tidy(store);
  expect(await sstsAt(store)).toContain(only);
  expect(await readAt(at, "child")).toEqual(shared);
  await admin.expireCheckpoint("child");
  expect(await sstsAt(store)).toContain(only);
  await expect(readAt(at, "base")).rejects.toMatchObject({ kind: "not-found" });
  await tidy(store);
  expect(await sstsAt(store)).not.toContain(only);
  // What both had in common with the newest state stays.
  expect(await contentOf(db)).toEqual(shared);
  expect(await readAt(at)).toEqual(shared);
  await admin.close();
  await db.close();
});

test("a crash leaves every checkpoint that was answered, for the next process to keep, count and collect", async () => {
  const store = new MemoryObjectStore();
  const at = { store, path };
  const states: Content[] = [];
  for (const round of ["a", "b", "c"]) {
    const faulty = new FaultyObjectStore(store);
    const db = await openDb({ store: faulty, path }, quiet);
    await writeAll(db, round);
    const scope = round === "b" ? "all" : "durable";
    await db.checkpoint({ name: round, scope, ...(round === "b" ? { base: "a" } : {}) });
    states.push(await contentOf(db));
    faulty.crash();
  }
  const next = await openDb(at, { ...quiet, checkpointRetention: { keepNewest: 2 } });
  await writeAll(next, "d");
  await next.compact();
  await tidy(store);
  const admin = await Admin.open(at);
  const names = async (): Promise<unknown[]> => (await admin.checkpoints()).map(({ name }) => name);
  expect(await names()).toEqual(["a", "b", "c"]);
  for (const [i, name] of ["a", "b", "c"].entries()) {
    expect(await readAt(at, name)).toEqual(states[i]);
  }
  const before = (await keysAt(store, path)).length;
  await next.checkpoint({ name: "d" });
  expect(await names()).toEqual(["c", "d"]);
  await tidy(store);
  expect((await keysAt(store, path)).length).toBeLessThan(before);
  expect(await readAt(at, "c")).toEqual(states[2]);
  await admin.close();
  await next.close();
});

test("a load that only a log names stays for the checkpoint that names it, when it is compacted away and collected", async () => {
  const store = new MemoryObjectStore();
  const at = { store, path };
  const faulty = new FaultyObjectStore(store);
  const dying = await openDb({ store: faulty, path }, quiet);
  // It comes to no manifest any more.
  const held = new HeldRequests(faulty, ({ key }) => key.endsWith(".manifest"));
  await dying.put("a", "1");
  await dying.load([{ key: "a", value: "2" }]);
  const admin = await Admin.open(at);
  await admin.createCheckpoint({ name: "one" });
  faulty.crash();
  held.release();
  const next = await openDb(at, quiet);
  await next.put("a", "3");
  await next.compact();
  await tidy(store);
  expect(await contentOf(next)).toEqual({ a: "3" });
  expect(await readAt(at, "one")).toEqual({ a: "2" });
  await admin.close();
  await next.close();
});

test("a damaged manifest of a checkpoint is damage to who opens it, and to nobody else", async () => {
  const store = new MemoryObjectStore();
  const at = { store, path };
  const db = await openDb(at, quiet);
  await writeAll(db, "a");
  const { manifestNumber } = await db.checkpoint({ name: "damaged" });
  await writeAll(db, "b");
  await db.checkpoint({ name: "whole" });
  await db.close();
  const key = (await keysAt(store, path)).find(
    (name) => /^manifest\/\d+\.manifest$/.test(name) && name.includes(`${manifestNumber}.`),
  )!;
  const bytes = (await store.get(`${path}/${key}`))!.bytes.slice();
  bytes[bytes.length >> 1]! ^= 1;
  await store.put(`${path}/${key}`, bytes);
  await expect(readAt(at, "damaged")).rejects.toMatchObject({ kind: "corruption", object: key });
  const admin = await Admin.open(at);
  expect((await admin.checkpoints()).map(({ name }) => name)).toEqual(["damaged", "whole"]);
  await expect(admin.restore("damaged")).rejects.toMatchObject({ kind: "corruption" });
  await admin.close();
  expect(await readAt(at, "whole")).toEqual(await readAt(at));
});

test("a checkpoint drops no version: reads of the source at every seq are what they were", async () => {
  const at = { store: new MemoryObjectStore(), path };
  const db = await openDb(at, quiet);
  const seqs: number[] = [];
  for (const value of ["1", "2", "3"]) seqs.push((await db.put("k", value)).seq);
  const values = async (): Promise<(string | undefined)[]> =>
    Promise.all(seqs.map(async (seq) => new TextDecoder().decode(await db.get("k", { seq }))));
  for (const scope of ["durable", "all"] as const) {
    await db.checkpoint({ scope });
    expect(await values()).toEqual(["1", "2", "3"]);
  }
  await db.close();
});

test("a handle that is closed makes no checkpoint", async () => {
  const at = { store: new MemoryObjectStore(), path };
  const db = await Db.open(at, quiet);
  await db.close();
  for (const scope of ["durable", "all"] as const) {
    await expect(db.checkpoint({ scope })).rejects.toMatchObject({ kind: "closed" });
  }
  const admin = await Admin.open(at);
  expect(await admin.checkpoints({ all: true })).toEqual([]);
  await admin.close();
});
