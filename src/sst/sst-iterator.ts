/**
 * `SstIterator`: the rows of one SST inside bounds, in either direction.
 *
 * Blocks come from the cache, or from windows that are fetched as the scan goes on: scan-windows.ts. No window goes beyond the
 * last block that the bounds can reach. The table is opened by the first `fill` that needs it.
 */
import { throwIfAborted, withSignal } from "../common/abort.js";
import { compareBytes, compareRanges, copyBytes } from "../common/bytes.js";
import {
  isAboveLower,
  isBelowUpper,
  isEmpty,
  type KeyBounds,
  overlaps,
} from "../common/key-range.js";
import type { RowRef } from "../common/row.js";
import type { Block } from "../format/block.js";
import { BlockCursor } from "../format/block-cursor.js";
import type { SstInfo } from "../format/manifest.js";
import type { PrefixProbe } from "../format/prefix-extractor.js";
import { type RowIterator, Step } from "../iterator/row-iterator.js";
import { ScanWindows, type ScanWindowsOptions } from "./scan-windows.js";
import type { Table } from "./table.js";
import type { TableStore } from "./table-store.js";

/** What gives iterators their tables: a `TableStore`, or tables that are held for one read. */
export type TableSource = Pick<TableStore, "open" | "getIfOpen" | "background">;

export interface SstIteratorOptions {
  tables: TableSource;
  info: SstInfo;
  bounds: KeyBounds;
  /** The prefix that all keys inside the bounds have; filters may say that none has it. */
  prefix?: PrefixProbe | undefined;
  reverse?: boolean | undefined;
  /** Bytes of the first window; default 64 KiB. A window has at least one block. */
  readAheadBytes?: number | undefined;
  /** What windows double up to; default 2 MiB. */
  readAheadBytesMax?: number | undefined;
  /** Whether blocks that are read go into the cache; default true. A compaction reads everything once: false. */
  fillCache?: boolean | undefined;
  /** How many rows will still be asked for at most; default: all. */
  rowsLeft?: (() => number) | undefined;
}

const Place = { seeking: 0, edge: 1, inside: 2, end: 3 } as const;
type Place = (typeof Place)[keyof typeof Place];

export class SstIterator implements RowIterator {
  readonly row: RowRef;
  readonly #tables: TableSource;
  readonly #info: SstInfo;
  readonly #bounds: KeyBounds;
  readonly #prefix: PrefixProbe | undefined;
  readonly #reverse: boolean;
  readonly #fillCache: boolean;
  readonly #cursor = new BlockCursor();
  readonly #options: SstIteratorOptions;
  #table: Table | undefined;
  #windows: ScanWindows | undefined;
  #prefetching: Promise<void> | undefined;
  /** Nothing that is inside the bounds has to be fetched any more, and the rows left are few: time for the next SST. */
  isNearEnd = false;
  /**
   * seeking: the place of `#seekKey` has to be found; edge: the block `#number` has to be entered at the end that comes
   * first; inside: the cursor is in the block `#number`; end: there is nothing more.
   */
  #place: Place = Place.seeking;
  /** Undefined: the end of the SST that comes first. */
  #seekKey: Uint8Array | undefined;
  #number = 0;
  /** The last block that the bounds can reach, in the iterator's direction. */
  #limit = -1;
  /** Rows at the bound that comes first are left out until one is beyond it. */
  #skipping = false;
  /** Nothing can come: the bounds and the SST have no key in common, or the iterator is closed. */
  #isDone: boolean;

  constructor(options: SstIteratorOptions) {
    this.row = this.#cursor.row;
    this.#options = options;
    this.#tables = options.tables;
    this.#info = options.info;
    this.#bounds = options.bounds;
    this.#prefix = options.prefix;
    this.#reverse = options.reverse ?? false;
    this.#fillCache = options.fillCache ?? true;
    const { bounds, info } = options;
    // Without rows, the SST has nothing but range deletes.
    const hasRows = info.rowCount > 0 && overlaps(bounds, info.firstKey, info.lastKey);
    this.#isDone = isEmpty(bounds) || !hasRows;
    this.#startAt(this.#reverse ? bounds.upper : bounds.lower);
  }

