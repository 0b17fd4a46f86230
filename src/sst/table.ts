/**
 * `Table`: an open SST. Its indexes and filters are in memory; its data blocks come from the cache or from the store.
 *
 * Blocks are numbered from 0 in the order of the object. What needs no request is synchronous; misses on blocks that are
 * being fetched share that request. Index and filter of a partition are checked and decoded when they are first needed.
 */
import { withSignal } from "../common/abort.js";
import { type Bytes, compareBytes, copyBytes } from "../common/bytes.js";
import type { KeyBounds } from "../common/key-range.js";
import type { RowRef } from "../common/row.js";
import { Block, BlockFind } from "../format/block.js";
import { BlockTrailer, blockTrailerBytes } from "../format/block-trailer.js";
import { Codec } from "../format/compression.js";
import type { KeyFilter } from "../format/filter.js";
import { IndexBlock } from "../format/index-block.js";
import type { SstInfo } from "../format/manifest.js";
import type { PrefixProbe } from "../format/prefix-extractor.js";
import { readFilter } from "../format/read-filter.js";
import { IndexColumn, indexColumnCount, type SstProperties, TopColumn } from "../format/sst.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { ObjectPaths } from "../object-store/paths.js";
import type { SstBlocks } from "./block-cache.js";
import { readSstRange } from "./sst-reader.js";

/** What a lookup that may not wait says. `pending`: a block has to be fetched, so ask `get`. */
export const Lookup = { miss: 0, hit: 1, pending: 2 } as const;
export type Lookup = (typeof Lookup)[keyof typeof Lookup];

/** Bytes of an SST, from `offset` of the object, that were fetched together. */
export interface BlockWindow {
  readonly offset: number;
  readonly bytes: Bytes;
}

export interface TableParts {
  readonly info: SstInfo;
  readonly properties: SstProperties;
  readonly top: IndexBlock;
  /** The end of the object, at least from `info.metaOffset`. */
  readonly tail: BlockWindow;
}

interface Partition {
  readonly index: IndexBlock;
  readonly filter: KeyFilter;
}

interface Fetch {
  readonly offset: number;
  readonly end: number;
  readonly window: Promise<BlockWindow>;
}

export class Table {
  readonly info: SstInfo;
  readonly properties: SstProperties;
  readonly blockCount: number;
  /** Those of its data blocks that are cached. */
  readonly blocks: SstBlocks;
  readonly #store: ObjectStore;
  readonly #object: string;
  readonly #trailer: BlockTrailer;
  readonly #top: IndexBlock;
  readonly #tail: BlockWindow;
  readonly #partitions: (Partition | undefined)[] = [];
  /** For each partition, the number of its first block; one entry more at the end. */
  readonly #firstBlocks: number[] = [0];
  /** Plain blocks of an SST that is in memory as a whole: views, outside of the cache. Compressed ones go through the cache. */
  readonly #residentBlocks: (Block | undefined)[] | undefined;
  readonly #fetches: Fetch[] = [];

  constructor(store: ObjectStore, blocks: SstBlocks, parts: TableParts) {
    this.#store = store;
    this.blocks = blocks;
    this.info = parts.info;
    this.properties = parts.properties;
    this.#object = ObjectPaths.sst(parts.info.id);
    this.#trailer = new BlockTrailer(parts.info.id);
    this.#top = parts.top;
    this.#tail = parts.tail;
    let blockCount = 0;
    for (let p = 0; p < parts.top.count; p++) {
      blockCount += parts.top.column(p, TopColumn.blockCount);
      this.#firstBlocks.push(blockCount);
    }
    this.blockCount = blockCount;
    this.#residentBlocks = parts.tail.offset === 0 ? [] : undefined;
  }

  /** What the table keeps in memory beside cached blocks, about: the tail and the decoded index. */
  get memoryBytes(): number {
    return this.#tail.bytes.length + (this.info.topOffset - this.info.metaOffset) + 1000;
  }

  /** False when no row has this key. `keyHash` is `hashKey(key)`. Throws `CorruptionError`. */
  mayContain(key: Uint8Array, keyHash: number): boolean {
    const p = this.#top.firstAtOrAfter(key);
    return p < this.#top.count && this.#partition(p).filter.mayContain(keyHash);
  }

