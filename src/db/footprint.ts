/**
 * `Footprint`: what a transaction depends on when it commits, and the look for later writes of it.
 *
 * What is in memory is looked through in the tick of the commit. What was written after the transaction began and is in SSTs
 * only has to be read before: `Transactions` sees to it that the two meet.
 */
import { compareBytes } from "../common/bytes.js";
import { isEmpty, type KeyBounds, overlaps } from "../common/key-range.js";
import { findLaterTombstone } from "../common/later-tombstone.js";
import { RangeSet } from "../common/range-set.js";
import { type HalfOpenRange, type RangeTombstone, toHalfOpen } from "../common/range-tombstone.js";
import { RowRef, seqMax } from "../common/row.js";
import type { L0Entry } from "../format/manifest.js";
import type { MemTable } from "../memtable/mem-table.js";
import type { RangeDeletes } from "../memtable/range-deletes.js";
import { sstHolding } from "../read/candidates.js";
import { type AskedRange, boundsOf, type Conflict, rangeOf } from "./conflict.js";

export class Footprint {
  /** Keys written and read, each at least once. */
  readonly keys: readonly Uint8Array[];
  readonly #asked: readonly AskedRange[];
  readonly #ranges: RangeSet;
  /** What range deletes are compared with; made with the first one. */
  #places: { keys: readonly Uint8Array[]; ranges: readonly HalfOpenRange[] } | undefined;

  /** `ranges` have been read, as they were asked for. */
  constructor(
    keys: readonly Uint8Array[],
    ranges: readonly KeyBounds[],
    deleted: readonly HalfOpenRange[] = [],
  ) {
    this.keys = keys;
    const read = ranges.map((bounds) => ({ bounds, action: "read" }) as const);
    const own = deleted.map((range) => ({ bounds: boundsOf(range), action: "deleted" }) as const);
    this.#asked = [...own, ...read.filter(({ bounds }) => !isEmpty(bounds))];
    this.#ranges = new RangeSet(this.#asked.map(({ bounds }) => bounds));
  }

  /** Read or deleted. They do not overlap. */
  get ranges(): readonly KeyBounds[] {
    return this.#ranges.ranges;
  }

  /** A write of these tables with a seq above `seq`. */
  findInTable(table: MemTable, seq: number): Conflict | undefined {
    if (table.lastSeq <= seq) return undefined;
    const row = new RowRef();
    for (const key of this.keys) {
      if (table.get(key, seqMax, row) && row.seq > seq) return this.conflictAt(key, row.seq);
    }
    const rangeDelete = this.#findRangeDelete(table.rangeDeletes, seq);
    if (rangeDelete !== undefined) return this.conflictWith(rangeDelete);
    if (this.ranges.length === 0) return undefined;
    const ranges = this.#ranges;
    const isInside = (bytes: Uint8Array, start: number, end: number): boolean =>
      ranges.has(bytes, start, end);
    if (!table.findAfter(seq, isInside, row)) return undefined;
    return this.conflictAt(row.key(), row.seq);
  }

  /** A load conflicts with what its SSTs cover, whether it has the key or not: to look would take requests. */
  findInLoad({ seq, ssts }: L0Entry): Conflict | undefined {
    const rangeDelete = undefined;
    for (const key of this.keys) {
      if (sstHolding(ssts, key) !== undefined) return { key, range: undefined, rangeDelete, seq };
    }
    for (const range of this.#asked) {
      const isCovered = ssts.some((sst) => overlaps(range.bounds, sst.firstKey, sst.lastKey));
      if (isCovered) return { key: undefined, range, rangeDelete, seq };
    }
    return undefined;
  }

  /** That `key` was written. */
  conflictAt(key: Uint8Array, seq: number): Conflict {
    return { key, range: rangeOf(this.#asked, key), rangeDelete: undefined, seq };
  }

  /** That a range was deleted, unless nothing of it is here. */
  conflictWith(rangeDelete: RangeTombstone): Conflict | undefined {
    const { seq } = rangeDelete;
    const key = this.#firstKeyIn(rangeDelete);
    if (key !== undefined) return { key, range: undefined, rangeDelete, seq };
    if (!this.#hasRangeIn(rangeDelete)) return undefined;
    const range = this.#asked.find(({ bounds }) => {
      const asked = toHalfOpen(bounds);
      return asked !== undefined && meets(asked, rangeDelete);
    });
    return { key: undefined, range, rangeDelete, seq };
  }

  /** True when a key, or a key of the ranges, is in it. */
  meets(range: HalfOpenRange): boolean {
    return this.#firstKeyIn(range) !== undefined || this.#hasRangeIn(range);
  }

  #firstKeyIn({ start, end }: HalfOpenRange): Uint8Array | undefined {
    const { keys } = this.#inOrder();
    const key = keys[countOf(keys, (one) => compareBytes(one, start) < 0)];
    return key !== undefined && isBelow(key, end) ? key : undefined;
  }

  #hasRangeIn(range: HalfOpenRange): boolean {
    const { ranges } = this.#inOrder();
    const first = ranges[countOf(ranges, ({ end }) => !isBelow(range.start, end))];
    return first !== undefined && meets(first, range);
  }

  #findRangeDelete(deletes: RangeDeletes | undefined, seq: number): RangeTombstone | undefined {
    if (deletes === undefined || deletes.count === 0) return undefined;
    // What is older than the transaction need not be cut for it.
    if (deletes.at(deletes.count - 1).seq <= seq) return undefined;
    const { ranges } = this.#inOrder();
    for (const part of deletes.fragmented()) {
      const found = findLaterTombstone(part, seq, this.keys, ranges);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #inOrder(): { keys: readonly Uint8Array[]; ranges: readonly HalfOpenRange[] } {
    this.#places ??= {
      keys: this.keys.toSorted(compareBytes),
      ranges: this.ranges.map(toHalfOpen).filter((range) => range !== undefined),
    };
    return this.#places;
  }
}

/** How many of the first items are before something. */
function countOf<T>(items: readonly T[], isBefore: (item: T) => boolean): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(items[middle]!)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** `end` undefined: there is none. */
function isBelow(key: Uint8Array, end: Uint8Array | undefined): boolean {
  return end === undefined || compareBytes(key, end) < 0;
}

function meets(a: HalfOpenRange, b: HalfOpenRange): boolean {
  return isBelow(a.start, b.end) && isBelow(b.start, a.end);
}
