/**
 * `warmTables`: brings the tables of a key range and their data blocks into the block cache, newest first, in few large requests of low
 * priority. It stops when the cache is full, and never makes anything leave it but by accident. With a disk cache it goes on then: what
 * it fetches passes through that, and memory stays as it is.
 *
 *  0. The lists of long runs are read, as far as they name SSTs of the range.
 *  1. All tables are opened, some at a time: one request each, and none where they are open.
 *  2. So are their range deletes: one request for each SST with some that its spans do not say whole.
 *  3. What is not cached of each is cut into windows, and those are fetched, some at a time, across all tables. A table that memory had
 *     no room for is opened when its turn comes, and not kept.
 */
import { withSignal } from "../common/abort.js";
import { isBelowUpper, type KeyBounds, overlaps } from "../common/key-range.js";
import type { SstInfo } from "../format/manifest.js";
import type { Table } from "../sst/table.js";
import type { TableStore } from "../sst/table-store.js";
import { cutToBounds, type StoredView, sequencesWithin } from "./candidates.js";
import { isListed, partsOf } from "./listed-runs.js";
import { holdersOf } from "./stored-range-deletes.js";

export interface WarmTablesOptions {
  readonly bounds: KeyBounds;
  readonly seqMax: number;
  readonly signal?: AbortSignal | undefined;
  /** Throws when the handle is closed. */
  guard(): void;
}

export interface WarmResult {
  /** SSTs that hold keys of the range and were looked at, open already or not. */
  readonly tables: number;
  /** Data blocks that were brought into the block cache, and their bytes in the store. */
  readonly blocks: number;
  readonly bytes: number;
  /** The same of blocks that the block cache had no room for, and that are on the disk now. Undefined without a disk cache. */
  readonly disk?: WarmedOnDisk | undefined;
  /** False when the block cache, and the disk cache where there is one, were full before all of the range was in one of them. */
  readonly complete: boolean;
}

export interface WarmedOnDisk {
  readonly blocks: number;
  readonly bytes: number;
}

const requestsAtOnce = 4;
const windowBytes = 2 * 1024 * 1024;
/** What a cached block occupies beside its bytes, about. */
const blockOverheadBytes = 256;
/** What range deletes take in memory, of their bytes in the store, about: keys that share their beginnings take more. */
const decodedRangeDeletesShare = 6;
/** A part of a list of SSTs takes less in memory. */
const listRoomMin = 512 * 1024;
/** What may pass through the disk cache, of its bound: when it is full, it gives up what is older than the newest three quarters. */
const diskShare = 0.75;

/** Rejects with `signal.reason`, and as reads do; what is in the cache by then stays there. */
export function warmTables(
  view: StoredView,
  tables: TableStore,
  options: WarmTablesOptions,
): Promise<WarmResult> {
  return new Warming(tables, options).run(view);
}

interface Window {
  readonly first: number;
  readonly last: number;
  /** Room that its blocks need in the cache; 0: they are for the disk alone. */
  readonly room: number;
}

class Warming {
  readonly #tables: TableStore;
  readonly #options: WarmTablesOptions;
  /** Room in the cache for windows that are under way. */
  #reserved = 0;
  #tableCount = 0;
  #blocks = 0;
  #bytes = 0;
  readonly #onDisk = { blocks: 0, bytes: 0 };
  /** What may still pass through the disk cache. */
  #diskBytesLeft: number;
  #isMemoryFull = false;
  /** There was no room for more of the lists. */
  #isCut = false;
  /** Nothing more is fetched. */
  #isFull = false;

  constructor(tables: TableStore, options: WarmTablesOptions) {
    this.#tables = tables;
    this.#options = options;
    this.#diskBytesLeft = (tables.disk?.stats().bytesMax ?? 0) * diskShare;
  }

