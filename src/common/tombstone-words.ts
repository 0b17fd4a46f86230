/**
 * `BoundaryWords`: finds where a key lies among sorted boundaries, mostly by comparing numbers.
 *
 * What the boundaries begin with in common is looked at once. Of each, the six bytes after it are one number that orders like
 * them; whole keys are compared only where two numbers are equal. The first and the last boundary are left out and compared
 * whole: of a queue that is deleted from its front, the first is the name of the queue alone and would leave nothing in common.
 */
import { compareRanges } from "./bytes.js";

const wordBytes = 6;

export class BoundaryWords {
  readonly #keys: Uint8Array;
  readonly #offsets: Uint32Array;
  readonly #count: number;
  /** Where in `keys` that lies which all but the first and the last boundary begin with. */
  readonly #sharedStart: number;
  readonly #sharedEnd: number;
  /** Of boundary i + 1. */
  readonly #words: Float64Array;

  /** Boundary i is `keys[offsets[i], offsets[i + 1])`; they are in order, each once. Keeps both arrays. */
  constructor(keys: Uint8Array, offsets: Uint32Array) {
    this.#keys = keys;
    this.#offsets = offsets;
    this.#count = offsets.length - 1;
    this.#words = new Float64Array(Math.max(0, this.#count - 2));
    const inner = this.#words.length;
    const start = inner === 0 ? 0 : offsets[1]!;
    const shared =
      inner === 0
        ? 0
        : sharedLength(keys, start, offsets[2]!, offsets[inner]!, offsets[inner + 1]!);
    this.#sharedStart = start;
    this.#sharedEnd = start + shared;
    for (let i = 0; i < inner; i++) {
      this.#words[i] = keyWord(keys, offsets[i + 1]! + shared, offsets[i + 2]!);
    }
  }

  get memoryBytes(): number {
    return this.#words.byteLength;
  }

  /** The last boundary that is not above the key `bytes[start, end)`; -1 when all are. */
  floor(bytes: Uint8Array, start: number, end: number): number {
    const last = this.#count - 1;
    const found = this.#innerCount(bytes, start, end);
    if (found === 0) {
      if (last < 0 || this.#compare(0, bytes, start, end) > 0) return -1;
      return last === 1 && this.#compare(1, bytes, start, end) <= 0 ? 1 : 0;
    }
    if (found < this.#words.length) return found;
    return this.#compare(last, bytes, start, end) <= 0 ? last : found;
  }

  /** How many boundaries that have a word are not above the key. */
  #innerCount(bytes: Uint8Array, start: number, end: number): number {
    const words = this.#words;
    const keys = this.#keys;
    let at = start;
    for (let i = this.#sharedStart; i < this.#sharedEnd; i++, at++) {
      if (at === end) return 0;
      const difference = bytes[at]! - keys[i]!;
      if (difference !== 0) return difference < 0 ? 0 : words.length;
    }
    const word = keyWord(bytes, at, end);
    let low = 0;
    // The number of steps depends on the length alone, so that the processor foresees the end: a third faster than narrowing.
    for (let rest = words.length; rest > 0; ) {
      const half = (rest + 1) >>> 1;
      if (words[low + half - 1]! <= word) low += half;
      rest -= half;
    }
    if (low === 0 || words[low - 1] !== word || this.#compare(low, bytes, start, end) <= 0) {
      return low;
    }
    // Of equal words, some are of greater keys: `low - 1` is the first known to be.
    let high = low - 1;
    low = 0;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const isBelow = words[middle] === word && this.#compare(middle + 1, bytes, start, end) <= 0;
      if (isBelow || words[middle]! < word) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #compare(boundary: number, bytes: Uint8Array, start: number, end: number): number {
    const offsets = this.#offsets;
    return compareRanges(this.#keys, offsets[boundary]!, offsets[boundary + 1]!, bytes, start, end);
  }
}

/** Six bytes of `bytes[start, end)`, big-endian; where there are fewer, zeros: equal words do not mean equal keys. */
function keyWord(bytes: Uint8Array, start: number, end: number): number {
  if (end - start >= wordBytes) {
    const high = (bytes[start]! << 8) | bytes[start + 1]!;
    const low =
      (bytes[start + 2]! << 24) |
      (bytes[start + 3]! << 16) |
      (bytes[start + 4]! << 8) |
      bytes[start + 5]!;
    return high * 2 ** 32 + (low >>> 0);
  }
  let word = 0;
  for (let at = start; at < start + wordBytes; at++) {
    word = word * 256 + (at < end ? bytes[at]! : 0);
  }
  return word;
}

/** How many bytes `bytes[aStart, aEnd)` and `bytes[bStart, bEnd)` begin with in common. */
function sharedLength(
  bytes: Uint8Array,
  aStart: number,
  aEnd: number,
  bStart: number,
  bEnd: number,
): number {
  const most = Math.min(aEnd - aStart, bEnd - bStart);
  let shared = 0;
  while (shared < most && bytes[aStart + shared] === bytes[bStart + shared]) shared++;
  return shared;
}
