/** Builds the filter block of a partition from the hashes of its keys; `blocked-bloom-filter.ts` draws the layout. */
import { writeU32 } from "../common/byte-writer.js";
import type { Bytes } from "../common/bytes.js";
import {
  bloomBlockBytes,
  bloomBlockOf,
  bloomHeaderBytes,
  goldenRatio,
} from "./blocked-bloom-filter.js";
import { mixHash } from "./key-hash.js";
import { FilterKind } from "./sst.js";

const probeCountMax = 12;

export class BlockedBloomFilterBuilder {
  readonly #bitsPerKey: number;
  #hashes = new Uint32Array(1024);
  #count = 0;

  /** 10 bits per key answer about 1 % of absent keys wrongly; 0 builds an empty filter block of kind none. */
  constructor(bitsPerKey: number) {
    this.#bitsPerKey = bitsPerKey;
  }

  get kind(): number {
    return this.#bitsPerKey > 0 ? FilterKind.blockedBloom : FilterKind.none;
  }

  add(keyHash: number): void {
    if (this.#count === this.#hashes.length) {
      const grown = new Uint32Array(this.#count * 2);
      grown.set(this.#hashes);
      this.#hashes = grown;
    }
    this.#hashes[this.#count++] = keyHash;
  }

  /** The payload of the filter block; the builder is empty afterwards. */
  finish(): Bytes {
    if (this.#bitsPerKey <= 0) return new Uint8Array([FilterKind.none]);
    const probeCount = Math.max(1, Math.min(probeCountMax, Math.round(this.#bitsPerKey * 0.6)));
    const bits = this.#count * this.#bitsPerKey;
    const blockCount = Math.max(1, Math.ceil(bits / (bloomBlockBytes * 8)));
    const payload = new Uint8Array(bloomHeaderBytes + blockCount * bloomBlockBytes);
    payload[0] = FilterKind.blockedBloom;
    payload[1] = probeCount;
    writeU32(payload, 2, blockCount);
    for (let i = 0; i < this.#count; i++) {
      const keyHash = this.#hashes[i]!;
      const start = bloomHeaderBytes + bloomBlockOf(keyHash, blockCount) * bloomBlockBytes;
      let probe = mixHash(keyHash ^ goldenRatio);
      for (let p = 0; p < probeCount; p++) {
        const bit = probe >>> 23;
        payload[start + (bit >>> 3)]! |= 1 << (bit & 7);
        probe = Math.imul(probe, goldenRatio);
      }
    }
    this.#count = 0;
    return payload;
  }
}
