/**
 * `BlockCache`: decoded data blocks, and the indexes and filters of open tables, in memory under one bound of bytes.
 *
 * Data blocks are kept by S3-FIFO (Yang, Zhang, Qiu, Yue, Vigfusson: "FIFO queues are all you need for cache eviction", SOSP
 * 2023): a block enters a small queue of a tenth of the room, and moves to the main one if it was used twice by the time it
 * reaches the end; otherwise it leaves, and enters the main queue if it is wanted again soon. What a long scan reads once passes
 * through the small queue alone. A hit counts a use and moves nothing.
 *
 * Indexes stay while data can make room, as long as they are within their share; beyond it they make room for each other.
 */
import { InvalidArgumentError } from "../common/errors.js";
import type { Ulid } from "../common/ids.js";
import { requireInteger } from "../common/options.js";
import type { Block } from "../format/block.js";
import { CacheEntry, CacheQueue } from "./cache-queue.js";
import { GhostSet } from "./ghost-set.js";

/** What an entry occupies beside the bytes of its block, about. */
const entryOverheadBytes = 200;
/** Of the room that indexes leave, what blocks may fill that have not been used twice. */
const smallShare = 0.1;
/** Of all bytes, what indexes and filters may hold against data; the default of RocksDB's `high_pri_pool_ratio`. */
const indexShare = 0.5;
const ghostsMin = 64;

/**
 * A lookup is one of a read: a get or getMany that needs a block, a scan that enters one. It hits if the cache has the block, and misses
 * if the read has to fetch it or wait for it; compressed blocks of small SSTs miss when they are decompressed. What comes along with
 * others, is fetched ahead or is brought by `warm` counts when it is read. A read that had to wait for one source looks again for the
 * others. Lookups of tables, and of range deletes that they have in a section of their own, count in the same way.
 */
export interface CacheKindStats {
  readonly bytes: number;
  readonly count: number;
  readonly hits: number;
  readonly misses: number;
  /** Of all lookups, those that hit, from 0 to 1; 0 before the first. */
  readonly hitRatio: number;
  readonly evictions: number;
}

export interface BlockCacheStats {
  readonly bytes: number;
  readonly bytesMax: number;
  /** Lookups of data blocks; the indexes would flatter them. */
  readonly hits: number;
  readonly misses: number;
  readonly hitRatio: number;
  readonly data: CacheKindStats;
  /** Open tables: their indexes and filters, and all of a small SST; range deletes of SSTs. */
  readonly index: CacheKindStats;
}

interface Counts {
  hits: number;
  misses: number;
  evictions: number;
}

/** May be given to several databases as `blockCache`: they share the bound, and a block is kept once, whoever read it. */
export class BlockCache {
  readonly bytesMax: number;
  readonly #data: Counts = { hits: 0, misses: 0, evictions: 0 };
  readonly #index: Counts = { hits: 0, misses: 0, evictions: 0 };
  readonly #small = new CacheQueue<BlockEntry>();
  readonly #main = new CacheQueue<BlockEntry>();
  readonly #indexes = new CacheQueue<IndexEntry>();
  readonly #ghosts = new GhostSet();
  readonly #ssts = new Map<string, SstBlocks>();

  /** 0 keeps nothing. */
  constructor(bytesMax: number) {
    if (bytesMax === undefined) throw new InvalidArgumentError("A BlockCache needs its bytes.");
    requireInteger(bytesMax, "bytesMax", 0, Number.MAX_SAFE_INTEGER);
    this.bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#dataBytes + this.#indexes.bytes;
  }

  /** What data blocks may fill now without an eviction. @internal */
  get bytesFree(): number {
    return Math.max(0, this.bytesMax - this.bytes);
  }

