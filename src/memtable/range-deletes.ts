/**
 * `RangeDeletes`: the range deletes of a MemTable, in the order of their seqs.
 *
 * Where each lies in the arena is kept in columns; views of it are made for those who ask. A read looks through a few new ones; when
 * there are more, it cuts them into fragments, and what has been cut is joined as it grows, so that each part is at least twice as
 * large as the next: few parts to ask, and each tombstone is cut O(log n) times. Parts are never changed, so whoever holds them sees
 * the range deletes as they were.
 */
import { assert } from "../common/assert.js";
import { compareRanges } from "../common/bytes.js";
import { FragmentedTombstones } from "../common/fragmented-tombstones.js";
import type { RangeTombstone } from "../common/range-tombstone.js";
import { RangeColumns, type TombstoneColumns } from "../common/tombstone-columns.js";
import type { TombstoneSource } from "../common/tombstone-source.js";
import { encodeRangeEnd } from "../format/range-delete-operation.js";
import { ByteArena } from "./byte-arena.js";

/** How many a read looks at one by one before it cuts them. */
const newCountMax = 16;
/** What the columns take for each that there is room for. */
const columnsBytes = 20;
/** `portions` cuts so many at once, and not many more bytes of them: a few ms. Each half as many cost one more round of joins. */
const portionCount = 4096;
const portionBytes = 256 * 1024;
/** Few, because a transaction has its own. */
const firstCapacity = 16;

export class RangeDeletes implements TombstoneSource {
  readonly #arena: ByteArena;
  #count = 0;
  #capacity = firstCapacity;
  #chunk = new Uint32Array(this.#capacity);
  /** Where in its chunk the start of the range begins. */
  #offset = new Uint32Array(this.#capacity);
  #startLength = new Uint16Array(this.#capacity);
  /** 0: there is no end. Any other lies behind the start and a byte of its value. */
  #endLength = new Uint16Array(this.#capacity);
  #seq = new Float64Array(this.#capacity);
  /** Of the first `#cutCount` ones, oldest first. */
  #parts: readonly FragmentedTombstones[] = [];
  #cutCount = 0;

  /** `arena` has the operations. */
  constructor(arena: ByteArena = new ByteArena()) {
    this.#arena = arena;
  }

