/** Bulk loads: what they store, what they answer, and what is seen of them, when. */
import { describe, expect, test } from "vitest";
import { Db } from "../../../src/db/db.js";
import { DbReader } from "../../../src/db/db-reader.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { CountingObjectStore } from "../../../src/testing/index.js";

const path = "db";
const key = (i: number): string => `key-${String(i).padStart(6, "0")}`;
const text = (bytes: Uint8Array | undefined): string | undefined =>
  bytes && new TextDecoder().decode(bytes);

function* sorted(count: number, value = "value"): Generator<{ key: string; value: string }> {
  for (let i = 0; i < count; i++) yield { key: key(i), value: `${value} ${i}` };
}

async function allOf(db: Db | DbReader): Promise<Map<string, string>> {
  const rows = new Map<string, string>();
  for await (const row of db.scan()) rows.set(text(row.key)!, text(row.value)!);
  return rows;
}

const small = { loadBufferBytes: 64 * 1024, sstBytesMax: 32 * 1024, memTableBytes: 64 * 1024 };

describe.each([
  ["with a WAL", true],
  ["without a WAL", false],
])("%s", (_name, wal) => {
  test("sorted input is one L0 entry with one seq, whatever its size, and is there after reopening", async () => {
    const store = new MemoryObjectStore();
    const db = await Db.open({ store, path }, { ...small, wal });
    await db.put("before", "1");
    const result = await db.load(sorted(5000));
    expect(result).toMatchObject({ rows: 5000, seq: 2 });
    expect(db.stats().seq).toBe(2);
    expect(text(await db.get(key(4321)))).toBe("value 4321");
    await db.flush({ to: "l0" });
    expect(db.stats().l0Count).toBe(2);
    expect((await allOf(db)).size).toBe(5001);
    await db.close();
    const again = await Db.open({ store, path }, { ...small, wal });
    expect((await allOf(again)).size).toBe(5001);
    expect(again.seq).toBe(2);
    await again.close();
  });

  test("unsorted input is cut into sorted chunks, each with its seq; of several rows of a key the last counts", async () => {
    const store = new MemoryObjectStore();
    const db = await Db.open({ store, path }, { ...small, wal });
    const model = new Map<string, string>();
    const entries: [string, string][] = [];
    for (let i = 0; i < 8000; i++) {
      const entry: [string, string] = [key((i * 7919) % 3000), `v${i}`];
      entries.push(entry);
      model.set(...entry);
    }
    const result = await db.load(entries);
    expect(result.seq).toBeGreaterThan(3);
    expect(new Map([...(await allOf(db))].sort())).toEqual(new Map([...model].sort()));
    for (const i of [0, 1, 2999]) expect(text(await db.get(key(i)))).toBe(model.get(key(i)));
    await db.close();
    const again = await Db.open({ store, path }, { wal });
    expect(new Map([...(await allOf(again))].sort())).toEqual(new Map([...model].sort()));
    await again.close();
  });

  test("writes before a load are older than it, and writes after it are newer", async () => {
    const store = new MemoryObjectStore();
    const db = await Db.open({ store, path }, { ...small, wal });
    await db.put(key(1), "before", { durable: false });
    await db.put(key(2), "before", { durable: false });
    const loading = db.load(sorted(10));
    await db.put(key(3), "during");
    await loading;
    await db.put(key(1), "after", { durable: false });
    const expected = { 1: "after", 2: "value 2", 3: "value 3" };
    for (const [i, value] of Object.entries(expected)) {
      expect(text(await db.get(key(Number(i)))), i).toBe(value);
      expect((await allOf(db)).get(key(Number(i))), i).toBe(value);
    }
    await db.close();
  });
});

test("a load that crashed after its record is replayed, and read by a reader before that", async () => {
  const store = new MemoryObjectStore();
  const db = await Db.open({ store, path }, small);
  await db.put("a", "1");
  await db.load(sorted(3000));
  await db.put(key(7), "later");
  const reader = await DbReader.open({ store, path });
  expect(text(await reader.get(key(7)))).toBe("later");
  expect(text(await reader.get(key(8)))).toBe("value 8");
  const second = await Db.open({ store, path }, small);
  expect(text(await second.get(key(7)))).toBe("later");
  expect((await allOf(second)).size).toBe(3001);
  await second.flush({ to: "l0" });
  expect(second.stats().l0Count).toBe(3);
  await reader.refresh();
  expect((await allOf(reader)).size).toBe(3001);
  await second.close();
  await reader.close();
});

test("what fails leaves nothing behind", async () => {
  const store = new MemoryObjectStore();
  const db = await Db.open({ store, path }, small);
  const listed = async (): Promise<string[]> => {
    const keys: string[] = [];
    for await (const { key } of store.list({ prefix: `${path}/sst/` })) keys.push(key);
    return keys;
  };
  async function* failing(): AsyncGenerator<{ key: string; value: string }> {
    yield* sorted(4000);
    expect((await listed()).length).toBeGreaterThan(0);
    throw new Error("the source broke");
  }
  await expect(db.load(failing())).rejects.toThrow("the source broke");
  expect(await listed()).toEqual([]);
  expect(db.seq).toBe(0);
  await db.close();
});

test.each([
  ["sorted", 1],
  ["unsorted", 77_773],
])(
  "a load of %s rows stores little more than its bytes: SSTs, record and manifests together",
  async (_, step) => {
    const store = new CountingObjectStore(new MemoryObjectStore());
    const MiB = 1024 * 1024;
    const settings = { loadBufferBytes: 4 * MiB, sstBytesMax: MiB };
    const db = await Db.open({ store, path }, { ...settings });
    store.reset();
    const count = 100_000;
    // 20 bytes, which have no more in common than so many keys must have.
    const spacing = 2n ** 80n / BigInt(count);
    const keyAt = (i: number): string => (BigInt(i) * spacing).toString(16).padStart(20, "0");
    const value = new Uint8Array(100);
    function* rows(): Generator<[string, Uint8Array]> {
      for (let i = 0; i < count; i++) {
        value.fill(i);
        yield [keyAt((i * step) % count), value];
      }
    }
    const { rows: stored, bytes } = await db.load(rows());
    await db.flush({ to: "l0" });
    await db.close();
    expect([stored, bytes]).toEqual([count, count * 120]);
    const writes = store.requests.filter(({ operation }) => /put|create/.test(operation));
    const bytesOf = (folder: string): number =>
      writes.filter(({ key }) => key.includes(folder)).reduce((sum, one) => sum + one.bytes, 0);
    expect(bytesOf("/sst/")).toBeGreaterThan(bytes / 2);
    expect(bytesOf("/wal/")).toBeGreaterThan(0);
    expect(bytesOf("/manifest/")).toBeGreaterThan(0);
    expect(bytesOf("") / bytes).toBeLessThanOrEqual(1.15);
  },
);