  /**
   * Puts the newest version of `key` with a seq at or below `seqMax` into `row`, if no block has to be fetched for it. The
   * row's key is the array passed in; its value is a view that stays valid. Without a hit, the content of `row` means nothing.
   */
  tryGet(key: Uint8Array, keyHash: number, seqMax: number, row: RowRef): Lookup {
    const p = this.#top.firstAtOrAfter(key);
    if (p === this.#top.count) return Lookup.miss;
    const { index, filter } = this.#partition(p);
    if (!filter.mayContain(keyHash)) return Lookup.miss;
    const entry = index.firstAtOrAfter(key);
    let number = this.#firstBlocks[p]! + entry;
    let block =
      this.#residentBlocks === undefined
        ? this.blocks.get(index.column(entry, IndexColumn.offset))
        : this.cachedBlock(number);
    for (;;) {
      if (block === undefined) return Lookup.pending;
      const found = block.find(key, seqMax, row);
      if (found === BlockFind.hit) return Lookup.hit;
      if (found === BlockFind.miss || !this.#separates(number, key)) return Lookup.miss;
      if (++number === this.blockCount) return Lookup.miss;
      block = this.cachedBlock(number);
    }
  }

  /** `tryGet` that fetches what it needs: one GET for a block. False is a miss. An abort ends only the waiting. */
  async get(
    key: Uint8Array,
    keyHash: number,
    seqMax: number,
    row: RowRef,
    signal?: AbortSignal,
  ): Promise<boolean> {
    if (!this.mayContain(key, keyHash)) return false;
    for (let number = this.findBlockAtOrAfter(key); number < this.blockCount; number++) {
      const block = this.cachedBlock(number) ?? (await this.block(number, signal));
      const found = block.find(key, seqMax, row);
      if (found !== BlockFind.after) return found === BlockFind.hit;
      if (!this.#separates(number, key)) return false;
    }
    return false;
  }

  /** False when no row has a key inside the bounds, which all have the prefix of `prefix`. Throws `CorruptionError`. */
  mayContainPrefix({ extractorName, hash }: PrefixProbe, bounds: KeyBounds): boolean {
    if (extractorName !== this.properties.prefixExtractor) return true;
    const { lower, upper } = bounds;
    const last = this.#top.count - 1;
    const end = upper === undefined ? last : Math.min(this.#top.firstAfter(upper), last);
    for (let p = lower === undefined ? 0 : this.#top.firstAtOrAfter(lower); p <= end; p++) {
      if (this.#partition(p).filter.mayContain(hash)) return true;
    }
    return false;
  }

  /** The first block that can hold a key at or above `key`; `blockCount` when there is none. */
  findBlockAtOrAfter(key: Uint8Array): number {
    const p = this.#top.firstAtOrAfter(key);
    if (p === this.#top.count) return this.blockCount;
    return this.#firstBlocks[p]! + this.#partition(p).index.firstAtOrAfter(key);
  }

  /** The first block after every one that can hold `key` or a lower key, or the last that can: its separator is above `key`. */
  findBlockAfter(key: Uint8Array): number {
    const p = this.#top.firstAfter(key);
    if (p === this.#top.count) return this.blockCount;
    return this.#firstBlocks[p]! + this.#partition(p).index.firstAfter(key);
  }

  /** Where a block lies in the object. */
  blockOffset(number: number): number {
    const p = this.#partitionOf(number);
    return this.#partition(p).index.column(number - this.#firstBlocks[p]!, IndexColumn.offset);
  }

  /** Bytes of a block with its trailer. */
  blockBytes(number: number): number {
    const p = this.#partitionOf(number);
    return this.#partition(p).index.column(number - this.#firstBlocks[p]!, IndexColumn.length);
  }

  /** A block that needs no request, or undefined. */
  cachedBlock(number: number): Block | undefined {
    if (this.#residentBlocks !== undefined) {
      const known = this.#residentBlocks[number];
      if (known !== undefined) return known;
      if (!this.#isPlainInTail(number)) {
        return this.#inCache(number) ?? this.decode(this.#tail, number, true);
      }
      const { payload, offset } = this.#openBlock(this.#tail, number);
      const block = new Block(payload, this.#object, offset);
      this.#residentBlocks[number] = block;
      return block;
    }
    return this.#inCache(number);
  }

  /** True when `cachedBlock` would return one; does not count as a use. */
  hasBlock(number: number): boolean {
    return this.#residentBlocks !== undefined || this.blocks.has(this.blockOffset(number));
  }

  /** A block, with one GET when nobody is fetching it already. */
  async block(number: number, signal?: AbortSignal): Promise<Block> {
    const window = await this.fetch(number, number, false, signal);
    return this.decode(window, number, true);
  }

  /**
   * The bytes of the blocks from `first` to `last`, in one GET; or the window, being fetched by another, that holds the
   * block `first` and maybe none of the others. An abort ends only the waiting.
   */
  fetch(
    first: number,
    last: number,
    background: boolean,
    signal?: AbortSignal,
  ): Promise<BlockWindow> {
    const shared = this.pendingWindow(first);
    if (shared !== undefined) return withSignal(shared, signal);
    const offset = this.blockOffset(first);
    const end = this.blockOffset(last) + this.blockBytes(last);
    const window = readSstRange(this.#store, this.info, offset, end - offset, background)
      .then((bytes) => ({ offset, bytes }))
      .finally(() => this.#fetches.splice(this.#fetches.indexOf(fetch), 1));
    const fetch: Fetch = { offset, end, window };
    this.#fetches.push(fetch);
    return withSignal(window, signal);
  }

  /** The window that is being fetched and will hold a block, or undefined. */
  pendingWindow(number: number): Promise<BlockWindow> | undefined {
    if (this.#fetches.length === 0) return undefined;
    const offset = this.blockOffset(number);
    return this.#fetches.find((fetch) => fetch.offset <= offset && offset < fetch.end)?.window;
  }

  /** True when the window holds the whole block. */
  holds(window: BlockWindow, number: number): boolean {
    const start = this.blockOffset(number) - window.offset;
    return start >= 0 && start + this.blockBytes(number) <= window.bytes.length;
  }

  /** Checks and decodes a block of a window that holds it. With `keep` it is put into the cache, as a copy of its own. */
  decode(window: BlockWindow, number: number, keep: boolean): Block {
    const { payload, offset } = this.#openBlock(window, number);
    const blocks = this.blocks;
    blocks.missed();
    const isCached = keep && blocks.isKeeping && !blocks.has(offset);
    const isView = payload.buffer === window.bytes.buffer;
    const ownsBytes = !isView || window.bytes.length - payload.length < 64;
    const block = new Block(
      isCached && !ownsBytes ? copyBytes(payload) : payload,
      this.#object,
      offset,
    );
    if (isCached) blocks.add(offset, block);
    return block;
  }

  #inCache(number: number): Block | undefined {
    return this.blocks.get(this.blockOffset(number));
  }

  #isPlainInTail(number: number): boolean {
    const end = this.blockOffset(number) + this.blockBytes(number) - this.#tail.offset;
    return this.#tail.bytes[end - blockTrailerBytes] === Codec.none;
  }

  #openBlock(window: BlockWindow, number: number): { payload: Uint8Array; offset: number } {
    const offset = this.blockOffset(number);
    const start = offset - window.offset;
    const end = start + this.blockBytes(number);
    return {
      payload: this.#trailer.open(window.bytes, start, end, offset, this.#object),
      offset,
    };
  }

  /** True when the separator after a block equals `key`: its older versions may go on in the next block. */
  #separates(number: number, key: Uint8Array): boolean {
    const p = this.#partitionOf(number);
    return this.#partition(p).index.compareKey(number - this.#firstBlocks[p]!, key) === 0;
  }

  #partitionOf(number: number): number {
    let low = 0;
    let high = this.#top.count;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (this.#firstBlocks[middle]! <= number) low = middle;
      else high = middle;
    }
    return low;
  }

  #partition(p: number): Partition {
    const known = this.#partitions[p];
    if (known !== undefined) return known;
    const top = this.#top;
    const open = (offset: number, length: number): Uint8Array => {
      const start = offset - this.#tail.offset;
      return this.#trailer.open(this.#tail.bytes, start, start + length, offset, this.#object);
    };
    const indexOffset = top.column(p, TopColumn.indexOffset);
    const filterOffset = top.column(p, TopColumn.filterOffset);
    const index = new IndexBlock(
      open(indexOffset, top.column(p, TopColumn.indexLength)),
      indexColumnCount,
      this.#object,
      indexOffset,
    );
    const filter = readFilter(
      open(filterOffset, top.column(p, TopColumn.filterLength)),
      this.#object,
      filterOffset,
    );
    const partition = { index, filter };
    this.#partitions[p] = partition;
    return partition;
  }
}

/** True when what a manifest says about an SST is what the SST says about itself. */
export function propertiesMatch(info: SstInfo, properties: SstProperties): boolean {
  return (
    info.rowCount === properties.rowCount &&
    info.deleteCount === properties.deleteCount &&
    info.minSeq === properties.minSeq &&
    info.maxSeq === properties.maxSeq &&
    info.maxExpiresAt === properties.maxExpiresAt &&
    compareBytes(info.firstKey, properties.firstKey) === 0 &&
    compareBytes(info.lastKey, properties.lastKey) === 0
  );
}
