/** Readers that stand still: at a durable checkpoint with its part of the log, at an old manifest, and at a moment. */
import { beforeAll, expect, test } from "vitest";
import { Admin } from "../../../src/admin/index.js";
import type { Manifest } from "../../../src/format/manifest.js";
import { Db, DbReader, type OpenOptions, SnapshotGoneError } from "../../../src/index.js";
import { manifestAt } from "../../../src/manifest/find-at.js";
import { withSample } from "../../../src/manifest/history.js";
import type { ReadManifest } from "../../../src/manifest/manifest-store.js";
import { prefixed } from "../../../src/object-store/prefixed.js";
import { MemoryObjectStore } from "../../../src/testing/index.js";
import { loadEngine } from "../../support/load-engine.js";
import { empty } from "../manifest/manifests.js";
import { newest } from "./compact-by-hand.js";
import { newPlace, openAt, requestsOf, rows, text } from "./support.js";

beforeAll(loadEngine);

const bare: OpenOptions = {
  ...{ background: false, blockCacheBytes: 0, compactionThreads: 0, flushIntervalMs: 3_600_000 },
};

test("a durable checkpoint shows exactly the rows and loads of its part of the log", async () => {
  const store = new MemoryObjectStore();
  const at = { store, path: "db" };
  const db = await Db.open(at, { ...bare, gcGraceMs: 0 });
  await db.put("a", "1");
  await db.flush({ to: "l0" });
  await db.put("a", "2");
  await db.put("b", "2");
  const { id, seq } = await db.checkpoint({ scope: "durable", name: "durable" });
  await db.put("b", "3");
  await db.load([{ key: "c", value: "3" }]);
  await db.flush({ to: "l0" });
  await db.compact();
  await db.maintain();
  for (const checkpoint of [id, "durable"]) {
    const reader = await DbReader.open(at, { checkpoint });
    expect(await rows(reader)).toBe("a=2 b=2");
    expect(reader.seq).toBe(seq);
    await expect(reader.waitForSeq(seq + 1)).rejects.toThrow(/stands still/);
    await reader.close();
  }
  await db.close();
});

test("one of the log's objects that is missing is told by its name and the checkpoint's", async () => {
  const store = new MemoryObjectStore();
  const at = { store, path: "db" };
  const db = await Db.open(at, bare);
  await db.put("a", "1");
  await db.put("a", "2");
  await db.checkpoint({ scope: "durable", name: "one" });
  const logs: string[] = [];
  for await (const { key } of store.list({ prefix: "db/wal/" })) logs.push(key);
  await store.delete([logs[0]!]);
  await expect(DbReader.open(at, { checkpoint: "one" })).rejects.toMatchObject({
    kind: "corruption",
    message: expect.stringMatching(/wal\/.*checkpoint "one" names it/s),
  });
  await db.close({ flush: false });
});

test("the log of a checkpoint is read from the store that it is in", async () => {
  const place = { store: new MemoryObjectStore(), path: "db" };
  const wal = { store: new MemoryObjectStore(), path: "wal" };
  const db = await Db.open(place, { ...bare, wal });
  await db.put("a", "1");
  await db.checkpoint({ scope: "durable", name: "one" });
  await db.put("a", "2");
  const reader = await DbReader.open(place, { wal, checkpoint: "one" });
  expect(await rows(reader)).toBe("a=1");
  await reader.close();
  // Who does not follow the log need not know where it is.
  const l0 = await DbReader.open(place, { tail: false });
  expect(await rows(l0)).toBe("");
  await l0.close();
  await expect(DbReader.open(place)).rejects.toMatchObject({ kind: "invalid" });
  await db.close();
});

