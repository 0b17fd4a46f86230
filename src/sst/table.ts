/**
 * `Table`: an open SST. Its indexes and filters are in memory; its data blocks come from the cache or from the store.
 *
 * Blocks are numbered from 0 in the order of the object. What needs no request is synchronous. Of a very large SST the partitions of
 * index and filter are loaded when they are needed: until then the places of their blocks are not known.
 */
import { withSignal } from "../common/abort.js";
import { type Bytes, copyBytes } from "../common/bytes.js";
import { CorruptionError } from "../common/errors.js";
import type { KeyBounds } from "../common/key-range.js";
import type { RowRef } from "../common/row.js";
import { Block, BlockFind } from "../format/block.js";
import { type BlockTrailer, blockTrailerBytes } from "../format/block-trailer.js";
import { Codec } from "../format/compression.js";
import type { IndexBlock } from "../format/index-block.js";
import type { SstInfo } from "../format/manifest.js";
import type { PrefixProbe } from "../format/prefix-extractor.js";
import { IndexColumn, type SstProperties } from "../format/sst.js";
import { ObjectPaths } from "../object-store/paths.js";
import type { SstBlocks } from "./block-cache.js";
import {
  BlockFetches,
  type BlockSource,
  type BlockWindow,
  type RangeFetch,
} from "./block-fetches.js";
import { Lookup } from "./lookup.js";
import { type ObjectBytes, type Partition, SstPartitions } from "./partitions.js";
import type { SstReader } from "./sst-reader.js";

export interface TableParts {
  readonly info: SstInfo;
  readonly properties: SstProperties;
  readonly trailer: BlockTrailer;
  readonly top: IndexBlock;
  /** The end of the object, at least from `info.topOffset`. */
  readonly tail: ObjectBytes;
  /** Called when the table occupies more memory than before. */
  onGrown?(): void;
  /** As in `TableStoreOptions`, for this SST. */
  onDamage?: (() => void) | undefined;
}

export class Table implements BlockSource {
  readonly info: SstInfo;
  readonly properties: SstProperties;
  readonly blockCount: number;
  /** Those of its data blocks that are cached. */
  readonly blocks: SstBlocks;
  readonly #reader: SstReader;
  readonly #object: string;
  readonly #trailer: BlockTrailer;
  readonly #tail: ObjectBytes;
  readonly #partitions: SstPartitions;
  /** Plain blocks of an SST that is in memory as a whole: views, outside of the cache. Compressed ones go through the cache. */
  readonly #residentBlocks: (Block | undefined)[] | undefined;
  /** Blocks of such an SST that are to be fetched all the same. */
  readonly #damagedBlocks = new Set<number>();
  readonly #onDamage: (() => void) | undefined;
  readonly #fetches: BlockFetches = new BlockFetches(this);