  async run(view: StoredView): Promise<WarmResult> {
    const { bounds, seqMax } = this.#options;
    const infos = sequencesWithin(view, bounds, seqMax).flatMap(({ ssts }) => ssts);
    const holders = [...holdersOf(view.manifest).flat()];
    await this.#readLists(view, infos, holders);
    const opened: (Table | undefined)[] = [];
    await this.#inParallel(infos.entries(), async ([i, info]) => {
      opened[i] = await this.#open(info);
    });
    const covering = holders.filter((info) => mayCover(info, bounds));
    await this.#inParallel(covering.values(), (info) => this.#cover(info));
    await this.#inParallel(this.#windows(infos, opened), (fetching) => fetching());
    const [tables, blocks, bytes] = [this.#tableCount, this.#blocks, this.#bytes];
    const disk = this.#tables.disk && this.#onDisk;
    return {
      tables,
      blocks,
      bytes,
      complete: !this.#isFull && !this.#isCut,
      ...(disk && { disk }),
    };
  }

  /** Adds what the lists of long runs name in the range, as long as there is room for the lists: what they name needs more. */
  async #readLists(view: StoredView, infos: SstInfo[], holders: SstInfo[]): Promise<void> {
    const { bounds, seqMax, signal, guard } = this.#options;
    const { runLists, cache } = this.#tables;
    for (const run of view.manifest.runs) {
      if (!isListed(run)) continue;
      guard();
      for await (const part of partsOf(run, runLists, bounds, signal)) {
        guard();
        infos.push(...cutToBounds(part.ssts, bounds, seqMax));
        holders.push(...part.holders);
        if (cache.bytesFree > listRoomMin) continue;
        this.#isCut = true;
        return;
      }
    }
  }

  /** Works off the items, so many at once, until they end, one fails or the cache is full. */
  async #inParallel<T>(
    items: Iterator<T> | AsyncGenerator<T>,
    work: (item: T) => Promise<void>,
  ): Promise<void> {
    let hasFailed = false;
    const worker = async (): Promise<void> => {
      for (;;) {
        // Calls of an asynchronous generator line up by themselves.
        const { done, value } = await items.next();
        if (done || hasFailed || this.#isFull) return;
        this.#options.guard();
        await work(value);
      }
    };
    try {
      await Promise.all(Array.from({ length: requestsAtOnce }, worker));
    } catch (error) {
      hasFailed = true;
      throw error;
    }
  }

  async #open(info: SstInfo): Promise<Table | undefined> {
    const known = this.#tables.peek(info);
    const { size, metaOffset, topOffset } = info;
    // As it is stored, and decoded.
    const room = size - metaOffset + (topOffset - metaOffset);
    if (known === undefined && this.#tables.cache.bytesFree - this.#reserved < room) {
      this.#memoryIsFull();
      return undefined;
    }
    this.#tableCount++;
    if (known !== undefined) return known;
    this.#reserved += room;
    try {
      const table = await this.#tables.open(info, this.#options.signal, true);
      this.#diskBytesLeft -= size - metaOffset;
      await this.#passed(info, metaOffset, size - metaOffset);
      return table;
    } finally {
      this.#reserved -= room;
    }
  }

  /** Range deletes of one SST. Without them in memory each read that comes across them would fetch them. */
  async #cover(info: SstInfo): Promise<void> {
    const tables = this.#tables;
    if (tables.peekRangeDeletes(info) !== undefined) return;
    const length = info.metaOffset - info.rangeDeletesOffset;
    const room = length * decodedRangeDeletesShare;
    if (tables.cache.bytesFree - this.#reserved < room) {
      this.#memoryIsFull();
      return;
    }
    this.#reserved += room;
    try {
      await tables.loadRangeDeletes(info, this.#options.signal, true);
      this.#diskBytesLeft -= length;
      await this.#passed(info, info.rangeDeletesOffset, length);
    } finally {
      this.#reserved -= room;
    }
  }

  async #openAside(info: SstInfo): Promise<Table> {
    this.#tableCount++;
    const table = await this.#tables.openAside(info, this.#options.signal);
    const { size, metaOffset } = info;
    this.#diskBytesLeft -= size - metaOffset;
    await this.#passed(info, metaOffset, size - metaOffset);
    return table;
  }

  #memoryIsFull(): void {
    this.#isMemoryFull = true;
    if (this.#tables.disk === undefined) this.#isFull = true;
  }

  /** A range came through the disk cache, where there is one, which has time to write it. What others read meanwhile is not waited for. */
  async #passed(info: SstInfo, offset: number, length: number): Promise<void> {
    const { disk } = this.#tables;
    if (disk === undefined) return;
    const keeping = disk.kept(this.#tables.ownerOf(info), info.id, { offset, length });
    const isKept = await withSignal(this.#tables.untilClosed(keeping), this.#options.signal);
    if (this.#isMemoryFull && !isKept) this.#isFull = true;
  }

  /** What is to be fetched, planned no earlier than somebody can fetch it. */
  async *#windows(
    infos: readonly SstInfo[],
    opened: readonly (Table | undefined)[],
  ): AsyncGenerator<() => Promise<void>> {
    const { bounds, signal } = this.#options;
    for (const [i, info] of infos.entries()) {
      if (opened[i] === undefined && this.#diskBytesLeft < info.size - info.metaOffset) {
        this.#isFull = true;
        return;
      }
      const table = opened[i] ?? (await this.#openAside(info));
      const { lower, upper } = bounds;
      if (lower !== undefined) await table.loadKeyPlace(lower, signal);
      if (upper !== undefined) await table.loadKeyPlace(upper, signal);
      const start = lower === undefined ? 0 : table.findBlockAtOrAfter(lower)!;
      const end = upper === undefined ? table.blockCount : table.findBlockAfter(upper)! + 1;
      const limit = Math.min(end, table.blockCount) - 1;
      for (let number = start; number <= limit; ) {
        if (!table.knowsBlock(number)) await table.loadBlockPlaces(number, limit, signal);
        if (table.hasBlock(number) || table.isFetching(number)) {
          number++;
          continue;
        }
        const window = this.#plan(table, number, limit);
        if (window === undefined) {
          this.#isFull = true;
          return;
        }
        this.#reserved += window.room;
        for (let n = window.first; n <= window.last; n++)
          this.#diskBytesLeft -= table.blockBytes(n);
        yield () => this.#fetch(table, window);
        number = window.last + 1;
      }
    }
  }

  /** The blocks from `first` on that one request should fetch; undefined when no cache has room for the first. */
  #plan(table: Table, first: number, limit: number): Window | undefined {
    const free = this.#tables.cache.bytesFree - this.#reserved;
    const window = this.#isMemoryFull ? undefined : this.#planWithin(free, table, first, limit);
    if (window !== undefined) return window;
    this.#memoryIsFull();
    const onDisk = this.#planWithin(this.#diskBytesLeft, table, first, limit);
    return onDisk && { ...onDisk, room: 0 };
  }

  #planWithin(free: number, table: Table, first: number, limit: number): Window | undefined {
    let bytes = 0;
    let room = 0;
    let end = first;
    for (; end <= limit && table.knowsBlock(end); end++) {
      if (end > first && (table.hasBlock(end) || table.isFetching(end))) break;
      const blockBytes = table.blockBytes(end);
      if (end > first && bytes + blockBytes > windowBytes) break;
      if (room + blockBytes + blockOverheadBytes > free) break;
      bytes += blockBytes;
      room += blockBytes + blockOverheadBytes;
    }
    return end === first ? undefined : { first, last: end - 1, room };
  }

  async #fetch(table: Table, { first, last, room }: Window): Promise<void> {
    const { signal, guard } = this.#options;
    const { cache } = this.#tables;
    try {
      const fetch = table.fetch(first, last, true);
      const window = await withSignal(fetch.window, signal).finally(() => fetch.leave());
      for (let number = first; number <= last; number++) {
        guard();
        // Others may have filled it meanwhile, and blocks may be larger than they are in the store.
        if (room === 0 || cache.bytesFree < table.blockBytes(number) + blockOverheadBytes) {
          this.#memoryIsFull();
          if (this.#isFull) return;
          this.#onDisk.blocks++;
          this.#onDisk.bytes += table.blockBytes(number);
          continue;
        }
        if (table.hasBlock(number)) continue;
        await withSignal(table.decodeOrReadAgain(window, number), signal);
        this.#blocks++;
        this.#bytes += table.blockBytes(number);
      }
      const { offset, bytes } = window;
      await this.#passed(table.info, offset, bytes.length);
    } finally {
      this.#reserved -= room;
    }
  }
}

/** True when spans of its range deletes may hold keys inside the bounds. */
function mayCover({ rangeDeletes }: SstInfo, bounds: KeyBounds): boolean {
  return rangeDeletes.some(({ start, end, endless }) =>
    endless ? isBelowUpper(bounds, start, 0, start.length) : overlaps(bounds, start, end),
  );
}
