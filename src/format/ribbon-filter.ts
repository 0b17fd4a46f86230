/**
 * Reads a ribbon filter (Dillinger, Walzer: "Ribbon filter: practically smaller than Bloom and Xor", 2021): a fifth smaller than a
 * blocked Bloom filter that lets as many absent keys pass, and slower to ask.
 *
 *   u8 kind = 2 | u8 result bits r | u32 shard count n | n times u32 shard | columns of shard 0 | columns of shard 1 | ...
 *
 *   shard:    the seed in the low 8 bits, above them the groups of 32 slots
 *   columns:  for each group r times u32; bit i of the j-th is bit j of the group's slot i
 *
 * A key's hash h chooses shard floor(h * n / 2^32). There, with its seed s: a = fmix(h ^ (s + 1) * 0x9e3779b9), the first slot is
 * floor(a * (slots - 31) / 2^32), the coefficients are fmix(a ^ 0x7feb352d) | 1, one bit for each of 32 slots, and the result is
 * the top r bits of a * 0x9e3779b9 mod 2^32. The key may be there when the slots whose coefficient is 1, xored, are the result.
 */
import { CorruptionError } from "../common/errors.js";
import type { KeyFilter } from "./filter.js";
import { goldenRatio, mixHash } from "./key-hash.js";

export const ribbonHeaderBytes = 6;
/** Slots that one key's equation spans, and slots in a group. */
export const ribbonWidth = 32;
/** Fewer bits than the hash has, or keys that differ would not differ in it. */
export const resultBitsMax = 16;

/** What a shard makes of a key: `ribbonSlot` says where its coefficients begin, both of `ribbonState`. */
export function ribbonState(keyHash: number, seed: number): number {
  return mixHash(keyHash ^ Math.imul(seed + 1, goldenRatio));
}

export function ribbonSlot(state: number, slotCount: number): number {
  return Math.floor((state * (slotCount - ribbonWidth + 1)) / 2 ** 32);
}

export function ribbonCoefficients(state: number): number {
  return mixHash(state ^ 0x7feb352d) | 1;
}

export function ribbonResult(state: number, resultBits: number): number {
  return Math.imul(state, goldenRatio) >>> (32 - resultBits);
}

/** The index of the shard that a key belongs to. */
export function ribbonShardOf(keyHash: number, shardCount: number): number {
  return Math.floor((keyHash * shardCount) / 2 ** 32);
}

/** The parity of the bits of a number. */
export function parity(bits: number): number {
  let folded = bits ^ (bits >>> 16);
  folded ^= folded >>> 8;
  folded ^= folded >>> 4;
  return (0x6996 >>> (folded & 15)) & 1;
}

/** The filter in a payload of kind ribbon. `object` and `blockOffset` are for messages. */
export function readRibbonFilter(
  payload: Uint8Array,
  object: string,
  blockOffset: number,
): KeyFilter {
  const fail = (detail: string): never => {
    throw new CorruptionError(object, `a ribbon filter ${detail}`, { offset: blockOffset });
  };
  if (payload.length < ribbonHeaderBytes) fail(`of ${payload.length} bytes has a wrong length`);
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const resultBits = payload[1]!;
  if (resultBits < 1 || resultBits > resultBitsMax) fail(`has ${resultBits} result bits`);
  const shardCount = view.getUint32(2, true);
  let offset = ribbonHeaderBytes + shardCount * 4;
  if (shardCount === 0 || offset > payload.length) fail(`has ${shardCount} shards`);
  const shards = new Uint32Array(shardCount);
  const offsets = new Uint32Array(shardCount);
  for (let i = 0; i < shardCount; i++) {
    const shard = view.getUint32(ribbonHeaderBytes + i * 4, true);
    if (shard >>> 8 === 0) fail("has an empty shard");
    shards[i] = shard;
    offsets[i] = offset;
    offset += (shard >>> 8) * resultBits * 4;
    if (offset > payload.length) break;
  }
  if (offset !== payload.length) fail(`of ${payload.length} bytes has a wrong length`);
  return new RibbonFilter(view, resultBits, shards, offsets);
}

class RibbonFilter implements KeyFilter {
  readonly #view: DataView;
  readonly #resultBits: number;
  readonly #shards: Uint32Array;
  /** Where the columns of each shard begin. */
  readonly #offsets: Uint32Array;

  constructor(view: DataView, resultBits: number, shards: Uint32Array, offsets: Uint32Array) {
    this.#view = view;
    this.#resultBits = resultBits;
    this.#shards = shards;
    this.#offsets = offsets;
  }

  mayContain(keyHash: number): boolean {
    const view = this.#view;
    const resultBits = this.#resultBits;
    const shardIndex = ribbonShardOf(keyHash, this.#shards.length);
    const shard = this.#shards[shardIndex]!;
    const state = ribbonState(keyHash, shard & 0xff);
    const slot = ribbonSlot(state, (shard >>> 8) * ribbonWidth);
    const coefficients = ribbonCoefficients(state);
    let result = ribbonResult(state, resultBits);
    const groupBytes = resultBits * 4;
    const start = this.#offsets[shardIndex]! + (slot >>> 5) * groupBytes;
    const shift = slot & 31;
    // The 32 slots lie in one group or in two: the coefficients are moved to their places there.
    const low = coefficients << shift;
    const high = shift === 0 ? 0 : coefficients >>> (32 - shift);
    for (let at = start; at < start + groupBytes; at += 4) {
      let bits = view.getInt32(at, true) & low;
      if (high !== 0) bits ^= view.getInt32(at + groupBytes, true) & high;
      // Each column is right for half of the absent keys, so most are denied by the first two.
      if (parity(bits) !== (result & 1)) return false;
      result >>>= 1;
    }
    return true;
  }
}
