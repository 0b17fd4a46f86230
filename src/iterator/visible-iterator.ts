/**
 * `VisibleIterator`: of many versions of many keys, what a read sees: one row per key, the newest with seq <= `seqMax`, unless
 * it is a delete or has expired, within bounds.
 *
 * Forward, the newest version comes first: the first row that is old enough decides its key, and the rest of the key is
 * passed over. In reverse the newest comes last: a candidate is kept until the source stands at another key, which is
 * then held for the next step.
 */
import { allocateBytes, type Bytes, copyBytes } from "../common/bytes.js";
import {
  clampSeek,
  isAboveLower,
  isBelowUpper,
  isEmpty,
  type KeyBounds,
} from "../common/key-range.js";
import { RowRef } from "../common/row.js";
import { type KeyedRows, type KeyPlace, type RowIterator, Step } from "./row-iterator.js";
import { isVisible } from "./visible-row.js";

export interface VisibleOptions {
  readonly bounds: KeyBounds;
  /** The direction of `rows`. */
  readonly reverse: boolean;
  /** Rows with a greater seq do not exist. */
  readonly seqMax: number;
  /** ms since 1970; asked at each row that expires */
  readonly now: () => number;
}

/** Takes `rows` over: it seeks, steps and closes it. `step` throws `UnsupportedError` at a merge row, and again until a `seek`. */
export class VisibleIterator implements KeyedRows {
  readonly row: RowRef;
  readonly #rows: RowIterator;
  readonly #bounds: KeyBounds;
  readonly #reverse: boolean;
  readonly #seqMax: number;
  readonly #now: () => number;
  readonly #empty: boolean;
  #ended = false;
  #failure: unknown;
  /** No row before the bounds can come any more. */
  #inside = false;
  /** The key that was decided last (forward) or that the candidate has (reverse), when `#hasKey`; otherwise, in reverse, what it had. */
  #key: Bytes = allocateBytes(64);
  /** Below 0: there has been none since the last seek. */
  #keyLength = -1;
  #hasKey = false;
  /** Reverse: the source stands at a row that has not been looked at. */
  #held = false;

  constructor(rows: RowIterator, options: VisibleOptions) {
    this.#rows = rows;
    this.#bounds = options.bounds;
    this.#reverse = options.reverse;
    this.#seqMax = options.seqMax;
    this.#now = options.now;
    // Forward, the row is the source's own; in reverse the source is one row ahead.
    this.row = options.reverse ? new RowRef() : rows.row;
    this.#empty = isEmpty(options.bounds);
    const first = options.reverse ? options.bounds.upper : options.bounds.lower;
    if (!this.#empty && first !== undefined) rows.seek(first);
  }

  step(): Step {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#ended || this.#empty) return Step.end;
    try {
      return this.#reverse ? this.#stepReverse() : this.#stepForward();
    } catch (error) {
      this.#failure = error;
      throw error;
    }
  }

  fill(signal?: AbortSignal): Promise<void> {
    return this.#rows.fill(signal);
  }

  /** A key outside the bounds counts as the nearest one inside. */
  seek(key: Uint8Array): void {
    this.#rows.seek(clampSeek(this.#bounds, this.#reverse, key));
    this.#ended = false;
    this.#failure = undefined;
    this.#inside = false;
    this.#hasKey = false;
    this.#keyLength = -1;
    this.#held = false;
  }

  place(): KeyPlace | undefined {
    if (this.#keyLength < 0) return undefined;
    const key = copyBytes(this.#key, 0, this.#keyLength);
    return { key, isDecided: !this.#reverse || !this.#hasKey };
  }

  close(): void {
    this.#ended = true;
    this.#rows.close();
  }

  #stepForward(): Step {
    const row = this.row;
    for (;;) {
      const step = this.#rows.step();
      if (step === Step.pending) return step;
      if (step === Step.end) return this.#end();
      if (this.#hasKey && this.#isKeyOf(row)) continue;
      if (!this.#isInside(row)) {
        if (this.#ended) return Step.end;
        continue;
      }
      if (row.seq > this.#seqMax) continue;
      this.#keepKey(row);
      if (isVisible(row, this.#now)) return Step.row;
    }
  }

  #stepReverse(): Step {
    const source = this.#rows.row;
    for (;;) {
      if (!this.#held) {
        const step = this.#rows.step();
        if (step === Step.pending) return step;
        if (step === Step.end) return this.#decide() ? Step.row : this.#end();
      }
      this.#held = false;
      if (this.#hasKey) {
        if (this.#isKeyOf(source)) {
          // The same (key, seq) again is no news: the earlier source has given it.
          if (source.seq <= this.#seqMax && source.seq > this.row.seq) this.#setCandidate(source);
          continue;
        }
        if (this.#decide()) {
          this.#held = true;
          return Step.row;
        }
      }
      if (!this.#isInside(source)) {
        if (this.#ended) return Step.end;
        continue;
      }
      if (source.seq > this.#seqMax) continue;
      this.#keepKey(source);
      this.#setCandidate(source);
    }
  }

  #setCandidate(source: RowRef): void {
    const row = this.row;
    row.copyFrom(source);
    row.keyBytes = this.#key;
    row.keyStart = 0;
    row.keyEnd = this.#keyLength;
  }

  /** Reverse: all versions of the candidate's key have been seen. True when `row` is one that the read sees. */
  #decide(): boolean {
    if (!this.#hasKey) return false;
    this.#hasKey = false;
    return isVisible(this.row, this.#now);
  }

  #end(): Step {
    this.#ended = true;
    return Step.end;
  }

  /** False before the bounds, and behind them, where it ends the iteration. */
  #isInside(row: RowRef): boolean {
    const bounds = this.#bounds;
    const { keyBytes, keyStart, keyEnd } = row;
    if (!this.#inside) {
      const entered = this.#reverse
        ? isBelowUpper(bounds, keyBytes, keyStart, keyEnd)
        : isAboveLower(bounds, keyBytes, keyStart, keyEnd);
      if (!entered) return false;
      this.#inside = true;
    }
    const within = this.#reverse
      ? isAboveLower(bounds, keyBytes, keyStart, keyEnd)
      : isBelowUpper(bounds, keyBytes, keyStart, keyEnd);
    if (!within) this.#ended = true;
    return within;
  }

  /** Compares from the end: neighbouring keys share their beginning. */
  #isKeyOf(row: RowRef): boolean {
    const { keyBytes, keyStart } = row;
    const key = this.#key;
    let i = row.keyEnd - keyStart;
    if (i !== this.#keyLength) return false;
    while (i > 0 && keyBytes[keyStart + i - 1] === key[i - 1]) i--;
    return i === 0;
  }

  /** Copies the key: the source overwrites its own at the next step. */
  #keepKey(row: RowRef): void {
    const length = row.keyEnd - row.keyStart;
    if (length > this.#key.length) this.#key = allocateBytes(2 * length);
    const { keyBytes, keyStart } = row;
    const key = this.#key;
    if (length <= 64) {
      for (let i = 0; i < length; i++) key[i] = keyBytes[keyStart + i]!;
    } else key.set(keyBytes.subarray(keyStart, row.keyEnd));
    this.#keyLength = length;
    this.#hasKey = true;
  }
}
