/**
 * `warmTables`: brings the tables of a key range and their data blocks into the block cache, newest first, in few large requests of low
 * priority. It stops when the cache is full, and never makes anything leave it but by accident.
 *
 *  1. All tables are opened, some at a time: one request each, and none where they are open.
 *  2. What is not cached of each is cut into windows, and those are fetched, some at a time, across all tables.
 */
import { withSignal } from "../common/abort.js";
import type { KeyBounds } from "../common/key-range.js";
import type { SstInfo } from "../format/manifest.js";
import type { Table } from "../sst/table.js";
import type { TableStore } from "../sst/table-store.js";
import { type StoredView, sequencesWithin } from "./candidates.js";

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
  /** Data blocks that were brought into the cache, and their bytes in the store. */
  readonly blocks: number;
  readonly bytes: number;
  /** False when the cache was full before all of the range was in it. */
  readonly complete: boolean;
}

const requestsAtOnce = 4;
const windowBytes = 2 * 1024 * 1024;
/** What a cached block occupies beside its bytes, about. */
const blockOverheadBytes = 256;

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
  /** Room that its blocks need in the cache. */
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
  #isFull = false;

  constructor(tables: TableStore, options: WarmTablesOptions) {
    this.#tables = tables;
    this.#options = options;
  }

  async run(view: StoredView): Promise<WarmResult> {
    const { bounds, seqMax } = this.#options;
    const infos = sequencesWithin(view, bounds, seqMax).flatMap(({ ssts }) => ssts);
    const opened: (Table | undefined)[] = [];
    await this.#inParallel(infos.entries(), async ([i, info]) => {
      opened[i] = await this.#open(info);
    });
    const open = opened.filter((table) => table !== undefined);
    await this.#inParallel(this.#windows(open), (fetching) => fetching());
    const [tables, blocks, bytes] = [this.#tableCount, this.#blocks, this.#bytes];
    return { tables, blocks, bytes, complete: !this.#isFull };
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
    const { cache } = this.#tables;
    const known = this.#tables.getIfOpen(info);
    if (known === undefined && cache.bytesFree < info.size - info.metaOffset) {
      this.#isFull = true;
      return undefined;
    }
    this.#tableCount++;
    return known ?? this.#tables.open(info, this.#options.signal, true);
  }

  /** What is to be fetched, planned no earlier than somebody can fetch it. */
  async *#windows(tables: readonly Table[]): AsyncGenerator<() => Promise<void>> {
    const { bounds, signal } = this.#options;
    for (const table of tables) {
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
        yield () => this.#fetch(table, window);
        number = window.last + 1;
      }
    }
  }

  /** The blocks from `first` on that one request should fetch; undefined when the cache has no room for the first. */
  #plan(table: Table, first: number, limit: number): Window | undefined {
    const free = this.#tables.cache.bytesFree - this.#reserved;
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
        if (cache.bytesFree < table.blockBytes(number) + blockOverheadBytes) {
          this.#isFull = true;
          return;
        }
        if (table.hasBlock(number)) continue;
        await withSignal(table.decodeOrReadAgain(window, number), signal);
        this.#blocks++;
        this.#bytes += table.blockBytes(number);
      }
    } finally {
      this.#reserved -= room;
    }
  }
}
