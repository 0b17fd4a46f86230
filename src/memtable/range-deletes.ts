/**
 * `RangeDeletes`: the range deletes of a MemTable, in the order of their seqs.
 *
 * Writing appends to a list. A read looks through a few new ones; when there are more, it cuts them into fragments, and what has been cut
 * is joined as it grows, so that each part is at least twice as large as the next: few parts to ask, and each tombstone is cut O(log n)
 * times. Parts are never changed, so whoever holds them sees the range deletes as they were.
 */
import { assert } from "../common/assert.js";
import { compareRanges } from "../common/bytes.js";
import { FragmentedTombstones } from "../common/fragmented-tombstones.js";
import type { RangeTombstone } from "../common/range-tombstone.js";
import type { TombstoneSource } from "../common/tombstone-source.js";

/** How many a read looks at one by one before it cuts them. */
const newCountMax = 16;
/** The object and its two views, about. */
const tombstoneBytes = 256;

export class RangeDeletes implements TombstoneSource {
  readonly #all: RangeTombstone[] = [];
  /** Of the first `#cutCount` ones, oldest first. */
  #parts: readonly FragmentedTombstones[] = [];
  #cutCount = 0;

  /** Its seq is none below those before it. Its arrays are kept. */
  add(tombstone: RangeTombstone): void {
    this.#all.push(tombstone);
  }

  /** Takes away those of the batch that is being added: nobody has read them yet. */
  takeBack(seq: number): void {
    while (this.#all.at(-1)?.seq === seq) this.#all.pop();
    assert(this.#cutCount <= this.#all.length, "range deletes are read once their batch is whole");
  }

  get count(): number {
    return this.#all.length;
  }

  /** Memory that they take beside the records, about. */
  get memoryBytes(): number {
    let bytes = this.count * tombstoneBytes;
    for (const part of this.#parts) bytes += part.memoryBytes;
    return bytes;
  }

  /** Seqs grow from part to part, so the first answer is the highest. */
  coverSeq(bytes: Uint8Array, start: number, end: number, seqMax: number): number {
    if (this.count - this.#cutCount > newCountMax) this.#cut();
    for (let i = this.count - 1; i >= this.#cutCount; i--) {
      const tombstone = this.#all[i]!;
      if (tombstone.seq <= seqMax && covers(tombstone, bytes, start, end)) return tombstone.seq;
    }
    for (let i = this.#parts.length - 1; i >= 0; i--) {
      const seq = this.#parts[i]!.coverSeq(bytes, start, end, seqMax);
      if (seq > 0) return seq;
    }
    return 0;
  }

  fragmented(): readonly FragmentedTombstones[] {
    if (this.#cutCount < this.count) this.#cut();
    return this.#parts;
  }

  /** Those with a greater seq, in the order of their seqs. */
  after(seq: number): readonly RangeTombstone[] {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#all[middle]!.seq <= seq) low = middle + 1;
      else high = middle;
    }
    return this.#all.slice(low);
  }

  /** In the order of their seqs: not a copy, later ones appear. */
  all(): readonly RangeTombstone[] {
    return this.#all;
  }

  #cut(): void {
    const parts = [...this.#parts];
    let last = FragmentedTombstones.of(this.#all.slice(this.#cutCount));
    while (parts.length > 0 && parts.at(-1)!.count < last.count * 2) {
      last = FragmentedTombstones.join(parts.pop()!, last);
    }
    parts.push(last);
    this.#parts = parts;
    this.#cutCount = this.count;
  }
}

function covers(
  { start, end }: RangeTombstone,
  bytes: Uint8Array,
  keyStart: number,
  keyEnd: number,
): boolean {
  if (compareRanges(start, 0, start.length, bytes, keyStart, keyEnd) > 0) return false;
  return end === undefined || compareRanges(bytes, keyStart, keyEnd, end, 0, end.length) < 0;
}
