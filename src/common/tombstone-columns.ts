/** `TombstoneColumns`: range deletes as numbers of the boundaries between which they lie. They take linear space however they nest. */
import { compareRanges } from "./bytes.js";
import type { RangeTombstone } from "./range-tombstone.js";
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
  const count = tombstones.length;
  // All starts and ends, the end of a tombstone after its start.
  const bounds: Uint8Array[] = [];
  for (const { start, end } of tombstones) {
    bounds.push(start);
    if (end !== undefined) bounds.push(end);
  }
  const { bytes, offsets: boundOffsets } = concatenate(bounds);
  const order = keyOrder(bytes, boundOffsets);
  const boundaries = new BoundaryList(bounds.length, bytes.length);
  /** The boundary that each of the bounds is. */
  const places = new Uint32Array(bounds.length);
  for (let i = 0; i < order.length; i++) {
    const bound = order[i]!;
    const start = boundOffsets[bound]!;
    const end = boundOffsets[bound + 1]!;
    const before = i === 0 ? bound : order[i - 1]!;
    const isNew =
      i === 0 ||
      compareRanges(bytes, boundOffsets[before]!, boundOffsets[before + 1]!, bytes, start, end) !==
        0;
    if (isNew) boundaries.push(bytes, start, end);
    places[bound] = boundaries.count - 1;
  }
  const firsts = new Uint32Array(count);
  const ends = new Uint32Array(count);
  const seqs = new Float64Array(count);
  let bound = 0;
  for (let i = 0; i < count; i++) {
    const { end, seq } = tombstones[i]!;
    firsts[i] = places[bound++]!;
    ends[i] = end === undefined ? boundaries.count : places[bound++]!;
    seqs[i] = seq;
  }
  return { ...boundaries.take(), firsts, ends, seqs };
}

/** The tombstones of `a`, then those of `b`. Compares each boundary once. */
export function joinColumns(a: TombstoneColumns, b: TombstoneColumns): TombstoneColumns {
  const aCount = a.offsets.length - 1;
  const bCount = b.offsets.length - 1;
  const boundaries = new BoundaryList(aCount + bCount, a.keys.length + b.keys.length);
  /** What each boundary is in the joined list; after the last one: what "no end" is there. */
  const aPlaces = new Uint32Array(aCount + 1);
  const bPlaces = new Uint32Array(bCount + 1);
  let i = 0;
  let j = 0;
  while (i < aCount || j < bCount) {
    const order = i === aCount ? 1 : j === bCount ? -1 : compareBoundaries(a, i, b, j);
    const place = boundaries.count;
    if (order <= 0) boundaries.push(a.keys, a.offsets[i]!, a.offsets[i + 1]!);
    else boundaries.push(b.keys, b.offsets[j]!, b.offsets[j + 1]!);
    if (order <= 0) aPlaces[i++] = place;
    if (order >= 0) bPlaces[j++] = place;
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

function concatenate(parts: readonly Uint8Array[]): { bytes: Uint8Array; offsets: Uint32Array } {
  let length = 0;
  for (const part of parts) length += part.length;
  const list = new BoundaryList(parts.length, length);
  for (const part of parts) list.push(part, 0, part.length);
  const { keys, offsets } = list.take();
  return { bytes: keys, offsets };
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
