/** Runs that are too long for the manifest: what their lists cost, how they are shared and kept, and what damage of them is called. */
import { beforeAll, expect, test } from "vitest";
import type { Manifest } from "../../../src/format/manifest.js";
import { CorruptionError, Db, DbReader } from "../../../src/index.js";
import { prefixed } from "../../../src/object-store/prefixed.js";
import { CountingObjectStore, MemoryObjectStore } from "../../../src/testing/index.js";
import { loadEngine } from "../../support/load-engine.js";
import { compactByHand } from "./compact-by-hand.js";
import { requestsOf, text } from "./support.js";

beforeAll(loadEngine);

const options = { pollIntervalMs: 3_600_000 };
const idle = { compaction: false, flushIntervalMs: 3_600_000 } as const;

interface Scene {
  readonly root: ReturnType<typeof prefixed>;
  readonly counting: CountingObjectStore;
  readonly manifest: Manifest;
  readonly reader: DbReader;
  keyOf(i: number): string;
}

/**
 * A reader of a database of one run with 40 SSTs of one key each, and above it an L0 entry with the first and the last of the keys. Keys of
 * `keyBytes` make the list long.
 */
async function scene(keyBytes: number, blockCacheBytes = 16 << 20): Promise<Scene> {
  const store = new MemoryObjectStore();
  const counting = new CountingObjectStore(store);
  const at = { store: counting, path: "db" };
  const root = prefixed(store, "db");
  const keyOf = (i: number): string => `${String(i).padStart(2, "0")}${"x".repeat(keyBytes - 2)}`;
  const db = await Db.open(at, idle);
  const batch = db.batch();
  for (let i = 0; i < 40; i++) batch.put(keyOf(i), `value ${i}`);
  await db.write(batch);
  await db.flush({ to: "l0" });
  const manifest = await compactByHand({ store: root, keysPerSst: 1 });
  await db.write(db.batch().put(keyOf(0), "new").put(keyOf(39), "new"));
  await db.close();
  const reader = await DbReader.open(at, { ...options, blockCacheBytes });
  counting.reset();
  return { root, counting, manifest, reader, keyOf };
}

/** Names without numbers. */
const gets = ({ counting }: Scene): string[] =>
  requestsOf(counting).map((request) => request.replace(/ULID.*\./, ""));

test("a short list takes one GET before that of the SST, at the same time as L0 is asked, and no other key takes it again", async () => {
  const one = await scene(10);
  const { reader, keyOf, counting, manifest } = one;
  expect(manifest.runs[0]!).toMatchObject({ sstCount: 40, indexOffset: 0 });
  expect(text(await reader.get(keyOf(7)))).toBe("value 7");
  expect(gets(one).toSorted()).toEqual(["get runs/run", "get sst/sst", "get sst/sst"]);
  expect(counting.requests[2]!.key).toContain("sst/");
  counting.reset();
  expect(text(await reader.get(keyOf(8)))).toBe("value 8");
  expect(gets(one)).toEqual(["get sst/sst"]);
  counting.reset();
  expect(text(reader.getCached(keyOf(8))!.value)).toBe("value 8");
  expect(reader.getCached(keyOf(9))).toBeUndefined();
  expect(await reader.get("none")).toBeUndefined();
  expect(gets(one)).toEqual([]);
  await reader.close();
});

test("of a long list the index is read and then a part, and all that want them at the same time share the requests", async () => {
  const one = await scene(5000);
  const { reader, keyOf, counting, manifest } = one;
  const [run] = manifest.runs;
  expect(run!.indexOffset).toBeGreaterThan(256 * 1024);
  const keys = [5, 5, 6, 6, 5].map(keyOf);
  const values = await Promise.all(keys.map(async (key) => text(await reader.get(key))));
  expect(values).toEqual(["value 5", "value 5", "value 6", "value 6", "value 5"]);
  const lists = gets(one).filter((request) => request === "get runs/run");
  // The index, and the part that has both keys.
  expect(lists).toHaveLength(2);
  counting.reset();
  const all = Array.from({ length: 40 }, (_, i) => keyOf(i));
  const expected = all.map((_, i) => (i % 39 === 0 ? "new" : `value ${i}`));
  expect((await reader.getMany(all)).map(text)).toEqual(expected);
  counting.reset();
  // All parts are in memory now.
  expect((await reader.getMany(all)).map(text)).toEqual(expected);
  expect(gets(one)).toEqual([]);
  await reader.close();
});

