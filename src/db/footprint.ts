/**
 * `Footprint`: what a transaction depends on when it commits, and the look for later writes of it.
 *
 * What is in memory is looked through in the tick of the commit. What was written after the transaction began and is in SSTs
 * only has to be read before: `Transactions` sees to it that the two meet.
 */
import { isEmpty, type KeyBounds, overlaps } from "../common/key-range.js";
import { RangeSet } from "../common/range-set.js";
import { RowRef, seqMax } from "../common/row.js";
import type { L0Entry } from "../format/manifest.js";
import type { MemTable } from "../memtable/mem-table.js";
import { sstHolding } from "../read/candidates.js";
import { type Conflict, rangeOf } from "./conflict.js";

export class Footprint {
  /** Keys written and read, each at least once. */
  readonly keys: readonly Uint8Array[];
  /** What has been read in ranges, as they were asked for. */
  readonly #asked: readonly KeyBounds[];
  readonly #ranges: RangeSet;

  constructor(keys: readonly Uint8Array[], ranges: readonly KeyBounds[]) {
    this.keys = keys;
    this.#asked = ranges.filter((range) => !isEmpty(range));
    this.#ranges = new RangeSet(ranges);
  }

  /** They do not overlap. */
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
    if (this.ranges.length === 0) return undefined;
    const ranges = this.#ranges;
    const isInside = (bytes: Uint8Array, start: number, end: number): boolean =>
      ranges.has(bytes, start, end);
    if (!table.findAfter(seq, isInside, row)) return undefined;
    return this.conflictAt(row.key(), row.seq);
  }

  /** A load conflicts with what its SSTs cover, whether it has the key or not: to look would take requests. */
  findInLoad({ seq, ssts }: L0Entry): Conflict | undefined {
    for (const key of this.keys) {
      if (sstHolding(ssts, key) !== undefined) return { key, range: undefined, seq };
    }
    for (const range of this.#asked) {
      const isCovered = ssts.some(({ firstKey, lastKey }) => overlaps(range, firstKey, lastKey));
      if (isCovered) return { key: undefined, range, seq };
    }
    return undefined;
  }

  /** That `key` was written. */
  conflictAt(key: Uint8Array, seq: number): Conflict {
    return { key, range: rangeOf(this.#asked, key), seq };
  }
}