  step(): Step {
    for (;;) {
      if (this.#place === Place.inside) {
        const moved = this.#reverse ? this.#cursor.previous() : this.#cursor.next();
        if (!moved) this.#leaveBlock();
        else if (this.#skipping && this.#isBeforeStart()) continue;
        else return this.#arrive();
      } else if (this.#place === Place.end) {
        return Step.end;
      } else {
        const block = this.#locate() ? this.#loadedBlock() : undefined;
        if ((this.#place as Place) === Place.end) return Step.end;
        if (block === undefined) return Step.pending;
        if (this.#enter(block)) return this.#arrive();
      }
    }
  }

  async fill(signal?: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    if (this.#prefetching !== undefined) await withSignal(this.#prefetching, signal);
    this.#table ??= await this.#tables.open(this.#info, signal);
    const table = this.#table;
    while (!this.#isDone && !this.#locate()) await this.#loadPlaces(table, signal);
    this.#windows ??= new ScanWindows(table, windowOptions(this.#options));
    const windows = this.#windows;
    while (!this.#isDone && this.#place !== Place.end) {
      const number = this.#number;
      if (windows.holds(number)) return;
      if (!table.knowsBlock(number)) await windows.loadPlaces(number, this.#limit, signal);
      else if (table.hasBlock(number)) return;
      else await windows.take(number, this.#limit, signal);
    }
  }

  /** Opens the table and fetches the first window, as `fill` would; `fill` then waits for that and meets its failure. */
  prefetch(): void {
    if (this.#prefetching !== undefined) return;
    this.#prefetching = this.fill().then(
      () => {
        this.#prefetching = undefined;
      },
      () => {
        this.#prefetching = undefined;
      },
    );
  }

  seek(key: Uint8Array): void {
    const { lower, upper } = this.#bounds;
    const bound = this.#reverse ? upper : lower;
    const order = bound === undefined ? undefined : compareBytes(key, bound);
    const isBeforeBound = order !== undefined && (this.#reverse ? order >= 0 : order <= 0);
    this.#startAt(isBeforeBound ? bound : copyBytes(key));
  }

  close(): void {
    this.#isDone = true;
    this.#place = Place.end;
    this.#cursor.reset(undefined);
    this.#windows?.close();
    this.#windows = undefined;
    this.#table = undefined;
  }

  async #loadPlaces(table: Table, signal: AbortSignal | undefined): Promise<void> {
    const { lower, upper } = this.#bounds;
    const limit = this.#reverse ? lower : upper;
    const keys = [this.#seekKey, limit].filter((key) => key !== undefined);
    await Promise.all(keys.map((key) => table.loadKeyPlace(key, signal)));
  }

  #startAt(key: Uint8Array | undefined): void {
    const { lower, lowerInclusive, upper, upperInclusive } = this.#bounds;
    this.#place = this.#isDone ? Place.end : Place.seeking;
    this.#seekKey = key;
    this.isNearEnd = false;
    this.#skipping =
      key !== undefined &&
      (this.#reverse ? key === upper && !upperInclusive : key === lower && !lowerInclusive);
  }

  /** Finds out which block comes next. False when the table is not open, or has to load a part of its index for it. */
  #locate(): boolean {
    this.#table ??= this.#tables.getIfOpen(this.#info);
    const table = this.#table;
    if (table === undefined) return false;
    if (this.#limit < 0) {
      if (this.#prefix !== undefined && !table.mayContainPrefix(this.#prefix, this.#bounds)) {
        this.#isDone = true;
        this.#place = Place.end;
        return true;
      }
      const limit = this.#limitBlock(table);
      if (limit === undefined) return false;
      this.#limit = limit;
    }
    if (this.#place !== Place.seeking) return true;
    const key = this.#seekKey;
    const last = table.blockCount - 1;
    if (key === undefined) {
      this.#number = this.#reverse ? last : 0;
    } else {
      // A separator that equals `key` ends the blocks of lower keys, or stands between two blocks with versions of it.
      const isAfter = this.#reverse !== this.#skipping;
      const number = isAfter ? table.findBlockAfter(key) : table.findBlockAtOrAfter(key);
      if (number === undefined) return false;
      this.#number = this.#reverse ? Math.min(number, last) : number;
    }
    if (this.#isBeyondLimit(this.#number)) this.#place = Place.end;
    return true;
  }

  #limitBlock(table: Table): number | undefined {
    const { lower, lowerInclusive, upper, upperInclusive } = this.#bounds;
    const last = table.blockCount - 1;
    const bound = this.#reverse ? lower : upper;
    if (bound === undefined) return this.#reverse ? 0 : last;
    const isAfter = this.#reverse ? !lowerInclusive : upperInclusive;
    const block = isAfter ? table.findBlockAfter(bound) : table.findBlockAtOrAfter(bound);
    return block && Math.min(block, last);
  }

  #isBeyondLimit(number: number): boolean {
    return this.#reverse ? number < this.#limit : number > this.#limit;
  }

  #loadedBlock(): Block | undefined {
    if (this.#place === Place.end) return undefined;
    const table = this.#table!;
    const number = this.#number;
    if (!table.knowsBlock(number)) return undefined;
    if (table.hasBlock(number)) return table.cachedBlock(number);
    if (!this.#windows?.holds(number)) return undefined;
    return this.#windows.decode(number, this.#fillCache);
  }

  /** Goes into the block `#number`. True when the cursor stands on a row already. */
  #enter(block: Block): boolean {
    const key = this.#place === Place.seeking ? this.#seekKey : undefined;
    this.#cursor.reset(block);
    this.#place = Place.inside;
    this.#fetchAhead();
    if (key === undefined) return false;
    const found = this.#reverse
      ? this.#cursor.seekAtOrBefore(key)
      : this.#cursor.seekAtOrAfter(key);
    if (!found) this.#leaveBlock();
    return found && !(this.#skipping && this.#isBeforeStart());
  }

  #leaveBlock(): void {
    this.#cursor.reset(undefined);
    this.#number += this.#reverse ? -1 : 1;
    this.#place = this.#isBeyondLimit(this.#number) ? Place.end : Place.edge;
  }

  /** The cursor is on a row; only in the last block can it be outside of the bounds. */
  #arrive(): Step {
    if (this.#number !== this.#limit) return Step.row;
    const { keyBytes, keyStart, keyEnd } = this.row;
    const isInside = this.#reverse
      ? isAboveLower(this.#bounds, keyBytes, keyStart, keyEnd)
      : isBelowUpper(this.#bounds, keyBytes, keyStart, keyEnd);
    if (isInside) return Step.row;
    this.#place = Place.end;
    return Step.end;
  }

  /** True while the row has the key of the exclusive bound where the iterator starts. */
  #isBeforeStart(): boolean {
    const key = this.#seekKey!;
    const { keyBytes, keyStart, keyEnd } = this.row;
    this.#skipping = compareRanges(keyBytes, keyStart, keyEnd, key, 0, key.length) === 0;
    return this.#skipping;
  }

  #fetchAhead(): void {
    const number = this.#number;
    if (this.#windows === undefined && number !== this.#limit) return;
    try {
      this.#windows ??= new ScanWindows(this.#table!, windowOptions(this.#options));
      if (this.#windows.enter(number, this.#limit)) this.isNearEnd = true;
    } catch {
      // Damage that is found ahead is met by whoever gets there.
    }
  }
}

/** Made when something has to be fetched, which most iterators never do. */
function windowOptions(options: SstIteratorOptions): ScanWindowsOptions {
  const { tables, reverse = false, rowsLeft } = options;
  const { readAheadBytes = 64 * 1024, readAheadBytesMax = 2 * 1024 * 1024 } = options;
  return {
    reverse,
    readAheadBytes,
    readAheadBytesMax: Math.max(readAheadBytesMax, readAheadBytes),
    rowsLeft,
    background: tables.background,
  };
}
