/**
 * `UncoveredRows`: the rows of one source of a scan without those that range deletes hide.
 *
 * After some hidden rows in a row it seeks to where the range delete ends, if all of the source is older: what was deleted is passed by
 * without being read.
 */
import { compareRanges } from "../common/bytes.js";
import type { RowRef } from "../common/row.js";
import { type RowIterator, Step } from "../iterator/row-iterator.js";
import { unknownCover } from "./cover.js";
import type { CoverCursor } from "./cover-cursor.js";

export interface UncoveredOptions {
  /** The direction of `rows`. */
  readonly reverse: boolean;
  /** No row of the source has a higher seq. */
  readonly maxSeq: number;
  /** How many hidden rows are stepped over before a seek, which costs about as much; default 16. */
  readonly hiddenRowsMax?: number | undefined;
}

/** Takes `rows` over. */
export class UncoveredRows implements RowIterator {
  readonly row: RowRef;
  readonly #rows: RowIterator;
  readonly #cover: CoverCursor;
  readonly #reverse: boolean;
  readonly #maxSeq: number;
  readonly #hiddenRowsMax: number;
  /** Hidden rows since the last one that is not, or the last seek. */
  #hiddenCount = 0;
  /** The source stands at a row of which it is not known whether it is hidden. */
  #held = false;
  /** A range delete hides the rest. */
  #ended = false;

  constructor(rows: RowIterator, cover: CoverCursor, options: UncoveredOptions) {
    this.row = rows.row;
    this.#rows = rows;
    this.#cover = cover;
    this.#reverse = options.reverse;
    this.#maxSeq = options.maxSeq;
    this.#hiddenRowsMax = options.hiddenRowsMax ?? 16;
  }

  step(): Step {
    const { row } = this;
    for (;;) {
      if (this.#ended) return Step.end;
      if (!this.#held) {
        const step = this.#rows.step();
        if (step !== Step.row) return step;
      }
      const cover = this.#cover.coverOf(row.keyBytes, row.keyStart, row.keyEnd);
      this.#held = cover === unknownCover;
      if (this.#held) return Step.pending;
      if (row.seq >= cover) {
        this.#hiddenCount = 0;
        return Step.row;
      }
      if (++this.#hiddenCount > this.#hiddenRowsMax && this.#maxSeq < cover) this.#seekOn();
    }
  }

  fill(signal?: AbortSignal): Promise<void> {
    return this.#held ? this.#cover.fill(signal) : this.#rows.fill(signal);
  }

  seek(key: Uint8Array): void {
    this.#hiddenCount = 0;
    this.#held = false;
    this.#ended = false;
    this.#rows.seek(key);
  }

  close(): void {
    this.#rows.close();
  }

  /** To the end of the stretch that is hidden. In reverse that is its first key, whose rows then come one by one. */
  #seekOn(): void {
    this.#hiddenCount = 0;
    const target = this.#reverse ? this.#cover.from : this.#cover.to;
    if (target === undefined) this.#ended = true;
    else if (!this.#isAt(target)) this.#rows.seek(target);
  }

  #isAt(key: Uint8Array): boolean {
    const { keyBytes, keyStart, keyEnd } = this.row;
    return compareRanges(keyBytes, keyStart, keyEnd, key, 0, key.length) === 0;
  }
}
