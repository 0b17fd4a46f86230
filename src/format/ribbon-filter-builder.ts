/**
 * Builds a ribbon filter from the hashes of the keys of a partition; `ribbon-filter.ts` draws the layout.
 *
 * Each key is a linear equation over GF(2): the xor of the slots that its coefficients choose is its result. As coefficients
 * lie within 32 slots, elimination touches few rows and keeps the matrix a band. Steps, for each shard of about a thousand keys:
 *
 *  1. Insert each equation at its first slot; where one is already, xor them and go on at the first coefficient left.
 *  2. An equation without coefficients but with a result contradicts the others: try the next seed, and after a few a larger shard.
 *  3. Solve from the last slot to the first, all result bits of a slot at a time, the free slots being 0.
 *
 * The same hashes in the same order give the same bytes. Keys with equal hashes have equal equations, which never contradict.
 */
import type { Bytes } from "../common/bytes.js";
import { BlockedBloomFilterBuilder } from "./blocked-bloom-filter-builder.js";
import type { FilterBuilder } from "./filter.js";
import { HashList } from "./hash-list.js";
import {
  parity,
  resultBitsMax,
  ribbonCoefficients,
  ribbonHeaderBytes,
  ribbonResult,
  ribbonShardOf,
  ribbonSlot,
  ribbonState,
  ribbonWidth,
} from "./ribbon-filter.js";
import { FilterKind } from "./sst.js";

/** More keys need more slots for each of them before the equations can be solved; fewer waste more of the last group. */
const shardKeys = 1024;
/** Slots per key of the first attempt. */
const firstSlack = 1.06;
const seedsPerSize = 2;
/** Far beyond what any keys need that were not made to hurt; about 1 % of shards need more than a tenth of it. */
const seedsMax = 128;
/** A shard of more has keys that were chosen by their hashes. */
const shardKeysMax = 4 * shardKeys;

interface Shard {
  readonly seed: number;
  readonly groupCount: number;
  /** For each group, its columns. */
  readonly columns: Uint32Array;
}

export class RibbonFilterBuilder implements FilterBuilder {
  readonly kind: number = FilterKind.ribbon;
  readonly #bitsPerKey: number;
  readonly #resultBits: number;
  readonly #hashes = new HashList();
  /** For each slot the equation that begins there, 0 when there is none, and its result. */
  #equations = new Uint32Array(0);
  #results = new Uint32Array(0);

  /** As good as a Bloom filter of so many bits per key, which is above 0. */
  constructor(bitsPerKey: number) {
    this.#bitsPerKey = bitsPerKey;
    // A Bloom filter lets 2^-(bits * ln 2) of absent keys pass, a ribbon filter 2^-(result bits).
    this.#resultBits = Math.max(1, Math.min(resultBitsMax, Math.round(bitsPerKey * Math.LN2)));
  }

  add(keyHash: number): void {
    this.#hashes.add(keyHash);
  }

  /** A blocked Bloom filter where a ribbon filter cannot be had. */
  finish(): Bytes {
    const shards = this.#shards();
    const payload = shards === undefined ? this.#bloom() : this.#encode(shards);
    this.#hashes.clear();
    return payload;
  }

  #bloom(): Bytes {
    const bloom = new BlockedBloomFilterBuilder(this.#bitsPerKey);
    for (const hash of this.#hashes.view()) bloom.add(hash);
    return bloom.finish();
  }

  #encode(shards: readonly Shard[]): Bytes {
    let length = ribbonHeaderBytes;
    for (const { columns } of shards) length += 4 + columns.length * 4;
    const payload = new Uint8Array(length);
    const view = new DataView(payload.buffer);
    payload[0] = FilterKind.ribbon;
    payload[1] = this.#resultBits;
    view.setUint32(2, shards.length, true);
    let at = ribbonHeaderBytes;
    for (const { seed, groupCount } of shards) {
      view.setUint32(at, seed + groupCount * 256, true);
      at += 4;
    }
    for (const { columns } of shards) {
      for (let i = 0; i < columns.length; i++) {
        view.setUint32(at, columns[i]!, true);
        at += 4;
      }
    }
    return payload;
  }

