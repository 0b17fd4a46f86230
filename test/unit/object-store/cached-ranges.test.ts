import * as fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { seededRandom } from "../../../src/common/random.js";
import { cachedRanges } from "../../../src/object-store/cached-ranges.js";
import { DiskCache } from "../../../src/object-store/disk-cache.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import type { GetOptions, ObjectStore } from "../../../src/object-store/object-store.js";
import { ManualClock } from "../../../src/testing/index.js";

const databaseId = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const id = "01BX5ZZKBKACTAV9WEVGEMMVRZ";
const key = `sst/${id}.sst`;
const partBytes = 100;

class Counting extends MemoryObjectStore {
  gets: string[] = [];
  override get(name: string, options?: GetOptions) {
    const range = options?.range;
    this.gets.push(
      range !== undefined && "offset" in range ? `${range.offset}+${range.length}` : "whole",
    );
    return super.get(name, options);
  }
}

let dir: string;
let seed = 0;
const caches: DiskCache[] = [];
beforeEach(async () => {
  dir = await fs.mkdtemp(join(tmpdir(), "moraine-cache-"));
});
afterEach(async () => {
  await Promise.all(caches.splice(0).map((cache) => cache.close()));
  await fs.rm(dir, { recursive: true, force: true, maxRetries: 5 });
});

function openCache(): DiskCache {
  const random = seededRandom(++seed);
  const clock = new ManualClock({ now: Date.now() });
  const cache = new DiskCache({ dir, bytes: 10_000_000, partBytes, clock, random });
  caches.push(cache);
  return cache;
}

const bytesOf = (size: number): Uint8Array<ArrayBuffer> =>
  Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8)) & 255);

async function place(size: number) {
  const store = new Counting();
  await store.put(key, bytesOf(size));
  const cache = openCache();
  return { store, cache, cached: cachedRanges(store, cache, databaseId) };
}

async function readRange(store: ObjectStore, offset: number, length: number) {
  const found = await store.get(key, { range: { offset, length } });
  return found?.bytes;
}

test("a range is fetched in whole parts, and found by every later read of any of them", async () => {
  const { store, cache, cached } = await place(1000);
  expect(await readRange(cached, 250, 100)).toEqual(bytesOf(1000).slice(250, 350));
  await cache.idle();
  for (const [offset, length] of [
    [250, 100],
    [200, 200],
    [399, 1],
    [200, 1],
  ] as const) {
    expect(await readRange(cached, offset, length)).toEqual(
      bytesOf(1000).slice(offset, offset + length),
    );
  }
  expect(store.gets).toEqual(["200+200"]);
  expect(cache.stats()).toMatchObject({ hits: 4, misses: 1, hitRatio: 0.8, writes: 2 });
  // Only what is missing is fetched, in one request.
  expect(await readRange(cached, 150, 400)).toEqual(bytesOf(1000).slice(150, 550));
  await cache.idle();
  expect(await readRange(cached, 200, 550)).toEqual(bytesOf(1000).slice(200, 750));
  expect(store.gets).toEqual(["200+200", "100+500", "600+200"]);
});

test("what one handle has fetched another reads without a request, whole objects too", async () => {
  const { store, cache, cached } = await place(950);
  expect((await cached.get(key))?.bytes).toEqual(bytesOf(950));
  await cache.close();
  const later = cachedRanges(store, openCache(), databaseId);
  const found = await later.get(key);
  expect(found?.bytes).toEqual(bytesOf(950));
  expect(found?.size).toBe(950);
  expect(await readRange(later, 900, 50)).toEqual(bytesOf(950).slice(900));
  expect(await readRange(later, 900, 500)).toEqual(bytesOf(950).slice(900));
  expect(store.gets).toEqual(["whole"]);
  const others = cachedRanges(store, openCache(), id);
  expect((await others.get(key))?.bytes).toEqual(bytesOf(950));
  expect(store.gets).toEqual(["whole", "whole"]);
});

test("everything but SSTs passes by, and so do suffixes; what is absent stays absent", async () => {
  const { store, cache, cached } = await place(500);
  await cached.put("manifest/1", bytesOf(300));
  expect((await cached.get("manifest/1"))?.bytes).toEqual(bytesOf(300));
  expect((await cached.get(key, { range: { suffix: 10 } }))?.bytes).toEqual(
    bytesOf(500).slice(490),
  );
  expect(await readRange(cached, 3, 0)).toEqual(new Uint8Array(0));
  expect(await cached.get(`sst/${databaseId}.sst`)).toBeUndefined();
  expect((await cached.head(key))?.size).toBe(500);
  await cache.idle();
  expect(cache.stats().writes).toBe(0);
  expect(store.gets.length).toBe(4);
});

test("an entry that is damaged is fetched again and mended", async () => {
  const { store, cache, cached } = await place(1000);
  await cached.get(key);
  await cache.idle();
  const path = join(dir, databaseId, id, "3.part");
  const file = await fs.readFile(path);
  file[80]! ^= 1;
  await fs.writeFile(path, file);
  expect(await readRange(cached, 0, 1000)).toEqual(bytesOf(1000));
  await cache.idle();
  expect(await readRange(cached, 0, 1000)).toEqual(bytesOf(1000));
  expect(store.gets).toEqual(["whole", "300+100"]);
  expect(cache.stats().damaged).toBe(1);
});

test("an object that is not the one that was cached is read from the store alone", async () => {
  const { store, cache, cached } = await place(1000);
  await readRange(cached, 0, 300);
  await cache.idle();
  await store.put(key, bytesOf(900));
  expect((await cached.get(key))?.bytes).toEqual(bytesOf(900));
});

test("the signal and the priority reach the store", async () => {
  const { store, cached } = await place(1000);
  const seen: (GetOptions | undefined)[] = [];
  const get = store.get.bind(store);
  store.get = (name, options) => {
    seen.push(options);
    return get(name, options);
  };
  const { signal } = new AbortController();
  await cached.get(key, { range: { offset: 0, length: 5 }, signal, background: true });
  expect(seen).toEqual([{ range: { offset: 0, length: 100 }, signal, background: true }]);
});

test("whatever is read in whatever order, and whatever becomes of the files, the answers are those of the store", async () => {
  const read = fc.record({
    what: fc.constantFrom("range", "range", "range", "whole", "damage", "remove"),
    offset: fc.nat(1400),
    length: fc.nat(600),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(1, 99, 100, 101, 1234),
      fc.array(read),
      async (size, reads) => {
        await fs.rm(join(dir, databaseId), { recursive: true, force: true, maxRetries: 5 });
        const { store, cache, cached } = await place(size);
        for (const { what, offset, length } of reads) {
          const path = join(dir, databaseId, id, `${Math.floor(offset / partBytes)}.part`);
          if (what === "damage") {
            const file = await fs.readFile(path).catch(() => undefined);
            if (file === undefined) continue;
            file[length % file.length]! ^= 4;
            await fs.writeFile(path, file);
          } else if (what === "remove") await fs.rm(path, { force: true });
          else {
            const options = what === "whole" ? undefined : { range: { offset, length } };
            const [found, expected] = [
              await cached.get(key, options),
              await store.get(key, options),
            ];
            expect(found?.size).toBe(expected?.size);
            expect(found?.bytes.length).toBe(expected?.bytes.length);
            expect(Buffer.compare(found!.bytes, expected!.bytes)).toBe(0);
            if (length % 2 === 0) await cache.idle();
          }
        }
        await cache.idle();
      },
    ),
    { numRuns: 60 },
  );
});
