/** Where the WAL is: pinned in the database, and refused where records would be hidden. */
import { expect, test } from "vitest";
import { Db } from "../../../src/db/db.js";
import { DbReader } from "../../../src/db/db-reader.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { CountingObjectStore, FaultyObjectStore, ManualClock } from "../../../src/testing/index.js";

const path = "db";
const text = (bytes: Uint8Array | undefined): string | undefined =>
  bytes && new TextDecoder().decode(bytes);

test("without a WAL durable writes of one turn share one SST and one commit", async () => {
  const store = new CountingObjectStore(new MemoryObjectStore());
  const db = await Db.open({ store, path }, { wal: false });
  store.reset();
  const results = await Promise.all(
    Array.from({ length: 64 }, (_, i) => db.put(`key ${i}`, "value")),
  );
  expect(results.map((result) => result.seq)).toEqual(Array.from({ length: 64 }, (_, i) => i + 1));
  expect(store.requests.filter(({ key }) => key.includes("/sst/"))).toHaveLength(1);
  expect(store.counts).toMatchObject({ create: 1, get: 0, list: 0 });
  expect(store.requests.some(({ key }) => key.includes("/wal/"))).toBe(false);
  await db.close();
});

test("without a WAL a write that nobody waits for is lost in a crash and kept by a flush", async () => {
  const store = new MemoryObjectStore();
  const cut = new FaultyObjectStore(store);
  const db = await Db.open({ store: cut, path }, { wal: false });
  await db.put("kept", "1", { durable: false });
  await db.flush();
  const { durable } = await db.put("lost", "2", { durable: false });
  cut.crash();
  void durable().catch(() => undefined);
  const next = await Db.open({ store, path });
  expect(text(await next.get("kept"))).toBe("1");
  expect(await next.get("lost")).toBeUndefined();
  expect(next.stats().durableSeq).toBe(1);
  await next.close();
});

test("turning the WAL off replays and flushes what is in it before the open resolves", async () => {
  const store = new MemoryObjectStore();
  const cut = new FaultyObjectStore(store);
  const old = await Db.open({ store: cut, path });
  await old.put("a", "1");
  await old.put("b", "2");
  cut.crash();
  const db = await Db.open({ store, path }, { wal: false });
  expect(db.stats()).toMatchObject({ l0Count: 1, durableSeq: 2 });
  expect(text(await db.get("b"))).toBe("2");
  await db.close();
  const again = await Db.open({ store, path }, { wal: true });
  await again.put("c", "3");
  await again.close({ flush: "wal" });
  const reader = await DbReader.open({ store, path });
  expect(text(await reader.get("c"))).toBe("3");
  await reader.close();
});

test("a WAL on another store is pinned: nobody opens without it, and nothing is hidden", async () => {
  const store = new MemoryObjectStore();
  const fast = new MemoryObjectStore();
  const wal = { store: fast, path: "logs/db" };
  const counted = new CountingObjectStore(store);
  const db = await Db.open({ store: counted, path }, { wal });
  counted.reset();
  await db.put("a", "1");
  expect(counted.total).toBe(0);
  await db.close({ flush: "wal" });
  const other = { store: fast, path: "logs/other" };
  for (const options of [{}, { wal: true }, { wal: false }, { wal: other }]) {
    await expect(Db.open({ store, path }, options)).rejects.toMatchObject({
      kind: "invalid",
      message: expect.stringContaining("logs/db"),
    });
    await expect(DbReader.open({ store, path }, options)).rejects.toMatchObject({
      kind: "invalid",
    });
  }
  const reader = await DbReader.open({ store, path }, { wal });
  expect(text(await reader.get("a"))).toBe("1");
  await reader.close();
  const next = await Db.open({ store, path }, { wal });
  expect(text(await next.get("a"))).toBe("1");
  await next.close();
});

test("a WAL's own store is probed before the first log is put there", async () => {
  class Careless extends MemoryObjectStore {
    override async create(key: string, bytes: Uint8Array): Promise<"created"> {
      await this.put(key, bytes);
      return "created";
    }
  }
  const wal = { store: new Careless(), path: "logs" };
  const store = new MemoryObjectStore();
  await expect(Db.open({ store, path }, { wal })).rejects.toMatchObject({ kind: "unsupported" });
  await expect(DbReader.open({ store, path })).rejects.toMatchObject({ kind: "not-found" });
});

test("the place may stand in the URL, and only once", async () => {
  const location = "memory:///wal-place-test?wal=memory:///wal-place-test-logs";
  const db = await Db.open(location);
  await db.put("a", "1");
  await db.close({ flush: "wal" });
  await expect(Db.open("memory:///wal-place-test")).rejects.toMatchObject({ kind: "invalid" });
  await expect(Db.open(location, { wal: true })).rejects.toMatchObject({ kind: "invalid" });
  const next = await Db.open(location);
  expect(text(await next.get("a"))).toBe("1");
  await next.close();
});

test("a reader ends when a writer moves the WAL to where it does not look", async () => {
  const store = new MemoryObjectStore();
  const clock = new ManualClock();
  await (await Db.open({ store, path }, { wal: false, clock })).close();
  const reader = await DbReader.open({ store, path }, { clock });
  const wal = { store: new MemoryObjectStore(), path: "logs" };
  const db = await Db.open({ store, path }, { wal, clock });
  await expect(reader.refresh()).rejects.toMatchObject({ kind: "invalid" });
  await clock.advance(20_000);
  expect(await reader.closed).toMatchObject({ kind: "invalid" });
  await db.close();
});