  constructor(reader: SstReader, blocks: SstBlocks, parts: TableParts) {
    const { info, properties, top, tail, onGrown } = parts;
    this.#reader = reader;
    this.blocks = blocks;
    this.info = info;
    this.properties = properties;
    this.#object = ObjectPaths.sst(info.id, info.owner);
    this.#trailer = parts.trailer;
    this.#tail = tail;
    this.#onDamage = parts.onDamage;
    this.#partitions = new SstPartitions({
      object: this.#object,
      trailer: this.#trailer,
      top,
      tail,
      read: (offset, length) => reader.read(info, offset, length),
      onFetched: () => onGrown?.(),
      mayReadAgain: (error) => this.mayReadAgain(error),
    });
    this.blockCount = this.#partitions.blockCount;
    this.#residentBlocks = tail.offset === 0 ? [] : undefined;
  }

  /** What the table keeps in memory beside cached blocks, about: the tail, fetched partitions, and the decoded index. */
  get memoryBytes(): number {
    const { metaOffset, topOffset } = this.info;
    const decoded = this.#tail.offset > metaOffset ? 0 : topOffset - metaOffset;
    return this.#tail.bytes.length + decoded + 2 * this.#partitions.fetchedBytes + 1000;
  }

  /** Bytes of all data blocks. */
  get dataBytes(): number {
    return this.properties.dataBytes;
  }

  get cacheBytesFree(): number {
    return this.blocks.bytesFree;
  }

  get isResident(): boolean {
    return this.#residentBlocks !== undefined;
  }

  /** Bytes of a row in its block, about; at least 1, also without rows. */
  get rowBytes(): number {
    return Math.max(1, this.properties.dataBytes / Math.max(1, this.properties.rowCount));
  }

  /** Bytes of the object that were read when it was opened, as a view. */
  tailBytes(offset: number, length: number): Bytes {
    const start = offset - this.#tail.offset;
    return this.#tail.bytes.subarray(start, start + length);
  }

  /** False when no row has this key. `keyHash` is `hashKey(key)`. Throws `CorruptionError`. @internal For tests. */
  mayContain(key: Uint8Array, keyHash: number): boolean {
    const p = this.#partitions.atOrAfter(key);
    if (p === this.#partitions.count) return false;
    return this.#partitions.get(p)?.filter.mayContain(keyHash) ?? true;
  }

  /** False when no key inside the bounds has the prefix that they have in common. Throws `CorruptionError`. */
  mayContainPrefix(prefix: PrefixProbe, bounds: KeyBounds): boolean {
    const { lower, upper } = bounds;
    if (this.properties.prefixExtractor !== prefix.extractorName) return true;
    const partitions = this.#partitions;
    const first = lower === undefined ? 0 : partitions.atOrAfter(lower);
    const last = upper === undefined ? partitions.count - 1 : partitions.after(upper);
    for (let p = first; p <= last && p < partitions.count; p++) {
      if (partitions.get(p)?.filter.mayContain(prefix.hash) ?? true) return true;
    }
    return false;
  }

  /**
   * Puts the newest version of `key` with a seq at or below `seqMax` into `row`, if nothing has to be fetched for it. The
   * row's key is the array passed in; its value is a view that stays valid. Without a hit, the content of `row` means nothing.
   */
  tryGet(key: Uint8Array, keyHash: number, seqMax: number, row: RowRef): Lookup {
    const partitions = this.#partitions;
    const p = partitions.atOrAfter(key);
    if (p === partitions.count) return Lookup.miss;
    const partition = partitions.get(p);
    if (partition === undefined) return Lookup.pending;
    const { index, filter } = partition;
    if (!filter.mayContain(keyHash)) return Lookup.miss;
    const entry = index.firstAtOrAfter(key);
    let number = partitions.firstBlock(p) + entry;
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
      if (!this.knowsBlock(number)) return Lookup.pending;
      block = this.cachedBlock(number);
    }
  }

  /**
   * `tryGet` that fetches what it needs: one GET for a block, and one before it for a partition that is not loaded. False is a
   * miss. An abort ends only the waiting.
   */
  async get(
    key: Uint8Array,
    keyHash: number,
    seqMax: number,
    row: RowRef,
    signal?: AbortSignal,
  ): Promise<boolean> {
    const partitions = this.#partitions;
    const p = partitions.atOrAfter(key);
    if (p === partitions.count) return false;
    if (partitions.get(p) === undefined) await withSignal(partitions.load(p), signal);
    const { index, filter } = partitions.get(p)!;
    if (!filter.mayContain(keyHash)) return false;
    let number = partitions.firstBlock(p) + index.firstAtOrAfter(key);
    for (; number < this.blockCount; number++) {
      if (!this.knowsBlock(number)) await this.loadBlockPlaces(number, number, signal);
      const block = this.cachedBlock(number) ?? (await this.block(number, signal));
      const found = block.find(key, seqMax, row);
      if (found !== BlockFind.after) return found === BlockFind.hit;
      if (!this.#separates(number, key)) return false;
    }
    return false;
  }

  /**
   * The first block that can hold a key at or above `key`; `blockCount` when there is none, undefined when `loadKeyPlace` has to be
   * asked before.
   */
  findBlockAtOrAfter(key: Uint8Array): number | undefined {
    const p = this.#partitions.atOrAfter(key);
    if (p === this.#partitions.count) return this.blockCount;
    const index = this.#partitions.get(p)?.index;
    return index && this.#partitions.firstBlock(p) + index.firstAtOrAfter(key);
  }

  /**
   * The first block after every one that can hold `key` or a lower key, or the last that can: its separator is above `key`.
   * Undefined as above.
   */
  findBlockAfter(key: Uint8Array): number | undefined {
    const p = this.#partitions.after(key);
    if (p === this.#partitions.count) return this.blockCount;
    const index = this.#partitions.get(p)?.index;
    return index && this.#partitions.firstBlock(p) + index.firstAfter(key);
  }

  /** Loads what the two searches for `key` need. */
  async loadKeyPlace(key: Uint8Array, signal?: AbortSignal): Promise<void> {
    const { count } = this.#partitions;
    const loads: Promise<void>[] = [];
    for (const p of [this.#partitions.atOrAfter(key), this.#partitions.after(key)]) {
      if (p < count) loads.push(this.#partitions.load(p));
    }
    await withSignal(Promise.all(loads), signal);
  }

  get partitionCount(): number {
    return this.#partitions.count;
  }

  /** True when the place of the block is known; false for numbers that no block has. */
  knowsBlock(number: number): boolean {
    if (number < 0 || number >= this.blockCount) return false;
    if (this.#onDamage === undefined && this.#tail.offset <= this.info.metaOffset) return true;
    return this.#partitions.get(this.#partitions.ofBlock(number)) !== undefined;
  }

  /** Loads the places of the blocks from `from` to `to`, in either order, those of `from` at least. One GET at most. */
  loadBlockPlaces(from: number, to: number, signal?: AbortSignal): Promise<void> {
    const partitions = this.#partitions;
    const place = (number: number): number =>
      partitions.ofBlock(Math.min(Math.max(number, 0), this.blockCount - 1));
    return withSignal(partitions.load(place(from), place(to)), signal);
  }

  /** Where a block lies in the object. */
  blockOffset(number: number): number {
    const p = this.#partitions.ofBlock(number);
    return this.#known(p).index.column(number - this.#partitions.firstBlock(p), IndexColumn.offset);
  }

  /** Bytes of a block with its trailer. */
  blockBytes(number: number): number {
    const p = this.#partitions.ofBlock(number);
    return this.#known(p).index.column(number - this.#partitions.firstBlock(p), IndexColumn.length);
  }

  /** A block that needs no request, or undefined. */
  cachedBlock(number: number): Block | undefined {
    const known = this.#residentBlocks?.[number];
    if (known !== undefined) return known;
    if (this.#isInTail(number)) {
      try {
        return this.#residentBlock(this.#residentBlocks!, number);
      } catch (error) {
        if (!this.mayReadAgain(error)) throw error;
        this.#damagedBlocks.add(number);
      }
    }
    return this.#inCache(number);
  }

  /** True when `cachedBlock` returns one, unless it finds damage; does not count as a use. */
  hasBlock(number: number): boolean {
    return this.#isInTail(number) || this.blocks.has(this.blockOffset(number));
  }

  isFetching(number: number): boolean {
    return this.#fetches.isFetching(number);
  }

  /** A block that is not cached, for a point read: shares the requests of others, and brings its neighbours when that pays. */
  block(number: number, signal?: AbortSignal): Promise<Block> {
    this.blocks.missed();
    return withSignal(this.#fetches.block(number), signal);
  }

  /** The blocks from `first` to `last`, in one GET. The caller `leave`s the result when it does not wait for it any more. */
  fetch(first: number, last: number, background: boolean): RangeFetch {
    return this.#fetches.fetch({ first, last }, background);
  }

  /** The second read of a damaged window; the caller `leave`s it. Throws `error` where there is none. */
  again(window: BlockWindow, error: unknown): RangeFetch {
    return this.#fetches.again(window, error);
  }

  /** `decode` with `keep` that waits for the second read of a damaged window. */
  decodeOrReadAgain(window: BlockWindow, number: number): Promise<Block> {
    return this.#fetches.decode(window, number);
  }

  mayReadAgain(error: unknown): boolean {
    if (this.#onDamage === undefined || !(error instanceof CorruptionError)) return false;
    this.#onDamage();
    return true;
  }

  /** The fetch under way that holds a block; the caller `leave`s it. */
  join(number: number): RangeFetch | undefined {
    return this.#fetches.join(number);
  }

  read(offset: number, length: number, background: boolean, signal: AbortSignal): Promise<Bytes> {
    return this.#reader.read(this.info, offset, length, background, signal);
  }

  /** The indexes and filters as they are stored, for whoever copies them. */
  get partitions(): SstPartitions {
    return this.#partitions;
  }

  /** A view of a block with its trailer, of bytes of the object that hold it, checked but not decompressed. Throws `CorruptionError`. */
  storedBlock(source: ObjectBytes, number: number): Uint8Array {
    const offset = this.blockOffset(number);
    const start = offset - source.offset;
    const end = start + this.blockBytes(number);
    this.#trailer.check(source.bytes, start, end, offset, this.#object);
    return source.bytes.subarray(start, end);
  }

  /** Checks and decodes a block of a window that holds it. With `keep` it is put into the cache, as a copy of its own. */
  decode(window: ObjectBytes, number: number, keep: boolean): Block {
    const { payload, offset } = this.#openBlock(window, number);
    const blocks = this.blocks;
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

  #isInTail(number: number): boolean {
    return this.#residentBlocks !== undefined && !this.#damagedBlocks.has(number);
  }

  #residentBlock(known: (Block | undefined)[], number: number): Block {
    if (!this.#isPlainInTail(number)) {
      const cached = this.#inCache(number);
      if (cached !== undefined) return cached;
      this.blocks.missed();
      return this.decode(this.#tail, number, true);
    }
    const { payload, offset } = this.#openBlock(this.#tail, number);
    const block = new Block(payload, this.#object, offset);
    known[number] = block;
    return block;
  }

  #isPlainInTail(number: number): boolean {
    const end = this.blockOffset(number) + this.blockBytes(number) - this.#tail.offset;
    return this.#tail.bytes[end - blockTrailerBytes] === Codec.none;
  }

  #openBlock(window: ObjectBytes, number: number): { payload: Uint8Array; offset: number } {
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
    const p = this.#partitions.ofBlock(number);
    return this.#known(p).index.compareKey(number - this.#partitions.firstBlock(p), key) === 0;
  }

  /** For blocks whose place is known. */
  #known(p: number): Partition {
    return this.#partitions.get(p)!;
  }
}