  /**
   * Adds an operation (range-delete-operation.ts) whose key begins at `keyStart` in a chunk of the arena, and its value behind it. Its
   * seq is none below those before it.
   */
  addOperation(
    chunk: number,
    keyStart: number,
    keyLength: number,
    valueLength: number,
    seq: number,
  ): void {
    const i = this.#count;
    if (i === this.#capacity) this.#grow();
    this.#chunk[i] = chunk;
    this.#offset[i] = keyStart;
    this.#startLength[i] = keyLength;
    this.#endLength[i] = valueLength - 1;
    this.#seq[i] = seq;
    this.#count = i + 1;
  }

  /** As `addOperation`, of a range that is in no chunk yet: it is copied. */
  add({ start, end, seq }: RangeTombstone): void {
    const value = encodeRangeEnd(end);
    const length = start.length + value.length;
    const chunk = this.#arena.reserve(length);
    const { chunkIndex, offset } = this.#arena;
    chunk.set(start, offset);
    chunk.set(value, offset + start.length);
    this.#arena.commit(length);
    this.addOperation(chunkIndex, offset, start.length, value.length, seq);
  }

  /** Takes away those of the batch that is being added: nobody has read them yet. */
  takeBack(seq: number): void {
    while (this.#count > 0 && this.#seq[this.#count - 1] === seq) this.#count--;
    assert(this.#cutCount <= this.#count, "range deletes are read once their batch is whole");
  }

  get count(): number {
    return this.#count;
  }

  /** Memory that they take beside the arena. */
  get memoryBytes(): number {
    let bytes = this.#capacity * columnsBytes;
    for (const part of this.#parts) bytes += part.memoryBytes;
    return bytes;
  }

  /** Seqs grow from part to part, so the first answer is the highest. */
  coverSeq(bytes: Uint8Array, start: number, end: number, seqMax: number): number {
    if (this.#count - this.#cutCount > newCountMax) this.#cut();
    for (let i = this.#count - 1; i >= this.#cutCount; i--) {
      const seq = this.#seq[i]!;
      if (seq <= seqMax && this.#covers(i, bytes, start, end)) return seq;
    }
    for (let i = this.#parts.length - 1; i >= 0; i--) {
      const seq = this.#parts[i]!.coverSeq(bytes, start, end, seqMax);
      if (seq > 0) return seq;
    }
    return 0;
  }

  fragmented(): readonly FragmentedTombstones[] {
    if (this.#cutCount < this.#count) this.#cut();
    return this.#parts;
  }

  /**
   * All of them, a part at a time, in the order of their seqs: what reads have cut, then the rest, a few thousand at a time, each of
   * which is cut when it is asked for.
   */
  *portions(): Generator<TombstoneColumns, undefined, undefined> {
    const count = this.#count;
    let from = this.#cutCount;
    for (const { columns } of this.#parts) yield columns;
    while (from < count) {
      let to = from;
      for (let bytes = 0; to < count && to - from < portionCount && bytes < portionBytes; to++) {
        bytes += this.#startLength[to]! + this.#endLength[to]!;
      }
      yield this.#columns(from, to);
      from = to;
    }
    return undefined;
  }

  /** In the order of their seqs, as they are now; of the arena's memory. To go through many, take `portions`. */
  all(): readonly RangeTombstone[] {
    return Array.from({ length: this.#count }, (_, i) => this.at(i));
  }

  /** The one that was added as number `i`, from 0; of the arena's memory. */
  at(i: number): RangeTombstone {
    const chunk = this.#arena.chunks[this.#chunk[i]!]!;
    const start = this.#offset[i]!;
    const startEnd = start + this.#startLength[i]!;
    const endLength = this.#endLength[i]!;
    return {
      start: chunk.subarray(start, startEnd),
      end: endLength === 0 ? undefined : chunk.subarray(startEnd + 1, startEnd + 1 + endLength),
      seq: this.#seq[i]!,
    };
  }

  /** Those from number `from` up to, but without, `to`, cut into fragments. */
  #columns(from: number, to: number): TombstoneColumns {
    let bytes = 0;
    for (let i = from; i < to; i++) bytes += this.#startLength[i]! + this.#endLength[i]!;
    const ranges = new RangeColumns(to - from, bytes);
    for (let i = from; i < to; i++) {
      const chunk = this.#arena.chunks[this.#chunk[i]!]!;
      const start = this.#offset[i]!;
      const startEnd = start + this.#startLength[i]!;
      const endLength = this.#endLength[i]!;
      ranges.add(this.#seq[i]!, chunk, start, startEnd);
      if (endLength > 0) ranges.addEnd(chunk, startEnd + 1, startEnd + 1 + endLength);
    }
    return ranges.cut();
  }

  #covers(i: number, bytes: Uint8Array, keyStart: number, keyEnd: number): boolean {
    const chunk = this.#arena.chunks[this.#chunk[i]!]!;
    const start = this.#offset[i]!;
    const startEnd = start + this.#startLength[i]!;
    if (compareRanges(chunk, start, startEnd, bytes, keyStart, keyEnd) > 0) return false;
    const endLength = this.#endLength[i]!;
    if (endLength === 0) return true;
    const end = startEnd + 1;
    return compareRanges(bytes, keyStart, keyEnd, chunk, end, end + endLength) < 0;
  }

  #cut(): void {
    const parts = [...this.#parts];
    let last = new FragmentedTombstones(this.#columns(this.#cutCount, this.#count));
    while (parts.length > 0 && parts.at(-1)!.count < last.count * 2) {
      last = FragmentedTombstones.join(parts.pop()!, last);
    }
    parts.push(last);
    this.#parts = parts;
    this.#cutCount = this.#count;
  }

  #grow(): void {
    const capacity = this.#capacity * 2;
    const grow = <T extends Uint16Array | Uint32Array | Float64Array>(column: T, grown: T): T => {
      grown.set(column);
      return grown;
    };
    this.#chunk = grow(this.#chunk, new Uint32Array(capacity));
    this.#offset = grow(this.#offset, new Uint32Array(capacity));
    this.#startLength = grow(this.#startLength, new Uint16Array(capacity));
    this.#endLength = grow(this.#endLength, new Uint16Array(capacity));
    this.#seq = grow(this.#seq, new Float64Array(capacity));
    this.#capacity = capacity;
  }
}
