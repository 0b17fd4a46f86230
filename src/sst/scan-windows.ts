/**
 * `ScanWindows`: which blocks a scan of one SST fetches, and when. A window is one ranged GET of neighbouring blocks.
 *
 * Windows start small and double, because most scans are short; where a limit is known, the first is what the limit needs. While a
 * window is read, the one after it is fetched: from the second half of the first window on, and not when the limit will be
 * reached before. Blocks that are cached end a window, unless they are few. A window that is damaged is waited for a second time,
 * and what was fetched ahead stays.
 */
import { withSignal } from "../common/abort.js";
import type { Block } from "../format/block.js";
import type { BlockWindow, RangeFetch } from "./block-fetches.js";
import { type BlockRange, gapBytesMax } from "./block-ranges.js";
import type { Table } from "./table.js";

export interface ScanWindowsOptions {
  readonly reverse: boolean;
  /** Bytes of the first window. A window has at least one block. */
  readonly readAheadBytes: number;
  /** What windows double up to. */
  readonly readAheadBytesMax: number;
  /** How many rows will still be asked for at most; undefined: all. */
  readonly rowsLeft: (() => number) | undefined;
  /** Requests give way to others. */
  readonly background: boolean;
}

/** How many partitions of a very large index are loaded at once. */
const partitionsAheadMax = 16;

export class ScanWindows {
  /** The one that was taken last. */
  window: BlockWindow | undefined;
  readonly #table: Table;
  readonly #options: ScanWindowsOptions;
  #bytesMax: number;
  /** The window after `window`, or the first: under way, or here. */
  #next: RangeFetch | undefined;
  /** The second read of `window`, which is damaged. */
  #again: RangeFetch | undefined;
  /** How many windows were taken. */
  #count = 0;
  /** How many partitions are loaded when the next is missing: doubles, because a scan that needs two needs more. */
  #partitionCount = 1;
  /** Set when a window after the present one was looked for. */
  #isAheadDone = false;

  constructor(table: Table, options: ScanWindowsOptions) {
    this.#table = table;
    this.#options = options;
    this.#bytesMax = options.readAheadBytes;
  }

  /** True when the present window has the block. */
  holds(number: number): boolean {
    const window = this.#again === undefined ? this.window : undefined;
    return window !== undefined && window.first <= number && number <= window.last;
  }

  /**
   * A block of the present window. Undefined when the window is damaged and fetched once more: `take` waits for that. Throws
   * `CorruptionError`.
   */
  decode(number: number, keep: boolean): Block | undefined {
    const window = this.window!;
    try {
      const block = this.#table.decode(window, number, keep);
      this.#table.blocks.missed();
      return block;
    } catch (error) {
      this.#again = this.#table.again(window, error);
      return undefined;
    }
  }

