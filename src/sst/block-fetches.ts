/**
 * `BlockFetches`: the blocks of one SST that are being fetched. Nothing is fetched twice at once.
 *
 * A scan asks for a range of blocks. Point reads ask for one block each; what they ask for in one turn of the event loop is
 * planned together (block-ranges.ts). Once a table has answered many point reads, each brings the blocks around its own
 * into the free room of the cache: docs/decisions/0015-windows-of-point-reads.md.
 *
 * Where a cache between here and the store may have damaged them, bytes are fetched once more, and what comes then counts. All who
 * have the damaged window wait for the same second request.
 */
import type { Bytes } from "../common/bytes.js";
import { type Deferred, deferred } from "../common/deferred.js";
import type { Block } from "../format/block.js";
import { type BlockMap, type BlockRange, planRanges } from "./block-ranges.js";
import type { ObjectBytes } from "./partitions.js";

/** The bytes of neighbouring blocks. */
export interface BlockWindow extends ObjectBytes, BlockRange {
  /** What has brought them. */
  readonly fetch: RangeFetch;
}

export interface BlockSource extends BlockMap {
  /** Bytes of all data blocks. */
  readonly dataBytes: number;
  /** What the cache can take without giving anything up. */
  readonly cacheBytesFree: number;
  /** All blocks have come with the table: what is fetched all the same was damaged there. */
  readonly isResident: boolean;
  read(offset: number, length: number, background: boolean, signal: AbortSignal): Promise<Bytes>;
  /** Checks and decodes a block of a window, and with `keep` puts it into the cache. Throws `CorruptionError`. */
  decode(window: BlockWindow, number: number, keep: boolean): Block;
  /** True when what has failed so may be read once more: it is damage, and a cache on the way has now dropped what it had. */
  mayReadAgain(error: unknown): boolean;
}

/** A table has to have answered a point read by request this often, and once for so many bytes, before a window is fetched. */
const windowAfterMin = 4;
const windowAfterEvery = 4 * 1024 * 1024;
/** The first window; each request that is answered after that makes it four times as large. */
const windowBytesMin = 16 * 1024;
const windowBytesMax = 768 * 1024;

export class BlockFetches {
  readonly #source: BlockSource;
  readonly #fetches: RangeFetch[] = [];
  /** Blocks that point reads wait for. */
  readonly #points = new Map<number, Promise<Block>>();
  /** Those of them that no request has been planned for. */
  #wanted = new Map<number, Deferred<Block>>();
  /** How many requests of point reads have been answered. */
  #answered = 0;
  /** Bytes that are being fetched and that nobody has asked for. */
  #extraBytes = 0;

  constructor(source: BlockSource) {
    this.#source = source;
  }

  /** The fetch under way that holds the block, or undefined. The caller has to `leave` it. */
  join(number: number): RangeFetch | undefined {
    for (const fetch of this.#fetches) {
      if (fetch.first <= number && number <= fetch.last) {
        fetch.users++;
        return fetch;
      }
    }
    return undefined;
  }

  isFetching(number: number): boolean {
    return this.#fetches.some(({ first, last }) => first <= number && number <= last);
  }

  /** Fetches the blocks of a range, in one request. The caller has to `leave` the result. */
  fetch(range: BlockRange, background: boolean): RangeFetch {
    return this.#start(range, background, this.#source.isResident);
  }

  /**
   * The second read of a window of which a block could not be decoded. Throws `error` where there is none. The caller has to
   * `leave` the result.
   */
  again({ fetch }: BlockWindow, error: unknown): RangeFetch {
    if (fetch.again !== undefined && !fetch.again.hasFailed) {
      fetch.again.users++;
      return fetch.again;
    }
    if (!this.#source.mayReadAgain(error) || fetch.isSecond) throw error;
    fetch.again = this.#start(fetch, fetch.background, true);
    return fetch.again;
  }

  /** A block of a window that holds it, or of the second read of that window. Puts it into the cache. */
  async decode(window: BlockWindow, number: number): Promise<Block> {
    try {
      return this.#source.decode(window, number, true);
    } catch (error) {
      const again = this.again(window, error);
      try {
        return await this.decode(await again.window, number);
      } finally {
        again.leave();
      }
    }
  }

  /** One block, for a point read that did not find it in the cache. */
  block(number: number): Promise<Block> {
    const known = this.#points.get(number);
    if (known !== undefined) return known;
    const block = this.#blockUnderWay(number) ?? this.#want(number);
    const forget = (): boolean => this.#points.delete(number);
    block.then(forget, forget);
    this.#points.set(number, block);
    return block;
  }

  #blockUnderWay(number: number): Promise<Block> | undefined {
    // Without `leave`: from now on somebody waits for it whatever happens.
    const fetch = this.join(number);
    return fetch?.window.then((window) => this.decode(window, number));
  }

  #start(range: BlockRange, background: boolean, isSecond: boolean): RangeFetch {
    const onEnd = (ended: RangeFetch): void => {
      const index = this.#fetches.indexOf(ended);
      if (index >= 0) this.#fetches.splice(index, 1);
    };
    const fetch = new RangeFetch(range, this.#source, { background, isSecond, onEnd });
    this.#fetches.push(fetch);
    return fetch;
  }