test.each([16 << 20, 0])(
  "scans go through a long list part by part, both ways and after seeks, with a cache of %i bytes",
  async (blockCacheBytes) => {
    const one = await scene(5000, blockCacheBytes);
    const { reader, keyOf, counting } = one;
    const name = (row: { key: Uint8Array }): number => Number(text(row.key)!.slice(0, 2));
    const first = reader.scan({ gte: keyOf(22), limit: 2 });
    expect((await first.nextMany(9)).map(name)).toEqual([22, 23]);
    // The index and one part, of seven SSTs.
    expect(gets(one).filter((request) => request === "get runs/run")).toHaveLength(2);
    counting.reset();
    const forward: number[] = [];
    for await (const row of reader.scan()) forward.push(name(row));
    expect(forward).toEqual(Array.from({ length: 40 }, (_, i) => i));
    const reverse: number[] = [];
    for await (const row of reader.scan({ reverse: true })) reverse.push(name(row));
    expect(reverse).toEqual(forward.toReversed());
    const scan = reader.scan({ gt: keyOf(3), lt: keyOf(37) });
    for (const [to, found] of [
      [30, [30, 31]],
      [0, [4, 5]],
      [36, [36]],
      [38, []],
      [12, [12, 13]],
    ] as const) {
      scan.seek(keyOf(to));
      expect((await scan.nextMany(2)).map(name)).toEqual(found);
    }
    await scan.close();
    await reader.close();
  },
);

test("warming brings the lists too", async () => {
  const one = await scene(5000);
  const { reader, keyOf, counting } = one;
  expect(await reader.warm()).toMatchObject({ tables: 41, complete: true });
  counting.reset();
  expect(text(await reader.get(keyOf(33)))).toBe("value 33");
  expect(gets(one)).toEqual([]);
  await reader.close();
});

test("a cache that has room for little gives lists up and reads them again", async () => {
  const one = await scene(5000, 600_000);
  const { reader, keyOf } = one;
  for (let round = 0; round < 3; round++) {
    for (const i of [1, 38, 20, 7]) expect(text(await reader.get(keyOf(i)))).toBe(`value ${i}`);
  }
  const { blockCache } = reader.stats();
  expect(blockCache.bytes).toBeLessThanOrEqual(600_000);
  expect(blockCache.index.evictions).toBeGreaterThan(0);
  await reader.close();
});

test.each([10, 5000])(
  "damage of a list with keys of %i bytes names the list, and is no absence",
  async (bytes) => {
    const { root, manifest, reader, keyOf } = await scene(bytes);
    const path = `runs/${manifest.runs[0]!.id}.run`;
    const whole = (await root.get(path))!.bytes;
    const damaged = whole.slice();
    for (let i = 100; i < damaged.length; i += 999) damaged[i]! ^= 1;
    for (const object of [damaged, whole.subarray(0, -1), undefined]) {
      if (object === undefined) await root.delete([path]);
      else await root.put(path, object);
      for (const read of [
        () => reader.get(keyOf(5)),
        () => reader.getMany([keyOf(5)]),
        () => reader.scan().nextMany(99),
      ]) {
        await expect(read()).rejects.toMatchObject({ kind: "corruption", object: path });
      }
      await expect(reader.get(keyOf(5))).rejects.toBeInstanceOf(CorruptionError);
    }
    await root.put(path, whole);
    expect(text(await reader.get(keyOf(5)))).toBe("value 5");
    await reader.close();
  },
);
