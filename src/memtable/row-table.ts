/**
 * `RowTable`: the rows of a MemTable as columns of typed arrays, found by hash and sorted on demand.
 *
 * A row is a number. The hash index leads from a key to its newest row, `previous` from a row to the next older version.
 * Nothing is kept in order while writing: rows that no iterator has asked for yet are a tail, which is sorted into a
 * segment when it is long or when somebody scans, and segments are merged two by two as they grow, so that a row is moved
 * O(log n) times. Segments are never changed, so an iterator that holds them sees the table as it was.
 */
import { compareRanges } from "../common/bytes.js";
import type { RowKind, RowRef } from "../common/row.js";
import { ByteArena } from "./byte-arena.js";
import { hashKey } from "./hash-key.js";
import type { Segment } from "./segment.js";

/** Rows that are sorted at once: their index in such a chunk has twelve bits. */
const chunkRowsMax = 4096;
/** A row that a later operation of its own batch replaced. */
const deadKind = 0;

export class RowTable {
  readonly arena: ByteArena = new ByteArena();
  rowCount = 0;
  /** Rows that a later operation of their own batch replaced; they are still counted, and never given. */
  replacedCount = 0;
  segments: readonly Segment[] = [];
  /** Written by `touch` so that the compiler does not leave its reads out; means nothing. */
  touched = 0;
  #capacity = 256;
  #chunk = new Uint32Array(this.#capacity);
  #keyStart = new Uint32Array(this.#capacity);
  #keyLength = new Uint16Array(this.#capacity);
  #valueLength = new Uint32Array(this.#capacity);
  #kind = new Uint8Array(this.#capacity);
  #operatorId = new Uint16Array(this.#capacity);
  #seq = new Float64Array(this.#capacity);
  #createdAt = new Float64Array(this.#capacity);
  /** Allocated with the first row that expires. */
  #expiresAt: Float64Array | undefined;
  /** Row plus 1 of the next older version of the key; 0: none. */
  #previous = new Uint32Array(this.#capacity);
  #hash = new Uint32Array(this.#capacity);
  /** Open addressing: row plus 1 of the newest version of a key; 0: free. */
  #slots = new Uint32Array(512);
  #keyCount = 0;
  #sortedCount = 0;

