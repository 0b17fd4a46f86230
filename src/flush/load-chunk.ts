/**
 * `LoadChunk`: rows of a bulk load in the order of their arrival, until they are given out in key order. It sorts nothing
 * while rows come in ascending order.
 */
import { allocateBytes, compareRanges } from "../common/bytes.js";
import type { RowRef } from "../common/row.js";

/** Of a key that is longer than what all keys have in common, so many bytes fit in a number exactly. */
const wordBytes = 6;
/** What a row takes besides its bytes. */
const columnBytes = 16;
/** So many rows are sorted, or merged, in a few ms. */
const stepRows = 4096;
const noWords = new Float64Array(0);
const slabBytes = 256 * 1024;
const noSlab = new Uint8Array(0);

export class LoadChunk {
  rowCount = 0;
  /** Bytes of keys and values. */
  bytes = 0;
  /** The rows came with ascending keys, each only once. */
  isSorted = true;
  /**
   * Where the rows lie; kept for the next rows, because memory that is new to the process is slow. A row that is larger than
   * these has one of its own.
   */
  #slabs: Uint8Array[] = [];
  /** The slab that is being filled, and how far it is. */
  #slab = -1;
  #used = 0;
  /** Those from `#slab` + 1 up to here are kept from earlier rows. */
  #keptEnd = 0;
  /** Bytes at the ends of slabs that no row fitted into. */
  #wasted = 0;
  #slabOf: Uint32Array = new Uint32Array(1024);
  #offset: Uint32Array = new Uint32Array(1024);
  #keyLength: Uint32Array = new Uint32Array(1024);
  #valueLength: Uint32Array = new Uint32Array(1024);
  /** ms since 1970, 0 for a row that does not expire; made with the first one that does. */
  #expiresAt: Float64Array | undefined;
  /** How many bytes all keys begin with. */
  #shared = 0;
  /** While it is sorted, for each row what its key mostly differs from others in. */
  #words: Float64Array = noWords;
  /** Row numbers in key order, once it is sorted and where that is not the order of arrival. */
  #order: Uint32Array | undefined;

