import * as fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { seededRandom } from "../../../src/common/random.js";
import { cachedRanges } from "../../../src/object-store/cached-ranges.js";
import { DiskCache, type DiskCacheOptions } from "../../../src/object-store/disk-cache.js";
import {
  type CacheFileSystem,
  nodeCacheFileSystem,
} from "../../../src/object-store/disk-cache-files.js";
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

function openCache(options: Partial<DiskCacheOptions> = {}): DiskCache {
  const random = seededRandom(++seed);
  const clock = new ManualClock({ now: Date.now() });
  const cache = new DiskCache({ dir, bytes: 10_000_000, partBytes, clock, random, ...options });
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

test("the priority reaches the store, and an abort where nobody else waits", async () => {
  const { store, cached } = await place(1000);
  const seen: (GetOptions | undefined)[] = [];
  store.get = (_name, options) => {
    seen.push(options);
    return new Promise(() => undefined);
  };
  const controller = new AbortController();
  const { signal } = controller;
  const range = { offset: 0, length: 5 };
  const reading = cached.get(key, { range, signal, background: true });
  await until(() => seen.length === 1);
  expect(seen[0]).toMatchObject({ range: { offset: 0, length: 100 }, background: true });
  expect(seen[0]!.signal!.aborted).toBe(false);
  controller.abort(new Error("enough"));
  await expect(reading).rejects.toThrow("enough");
  expect(seen[0]!.signal!.aborted).toBe(true);
});

/** Holds what it is asked for, and finds out what is asked for twice at once. */
class Held extends Counting {
  isHolding = true;
  twiceAtOnce = 0;
  readonly signals: AbortSignal[] = [];
  #gates: (() => void)[] = [];
  readonly #underWay = new Set<{ from: number; to: number }>();

  override async get(name: string, options?: GetOptions) {
    const range = options?.range;
    const from = range !== undefined && "offset" in range ? range.offset : 0;
    const to = range !== undefined && "offset" in range ? from + range.length : Infinity;
    for (const other of this.#underWay) if (from < other.to && other.from < to) this.twiceAtOnce++;
    const request = { from, to };
    this.#underWay.add(request);
    if (options?.signal) this.signals.push(options.signal);
    try {
      const found = super.get(name, options);
      found.catch(() => undefined);
      if (this.isHolding) await new Promise<void>((resolve) => this.#gates.push(resolve));
      return await found;
    } finally {
      this.#underWay.delete(request);
    }
  }

  get count(): number {
    return this.#gates.length;
  }

  release(): void {
    for (const go of this.#gates.splice(0)) go();
  }
}

async function until(isSo: () => boolean): Promise<void> {
  for (let i = 0; i < 2000 && !isSo(); i++) await new Promise((resolve) => setTimeout(resolve, 1));
  expect(isSo()).toBe(true);
}

async function heldPlace(size: number, options?: Partial<DiskCacheOptions>) {
  const store = new Held();
  await store.put(key, bytesOf(size));
  const cache = openCache(options);
  return { store, cache, cached: cachedRanges(store, cache, databaseId) };
}

test("what is being fetched is waited for, and only what nobody fetches is a request", async () => {
  const { store, cached } = await heldPlace(1000);
  const one = readRange(cached, 150, 200);
  await until(() => store.count === 1);
  const others = [
    readRange(cached, 110, 20),
    readRange(cached, 0, 1000),
    readRange(cached, 350, 100),
    cached.get(key).then((found) => found?.bytes),
  ];
  await until(() => store.count === 3);
  store.release();
  const all = bytesOf(1000);
  expect(await one).toEqual(all.slice(150, 350));
  expect(await Promise.all(others)).toEqual([all.slice(110, 130), all, all.slice(350, 450), all]);
  expect(store.gets).toEqual(["100+300", "0+100", "400+600"]);
});

test("a whole object that is being fetched is waited for too", async () => {
  const { store, cached } = await heldPlace(1000);
  const whole = cached.get(key);
  await until(() => store.count === 1);
  const others = [readRange(cached, 110, 20), cached.get(key).then((found) => found?.bytes)];
  await new Promise((resolve) => setTimeout(resolve, 20));
  store.release();
  expect((await whole)?.bytes).toEqual(bytesOf(1000));
  expect(await Promise.all(others)).toEqual([bytesOf(1000).slice(110, 130), bytesOf(1000)]);
  expect(store.gets).toEqual(["whole"]);
});

test("an abort ends its own waiting; the request goes on while somebody waits, and is begun anew when nobody did", async () => {
  const { store, cached } = await heldPlace(1000);
  const controllers = [new AbortController(), new AbortController()];
  const [one, two] = controllers.map(({ signal }) =>
    cached.get(key, { range: { offset: 20, length: 30 }, signal }),
  );
  await until(() => store.count === 1);
  controllers[0]!.abort(new Error("enough"));
  await expect(one).rejects.toThrow("enough");
  expect(store.signals[0]!.aborted).toBe(false);
  controllers[1]!.abort(new Error("this too"));
  await expect(two).rejects.toThrow("this too");
  expect(store.signals[0]!.aborted).toBe(true);
  const again = readRange(cached, 20, 30);
  await until(() => store.count === 2);
  store.release();
  expect(await again).toEqual(bytesOf(1000).slice(20, 50));
});

test("a request that fails fails all who wait, and the next tries anew", async () => {
  const { store, cached } = await heldPlace(1000);
  const { get } = store;
  const rejects: ((error: Error) => void)[] = [];
  store.get = () => new Promise((_, reject) => rejects.push(reject));
  const ends = Promise.allSettled([readRange(cached, 0, 10), readRange(cached, 50, 40)]);
  await until(() => rejects.length > 0);
  store.get = get;
  store.isHolding = false;
  rejects[0]!(new Error("down"));
  expect((await ends).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect(rejects.length).toBe(1);
  expect(await readRange(cached, 0, 10)).toEqual(bytesOf(1000).slice(0, 10));
});

test("a part that waits to be written is read from there", async () => {
  const never = (): Promise<never> => new Promise(() => undefined);
  const stuck = { ...nodeCacheFileSystem, readdir: never };
  const { store, cached, cache } = await heldPlace(1000, { fileSystem: stuck });
  caches.pop();
  store.isHolding = false;
  const all = bytesOf(1000);
  expect(await readRange(cached, 250, 300)).toEqual(all.slice(250, 550));
  expect(await readRange(cached, 300, 300)).toEqual(all.slice(300, 600));
  expect(await readRange(cached, 220, 300)).toEqual(all.slice(220, 520));
  expect(store.gets).toEqual(["200+400"]);
  expect(cache.stats()).toMatchObject({ writes: 0, hits: 2, misses: 1 });
  // What is dropped is not read from there either.
  void cache.drop(databaseId, id);
  expect(await readRange(cached, 220, 300)).toEqual(all.slice(220, 520));
  expect(store.gets).toEqual(["200+400", "200+400"]);
});

test("what was being read from the disk when the object was dropped is not given to who asks after that", async () => {
  let gate: (() => void) | undefined;
  const slow: CacheFileSystem = {
    ...nodeCacheFileSystem,
    open: (async (path: string, flags: string | number) => {
      const file = await nodeCacheFileSystem.open(path, flags);
      if (flags !== "wx" && gate === undefined) {
        await new Promise<void>((resolve) => {
          gate = resolve;
        });
      }
      return file;
    }) as CacheFileSystem["open"],
  };
  const { store, cache, cached } = await heldPlace(100);
  store.isHolding = false;
  await readRange(cached, 0, 100);
  await cache.idle();
  const later = openCache({ fileSystem: slow });
  const slowly = cachedRanges(store, later, databaseId);
  const one = readRange(slowly, 0, 50);
  await until(() => gate !== undefined);
  const dropped = later.drop(databaseId, id);
  const two = readRange(slowly, 0, 100);
  await dropped;
  gate!();
  expect(await one).toEqual(bytesOf(100).slice(0, 50));
  expect(await two).toEqual(bytesOf(100));
  expect(store.gets).toEqual(["0+100", "0+100"]);
});

test("however many read at once, nothing is fetched twice at once, and the answers are those of the store", async () => {
  const read = fc.record({ offset: fc.nat(1200), length: fc.nat(500), isAborted: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(99, 100, 1234), fc.array(read), async (size, reads) => {
      await fs.rm(join(dir, databaseId), { recursive: true, force: true, maxRetries: 5 });
      const { store, cached, cache } = await heldPlace(size);
      const releasing = setInterval(() => store.release(), 1);
      const expected = new MemoryObjectStore();
      await expected.put(key, bytesOf(size));
      const all = Promise.all(
        reads.map(async ({ offset, length, isAborted }, i) => {
          const options = length % 7 === 0 ? undefined : { range: { offset, length } };
          if (i % 3 === 0) await new Promise((resolve) => setTimeout(resolve, i % 5));
          const controller = new AbortController();
          const reading = cached.get(key, { ...options, signal: controller.signal });
          if (isAborted) {
            controller.abort(new Error("enough"));
            await expect(reading).rejects.toThrow("enough");
            return;
          }
          const wanted = (await expected.get(key, options))!.bytes;
          expect(Buffer.compare((await reading)!.bytes, wanted)).toBe(0);
        }),
      );
      await all.finally(() => clearInterval(releasing));
      expect(store.twiceAtOnce).toBe(0);
      await cache.idle();
    }),
    { numRuns: 40 },
  );
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