  /** Adds the newest version of a key, whose bytes lie in the arena; replaces a row of the same seq. */
  add(
    chunk: number,
    keyStart: number,
    keyLength: number,
    valueLength: number,
    kind: RowKind,
    seq: number,
    createdAt: number,
    expiresAt: number,
    operatorId: number,
  ): void {
    const row = this.rowCount;
    if (row === this.#capacity) this.#growRows();
    const bytes = this.arena.chunks[chunk]!;
    const hash = hashKey(bytes, keyStart, keyStart + keyLength);
    this.#chunk[row] = chunk;
    this.#keyStart[row] = keyStart;
    this.#keyLength[row] = keyLength;
    this.#valueLength[row] = valueLength;
    this.#kind[row] = kind;
    this.#operatorId[row] = operatorId;
    this.#seq[row] = seq;
    this.#createdAt[row] = createdAt;
    if (expiresAt > 0 && this.#expiresAt === undefined) {
      this.#expiresAt = new Float64Array(this.#capacity);
    }
    if (this.#expiresAt !== undefined) this.#expiresAt[row] = expiresAt;
    this.#hash[row] = hash;
    this.rowCount = row + 1;
    this.#index(row, hash, bytes, keyStart, keyLength, seq);
  }

  isReplaced(row: number): boolean {
    return this.#kind[row] === deadKind;
  }

  /** The row's key and value now lie `bytes` further down in their chunk. */
  moveDown(row: number, bytes: number): void {
    this.#keyStart[row] = this.#keyStart[row]! - bytes;
  }

  /** The newest version of the key with seq <= seqMax. */
  find(key: Uint8Array, seqMax: number, target: RowRef): boolean {
    const slot = this.#findSlot(hashKey(key, 0, key.length), key, 0, key.length);
    let next = this.#slots[slot]!;
    while (next !== 0) {
      const row = next - 1;
      if (this.#seq[row]! <= seqMax) {
        this.load(row, target);
        return true;
      }
      next = this.#previous[row]!;
    }
    return false;
  }

  /**
   * Reads a little of everything that rows [from, to) of a segment are made of. In key order they lie all over memory:
   * waited for one by one, as `load` and whoever reads the key would, they took a quarter of building an SST; asked for
   * together they are waited for together.
   */
  touch(rows: Uint32Array, from: number, to: number): void {
    const chunks = this.arena.chunks;
    let sum = 0;
    for (let i = from; i < to; i++) {
      const row = rows[i]!;
      const bytes = chunks[this.#chunk[row]!]!;
      const start = this.#keyStart[row]!;
      const last = Math.max(start, start + this.#keyLength[row]! + this.#valueLength[row]! - 1);
      if (last < bytes.length) sum += bytes[start]! + bytes[last]!;
      sum += this.#seq[row]! + this.#createdAt[row]!;
    }
    this.touched = sum;
  }

  load(row: number, target: RowRef): void {
    const bytes = this.arena.chunks[this.#chunk[row]!]!;
    const keyStart = this.#keyStart[row]!;
    const keyEnd = keyStart + this.#keyLength[row]!;
    target.keyBytes = bytes;
    target.keyStart = keyStart;
    target.keyEnd = keyEnd;
    target.valueBytes = bytes;
    target.valueStart = keyEnd;
    target.valueEnd = keyEnd + this.#valueLength[row]!;
    target.kind = this.#kind[row] as RowKind;
    target.seq = this.#seq[row]!;
    target.createdAt = this.#createdAt[row]!;
    target.expiresAt = this.#expiresAt === undefined ? 0 : this.#expiresAt[row]!;
    target.operatorId = this.#operatorId[row]!;
  }

  /** The first row with a greater seq: rows stand in the order of their seqs. */
  firstAfter(seq: number): number {
    let low = 0;
    let high = this.rowCount;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#seq[middle]! <= seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Sorts what has been added since the last call, when it is much or when `all` is true. Not inside a batch. */
  sortTail(all: boolean): void {
    if (this.rowCount - this.#sortedCount < (all ? 1 : chunkRowsMax)) return;
    const segments = [...this.segments];
    while (this.rowCount - this.#sortedCount >= (all ? 1 : chunkRowsMax)) {
      const end = Math.min(this.rowCount, this.#sortedCount + chunkRowsMax);
      let segment = this.#sortChunk(this.#sortedCount, end);
      this.#sortedCount = end;
      while (segments.length > 0 && segments.at(-1)!.rows.length <= segment.rows.length) {
        segment = this.#mergeSegments(segments.pop()!, segment);
      }
      segments.push(segment);
    }
    this.segments = segments;
  }

  /** Everything in one segment, for a table that is read in order from now on. */
  sortAll(): void {
    this.sortTail(true);
    const segments = [...this.segments];
    while (segments.length > 1) {
      const newer = segments.pop()!;
      segments.push(this.#mergeSegments(segments.pop()!, newer));
    }
    this.segments = segments;
  }

  /** Orders the key of `row` against `key`. */
  compareKey(row: number, key: Uint8Array): number {
    const start = this.#keyStart[row]!;
    return compareRanges(
      this.arena.chunks[this.#chunk[row]!]!,
      start,
      start + this.#keyLength[row]!,
      key,
      0,
      key.length,
    );
  }

  /** Bytes that the columns and the index take. */
  get columnBytes(): number {
    return this.#capacity * (this.#expiresAt === undefined ? 41 : 49) + this.#slots.length * 4;
  }

  /**
   * Rows [start, end) in order. What their keys have in common is passed over; the five bytes after it and the row's index in
   * the chunk make one number, which the engine sorts without calling back. Only equal numbers need whole keys.
   */
  #sortChunk(start: number, end: number): Segment {
    const shared = this.#sharedPrefix(start, end);
    const sortKeys = new Float64Array(end - start);
    let count = 0;
    for (let row = start; row < end; row++) {
      if (this.#kind[row] === deadKind) continue;
      sortKeys[count++] = this.#keyWord(row, shared, 5) * chunkRowsMax + (row - start);
    }
    const live = sortKeys.subarray(0, count).sort();
    const rows = new Uint32Array(count);
    for (let i = 0; i < count; i++) rows[i] = start + (live[i]! % chunkRowsMax);
    const prefixOf = (i: number): number => Math.floor(live[i]! / chunkRowsMax);
    for (let i = 0; i < count; ) {
      let next = i + 1;
      while (next < count && prefixOf(next) === prefixOf(i)) next++;
      if (next - i > 1) rows.subarray(i, next).sort((a, b) => this.#compare(a, b));
      i = next;
    }
    return { rows, words: this.#wordsOf(rows, shared), wordOffset: shared };
  }

  #wordsOf(rows: Uint32Array, offset: number): Float64Array<ArrayBuffer> {
    const words = new Float64Array(rows.length);
    for (let i = 0; i < rows.length; i++) words[i] = this.#keyWord(rows[i]!, offset, 6);
    return words;
  }

  /** How many bytes all keys of rows [start, end) begin with in common. */
  #sharedPrefix(start: number, end: number): number {
    const first = this.arena.chunks[this.#chunk[start]!]!;
    const firstStart = this.#keyStart[start]!;
    let shared = this.#keyLength[start]!;
    for (let row = start + 1; row < end && shared > 0; row++) {
      const bytes = this.arena.chunks[this.#chunk[row]!]!;
      const keyStart = this.#keyStart[row]!;
      const most = Math.min(shared, this.#keyLength[row]!);
      let i = 0;
      while (i < most && bytes[keyStart + i] === first[firstStart + i]) i++;
      shared = i;
    }
    return shared;
  }

  /** `length` key bytes from `offset` as a big-endian number; bytes past the end count as zero. */
  #keyWord(row: number, offset: number, length: number): number {
    const bytes = this.arena.chunks[this.#chunk[row]!]!;
    const start = this.#keyStart[row]! + offset;
    const end = Math.min(start + length, this.#keyStart[row]! + this.#keyLength[row]!);
    let word = 0;
    for (let at = start; at < end; at++) word = word * 256 + bytes[at]!;
    for (let missing = start + length - Math.max(end, start); missing > 0; missing--) word *= 256;
    return word;
  }

  /** Key up, then row down: a later row of a key is a newer version. */
  #compare(a: number, b: number): number {
    const aStart = this.#keyStart[a]!;
    const bStart = this.#keyStart[b]!;
    const order = compareRanges(
      this.arena.chunks[this.#chunk[a]!]!,
      aStart,
      aStart + this.#keyLength[a]!,
      this.arena.chunks[this.#chunk[b]!]!,
      bStart,
      bStart + this.#keyLength[b]!,
    );
    return order !== 0 ? order : b - a;
  }

  #mergeSegments(a: Segment, b: Segment): Segment {
    if (a.rows.length === 0) return b;
    if (b.rows.length === 0) return a;
    const wordOffset = this.#sharedOf(a.rows, b.rows);
    const wordsOf = (segment: Segment): Float64Array =>
      segment.wordOffset === wordOffset ? segment.words : this.#wordsOf(segment.rows, wordOffset);
    const aRows = a.rows;
    const bRows = b.rows;
    const aWords = wordsOf(a);
    const bWords = wordsOf(b);
    const rows = new Uint32Array(aRows.length + bRows.length);
    const words = new Float64Array(rows.length);
    let i = 0;
    let j = 0;
    let at = 0;
    while (i < aRows.length && j < bRows.length) {
      const order = aWords[i]! - bWords[j]! || this.#compare(aRows[i]!, bRows[j]!);
      if (order < 0) {
        words[at] = aWords[i]!;
        rows[at++] = aRows[i++]!;
      } else {
        words[at] = bWords[j]!;
        rows[at++] = bRows[j++]!;
      }
    }
    rows.set(aRows.subarray(i), at);
    words.set(aWords.subarray(i), at);
    rows.set(bRows.subarray(j), at + aRows.length - i);
    words.set(bWords.subarray(j), at + aRows.length - i);
    return { rows, words, wordOffset };
  }

  /** What all keys of two sorted segments have in common is what their four ends have. */
  #sharedOf(a: Uint32Array, b: Uint32Array): number {
    if (a.length === 0 || b.length === 0) return 0;
    const ends = [a[0]!, a[a.length - 1]!, b[0]!, b[b.length - 1]!];
    let shared = this.#keyLength[ends[0]!]!;
    for (const end of ends) {
      let i = 0;
      const most = Math.min(shared, this.#keyLength[end]!);
      while (i < most && this.#keyByte(end, i) === this.#keyByte(ends[0]!, i)) i++;
      shared = i;
    }
    return shared;
  }

  #keyByte(row: number, offset: number): number {
    return this.arena.chunks[this.#chunk[row]!]![this.#keyStart[row]! + offset]!;
  }

  #index(
    row: number,
    hash: number,
    bytes: Uint8Array,
    keyStart: number,
    keyLength: number,
    seq: number,
  ): void {
    const slot = this.#findSlot(hash, bytes, keyStart, keyLength);
    const head = this.#slots[slot]!;
    this.#slots[slot] = row + 1;
    if (head === 0) {
      this.#previous[row] = 0;
      if (++this.#keyCount * 2 > this.#slots.length) this.#growSlots();
    } else if (this.#seq[head - 1] === seq) {
      this.#kind[head - 1] = deadKind;
      this.replacedCount++;
      this.#previous[row] = this.#previous[head - 1]!;
    } else {
      this.#previous[row] = head;
    }
  }

  /** The slot of the key, or the free slot where it belongs. */
  #findSlot(hash: number, key: Uint8Array, keyStart: number, keyLength: number): number {
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    for (;;) {
      const head = this.#slots[slot]!;
      if (head === 0) return slot;
      const row = head - 1;
      if (this.#hash[row] === hash && this.#keyLength[row] === keyLength) {
        const bytes = this.arena.chunks[this.#chunk[row]!]!;
        const start = this.#keyStart[row]!;
        let i = 0;
        while (i < keyLength && bytes[start + i] === key[keyStart + i]) i++;
        if (i === keyLength) return slot;
      }
      slot = (slot + 1) & mask;
    }
  }

  #growSlots(): void {
    const old = this.#slots;
    const slots = new Uint32Array(old.length * 2);
    const mask = slots.length - 1;
    for (const head of old) {
      if (head === 0) continue;
      let slot = this.#hash[head - 1]! & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = head;
    }
    this.#slots = slots;
  }

  #growRows(): void {
    const capacity = this.#capacity * 2;
    const grow = <T extends Uint8Array | Uint16Array | Uint32Array | Float64Array>(
      column: T,
      grown: T,
    ): T => {
      grown.set(column);
      return grown;
    };
    this.#chunk = grow(this.#chunk, new Uint32Array(capacity));
    this.#keyStart = grow(this.#keyStart, new Uint32Array(capacity));
    this.#keyLength = grow(this.#keyLength, new Uint16Array(capacity));
    this.#valueLength = grow(this.#valueLength, new Uint32Array(capacity));
    this.#kind = grow(this.#kind, new Uint8Array(capacity));
    this.#operatorId = grow(this.#operatorId, new Uint16Array(capacity));
    this.#seq = grow(this.#seq, new Float64Array(capacity));
    this.#createdAt = grow(this.#createdAt, new Float64Array(capacity));
    if (this.#expiresAt !== undefined) {
      this.#expiresAt = grow(this.#expiresAt, new Float64Array(capacity));
    }
    this.#previous = grow(this.#previous, new Uint32Array(capacity));
    this.#hash = grow(this.#hash, new Uint32Array(capacity));
    this.#capacity = capacity;
  }
}
