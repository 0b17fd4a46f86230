/** `TombstoneColumns`: range deletes as numbers of the boundaries between which they lie. They take linear space however they nest. */
import { compareRanges } from "./bytes.js";
import type { RangeTombstone } from "./range-tombstone.js";
import { type Steps, stepBytes, stepKeyOverheadBytes } from "./steps.js";
import { keyOrder } from "./tombstone-order.js";

/** Which fragments each tombstone covers. */
export interface TombstoneColumns {
  /** All boundaries, each once, in order, one after another. */
  readonly keys: Uint8Array;
  /** Where each boundary begins in `keys`, and where the last one ends. */
  readonly offsets: Uint32Array;
  /** For each tombstone, its first fragment. */
  readonly firsts: Uint32Array;
  /** For each tombstone, the fragment after its last one: the number of fragments where it has no end. */
  readonly ends: Uint32Array;
  readonly seqs: Float64Array;
}

/** In any order, of any seqs; their ranges are not empty. */
export function columnsOf(tombstones: readonly RangeTombstone[]): TombstoneColumns {
  let bytes = 0;
  for (const { start, end } of tombstones) bytes += start.length + (end?.length ?? 0);
  const ranges = new RangeColumns(tombstones.length, bytes);
  for (const { start, end, seq } of tombstones) {
    ranges.add(seq, start, 0, start.length);
    if (end !== undefined) ranges.addEnd(end, 0, end.length);
  }
  return ranges.cut();
}

/** Range deletes that are to be cut, without an object for each. */
export class RangeColumns {
  /** All starts and ends, the end of a range after its start. */
  readonly #bounds: BoundaryList;
  readonly #seqs: Float64Array;
  /** 1 for those that have an end. */
  readonly #haveEnds: Uint8Array;
  #count = 0;

  /** The room that there is, for so many with so many bytes of starts and ends. */
  constructor(countMax: number, bytesMax: number) {
    this.#bounds = new BoundaryList(countMax * 2, bytesMax);
    this.#seqs = new Float64Array(countMax);
    this.#haveEnds = new Uint8Array(countMax);
  }

  /** Copies the start, and there is no end, unless `addEnd` comes next. */
  add(seq: number, bytes: Uint8Array, start: number, end: number): void {
    this.#bounds.push(bytes, start, end);
    this.#seqs[this.#count++] = seq;
  }

  /** Copies the end of the one that was just added. It is above its start. */
  addEnd(bytes: Uint8Array, start: number, end: number): void {
    this.#bounds.push(bytes, start, end);
    this.#haveEnds[this.#count - 1] = 1;
  }

  /** In the order in which they were added. There is as much as there was room for. */
  cut(): TombstoneColumns {
    const { keys: bytes, offsets } = this.#bounds.take();
    const order = keyOrder(bytes, offsets);
    const boundaries = new BoundaryList(order.length, bytes.length);
    /** The boundary that each of the bounds is. */
    const places = new Uint32Array(order.length);
    for (let i = 0; i < order.length; i++) {
      const bound = order[i]!;
      const start = offsets[bound]!;
      const end = offsets[bound + 1]!;
      const before = i === 0 ? bound : order[i - 1]!;
      const isNew =
        i === 0 ||
        compareRanges(bytes, offsets[before]!, offsets[before + 1]!, bytes, start, end) !== 0;
      if (isNew) boundaries.push(bytes, start, end);
      places[bound] = boundaries.count - 1;
    }
    const firsts = new Uint32Array(this.#count);
    const ends = new Uint32Array(this.#count);
    let bound = 0;
    for (let i = 0; i < this.#count; i++) {
      firsts[i] = places[bound++]!;
      ends[i] = this.#haveEnds[i] === 0 ? boundaries.count : places[bound++]!;
    }
    return { ...boundaries.take(), firsts, ends, seqs: this.#seqs };
  }
}

/** The tombstones of `a`, then those of `b`. Compares each boundary once. */
export function* joinSteps(a: TombstoneColumns, b: TombstoneColumns): Steps<TombstoneColumns> {
  const aCount = a.offsets.length - 1;
  const bCount = b.offsets.length - 1;
  const boundaries = new BoundaryList(aCount + bCount, a.keys.length + b.keys.length);
  /** What each boundary is in the joined list; after the last one: what "no end" is there. */
  const aPlaces = new Uint32Array(aCount + 1);
  const bPlaces = new Uint32Array(bCount + 1);
  let i = 0;
  let j = 0;
  let room = stepBytes;
  while (i < aCount || j < bCount) {
    const order = i === aCount ? 1 : j === bCount ? -1 : compareBoundaries(a, i, b, j);
    const place = boundaries.count;
    const from = order <= 0 ? a : b;
    const at = order <= 0 ? i : j;
    const start = from.offsets[at]!;
    const end = from.offsets[at + 1]!;
    boundaries.push(from.keys, start, end);
    if (order <= 0) aPlaces[i++] = place;
    if (order >= 0) bPlaces[j++] = place;
    room -= end - start + stepKeyOverheadBytes;
    if (room > 0) continue;
    room = stepBytes;
    yield;
  }
  aPlaces[aCount] = boundaries.count;
  bPlaces[bCount] = boundaries.count;
  const count = a.seqs.length + b.seqs.length;
  const firsts = new Uint32Array(count);
  const ends = new Uint32Array(count);
  const seqs = new Float64Array(count);
  const add = (columns: TombstoneColumns, places: Uint32Array, at: number): void => {
    const { length } = columns.seqs;
    for (let k = 0; k < length; k++) firsts[at + k] = places[columns.firsts[k]!]!;
    for (let k = 0; k < length; k++) ends[at + k] = places[columns.ends[k]!]!;
    seqs.set(columns.seqs, at);
  };
  add(a, aPlaces, 0);
  yield;
  add(b, bPlaces, a.seqs.length);
  return { ...boundaries.take(), firsts, ends, seqs };
}

function compareBoundaries(a: TombstoneColumns, i: number, b: TombstoneColumns, j: number): number {
  return compareRanges(
    a.keys,
    a.offsets[i]!,
    a.offsets[i + 1]!,
    b.keys,
    b.offsets[j]!,
    b.offsets[j + 1]!,
  );
}

/** Keys one after another, in memory that is allocated once. */
class BoundaryList {
  count = 0;
  readonly #keys: Uint8Array;
  readonly #offsets: Uint32Array;

  constructor(countMax: number, bytesMax: number) {
    this.#keys = new Uint8Array(bytesMax);
    this.#offsets = new Uint32Array(countMax + 1);
  }

  push(bytes: Uint8Array, start: number, end: number): void {
    const keys = this.#keys;
    let at = this.#offsets[this.count]!;
    if (end - start > 32) {
      keys.set(bytes.subarray(start, end), at);
      at += end - start;
    } else for (let i = start; i < end; i++) keys[at++] = bytes[i]!;
    this.#offsets[++this.count] = at;
  }

  /** What was pushed, in arrays that are not larger than that. */
  take(): { keys: Uint8Array; offsets: Uint32Array } {
    const { count } = this;
    const bytes = this.#offsets[count]!;
    return {
      keys: bytes === this.#keys.length ? this.#keys : this.#keys.slice(0, bytes),
      offsets:
        count + 1 === this.#offsets.length ? this.#offsets : this.#offsets.slice(0, count + 1),
    };
  }
}