test("an old state opens by number and by moment until what it names is collected", async () => {
  const place = newPlace();
  const { clock, at, inner } = place;
  const db = await openAt(place, { ...bare, gcGraceMs: 3_600_000 });
  const states: { number: number; createdAt: number; value: string }[] = [];
  for (const value of ["1", "2", "3", "4"]) {
    await clock.advance(60_000);
    await db.put("a", value, { durable: false });
    await clock.advanceUntil(db.flush({ to: "l0" }));
    const { number, createdAt } = await newest(prefixed(inner, "db"));
    states.push({ number, createdAt, value });
    if (value === "2" || value === "4") await clock.advanceUntil(db.compact());
  }
  const open = async (options: { manifestNumber: number } | { at: number }): Promise<string> => {
    const reader = await clock.advanceUntil(DbReader.open(at, { clock, ...options }));
    const shown = await rows(reader);
    await reader.close();
    return shown;
  };
  for (const { number, createdAt, value } of states) {
    expect(await open({ manifestNumber: number })).toBe(`a=${value}`);
    expect(await open({ at: createdAt })).toBe(`a=${value}`);
    expect(await open({ at: createdAt + 59_000 })).toBe(`a=${value}`);
  }
  expect(await open({ at: clock.now() + 1_000_000 })).toBe("a=4");
  expect(await open({ manifestNumber: 1 })).toBe("");
  await expect(open({ at: states[0]!.createdAt - 3_600_000 })).rejects.toThrow(/manifest 1, of/);
  await expect(open({ manifestNumber: 100 })).rejects.toThrow(/the newest is/);
  const held = await clock.advanceUntil(
    DbReader.open(at, { clock, manifestNumber: states[2]!.number, blockCacheBytes: 0 }),
  );
  // What has left the database by now goes.
  await clock.advance(2 * 3_600_000);
  await clock.advanceUntil(db.maintain());
  const error = await open({ manifestNumber: states[0]!.number }).catch((reason: Error) => reason);
  expect(error).toMatchObject({ kind: "not-found" });
  const { number, createdAt } = await newest(prefixed(inner, "db"));
  const oldest = Number(/found to open is manifest (\d+)/.exec((error as Error).message)?.[1]);
  expect(oldest).toBeGreaterThan(states[2]!.number);
  expect(oldest).toBeLessThanOrEqual(number);
  expect(await open({ manifestNumber: oldest })).toBe("a=4");
  await expect(open({ manifestNumber: oldest - 1 })).rejects.toMatchObject({ kind: "not-found" });
  await expect(open({ at: states[1]!.createdAt })).rejects.toThrow(/gcGraceMs/);
  expect(await open({ at: createdAt })).toBe("a=4");
  await expect(rows(held)).rejects.toThrow(SnapshotGoneError);
  await held.close();
  await clock.advanceUntil(db.close());
});

test("a checkpoint keeps its state open by number too", async () => {
  const place = newPlace();
  const { clock, at } = place;
  const db = await openAt(place, { ...bare, gcGraceMs: 0 });
  await db.put("a", "1", { durable: false });
  const { manifestNumber } = await clock.advanceUntil(db.checkpoint({ name: "one" }));
  await db.put("a", "2", { durable: false });
  await clock.advanceUntil(db.flush({ to: "l0" }));
  await clock.advanceUntil(db.compact());
  await clock.advanceUntil(db.maintain());
  const opening = DbReader.open(at, { clock, manifestNumber });
  const reader = await clock.advanceUntil(opening);
  expect(text(await reader.get("a"))).toBe("1");
  await reader.close();
  await clock.advanceUntil(db.close());
});