  #want(number: number): Promise<Block> {
    const wanted = deferred<Block>();
    this.#wanted.set(number, wanted);
    // At the end of this turn: the promises that have settled lead to more reads before the next tick.
    if (this.#wanted.size === 1) queueMicrotask(() => process.nextTick(() => this.#fetchWanted()));
    return wanted.promise;
  }

  #fetchWanted(): void {
    const all = this.#wanted;
    this.#wanted = new Map();
    const source = this.#source;
    try {
      const missing: number[] = [];
      for (const [number, wanted] of all) {
        // A scan may have come first.
        const underWay = this.#blockUnderWay(number);
        if (underWay === undefined) missing.push(number);
        else underWay.then(wanted.resolve, wanted.reject);
      }
      missing.sort((a, b) => a - b);
      for (const range of planRanges(missing, source, this.#windowBytes())) {
        void this.#fetchPoints(this.fetch(range, false), all);
      }
    } catch (error) {
      for (const wanted of all.values()) wanted.reject(error);
    }
  }

  /** Fetches a range, answers who waits for blocks of it, and keeps the others where there is room for them. */
  async #fetchPoints(fetch: RangeFetch, all: Map<number, Deferred<Block>>): Promise<void> {
    const source = this.#source;
    const { first, last } = fetch;
    // Of blocks in between that nobody has asked for, the index may be damaged.
    let extraBytes = source.blockOffset(last) + source.blockBytes(last) - source.blockOffset(first);
    for (let n = first; n <= last; n++) if (all.has(n)) extraBytes -= source.blockBytes(n);
    this.#extraBytes += extraBytes;
    try {
      const window = await fetch.window;
      for (let n = first; n <= last; n++) {
        const wanted = all.get(n);
        if (wanted !== undefined) this.decode(window, n).then(wanted.resolve, wanted.reject);
      }
      this.#answered++;
      for (let n = first; n <= last; n++) if (!all.has(n)) this.#keepExtra(window, n);
    } catch (error) {
      for (let n = first; n <= last; n++) all.get(n)?.reject(error);
    } finally {
      this.#extraBytes -= extraBytes;
    }
  }

  /** Keeps a block that nobody has asked for, unless that would cost one that somebody has. */
  #keepExtra(window: BlockWindow, number: number): void {
    const source = this.#source;
    if (source.hasBlock(number) || source.cacheBytesFree < 2 * source.blockBytes(number)) return;
    try {
      source.decode(window, number, true);
    } catch (error) {
      // Whoever asks for it will read it again, or be told.
      source.mayReadAgain(error);
    }
  }

  /** Bytes of the windows that point reads fetch now; 0: only their blocks. */
  #windowBytes(): number {
    const { dataBytes, cacheBytesFree } = this.#source;
    const steps =
      this.#answered - Math.max(windowAfterMin, Math.ceil(dataBytes / windowAfterEvery));
    if (steps < 0) return 0;
    const bytes = Math.min(windowBytesMax, windowBytesMin * 4 ** Math.min(steps, 5));
    return bytes <= cacheBytesFree - this.#extraBytes ? bytes : 0;
  }
}

/** A request for neighbouring blocks that is under way. It is aborted when all who wait for it have left. */
export class RangeFetch implements BlockRange {
  readonly first: number;
  readonly last: number;
  readonly window: Promise<BlockWindow>;
  readonly background: boolean;
  /** How many wait. */
  users = 1;
  /** What it brings is not fetched again, whatever it is. */
  isSecond: boolean;
  /** The second read of what it has brought, once somebody has found that damaged. */
  again: RangeFetch | undefined;
  /** It brings nothing, or is given up. */
  hasFailed = false;
  readonly #controller = new AbortController();
  readonly #onEnd: (fetch: RangeFetch) => void;
  #isSettled = false;

  constructor(range: BlockRange, source: BlockSource, options: RangeFetchOptions) {
    const { first, last } = range;
    this.first = first;
    this.last = last;
    this.background = options.background;
    this.isSecond = options.isSecond;
    this.#onEnd = options.onEnd;
    this.window = this.#read(source).finally(() => {
      this.#isSettled = true;
      this.#onEnd(this);
    });
    // A failure is for those who wait, if anybody does.
    this.window.catch(() => {
      this.hasFailed = true;
    });
  }

  holds(number: number): boolean {
    return this.first <= number && number <= this.last;
  }

  /** The caller does not wait for it any more. */
  leave(): void {
    this.users--;
    if (this.users > 0 || this.#isSettled) return;
    this.hasFailed = true;
    this.#onEnd(this);
    this.#controller.abort();
  }

  async #read(source: BlockSource): Promise<BlockWindow> {
    const { first, last, background } = this;
    const { signal } = this.#controller;
    const offset = source.blockOffset(first);
    const length = source.blockOffset(last) + source.blockBytes(last) - offset;
    const read = (): Promise<Bytes> => source.read(offset, length, background, signal);
    const bytes = await read().catch((error: unknown) => {
      if (!source.mayReadAgain(error) || this.isSecond) throw error;
      this.isSecond = true;
      return read();
    });
    return { offset, bytes, first, last, fetch: this };
  }
}

interface RangeFetchOptions {
  readonly background: boolean;
  readonly isSecond: boolean;
  /** It is not under way any more. */
  readonly onEnd: (fetch: RangeFetch) => void;
}
