import fc from "fast-check";
import { expect, test } from "vitest";
import { Block } from "../../../src/format/block.js";
import { BlockBuilder } from "../../../src/format/block-builder.js";
import { BlockCache, type SstBlocks } from "../../../src/sst/block-cache.js";
import { databaseId, plainRow, sstId, toRef } from "./row-model.js";

function block(valueBytes: number): Block {
  const builder = new BlockBuilder(16, 64);
  builder.add(toRef(plainRow("key", 1, { value: new Uint8Array(valueBytes) })), 0);
  return new Block(builder.finish(0, true).copy(), "sst/x.sst", 0);
}

/** One block stands for all of a size: what is in them does not matter here. */
const ofKiB = block(800);
const entryBytes = ofKiB.bytes.length + 200;

const blocksOf = (cache: BlockCache, id = sstId): SstBlocks => cache.blocksOf(databaseId, id);

/** Reads a block as a table does. True for a hit. */
function read(blocks: SstBlocks, offset: number): boolean {
  if (blocks.get(offset) !== undefined) return true;
  blocks.missed();
  blocks.add(offset, ofKiB);
  return false;
}

/** The cache as it was, for comparison: the least recently used leaves first. */
class LruCache {
  readonly #offsets = new Set<number>();
  readonly #countMax: number;

  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  read(offset: number): boolean {
    const wasThere = this.#offsets.delete(offset);
    this.#offsets.add(offset);
    if (this.#offsets.size > this.#countMax) {
      this.#offsets.delete(this.#offsets.values().next().value!);
    }
    return wasThere;
  }
}

/** Hits of a hot set of 500 blocks that is read again and again, while every now and then everything is read once, in order. */
function hotHits(countMax: number, readBlock: (offset: number) => boolean): number {
  let hits = 0;
  let reads = 0;
  for (let round = 0; round < 6; round++) {
    for (let i = 0; i < 5000; i++) {
      const isHit = readBlock(((i * 7919) % 500) * 40);
      if (round === 0) continue;
      reads++;
      if (isHit) hits++;
    }
    for (let offset = 0; offset < countMax * 20; offset++) readBlock(offset);
    // What a hot set loses to a scan shows in its next pass over all of it.
    for (let i = 0; i < 500; i++) {
      reads++;
      if (readBlock(i * 40)) hits++;
    }
  }
  return hits / reads;
}

test("a full scan does not flush the hot set, as it does where the least recently used leaves", () => {
  const cache = new BlockCache(1000 * entryBytes);
  const blocks = blocksOf(cache);
  expect(hotHits(1000, (offset) => read(blocks, offset))).toBeGreaterThan(0.99);
  const lru = new LruCache(1000);
  expect(hotHits(1000, (offset) => lru.read(offset))).toBeLessThan(0.92);
  const { hits, misses, hitRatio, data } = cache.stats();
  expect(hitRatio).toBeCloseTo(hits / (hits + misses));
  expect(data.evictions).toBe(misses - data.count);
});

test("the last pass over the hot set after a scan hits, where that of the least recently used misses all", () => {
  const blocks = blocksOf(new BlockCache(1000 * entryBytes));
  const lru = new LruCache(1000);
  for (const readBlock of [(o: number) => read(blocks, o), (o: number) => lru.read(o)]) {
    for (let pass = 0; pass < 4; pass++) for (let i = 0; i < 500; i++) readBlock(i);
    for (let offset = 1000; offset < 21_000; offset++) readBlock(offset);
  }
  const hitsOf = (readBlock: (offset: number) => boolean): number =>
    Array.from({ length: 500 }, (_, i) => readBlock(i)).filter(Boolean).length;
  expect(hitsOf((offset) => read(blocks, offset))).toBe(500);
  expect(hitsOf((offset) => lru.read(offset))).toBe(0);
});

test("the hot set may change: what is wanted again soon takes the place of what is not", () => {
  const cache = new BlockCache(100 * entryBytes);
  const blocks = blocksOf(cache);
  for (let pass = 0; pass < 10; pass++) for (let i = 0; i < 80; i++) read(blocks, i);
  for (let pass = 0; pass < 10; pass++) for (let i = 1000; i < 1080; i++) read(blocks, i);
  const before = cache.stats().hits;
  for (let i = 1000; i < 1080; i++) read(blocks, i);
  expect(cache.stats().hits - before).toBe(80);
});

test("data makes room for indexes, up to their share; beyond it they make room for each other", () => {
  const cache = new BlockCache(100_000);
  const blocks = blocksOf(cache);
  const evicted: number[] = [];
  for (let i = 0; i < 200; i++) read(blocks, i);
  const full = cache.stats().data.bytes;
  const entries = Array.from({ length: 5 }, (_, i) =>
    cache.addIndex(10_000, () => evicted.push(i)),
  );
  expect(evicted).toEqual([]);
  expect(cache.stats().index).toMatchObject({ bytes: 50_000, count: 5, misses: 0, evictions: 0 });
  expect(cache.stats().data.bytes).toBeLessThan(full);
  entries[0]!.hit();
  cache.addIndex(10_000, () => evicted.push(5));
  // The first was used since it came, so the second leaves.
  expect(evicted).toEqual([1]);
  for (let i = 0; i < 200; i++) read(blocks, i);
  expect(cache.stats().index.count).toBe(5);
  expect(cache.bytes).toBeLessThanOrEqual(100_000);
});

