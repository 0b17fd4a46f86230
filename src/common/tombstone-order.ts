/** `keyOrder`: the order of many keys, found by sorting numbers, which the engine does without calling back. */
import { compareRanges } from "./bytes.js";

/** How many bytes of each key one pass looks at, and the bits of the number that they make. */
const passBytes = 6;
const passBits = 49;
/** What a double holds exactly. */
const exactBits = 53;
/** So few are sorted by insertion. */
const insertionMax = 12;

/**
 * The numbers of keys in the order of the keys; key i is `bytes[offsets[i], offsets[i + 1])`. A pass over a run of them skips
 * what they all begin with, and sorts by the bytes after it; what is equal there is a run for a later pass.
 */
export function keyOrder(bytes: Uint8Array, offsets: Uint32Array): Uint32Array<ArrayBuffer> {
  const count = offsets.length - 1;
  const order = new Uint32Array(count);
  for (let i = 0; i < count; i++) order[i] = i;
  const sortKeys = new Float64Array(count);
  const sorted = new Uint32Array(count);
  /** From, to, and how many bytes the keys are known to share. Not recursion: long keys may take thousands of passes. */
  const runs = [0, count, 0];
  while (runs.length > 0) {
    const known = runs.pop()!;
    const to = runs.pop()!;
    const from = runs.pop()!;
    if (to - from <= insertionMax) {
      insertionSort(bytes, offsets, order, from, to);
      continue;
    }
    const shared = sharedPrefix(bytes, offsets, order, from, to, known);
    if (shared < 0) continue;
    const indexBits = Math.ceil(Math.log2(to - from));
    const indexLimit = 2 ** indexBits;
    const divisor = 2 ** Math.max(0, passBits + indexBits - exactBits);
    for (let i = from; i < to; i++) {
      const key = order[i]!;
      const word = passWord(bytes, offsets[key]! + shared, offsets[key + 1]!);
      const head = Math.floor(word / divisor);
      sortKeys[i] = head * indexLimit + (i - from);
    }
    sortKeys.subarray(from, to).sort();
    let runStart = from;
    let runHead = -1;
    for (let i = from; i < to; i++) {
      const head = Math.floor(sortKeys[i]! / indexLimit);
      sorted[i] = order[from + (sortKeys[i]! - head * indexLimit)]!;
      if (head === runHead) continue;
      if (i - runStart > 1) runs.push(runStart, i, shared);
      runStart = i;
      runHead = head;
    }
    if (to - runStart > 1) runs.push(runStart, to, shared);
    order.set(sorted.subarray(from, to), from);
  }
  return order;
}

/** How many bytes all keys of the run begin with in common, of which `known` are known; -1 when they are all equal. */
function sharedPrefix(
  bytes: Uint8Array,
  offsets: Uint32Array,
  order: Uint32Array,
  from: number,
  to: number,
  known: number,
): number {
  const firstStart = offsets[order[from]!]!;
  const firstLength = offsets[order[from]! + 1]! - firstStart;
  let shared = firstLength;
  let equal = true;
  for (let i = from + 1; i < to; i++) {
    const start = offsets[order[i]!]!;
    const length = offsets[order[i]! + 1]! - start;
    const most = Math.min(shared, length);
    let at = known;
    while (at < most && bytes[start + at] === bytes[firstStart + at]) at++;
    shared = at;
    equal &&= at === firstLength && at === length;
    if (!equal && shared === known) break;
  }
  return equal ? -1 : shared;
}

/**
 * Bytes of a key from `start` as digits above zero, so that a key that ends comes before one with a zero byte. So every pass parts
 * its run, and there is an end to them.
 */
function passWord(bytes: Uint8Array, start: number, end: number): number {
  let word = 0;
  for (let at = start; at < start + passBytes; at++) {
    word = word * 257 + (at < end ? bytes[at]! + 1 : 0);
  }
  return word;
}

function insertionSort(
  bytes: Uint8Array,
  offsets: Uint32Array,
  order: Uint32Array,
  from: number,
  to: number,
): void {
  for (let i = from + 1; i < to; i++) {
    const key = order[i]!;
    const start = offsets[key]!;
    const end = offsets[key + 1]!;
    let at = i;
    for (; at > from; at--) {
      const before = order[at - 1]!;
      if (compareRanges(bytes, offsets[before]!, offsets[before + 1]!, bytes, start, end) <= 0)
        break;
      order[at] = before;
    }
    order[at] = key;
  }
}