test("what is before the end of a database that was destroyed is no state of the one that was made there anew", async () => {
  const place = newPlace();
  const { clock, at, inner } = place;
  const old = await openAt(place, bare);
  const first = await newest(prefixed(inner, "db"));
  await clock.advance(60_000);
  await old.put("a", "old");
  await clock.advanceUntil(old.close());
  const admin = await clock.advanceUntil(Admin.open(at, { clock }));
  await clock.advance(60_000);
  await clock.advanceUntil(admin.destroy({ confirm: admin.databaseId }));
  await clock.advanceUntil(admin.close());
  const end = await newest(prefixed(inner, "db"));
  expect(end.destroyed).toBe(true);
  await clock.advance(60_000);
  const db = await openAt(place, bare);
  const begin = await newest(prefixed(inner, "db"));
  expect(begin).toMatchObject({ number: end.number + 1, databaseId: first.databaseId });
  await clock.advance(60_000);
  await db.put("a", "new");
  await clock.advanceUntil(db.flush({ to: "l0" }));
  await clock.advanceUntil(db.close());
  const open = async (options: { manifestNumber: number } | { at: number }): Promise<string> => {
    const reader = await clock.advanceUntil(DbReader.open(at, { clock, ...options }));
    const shown = await rows(reader);
    await reader.close();
    return shown;
  };
  for (const moment of [
    { manifestNumber: first.number },
    { manifestNumber: end.number - 1 },
    { manifestNumber: end.number },
    { at: first.createdAt },
    { at: end.createdAt - 1 },
    { at: end.createdAt },
    { at: begin.createdAt - 1 },
  ]) {
    const error = await open(moment).catch((reason: Error) => reason);
    expect(error).toMatchObject({ kind: "not-found" });
    const { message } = error as Error;
    expect(message).toContain(
      `was destroyed by manifest ${end.number}, of ${new Date(end.createdAt).toISOString()}`,
    );
    expect(message).toContain(`found to open is manifest ${begin.number}, of`);
  }
  expect(await open({ manifestNumber: begin.number })).toBe("");
  expect(await open({ at: begin.createdAt })).toBe("");
  expect(await open({ at: clock.now() })).toBe("a=new");
});

test("opening by number takes one GET beside finding the newest manifest", async () => {
  const place = newPlace();
  const { clock, at, counting } = place;
  const db = await openAt(place, bare);
  await db.put("a", "1", { durable: false });
  await clock.advanceUntil(db.flush({ to: "l0" }));
  await clock.advanceUntil(db.close());
  counting.reset();
  const reader = await clock.advanceUntil(DbReader.open(at, { clock, manifestNumber: 1 }));
  expect(requestsOf(counting)).toEqual([
    "get manifest/latest",
    "get manifest/4.manifest",
    "get manifest/1.manifest",
  ]);
  await reader.close();
});

test("a moment is found in few looks, with the samples of the history and without", async () => {
  const count = 3_000;
  const manifests: Manifest[] = [{ ...empty, number: 1, createdAt: 1_000_000 }];
  for (let number = 2; number <= count; number++) {
    const before = manifests.at(-1)!;
    const createdAt = before.createdAt + ((number * 7919) % 1_000);
    manifests.push({ ...before, number, createdAt, history: withSample(before) });
  }
  let gets = 0;
  const store = {
    get: async (number: number): Promise<ReadManifest | undefined> => {
      gets++;
      const manifest = manifests[number - 1];
      return manifest && number >= firstNumber ? { manifest, bytes: new Uint8Array() } : undefined;
    },
  };
  let firstNumber = 0;
  const last = manifests.at(-1)!;
  for (const { history, most } of [
    { history: last.history, most: 10 },
    { history: [], most: 13 },
  ]) {
    firstNumber = 0;
    for (let i = 0; i < count; i += 37) {
      const at = manifests[i]!.createdAt;
      gets = 0;
      const found = await manifestAt(store, { ...last, history }, at);
      expect(found?.number).toBe(manifests.findLast(({ createdAt }) => createdAt <= at)!.number);
      expect(gets).toBeLessThanOrEqual(most);
    }
    expect(await manifestAt(store, { ...last, history }, 999_999)).toBeUndefined();
    firstNumber = 1_500;
    const newestNow = { ...last, history, firstNumber };
    expect(await manifestAt(store, newestNow, manifests[1_000]!.createdAt)).toBeUndefined();
    expect((await manifestAt(store, newestNow, manifests[1_600]!.createdAt))?.number).toBe(
      manifests.findLast(({ createdAt }) => createdAt <= manifests[1_600]!.createdAt)!.number,
    );
  }
});
