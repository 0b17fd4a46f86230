/**
 * Reads a blocked Bloom filter (Putze, Sanders, Singler 2007): all bits of one key lie in one 512-bit block.
 *
 *   u8 kind = 1 | u8 probe count | u32 block count | blocks of 64 bytes
 *
 * A key's hash h chooses block floor(h * block count / 2^32). Its bits there: g = fmix(h ^ 0x9e3779b9), and for each probe bit
 * g >>> 23 of the block (bit b is bit b & 7 of byte b >>> 3), then g = g * 0x9e3779b9 mod 2^32.
 */
import { readU32 } from "../common/byte-reader.js";
import { CorruptionError } from "../common/errors.js";
import type { KeyFilter } from "./filter.js";
import { goldenRatio, mixHash } from "./key-hash.js";

export const bloomHeaderBytes = 6;
export const bloomBlockBytes = 64;

/** The filter in a payload of kind blocked Bloom. `object` and `blockOffset` are for messages. */
export function readBlockedBloomFilter(
  payload: Uint8Array,
  object: string,
  blockOffset: number,
): KeyFilter {
  const blockCount = payload.length < bloomHeaderBytes ? 0 : readU32(payload, 2);
  if (blockCount === 0 || payload.length !== bloomHeaderBytes + blockCount * bloomBlockBytes) {
    throw new CorruptionError(object, `a filter of ${payload.length} bytes has a wrong length`, {
      offset: blockOffset,
    });
  }
  return new BlockedBloomFilter(payload, payload[1]!, blockCount);
}

class BlockedBloomFilter implements KeyFilter {
  readonly #bytes: Uint8Array;
  readonly #probeCount: number;
  readonly #blockCount: number;

  constructor(bytes: Uint8Array, probeCount: number, blockCount: number) {
    this.#bytes = bytes;
    this.#probeCount = probeCount;
    this.#blockCount = blockCount;
  }

  mayContain(keyHash: number): boolean {
    const start = bloomHeaderBytes + bloomBlockOf(keyHash, this.#blockCount) * bloomBlockBytes;
    let probe = mixHash(keyHash ^ goldenRatio);
    for (let i = 0; i < this.#probeCount; i++) {
      const bit = probe >>> 23;
      if ((this.#bytes[start + (bit >>> 3)]! & (1 << (bit & 7))) === 0) return false;
      probe = Math.imul(probe, goldenRatio);
    }
    return true;
  }
}

/** The index of the block that holds a key's bits. */
export function bloomBlockOf(keyHash: number, blockCount: number): number {
  // Exact: the product is below 2^53 while there are fewer than 2^21 blocks (128 MiB of filter).
  return Math.floor((keyHash * blockCount) / 2 ** 32);
}