  stats(): BlockCacheStats {
    const { bytes, bytesMax } = this;
    const count = this.#small.count + this.#main.count;
    const data = kindStats(this.#data, this.#dataBytes, count);
    const index = kindStats(this.#index, this.#indexes.bytes, this.#indexes.count);
    const { hits, misses, hitRatio } = data;
    return { bytes, bytesMax, hits, misses, hitRatio, data, index };
  }

  /** Forgets everything. Tables that are in use are opened again when they are next looked for. */
  clear(): void {
    for (const queue of [this.#small, this.#main]) {
      for (let entry = queue.first; entry !== undefined; entry = queue.first) this.#drop(entry);
    }
    for (let entry = this.#indexes.first; entry !== undefined; entry = this.#indexes.first) {
      this.#indexes.remove(entry);
      entry.onEvicted();
    }
    this.#ghosts.clear();
  }

  /** The cached blocks of an SST. Call `release` when the table is closed. @internal */
  blocksOf(databaseId: Ulid, sstId: Ulid): SstBlocks {
    const name = `${databaseId}/${sstId}`;
    let blocks = this.#ssts.get(name);
    if (blocks === undefined) {
      blocks = new SstBlocks(this, name, this.#data);
      this.#ssts.set(name, blocks);
    }
    blocks.holders++;
    return blocks;
  }

  /**
   * Makes room for an index that the caller keeps until `onEvicted`, or until it calls `remove`. Undefined, and `onEvicted` is
   * never called, when it is larger than the cache. @internal
   */
  addIndex(bytes: number, onEvicted: () => void): IndexEntry | undefined {
    if (bytes > this.bytesMax) return undefined;
    // Before it enters, or it would be the first to leave while the others are in use.
    while (this.bytes + bytes > this.bytesMax) {
      const isOverShare = this.#indexes.bytes + bytes > this.bytesMax * indexShare;
      if (this.#dataBytes === 0 || (isOverShare && this.#indexes.count > 0)) this.#evictIndex();
      else this.#evictBlock();
    }
    const entry = new IndexEntry(bytes, this.#index, onEvicted);
    this.#indexes.append(entry);
    return entry;
  }

  /** A read needs an index that is not here. @internal */
  indexMissed(): void {
    this.#index.misses++;
  }

  /** @internal For `SstBlocks`. */
  addBlock(blocks: SstBlocks, offset: number, block: Block): BlockEntry | undefined {
    const bytes = block.bytes.length + entryOverheadBytes;
    if (bytes > this.#dataRoom) return undefined;
    while (this.bytes + bytes > this.bytesMax) {
      const isOverShare = this.#indexes.bytes > this.bytesMax * indexShare;
      if (this.#dataBytes === 0 || (isOverShare && this.#indexes.count > 1)) this.#evictIndex();
      else this.#evictBlock();
    }
    const entry = new BlockEntry(bytes, blocks, offset, block);
    const isWantedAgain = this.#ghosts.take(blocks.markOf(offset));
    (isWantedAgain ? this.#main : this.#small).append(entry);
    if (!this.#ssts.has(blocks.name)) this.#ssts.set(blocks.name, blocks);
    return entry;
  }

  /** @internal For `SstBlocks`: nobody can find anything in it. */
  forgetSst(blocks: SstBlocks): void {
    if (this.#ssts.get(blocks.name) === blocks) this.#ssts.delete(blocks.name);
  }

  get #dataBytes(): number {
    return this.#small.bytes + this.#main.bytes;
  }

  /** What data blocks may fill together, should they need it. A single index is never worth less than data: nothing is read without. */
  get #dataRoom(): number {
    const { bytes, count } = this.#indexes;
    return this.bytesMax - (count === 1 ? bytes : Math.min(bytes, this.bytesMax * indexShare));
  }

  #evictIndex(): void {
    const entry = this.#indexes.takeUnused()!;
    this.#index.evictions++;
    entry.onEvicted();
  }

  /** Takes one block out, or moves some from the small queue to the main one. */
  #evictBlock(): void {
    const small = this.#small;
    if (small.bytes > this.#dataRoom * smallShare || this.#main.count === 0) {
      const entry = small.first!;
      if (entry.uses < 2) {
        this.#drop(entry);
        const countMax = Math.max(ghostsMin, small.count + this.#main.count);
        this.#ghosts.add(entry.blocks.markOf(entry.offset), countMax);
        this.#data.evictions++;
      } else {
        small.remove(entry);
        entry.uses = 0;
        this.#main.append(entry);
      }
    } else {
      const entry = this.#main.takeUnused()!;
      entry.blocks.evicted(entry.offset);
      this.#data.evictions++;
    }
  }

  #drop(entry: BlockEntry): void {
    entry.queue!.remove(entry);
    entry.blocks.evicted(entry.offset);
  }
}

class BlockEntry extends CacheEntry {
  readonly blocks: SstBlocks;
  readonly offset: number;
  readonly block: Block;

  constructor(bytes: number, blocks: SstBlocks, offset: number, block: Block) {
    super(bytes);
    this.blocks = blocks;
    this.offset = offset;
    this.block = block;
  }
}

/** The place in the cache of an index that somebody keeps. */
export class IndexEntry extends CacheEntry {
  readonly onEvicted: () => void;
  readonly #counts: Counts;

  constructor(bytes: number, counts: Counts, onEvicted: () => void) {
    super(bytes);
    this.#counts = counts;
    this.onEvicted = onEvicted;
  }

  /** The index was found in memory. */
  hit(): void {
    this.#counts.hits++;
    this.use();
  }

  /** The caller keeps it no longer. Twice is harmless. */
  remove(): void {
    this.queue?.remove(this);
  }
}

/** The cached data blocks of one SST, by their offset in the object. */
export class SstBlocks {
  readonly name: string;
  /** Tables that look for blocks here. */
  holders = 0;
  readonly #cache: BlockCache;
  readonly #counts: Counts;
  readonly #entries = new Map<number, BlockEntry>();
  readonly #seed: number;

  constructor(cache: BlockCache, name: string, counts: Counts) {
    this.#cache = cache;
    this.name = name;
    this.#counts = counts;
    let seed = 0;
    for (let i = 0; i < name.length; i++) seed = Math.imul(seed, 31) + name.charCodeAt(i);
    this.#seed = seed | 0;
  }

  /** False where nothing is ever kept. */
  get isKeeping(): boolean {
    return this.#cache.bytesMax > 0;
  }

  /** What more blocks may fill without an eviction. */
  get bytesFree(): number {
    return this.#cache.bytesFree;
  }

  /** Counts as a use. */
  get(offset: number): Block | undefined {
    const entry = this.#entries.get(offset);
    if (entry === undefined) return undefined;
    this.#counts.hits++;
    entry.use();
    return entry.block;
  }

  /** Neither a use nor a hit. */
  has(offset: number): boolean {
    return this.#entries.has(offset);
  }

  /** A read needs a block that is not here. */
  missed(): void {
    this.#counts.misses++;
  }

  /** The block must own its bytes: a view of a larger buffer would keep all of it in memory. */
  add(offset: number, block: Block): void {
    if (this.#entries.has(offset)) return;
    const entry = this.#cache.addBlock(this, offset, block);
    if (entry !== undefined) this.#entries.set(offset, entry);
  }

  /** A table that looked for blocks here is closed; the blocks stay, for whoever opens it again. */
  release(): void {
    this.holders--;
    this.#forgetIfUnused();
  }

  /** @internal For the cache: the entry has left its queue. */
  evicted(offset: number): void {
    this.#entries.delete(offset);
    this.#forgetIfUnused();
  }

  /** @internal For the cache: what stands for a block that has left. */
  markOf(offset: number): number {
    let mark =
      this.#seed ^
      Math.imul((offset % 0x1_0000_0000) | 0, 0x9e3779b1) ^
      Math.floor(offset / 2 ** 32);
    mark = Math.imul(mark ^ (mark >>> 16), 0x85ebca6b);
    return mark ^ (mark >>> 13);
  }

  #forgetIfUnused(): void {
    if (this.holders <= 0 && this.#entries.size === 0) this.#cache.forgetSst(this);
  }
}

function kindStats(counts: Counts, bytes: number, count: number): CacheKindStats {
  const lookups = counts.hits + counts.misses;
  return { bytes, count, ...counts, hitRatio: lookups === 0 ? 0 : counts.hits / lookups };
}