test("indexes may fill what data does not, and give it back", () => {
  const cache = new BlockCache(100_000);
  const blocks = blocksOf(cache);
  for (let i = 0; i < 9; i++) cache.addIndex(10_000, () => undefined);
  expect(cache.stats().index).toMatchObject({ count: 9, evictions: 0 });
  for (let i = 0; i < 200; i++) read(blocks, i);
  expect(cache.stats().index.count).toBe(5);
  expect(cache.stats().data.bytes).toBeGreaterThan(48_000);
});

test("a single index above the share is kept, because nothing is read without it", () => {
  const cache = new BlockCache(10_000);
  const blocks = blocksOf(cache);
  cache.addIndex(9_500, () => undefined);
  read(blocks, 0);
  expect(cache.stats().index.count).toBe(1);
  expect(blocks.has(0)).toBe(false);
});

test("a block or an index above the bound, or any of a cache of 0 bytes, is not kept", () => {
  const cache = new BlockCache(1000);
  blocksOf(cache).add(0, block(2000));
  expect(cache.addIndex(1001, () => undefined)).toBeUndefined();
  expect(cache.bytes).toBe(0);
  const none = new BlockCache(0);
  blocksOf(none).add(0, block(1));
  expect(blocksOf(none).has(0)).toBe(false);
  expect(none.addIndex(1, () => undefined)).toBeUndefined();
  expect(none.stats()).toMatchObject({ bytes: 0, hitRatio: 0 });
});

test.each([-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, "64", undefined])(
  "a bound of %s is refused",
  (bytes) => {
    expect(() => new BlockCache(bytes as number)).toThrow(/bytes/);
  },
);

test("adding a block twice counts once", () => {
  const cache = new BlockCache(4000);
  const blocks = blocksOf(cache);
  blocks.add(0, ofKiB);
  const { bytes } = cache;
  blocks.add(0, ofKiB);
  expect([cache.stats().data.count, cache.bytes]).toEqual([1, bytes]);
});

test("equal SST ids of two databases do not meet, and blocks outlast the table that read them", () => {
  const cache = new BlockCache(10_000);
  const mine = cache.blocksOf(databaseId, sstId);
  const others = cache.blocksOf(sstId, sstId);
  mine.add(0, ofKiB);
  expect([mine.has(0), others.has(0)]).toEqual([true, false]);
  mine.release();
  mine.release();
  expect(cache.blocksOf(databaseId, sstId).has(0)).toBe(true);
  cache.clear();
  expect(cache.bytes).toBe(0);
  // A table that is still in use after its place was given up.
  mine.add(0, ofKiB);
  expect(cache.blocksOf(databaseId, sstId).has(0)).toBe(true);
});

test("clear leaves nothing, and closes what is open", () => {
  const cache = new BlockCache(10_000);
  const blocks = blocksOf(cache);
  for (let i = 0; i < 20; i++) for (let use = 0; use < 3; use++) read(blocks, i);
  let evictions = 0;
  const index = cache.addIndex(100, () => evictions++);
  cache.clear();
  index!.remove();
  expect([cache.bytes, evictions, blocks.has(19)]).toEqual([0, 1, false]);
  expect(cache.stats().data).toMatchObject({ bytes: 0, count: 0 });
});

test("whatever happens, the bytes are those of what is there, within the bound, and every index is evicted once at most", () => {
  const step = fc.record({
    what: fc.constantFrom("read", "index", "hit", "remove", "clear"),
    sst: fc.nat(2),
    offset: fc.nat(30),
    size: fc.nat(6),
  });
  const weights = fc.array(fc.oneof({ weight: 9, arbitrary: step }), { maxLength: 300 });
  const sized = Array.from({ length: 7 }, (_, i) => block(i * 300));
  fc.assert(
    fc.property(fc.constantFrom(0, 500, 3000, 20_000), weights, (bytesMax, steps) => {
      const cache = new BlockCache(bytesMax);
      const ssts = [0, 1, 2].map((i) => cache.blocksOf(databaseId, `sst ${i}`));
      const open = new Map<number, { bytes: number; entry: ReturnType<BlockCache["addIndex"]> }>();
      steps.forEach(({ what, sst, offset, size }, i) => {
        const blocks = ssts[sst]!;
        const [id, index] = [...open][offset % Math.max(1, open.size)] ?? [];
        if (what === "read" && blocks.get(offset) === undefined) blocks.add(offset, sized[size]!);
        else if (what === "hit") index?.entry?.hit();
        else if (what === "clear" && size === 0) cache.clear();
        else if (what === "remove" && id !== undefined) {
          index?.entry?.remove();
          open.delete(id);
        } else if (what === "index") {
          const bytes = size * 500;
          const entry = cache.addIndex(bytes, () => expect(open.delete(i)).toBe(true));
          if (entry !== undefined) open.set(i, { bytes, entry });
        }
        const indexBytes = [...open.values()].reduce((sum, entry) => sum + entry.bytes, 0);
        const { bytes, data, index: indexes } = cache.stats();
        expect(bytes).toBe(data.bytes + indexes.bytes);
        expect(bytes).toBeLessThanOrEqual(bytesMax);
        expect([indexes.bytes, indexes.count]).toEqual([indexBytes, open.size]);
        const found = ssts.flatMap((one) =>
          Array.from({ length: 31 }, (_, at) => one.has(at)).filter(Boolean),
        );
        expect(data.count).toBe(found.length);
      });
    }),
    { numRuns: 100 },
  );
});
