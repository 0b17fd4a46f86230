/** `ScanCover`: the range deletes that a scan has to heed, and the SSTs that they leave for it to read. */

import { compareBytes } from "../common/bytes.js";
import type { FragmentedTombstones } from "../common/fragmented-tombstones.js";
import { isAboveLower, isBelowUpper, type KeyBounds } from "../common/key-range.js";
import type { SstInfo } from "../format/manifest.js";
import type { Sequence } from "./candidates.js";
import { CoverCursor, type CoverPart } from "./cover-cursor.js";
import type { DbView } from "./db-view.js";
import { holdersOf, type RangeDeleteReader } from "./stored-range-deletes.js";

export interface ScanCoverOptions {
  readonly bounds: KeyBounds;
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

  /** What they say of key after key to rows in memory and those of the sequences: stored ones that are older than all of these say nothing. */
  cursor(sequences: readonly Sequence[]): CoverCursor {
    let minSeq = Number.POSITIVE_INFINITY;
    for (const { ssts, entrySeq } of sequences) {
      if (entrySeq !== 0) minSeq = Math.min(minSeq, entrySeq);
      else for (const info of ssts) minSeq = Math.min(minSeq, info.minSeq);
    }
    const parts: CoverPart[] = [
      ...this.#memory,
      ...this.#stored.filter((info) => info.rangeDeletes.some(({ maxSeq }) => maxSeq > minSeq)),
    ];
    return new CoverCursor(parts, this.#reader, this.#options.seqMax);
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
