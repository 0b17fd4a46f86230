/** `ScanCover`: the range deletes that a scan has to heed, and which of its sources need them. */

import { compareBytes } from "../common/bytes.js";
import type { FragmentedTombstones } from "../common/fragmented-tombstones.js";
import { isAboveLower, isBelowUpper, type KeyBounds } from "../common/key-range.js";
import type { SstInfo } from "../format/manifest.js";
import type { RowIterator } from "../iterator/row-iterator.js";
import type { Sequence } from "./candidates.js";
import { CoverCursor, type CoverPart } from "./cover-cursor.js";
import type { DbView } from "./db-view.js";
import { holdersOf, type RangeDeleteReader } from "./stored-range-deletes.js";
import { UncoveredRows } from "./uncovered-rows.js";

export interface ScanCoverOptions {
  readonly bounds: KeyBounds;
  readonly reverse: boolean;
  readonly seqMax: number;
}

export class ScanCover {
  readonly #memory: readonly FragmentedTombstones[];
  readonly #stored: readonly SstInfo[];
  readonly #reader: RangeDeleteReader;
  readonly #options: ScanCoverOptions;

  constructor(view: DbView, reader: RangeDeleteReader, options: ScanCoverOptions) {
    this.#reader = reader;
    this.#options = options;
    const memory = view.tables.flatMap(({ rangeDeletes }) => rangeDeletes?.fragmented() ?? []);
    this.#memory = memory.filter(({ minSeq }) => minSeq <= options.seqMax);
    this.#stored = holdersOf(view.manifest)
      .flat()
      .filter((info) => this.#isWithin(info));
  }

  /** No range delete that the scan sees covers any key of it. */
  get isEmpty(): boolean {
    return this.#memory.length === 0 && this.#stored.length === 0;
  }

  /** Rows of a MemTable without those that are hidden; what is stored is older. */
  uncoveredInMemory(rows: RowIterator): RowIterator {
    if (this.#memory.length === 0) return rows;
    // It is hardly ever all older than what covers a part of it.
    return this.#uncovered(rows, this.#memory, Number.POSITIVE_INFINITY);
  }

  /** Rows of a sequence without those that are hidden. */
  uncovered(rows: RowIterator, { ssts, entrySeq }: Sequence): RowIterator {
    let minSeq = entrySeq === 0 ? Number.POSITIVE_INFINITY : entrySeq;
    let maxSeq = entrySeq;
    if (entrySeq === 0) {
      for (const info of ssts) {
        minSeq = Math.min(minSeq, info.minSeq);
        maxSeq = Math.max(maxSeq, info.maxSeq);
      }
    }
    const parts: CoverPart[] = [
      ...this.#memory,
      ...this.#stored.filter((info) => info.rangeDeletes.some((span) => span.maxSeq > minSeq)),
    ];
    return parts.length === 0 ? rows : this.#uncovered(rows, parts, maxSeq);
  }

  /** The sequences without the SSTs that range deletes hide whole, as far as that is known without a request. */
  remaining(sequences: readonly Sequence[]): readonly Sequence[] {
    return sequences
      .map(({ ssts, entrySeq }) => ({
        ssts: ssts.filter((info) => !this.#hidesAll(info, entrySeq)),
        entrySeq,
      }))
      .filter(({ ssts }) => ssts.length > 0);
  }

  #uncovered(rows: RowIterator, parts: readonly CoverPart[], maxSeq: number): RowIterator {
    const { reverse, seqMax } = this.#options;
    const cursor = new CoverCursor(parts, this.#reader, seqMax);
    return new UncoveredRows(rows, cursor, { reverse, maxSeq });
  }

  #hidesAll(info: SstInfo, entrySeq: number): boolean {
    const seq = entrySeq === 0 ? info.maxSeq : entrySeq;
    const { firstKey, lastKey } = info;
    const { seqMax } = this.#options;
    return (
      this.#memory.some((part) => part.hidesAll(firstKey, lastKey, seqMax, seq)) ||
      this.#stored.some(
        (other) =>
          other.rangeDeletes.some(
            (span) =>
              span.minSeq > seq &&
              span.maxSeq <= seqMax &&
              compareBytes(span.start, firstKey) <= 0 &&
              (span.endless || compareBytes(lastKey, span.end) < 0),
          ) || this.#reader.rangeDeletesOf(other)?.hidesAll(firstKey, lastKey, seqMax, seq),
      )
    );
  }

  #isWithin({ rangeDeletes, minSeq }: SstInfo): boolean {
    const { bounds, seqMax } = this.#options;
    if (minSeq > seqMax) return false;
    return rangeDeletes.some(
      ({ start, end, endless }) =>
        isBelowUpper(bounds, start, 0, start.length) &&
        (endless || isAboveLower(bounds, end, 0, end.length)),
    );
  }
}