  /** Memory that the rows take, about. */
  get memoryBytes(): number {
    const rowBytes = columnBytes + (this.#expiresAt === undefined ? 0 : 8);
    return this.bytes + this.#wasted + this.rowCount * rowBytes;
  }

  /** Copies key and value. `expiresAt` is ms since 1970; 0: never. */
  add(key: Uint8Array, value: Uint8Array, expiresAt = 0): void {
    const length = key.length + value.length;
    const isLarge = length > slabBytes;
    const slab = isLarge ? this.#addLarge(length) : this.#reserve(length);
    const offset = isLarge ? 0 : this.#used;
    const target = this.#slabs[slab]!;
    target.set(key, offset);
    target.set(value, offset + key.length);
    if (!isLarge) this.#used += length;
    const row = this.rowCount;
    if (row === this.#slabOf.length) this.#grow();
    this.#slabOf[row] = slab;
    this.#offset[row] = offset;
    this.#keyLength[row] = key.length;
    this.#valueLength[row] = value.length;
    if (expiresAt !== 0) this.#expiresAt ??= new Float64Array(this.#slabOf.length);
    if (this.#expiresAt !== undefined) this.#expiresAt[row] = expiresAt;
    if (row === 0) this.#shared = key.length;
    else this.#compareToFirst(key, row);
    this.rowCount++;
    this.bytes += length;
  }

  /**
   * Puts the rows into key order. Of several rows of one key the last to arrive stays. Yields after each few ms of work:
   * sorting a large chunk takes seconds, which others want turns in.
   */
  *sortInSteps(): Generator<void, void> {
    if (this.isSorted) return;
    const { rowCount } = this;
    this.#words = new Float64Array(rowCount);
    let order = new Uint32Array(rowCount);
    for (let start = 0; start < rowCount; start += stepRows) {
      const end = Math.min(start + stepRows, rowCount);
      for (let row = start; row < end; row++) {
        this.#words[row] = this.#word(row);
        order[row] = row;
      }
      order.subarray(start, end).sort((a, b) => this.#compareRows(a, b));
      yield;
    }
    let merged = new Uint32Array(rowCount);
    for (let width = stepRows; width < rowCount; width *= 2) {
      for (let start = 0; start < rowCount; start += 2 * width) {
        yield* this.#mergeInSteps(order, merged, start, start + width, start + 2 * width);
      }
      [order, merged] = [merged, order];
    }
    let kept = 1;
    for (let i = 1; i < rowCount; i++) {
      const row = order[i]!;
      const before = order[kept - 1]!;
      if (this.#words[before] !== this.#words[row] || this.#compare(before, row) !== 0) {
        order[kept++] = row;
      }
      if (i % stepRows === 0) yield;
    }
    this.#words = noWords;
    this.#order = order.subarray(0, kept);
  }

  /** How many rows `rowAt` gives, after it was sorted. */
  get sortedCount(): number {
    return this.#order?.length ?? this.rowCount;
  }

  /** Sets key, value and expiry of `row` to those of the row that is number `index` in key order. */
  rowAt(index: number, row: RowRef): void {
    const at = this.#order === undefined ? index : this.#order[index]!;
    const bytes = this.#slabs[this.#slabOf[at]!]!;
    const start = this.#offset[at]!;
    row.keyBytes = bytes;
    row.keyStart = start;
    row.keyEnd = start + this.#keyLength[at]!;
    row.valueBytes = bytes;
    row.valueStart = row.keyEnd;
    row.valueEnd = row.keyEnd + this.#valueLength[at]!;
    row.expiresAt = this.#expiresAt === undefined ? 0 : this.#expiresAt[at]!;
  }

  /** Forgets its rows. */
  clear(): void {
    this.rowCount = 0;
    this.bytes = 0;
    this.isSorted = true;
    this.#slab = -1;
    this.#used = 0;
    this.#wasted = 0;
    // One that was made for a large row fits the next one only by chance.
    this.#slabs = this.#slabs.filter((slab) => slab.length === slabBytes);
    this.#keptEnd = this.#slabs.length;
    this.#order = undefined;
  }

  /**
   * The number of a new slab for one row, beside those that smaller rows are filling: to skip what they leave free would end
   * the chunk early. As much of what is kept for smaller ones is given up.
   */
  #addLarge(length: number): number {
    for (let given = 0; given < length && this.#keptEnd > this.#slab + 1; given += slabBytes) {
      this.#slabs[--this.#keptEnd] = noSlab;
    }
    return this.#slabs.push(allocateBytes(length)) - 1;
  }

  /** The number of the slab with room for `length` bytes, which a slab has, from `#used` on. */
  #reserve(length: number): number {
    if (this.#slab >= 0 && this.#used + length <= slabBytes) return this.#slab;
    if (this.#slab >= 0) this.#wasted += slabBytes - this.#used;
    this.#used = 0;
    do this.#slab++;
    while (this.#slab < this.#slabs.length && this.#slabs[this.#slab]!.length !== slabBytes);
    if (this.#slab === this.#slabs.length) this.#slabs.push(allocateBytes(slabBytes));
    return this.#slab;
  }

  /** Keeps `isSorted` and what all keys begin with, against the row before and the first row. */
  #compareToFirst(key: Uint8Array, row: number): void {
    const first = this.#slabs[this.#slabOf[0]!]!;
    const firstStart = this.#offset[0]!;
    let shared = 0;
    const sharedMax = Math.min(this.#shared, key.length);
    while (shared < sharedMax && first[firstStart + shared] === key[shared]) shared++;
    this.#shared = shared;
    if (this.isSorted && this.#compare(row - 1, row) >= 0) this.isSorted = false;
  }

  /** Merges what is in order in [start, middle) and [middle, end), both cut at the end of all. */
  *#mergeInSteps(
    from: Uint32Array,
    to: Uint32Array,
    start: number,
    middle: number,
    end: number,
  ): Generator<void, void> {
    const leftEnd = Math.min(middle, from.length);
    const rightEnd = Math.min(end, from.length);
    let left = start;
    let right = leftEnd;
    for (let at = start; at < rightEnd; at++) {
      const takesLeft =
        right === rightEnd || (left < leftEnd && this.#compareRows(from[left]!, from[right]!) < 0);
      to[at] = takesLeft ? from[left++]! : from[right++]!;
      if (at % stepRows === 0) yield;
    }
  }

  /** By key. The last to arrive comes first among equals, so that it is the one that stays. */
  #compareRows(a: number, b: number): number {
    return this.#words[a]! - this.#words[b]! || this.#compare(a, b) || b - a;
  }

  #compare(a: number, b: number): number {
    const chunks = this.#slabs;
    const aStart = this.#offset[a]!;
    const bStart = this.#offset[b]!;
    const aEnd = aStart + this.#keyLength[a]!;
    const bEnd = bStart + this.#keyLength[b]!;
    const aBytes = chunks[this.#slabOf[a]!]!;
    return compareRanges(aBytes, aStart, aEnd, chunks[this.#slabOf[b]!]!, bStart, bEnd);
  }

  /** The bytes of a key after what all have in common, as a number that sorts like them; shorter keys are filled up. */
  #word(row: number): number {
    const bytes = this.#slabs[this.#slabOf[row]!]!;
    const start = this.#offset[row]!;
    const end = start + this.#keyLength[row]!;
    let word = 0;
    for (let at = start + this.#shared, i = 0; i < wordBytes; at++, i++) {
      word = word * 256 + (at < end ? bytes[at]! : 0);
    }
    return word;
  }

  #grow(): void {
    const grow = (column: Uint32Array): Uint32Array => {
      const grown = new Uint32Array(column.length * 2);
      grown.set(column);
      return grown;
    };
    this.#slabOf = grow(this.#slabOf);
    this.#offset = grow(this.#offset);
    this.#keyLength = grow(this.#keyLength);
    this.#valueLength = grow(this.#valueLength);
    if (this.#expiresAt === undefined) return;
    const expiresAt = new Float64Array(this.#expiresAt.length * 2);
    expiresAt.set(this.#expiresAt);
    this.#expiresAt = expiresAt;
  }
}
