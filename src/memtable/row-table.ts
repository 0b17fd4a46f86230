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

const tailRowsMax = 4096;
/** A row that a later operation of its own batch replaced. */
const deadKind = 0;

export class RowTable {
  readonly arena: ByteArena = new ByteArena();
  rowCount = 0;
  segments: readonly Uint32Array[] = [];
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
  /** The first eight key bytes, as two numbers that compare like them. */
  #prefixHigh = new Uint32Array(this.#capacity);
  #prefixLow = new Uint32Array(this.#capacity);
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
    this.#prefixHigh[row] = prefixWord(bytes, keyStart, keyLength, 0);
    this.#prefixLow[row] = prefixWord(bytes, keyStart, keyLength, 4);
    this.rowCount = row + 1;
    this.#index(row, hash, bytes, keyStart, keyLength, seq);
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

  /** Sorts what has been added since the last call, when it is much or when `all` is true. Not inside a batch. */
  sortTail(all: boolean): void {
    const count = this.rowCount - this.#sortedCount;
    if (count === 0 || (!all && count < tailRowsMax)) return;
    const rows: number[] = [];
    for (let row = this.#sortedCount; row < this.rowCount; row++) {
      if (this.#kind[row] !== deadKind) rows.push(row);
    }
    rows.sort((a, b) => this.#compare(a, b));
    this.#sortedCount = this.rowCount;
    let segment = Uint32Array.from(rows);
    const segments = [...this.segments];
    while (segments.length > 0 && segments.at(-1)!.length <= segment.length * 2) {
      segment = this.#mergeSegments(segments.pop()!, segment);
    }
    segments.push(segment);
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
    return this.#capacity * (this.#expiresAt === undefined ? 49 : 57) + this.#slots.length * 4;
  }

  /** Key up, then row down: a later row of a key is a newer version. */
  #compare(a: number, b: number): number {
    const high = this.#prefixHigh[a]! - this.#prefixHigh[b]!;
    if (high !== 0) return high;
    const low = this.#prefixLow[a]! - this.#prefixLow[b]!;
    if (low !== 0) return low;
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

  #mergeSegments(a: Uint32Array, b: Uint32Array): Uint32Array<ArrayBuffer> {
    const merged = new Uint32Array(a.length + b.length);
    let i = 0;
    let j = 0;
    let at = 0;
    while (i < a.length && j < b.length) {
      merged[at++] = this.#compare(a[i]!, b[j]!) < 0 ? a[i++]! : b[j++]!;
    }
    merged.set(a.subarray(i), at);
    merged.set(b.subarray(j), at + a.length - i);
    return merged;
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
    this.#prefixHigh = grow(this.#prefixHigh, new Uint32Array(capacity));
    this.#prefixLow = grow(this.#prefixLow, new Uint32Array(capacity));
    this.#capacity = capacity;
  }
}

/** Four key bytes as a big-endian number; bytes past the end count as zero, which a full comparison then settles. */
function prefixWord(bytes: Uint8Array, start: number, length: number, offset: number): number {
  const at = start + offset;
  const left = length - offset;
  if (left >= 4) {
    return (
      ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
    );
  }
  let word = 0;
  for (let i = 0; i < 4; i++) word = (word << 8) | (i < left ? bytes[at + i]! : 0);
  return word >>> 0;
}

/** FNV-1a (Fowler, Noll, Vo) with the finaliser of MurmurHash3 (Appleby), so that the low bits are well mixed. */
function hashKey(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