  #shards(): readonly Shard[] | undefined {
    const hashes = this.#hashes.view();
    const shardCount = Math.max(1, Math.round(hashes.length / shardKeys));
    const { sorted, starts } = intoShards(hashes, shardCount);
    const shards: Shard[] = [];
    for (let i = 0; i < shardCount; i++) {
      const shard = this.#shard(sorted.subarray(starts[i], starts[i + 1]));
      if (shard === undefined) return undefined;
      shards.push(shard);
    }
    return shards;
  }

  /** Undefined when no attempt succeeds. */
  #shard(hashes: Uint32Array): Shard | undefined {
    if (hashes.length > shardKeysMax) return undefined;
    const firstGroupCount = Math.max(1, Math.ceil((hashes.length * firstSlack) / ribbonWidth));
    for (let seed = 0; seed < seedsMax; seed++) {
      const groupCount = firstGroupCount + Math.floor(seed / seedsPerSize);
      if (!this.#eliminate(hashes, seed, groupCount * ribbonWidth)) continue;
      return { seed, groupCount, columns: this.#solve(groupCount) };
    }
    return undefined;
  }

  /** Makes a band of the equations of `hashes`; false when they contradict each other. */
  #eliminate(hashes: Uint32Array, seed: number, slotCount: number): boolean {
    if (this.#equations.length < slotCount) {
      this.#equations = new Uint32Array(slotCount * 2);
      this.#results = new Uint32Array(slotCount * 2);
    }
    const equations = this.#equations;
    const results = this.#results;
    equations.fill(0, 0, slotCount);
    results.fill(0, 0, slotCount);
    const resultBits = this.#resultBits;
    for (let i = 0; i < hashes.length; i++) {
      const state = ribbonState(hashes[i]!, seed);
      let slot = ribbonSlot(state, slotCount);
      let coefficients = ribbonCoefficients(state);
      let result = ribbonResult(state, resultBits);
      for (;;) {
        const other = equations[slot]!;
        if (other === 0) {
          equations[slot] = coefficients;
          results[slot] = result;
          break;
        }
        coefficients ^= other;
        result ^= results[slot]!;
        if (coefficients === 0) {
          if (result !== 0) return false;
          break;
        }
        // Both began with 1, so the first is gone.
        const zeros = 31 - Math.clz32(coefficients & -coefficients);
        coefficients >>>= zeros;
        slot += zeros;
      }
    }
    return true;
  }

  #solve(groupCount: number): Uint32Array {
    const equations = this.#equations;
    const results = this.#results;
    const resultBits = this.#resultBits;
    const columns = new Uint32Array(groupCount * resultBits);
    /** For each column, the bits of the 32 slots from the one that was solved last. */
    const windows = new Int32Array(resultBits);
    for (let slot = groupCount * ribbonWidth - 1; slot >= 0; slot--) {
      const coefficients = equations[slot]!;
      const result = results[slot]!;
      for (let j = 0; j < resultBits; j++) {
        const after = windows[j]! << 1;
        windows[j] = after | (parity(after & coefficients) ^ ((result >>> j) & 1));
      }
      if ((slot & 31) === 0) columns.set(windows, (slot >>> 5) * resultBits);
    }
    return columns;
  }
}

/** The hashes in the order of their shards, and where each shard begins; one entry more at the end. */
function intoShards(
  hashes: Uint32Array,
  shardCount: number,
): { sorted: Uint32Array; starts: Uint32Array } {
  const starts = new Uint32Array(shardCount + 1);
  if (shardCount === 1) {
    starts[1] = hashes.length;
    return { sorted: hashes, starts };
  }
  for (let i = 0; i < hashes.length; i++) starts[ribbonShardOf(hashes[i]!, shardCount) + 1]!++;
  for (let i = 0; i < shardCount; i++) starts[i + 1]! += starts[i]!;
  const sorted = new Uint32Array(hashes.length);
  const next = starts.slice();
  for (let i = 0; i < hashes.length; i++) {
    const hash = hashes[i]!;
    sorted[next[ribbonShardOf(hash, shardCount)]!++] = hash;
  }
  return { sorted, starts };
}
