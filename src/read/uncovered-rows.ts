/**
 * `UncoveredRows`: the rows of a scan without those that range deletes hide.
 *
 * After some hidden rows in a row, what is older than the range delete is moved on to where that ends: what was deleted is passed by
 * without being read.
 */
import { compareRanges, keyBytesMax } from "../common/bytes.js";
import type { RowRef } from "../common/row.js";
import { type RowIterator, Step } from "../iterator/row-iterator.js";
import { unknownCover } from "./cover.js";
import type { CoverCursor } from "./cover-cursor.js";

export interface UncoveredOptions {
  /** The direction of the rows. */
  readonly reverse: boolean;
  /** Moves what has no rows of a seq of `cover` or above on to `key`, where it stands before that. */
  seekOlder(key: Uint8Array, cover: number): void;
  /** How many hidden rows are stepped over before that, which costs about as much; default 16. */
  readonly hiddenRowsMax?: number | undefined;
}

/** Above every key. */
const beyondAllKeys = new Uint8Array(keyBytesMax + 1).fill(0xff);
const firstKey = new Uint8Array(0);

/** Takes `rows` over. */
export class UncoveredRows implements RowIterator {
  readonly row: RowRef;
  readonly #rows: RowIterator;
  readonly #cover: CoverCursor;
  readonly #options: UncoveredOptions;
  readonly #hiddenRowsMax: number;
  /** Hidden rows since the last one that is not, or since older ones were moved on. */
  #hiddenCount = 0;
  /** The rows stand at one of which it is not known whether it is hidden. */
  #held = false;

  constructor(rows: RowIterator, cover: CoverCursor, options: UncoveredOptions) {
    this.row = rows.row;
    this.#rows = rows;
    this.#cover = cover;
    this.#options = options;
    this.#hiddenRowsMax = options.hiddenRowsMax ?? 16;
  }

  step(): Step {
    const { row } = this;
    for (;;) {
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
      if (++this.#hiddenCount > this.#hiddenRowsMax) this.#seekOn(cover);
    }
  }

  fill(signal?: AbortSignal): Promise<void> {
    return this.#held ? this.#cover.fill(signal) : this.#rows.fill(signal);
  }

  seek(key: Uint8Array): void {
    this.#hiddenCount = 0;
    this.#held = false;
    this.#rows.seek(key);
  }

  close(): void {
    this.#rows.close();
  }

  /** To the end of the stretch that is hidden. In reverse that is its first key, whose rows then come one by one. */
  #seekOn(cover: number): void {
    this.#hiddenCount = 0;
    const { reverse, seekOlder } = this.#options;
    const { from = firstKey, to = beyondAllKeys } = this.#cover;
    const target = reverse ? from : to;
    if (!this.#isAt(target)) seekOlder(target, cover);
  }

  #isAt(key: Uint8Array): boolean {
    const { keyBytes, keyStart, keyEnd } = this.row;
    return compareRanges(keyBytes, keyStart, keyEnd, key, 0, key.length) === 0;
  }
}
