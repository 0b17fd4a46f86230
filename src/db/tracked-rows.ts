/**
 * `TrackedRows`: the rows of a scan, and which part of its range has been looked at. A serializable transaction depends on that part, on
 * the keys that are not there as much as on those that are: it goes from where the scan began, or was sent by a seek, to the last
 * row given, and to the end of the range only when the scan got there.
 */
import { copyBytes } from "../common/bytes.js";
import { intersect, type KeyBounds } from "../common/key-range.js";
import type { RowRef } from "../common/row.js";
import { type KeyedRows, type KeyPlace, Step } from "../iterator/row-iterator.js";

export class TrackedRows implements KeyedRows {
  readonly row: RowRef;
  readonly #rows: KeyedRows;
  readonly #bounds: KeyBounds;
  readonly #reverse: boolean;
  /** Parts that were left by a seek. */
  readonly #left: KeyBounds[] = [];
  /** What can be reached without a seek. */
  #within: KeyBounds;
  /** The key of the last row, when there is one. */
  #key = new Uint8Array(64);
  #keyLength = -1;
  #isAtEnd = false;

  constructor(rows: KeyedRows, bounds: KeyBounds, reverse: boolean) {
    this.row = rows.row;
    this.#rows = rows;
    this.#bounds = bounds;
    this.#reverse = reverse;
    this.#within = bounds;
  }

  /** What has been looked at so far. */
  reached(): KeyBounds[] {
    const current = this.#reachedNow();
    return current === undefined ? this.#left : [...this.#left, current];
  }

  step(): Step {
    const step = this.#rows.step();
    if (step === Step.row) this.#keepKey();
    else if (step === Step.end) this.#isAtEnd = true;
    return step;
  }

  fill(signal?: AbortSignal): Promise<void> {
    return this.#rows.fill(signal);
  }

  seek(key: Uint8Array): void {
    const current = this.#reachedNow();
    if (current !== undefined) this.#left.push(current);
    this.#within = intersect(
      this.#bounds,
      this.#reverse
        ? { lower: undefined, lowerInclusive: true, upper: copyBytes(key), upperInclusive: true }
        : { lower: copyBytes(key), lowerInclusive: true, upper: undefined, upperInclusive: false },
    );
    this.#keyLength = -1;
    this.#isAtEnd = false;
    this.#rows.seek(key);
  }

  /** That of the last row that was given, so that whoever goes on looks at all keys behind it, and notes that. */
  place(): KeyPlace | undefined {
    if (this.#keyLength < 0) return undefined;
    return { key: copyBytes(this.#key, 0, this.#keyLength), isDecided: true };
  }

  close(): void {
    this.#rows.close();
  }

  #reachedNow(): KeyBounds | undefined {
    if (this.#isAtEnd) return this.#within;
    if (this.#keyLength < 0) return undefined;
    const key = copyBytes(this.#key, 0, this.#keyLength);
    return this.#reverse
      ? { ...this.#within, lower: key, lowerInclusive: true }
      : { ...this.#within, upper: key, upperInclusive: true };
  }

  #keepKey(): void {
    const { keyBytes, keyStart, keyEnd } = this.row;
    const length = keyEnd - keyStart;
    if (length > this.#key.length) this.#key = new Uint8Array(2 * length);
    for (let i = 0; i < length; i++) this.#key[i] = keyBytes[keyStart + i]!;
    this.#keyLength = length;
  }
}
