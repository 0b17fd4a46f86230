/** The option `compression`: what it takes, what it stores, and that every handle reads everything. */
import { describe, expect, test } from "vitest";
import { hasZstd } from "../../../src/format/zstd.js";
import {
  BlockCache,
  type CompressionOption,
  Db,
  DbReader,
  isMoraineError,
  MemoryObjectStore,
} from "../../../src/index.js";
import { CountingObjectStore } from "../../../src/testing/index.js";
import { text } from "./support.js";

const keyOf = (i: number): string => `key ${String(i).padStart(6, "0")}`;
const textOf = (i: number): string =>
  JSON.stringify({ id: i, user: `user-${i % 97}`, text: "ab".repeat(20) });

async function write(
  store: CountingObjectStore,
  compression: CompressionOption | undefined,
  from: number,
  to: number,
): Promise<void> {
  const db = await Db.open({ store, path: "db" }, { compression });
  const rows = Array.from({ length: to - from }, (_, i) => [keyOf(from + i), textOf(from + i)]);
  await db.load(rows.slice(1) as [string, string][]);
  await db.put(keyOf(from), textOf(from));
  await db.close();
}

async function sstBytes(store: CountingObjectStore): Promise<number> {
  let bytes = 0;
  for await (const { size } of store.list({ prefix: "db/sst/" })) bytes += size;
  return bytes;
}

const available: CompressionOption[] = [
  "lz4",
  "deflate",
  { codec: "deflate", level: 9 },
  { l0: "lz4" },
  { l0: { codec: "deflate" } },
  ...(hasZstd ? (["zstd", { codec: "zstd", level: 1 }, { l0: "zstd" }] as const) : []),
];

describe.each(available.map((compression) => ({ name: JSON.stringify(compression), compression })))(
  "$name",
  ({ compression }) => {
    test("SSTs of flushes and of loads shrink, and any handle reads them", async () => {
      const plain = new CountingObjectStore(new MemoryObjectStore());
      const store = new CountingObjectStore(new MemoryObjectStore());
      await write(plain, undefined, 0, 2000);
      await write(store, compression, 0, 2000);
      expect(await sstBytes(store)).toBeLessThan((await sstBytes(plain)) / 2);
      // Another handle, which writes plain blocks beside them.
      await write(store, undefined, 2000, 4000);
      const reader = await DbReader.open({ store, path: "db" });
      for (let i = 0; i < 4000; i += 37) expect(text(await reader.get(keyOf(i)))).toBe(textOf(i));
      let count = 0;
      for await (const { key, value } of reader.scan()) {
        expect([text(key), text(value)]).toEqual([keyOf(count), textOf(count++)]);
      }
      expect(count).toBe(4000);
      await reader.close();
    });
  },
);

test('"none", and no option, write the same sizes', async () => {
  const sizes = [];
  for (const compression of [undefined, "none", { l0: "none" }, { l0: undefined }] as const) {
    const store = new CountingObjectStore(new MemoryObjectStore());
    await write(store, compression, 0, 500);
    sizes.push(await sstBytes(store));
  }
  expect(new Set(sizes).size).toBe(1);
});

test.each([
  ["an unknown codec", "snappy", /"compression" must be "none" or "lz4" or "deflate" or "zstd"/],
  ["a number", 3, /not number/],
  ["null", null, /null/],
  ["an empty object", {}, /codec/],
  ["a level for lz4", { codec: "lz4", level: 1 }, /"lz4" has none/],
  ["a level for none", { codec: "none", level: 0 }, /"none" has none/],
  ["a level above", { codec: "deflate", level: 10 }, /from 1 to 9/],
  ["a level of zero", { codec: "deflate", level: 0 }, /from 1 to 9/],
  ["half a level", { codec: "deflate", level: 1.5 }, /from 1 to 9/],
  ["a misspelled name", { codek: "deflate" }, /codec/],
  ["a level of the tree that nothing writes", { l0: "lz4", blobs: "zstd" }, /"blobs"/],
  ["a wrong codec of L0", { l0: "snappy" }, /compression\.l0/],
  ["a wrong codec of runs", { runs: "snappy" }, /compression\.runs/],
])("%s is refused before anything happens", async (_, compression, message) => {
  const store = new CountingObjectStore(new MemoryObjectStore());
  const error: Error = await Db.open(
    { store, path: "db" },
    { compression: compression as CompressionOption },
  ).then(
    () => expect.unreachable(),
    (caught) => caught,
  );
  expect(error).toMatchObject({ kind: "invalid", message: expect.stringMatching(message) });
  expect(store.total).toBe(0);
});

test("a reader, which writes nothing, has no such option", async () => {
  const store = new MemoryObjectStore();
  await expect(
    DbReader.open({ store, path: "db" }, { compression: "lz4" } as object),
  ).rejects.toThrow('no option "compression"');
});

test.runIf(!hasZstd)("zstd is refused where Node lacks it, before anything happens", async () => {
  const store = new CountingObjectStore(new MemoryObjectStore());
  const error: unknown = await Db.open({ store, path: "db" }, { compression: "zstd" }).catch(
    (caught) => caught,
  );
  expect(isMoraineError(error, "unsupported")).toBe(true);
  expect(String(error)).toMatch(/Node 22\.15 or later, or reopen with another compression/);
  expect(store.total).toBe(0);
});

test("the block cache holds what blocks decompress to, and counts it, for large and for small SSTs", async () => {
  for (const rowCount of [60_000, 300]) {
    const store = new CountingObjectStore(new MemoryObjectStore());
    await write(store, "deflate", 0, rowCount);
    const stored = await sstBytes(store);
    const blockCache = new BlockCache(64 * 1024 * 1024);
    const reader = await DbReader.open({ store, path: "db" }, { blockCache });
    const keys = Array.from({ length: rowCount }, (_, i) => keyOf(i));
    await reader.getMany(keys);
    const { data } = blockCache.stats();
    expect(data.bytes).toBeGreaterThan(rowCount * textOf(0).length * 0.8);
    expect(data.bytes).toBeGreaterThan(stored * 2);
    const { misses } = data;
    store.reset();
    await reader.getMany(keys);
    expect(store.total).toBe(0);
    expect(blockCache.stats().data.misses).toBe(misses);
    await reader.close();
  }
});

test("a cache without room reads compressed SSTs all the same", async () => {
  const store = new CountingObjectStore(new MemoryObjectStore());
  await write(store, "lz4", 0, 300);
  const reader = await DbReader.open({ store, path: "db" }, { blockCacheBytes: 0 });
  for (let i = 0; i < 300; i++) expect(text(await reader.get(keyOf(i)))).toBe(textOf(i));
  await reader.close();
});