  /**
   * Takes the window of a block, of which `limit` is the last that the scan can reach: the one that was fetched ahead, one that
   * somebody else is fetching, or a new one. After an abort the same request goes on, for whoever tries again.
   */
  async take(number: number, limit: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.#again !== undefined) {
      if (this.#again.holds(number)) return this.#takeAgain(this.#again, signal);
      this.#leaveAgain();
      this.window = undefined;
    }
    if (!this.#next?.holds(number)) {
      this.#leaveNext();
      this.#next = this.#table.join(number) ?? this.#fetch(number, limit);
    }
    const next = this.#next!;
    try {
      const window = await withSignal(next.window, signal);
      if (this.#next !== next) return;
      this.#leaveNext();
      this.window = window;
      this.#count++;
      this.#isAheadDone = false;
    } catch (error) {
      if (this.#next === next && !signal?.aborted) this.#leaveNext();
      throw error;
    }
  }

  /** Loads the place of a block, and those of the blocks after it that a long scan will need. */
  loadPlaces(number: number, limit: number, signal?: AbortSignal): Promise<void> {
    const table = this.#table;
    // A partition stands for about so many blocks.
    const blocks = Math.ceil(table.blockCount / table.partitionCount) * (this.#partitionCount - 1);
    this.#partitionCount = Math.min(this.#partitionCount * 2, partitionsAheadMax);
    const to = this.#options.reverse
      ? Math.max(number - blocks, limit)
      : Math.min(number + blocks, limit);
    return table.loadBlockPlaces(number, to, signal);
  }

  /**
   * Called when the scan enters a block: fetches the window after the present one, if the scan will go on into it. True when nothing
   * up to `limit` is left to fetch, and the scan will go on behind that.
   */
  enter(number: number, limit: number): boolean {
    const table = this.#table;
    const { reverse } = this.#options;
    if (number === limit) return this.#goesOnAfter(table.blockBytes(number));
    if (this.#isAheadDone || this.#next !== undefined || !this.holds(number)) return false;
    const { first, last, bytes, offset } = this.window!;
    const at = table.blockOffset(number) - offset;
    const bytesLeft = reverse ? at : bytes.length - at;
    if (this.#count === 1 && bytesLeft > bytes.length / 2) return false;
    this.#isAheadDone = true;
    if (!this.#goesOnAfter(bytesLeft)) return false;
    const direction = reverse ? -1 : 1;
    let next = (reverse ? first : last) + direction;
    const isWithin = (): boolean => (reverse ? next >= limit : next <= limit);
    while (isWithin() && table.knowsBlock(next) && table.hasBlock(next)) next += direction;
    if (!isWithin()) return true;
    if (!table.knowsBlock(next)) this.loadPlaces(next, limit).catch(() => undefined);
    else this.#next = table.join(next) ?? this.#fetch(next, limit);
    return false;
  }

  /** Forgets the window, and gives up what is fetched ahead. */
  close(): void {
    this.window = undefined;
    this.#leaveAgain();
    this.#leaveNext();
  }

  async #takeAgain(again: RangeFetch, signal: AbortSignal | undefined): Promise<void> {
    try {
      const window = await withSignal(again.window, signal);
      if (this.#again !== again) return;
      this.#leaveAgain();
      this.window = window;
    } catch (error) {
      if (this.#again === again && !signal?.aborted) this.#leaveAgain();
      throw error;
    }
  }

  #leaveAgain(): void {
    this.#again?.leave();
    this.#again = undefined;
  }

  #leaveNext(): void {
    this.#next?.leave();
    this.#next = undefined;
  }

  /** True when more rows may be asked for than so many bytes hold. */
  #goesOnAfter(bytes: number): boolean {
    const { rowsLeft } = this.#options;
    return rowsLeft === undefined || rowsLeft() * this.#table.rowBytes > bytes;
  }

  #fetch(number: number, limit: number): RangeFetch {
    const { first, last } = this.#plan(number, limit);
    // A window has at least one block, however little was asked for: they grow from there.
    const bytes = Math.max(this.#bytesMax, this.#table.blockBytes(number));
    this.#bytesMax = Math.min(bytes * 2, this.#options.readAheadBytesMax);
    return this.#table.fetch(first, last, this.#options.background);
  }

  /** The blocks from `from` on, in the direction of the scan, that one request should fetch. */
  #plan(from: number, limit: number): BlockRange {
    const table = this.#table;
    const { reverse } = this.#options;
    const direction = reverse ? -1 : 1;
    const bytesMax = this.#windowBytes(table.blockBytes(from));
    let bytes = 0;
    let cachedBytes = 0;
    let end = from;
    for (let number = from; ; number += direction) {
      const blockBytes = table.blockBytes(number);
      bytes += blockBytes;
      if (number !== from && bytes > bytesMax) break;
      if (table.hasBlock(number)) {
        cachedBytes += blockBytes;
        if (cachedBytes > gapBytesMax) break;
      } else {
        cachedBytes = 0;
        end = number;
      }
      const next = number + direction;
      if (number === limit || !table.knowsBlock(next) || table.isFetching(next)) break;
    }
    return reverse ? { first: end, last: from } : { first: from, last: end };
  }

  #windowBytes(firstBlockBytes: number): number {
    const { rowsLeft, readAheadBytesMax } = this.#options;
    if (rowsLeft === undefined) return this.#bytesMax;
    // The first block may be entered at its end, and the last one left at its beginning.
    const wanted = rowsLeft() * this.#table.rowBytes * 1.125 + 2 * firstBlockBytes;
    // With a limit the first window may be larger than those that feel their way.
    return Math.min(wanted, this.#count === 0 ? readAheadBytesMax : this.#bytesMax);
  }
}
