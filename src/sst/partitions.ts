/**
 * `SstPartitions`: the parts of an SST's index and filter, found through its top index.
 *
 * Most SSTs are opened with all of them in memory (the tail), and each is checked and decoded when it is first needed. Of a very
 * large one only the top index is there: its partitions are fetched when they are needed, neighbours in one request,
 * and stay for as long as the table is open, so that whoever has seen one finds it again. One that has come damaged with the tail is
 * as good as missing, where another read may bring it whole.
 */
import type { Bytes } from "../common/bytes.js";
import type { BlockTrailer } from "../format/block-trailer.js";
import type { KeyFilter } from "../format/filter.js";
import { IndexBlock } from "../format/index-block.js";
import { readFilter } from "../format/read-filter.js";
import { indexColumnCount, TopColumn } from "../format/sst.js";

export interface Partition {
  readonly index: IndexBlock;
  readonly filter: KeyFilter;
  /** The filter as it is stored: a view. */
  readonly filterPayload: Uint8Array;
}

/** Bytes of the object from `offset` on. */
export interface ObjectBytes {
  readonly offset: number;
  readonly bytes: Bytes;
}

export interface PartitionsOptions {
  readonly object: string;
  readonly trailer: BlockTrailer;
  readonly top: IndexBlock;
  /** The end of the object, at least from the top index on. */
  readonly tail: ObjectBytes;
  /** Reads of the object, in one request. */
  read(offset: number, length: number): Promise<Bytes>;
  /** Partitions have been fetched. */
  onFetched(): void;
  /** As in `BlockSource`. */
  mayReadAgain(error: unknown): boolean;
}

export class SstPartitions {
  readonly count: number;
  readonly blockCount: number;
  /** Of partitions that were fetched. */
  fetchedBytes = 0;
  readonly #options: PartitionsOptions;
  readonly #top: IndexBlock;
  readonly #known: (Partition | undefined)[] = [];
  readonly #loading: (Promise<void> | undefined)[] = [];
  /** Those of the tail that are to be fetched all the same. */
  readonly #damaged = new Set<number>();
  /** For each partition, the number of its first block; one entry more at the end. */
  readonly #firstBlocks: number[] = [0];

  constructor(options: PartitionsOptions) {
    this.#options = options;
    const { top } = options;
    this.#top = top;
    this.count = top.count;
    let blockCount = 0;
    for (let p = 0; p < top.count; p++) {
      blockCount += top.column(p, TopColumn.blockCount);
      this.#firstBlocks.push(blockCount);
    }
    this.blockCount = blockCount;
  }

  /** The partition that a search for the first key at or above `key` goes to; `count` when there is none. */
  atOrAfter(key: Uint8Array): number {
    return this.#top.firstAtOrAfter(key);
  }

  /** The same for the first key above `key`. */
  after(key: Uint8Array): number {
    return this.#top.firstAfter(key);
  }

  /** The number of the first block of a partition; `blockCount` for `count`. */
  firstBlock(p: number): number {
    return this.#firstBlocks[p]!;
  }

  /** A view of the key that ends a partition: its keys are not above it, and those of the next one not below. */
  separator(p: number): Uint8Array {
    return this.#top.key(p);
  }

  rowCount(p: number): number {
    return this.#top.column(p, TopColumn.rowCount);
  }

  /** The partition of a block. */
  ofBlock(number: number): number {
    let low = 0;
    let high = this.count;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (this.#firstBlocks[middle]! <= number) low = middle;
      else high = middle;
    }
    return low;
  }

  /** The partition, or undefined where it has to be loaded. Throws `CorruptionError`. */
  get(p: number): Partition | undefined {
    const known = this.#known[p];
    if (known !== undefined) return known;
    if (!this.#isInTail(p) || this.#damaged.has(p)) return undefined;
    try {
      return this.#decode(p, this.#options.tail);
    } catch (error) {
      if (!this.#options.mayReadAgain(error)) throw error;
      this.#damaged.add(p);
      return undefined;
    }
  }

  /** Fetches partitions that are missing, from `from` towards `to`, up to the first that is not, in one request. */
  load(from: number, to: number = from): Promise<void> {
    const loading = this.#loading[from];
    if (loading !== undefined) return loading;
    if (this.get(from) !== undefined) return Promise.resolve();
    const direction = to < from ? -1 : 1;
    let end = from;
    while (end !== to && this.#isMissing(end + direction)) end += direction;
    const first = Math.min(from, end);
    const last = Math.max(from, end);
    const load = this.#fetch(first, last).finally(() =>
      this.#loading.fill(undefined, first, last + 1),
    );
    for (let p = first; p <= last; p++) this.#loading[p] = load;
    return load;
  }

  #isMissing(p: number): boolean {
    return this.#loading[p] === undefined && this.get(p) === undefined;
  }

  #isInTail(p: number): boolean {
    return this.#top.column(p, TopColumn.indexOffset) >= this.#options.tail.offset;
  }

  async #fetch(first: number, last: number): Promise<void> {
    const { mayReadAgain, onFetched } = this.#options;
    const bytes = await this.#read(first, last).catch((error: unknown) => {
      if (!mayReadAgain(error) || this.#isInTail(first)) throw error;
      return this.#read(first, last);
    });
    this.fetchedBytes += bytes;
    onFetched();
  }

  /** Gives how many bytes they have. */
  async #read(first: number, last: number): Promise<number> {
    const top = this.#top;
    const offset = top.column(first, TopColumn.indexOffset);
    const end = top.column(last, TopColumn.filterOffset) + top.column(last, TopColumn.filterLength);
    const bytes = await this.#options.read(offset, end - offset);
    for (let p = first; p <= last; p++) this.#decode(p, { offset, bytes });
    return bytes.length;
  }

  #decode(p: number, source: ObjectBytes): Partition {
    const { trailer, object } = this.#options;
    const top = this.#top;
    const open = (offset: number, length: number): Uint8Array => {
      const start = offset - source.offset;
      return trailer.open(source.bytes, start, start + length, offset, object);
    };
    const indexOffset = top.column(p, TopColumn.indexOffset);
    const filterOffset = top.column(p, TopColumn.filterOffset);
    const index = new IndexBlock(
      open(indexOffset, top.column(p, TopColumn.indexLength)),
      indexColumnCount,
      object,
      indexOffset,
    );
    const filterPayload = open(filterOffset, top.column(p, TopColumn.filterLength));
    const filter = readFilter(filterPayload, object, filterOffset);
    const partition = { index, filter, filterPayload };
    this.#known[p] = partition;
    return partition;
  }
}
