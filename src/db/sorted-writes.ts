/**
 * `SortedWrites`: writes of a transaction in key order, one for each key; never changed.
 *
 * They lie in chunks, so that the next ones share with the last ones all chunks but those in which something is different: what is
 * copied for a write is one chunk, and a pointer for each of the others.
 */
import { compareBytes } from "../common/bytes.js";
import type { HalfOpenRange } from "../common/range-tombstone.js";
import { firstAtOrAfter, type OwnWrite } from "./own-write.js";

type Chunk = readonly OwnWrite[];

/** A chunk with more is cut into chunks of half as many, about. */
const chunkCountMax = 256;

export class SortedWrites {
  static readonly none: SortedWrites = new SortedWrites([], 0);
  readonly count: number;
  /** In order; none is empty. */
  readonly #chunks: readonly Chunk[];

  private constructor(chunks: readonly Chunk[], count: number) {
    this.#chunks = chunks;
    this.count = count;
  }

  /** The write of the key, or where it would be. Places are in order, and neighbours one step apart. */
  placeOf(key: Uint8Array): Place {
    const chunk = this.#chunkOf(key);
    const writes = this.#chunks[chunk];
    return { chunk, index: writes === undefined ? 0 : firstAtOrAfter(writes, key) };
  }

  get first(): Place {
    return { chunk: 0, index: 0 };
  }

  get last(): Place {
    const chunk = this.#chunks.length - 1;
    return { chunk, index: (this.#chunks[chunk]?.length ?? 0) - 1 };
  }

  /** undefined before the first and behind the last. */
  at({ chunk, index }: Place): OwnWrite | undefined {
    return this.#chunks[chunk]?.[index];
  }

  next({ chunk, index }: Place): Place {
    const isInside = index + 1 < (this.#chunks[chunk]?.length ?? 0);
    return isInside ? { chunk, index: index + 1 } : { chunk: chunk + 1, index: 0 };
  }

  previous({ chunk, index }: Place): Place {
    if (index > 0) return { chunk, index: index - 1 };
    return { chunk: chunk - 1, index: (this.#chunks[chunk - 1]?.length ?? 0) - 1 };
  }

  /** With others, in key order, one for each key: they take the place of those of equal keys. */
  with(added: readonly OwnWrite[]): SortedWrites {
    if (added.length === 0) return this;
    const chunks: Chunk[] = [];
    let { count } = this;
    let copied = 0;
    for (let from = 0; from < added.length; ) {
      // The last chunk takes what is above all.
      const at = Math.min(this.#chunkOf(added[from]!.key), Math.max(0, this.#chunks.length - 1));
      const before = this.#chunks[at] ?? [];
      const isLast = at >= this.#chunks.length - 1;
      const to = isLast ? added.length : firstAbove(added, before.at(-1)!.key, from);
      const merged = merge(before, added, from, to);
      count += merged.length - before.length;
      for (; copied < at; copied++) chunks.push(this.#chunks[copied]!);
      copied = at + 1;
      pushCut(chunks, merged);
      from = to;
    }
    for (; copied < this.#chunks.length; copied++) chunks.push(this.#chunks[copied]!);
    return new SortedWrites(chunks, count);
  }

  /** Those in the range. */
  within({ start, end }: HalfOpenRange): readonly OwnWrite[] {
    const writes: OwnWrite[] = [];
    for (let place = this.placeOf(start); ; place = this.next(place)) {
      const write = this.at(place);
      if (write === undefined) return writes;
      if (end !== undefined && compareBytes(write.key, end) >= 0) return writes;
      writes.push(write);
    }
  }

  /** All but those in the range. */
  without({ start, end }: HalfOpenRange): SortedWrites {
    const chunks = this.#chunks;
    const from = this.placeOf(start);
    const to = end === undefined ? { chunk: chunks.length, index: 0 } : this.placeOf(end);
    const left = chunks[from.chunk]?.slice(0, from.index) ?? [];
    const right = chunks[to.chunk]?.slice(to.index) ?? [];
    const kept = chunks.slice(0, from.chunk);
    // What is left of the ends is one chunk where it can be, so that range deletes do not leave more chunks than writes have made.
    if (left.length + right.length <= chunkCountMax / 2) pushAll(kept, [...left, ...right]);
    else pushAll(kept, left, right);
    const rest = chunks.slice(to.chunk + 1);
    let count = left.length + right.length;
    for (let i = 0; i < from.chunk; i++) count += chunks[i]!.length;
    for (const { length } of rest) count += length;
    if (count === this.count) return this;
    return new SortedWrites(kept.concat(rest), count);
  }

  /** The first chunk that reaches up to the key; the number of chunks when all lie below it. */
  #chunkOf(key: Uint8Array): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareBytes(this.#chunks[middle]!.at(-1)!.key, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export interface Place {
  readonly chunk: number;
  readonly index: number;
}

/** The index of the first write, of those from `from`, whose key is above `key`. */
function firstAbove(writes: readonly OwnWrite[], key: Uint8Array, from: number): number {
  const at = firstAtOrAfter(writes, key, from);
  return at < writes.length && compareBytes(writes[at]!.key, key) === 0 ? at + 1 : at;
}

/** Both in order, of the second those from `from` up to `to`; of equal keys these. */
function merge(older: Chunk, newer: readonly OwnWrite[], from: number, to: number): OwnWrite[] {
  const merged: OwnWrite[] = [];
  let i = 0;
  for (let j = from; j < to; j++) {
    const write = newer[j]!;
    const at = firstAtOrAfter(older, write.key, i);
    while (i < at) merged.push(older[i++]!);
    if (i < older.length && compareBytes(older[i]!.key, write.key) === 0) i++;
    merged.push(write);
  }
  while (i < older.length) merged.push(older[i++]!);
  return merged;
}

function pushCut(chunks: Chunk[], writes: Chunk): void {
  if (writes.length <= chunkCountMax) {
    pushAll(chunks, writes);
    return;
  }
  const pieces = Math.ceil(writes.length / (chunkCountMax / 2));
  const count = Math.ceil(writes.length / pieces);
  for (let at = 0; at < writes.length; at += count) chunks.push(writes.slice(at, at + count));
}

function pushAll(chunks: Chunk[], ...added: readonly Chunk[]): void {
  for (const chunk of added) if (chunk.length > 0) chunks.push(chunk);
}
