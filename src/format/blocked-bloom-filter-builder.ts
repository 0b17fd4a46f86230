/** Builds the filter block of a partition from the hashes of its keys; `blocked-bloom-filter.ts` draws the layout. */
import { writeU32 } from "../common/byte-writer.js";
import type { Bytes } from "../common/bytes.js";
import { bloomBlockBytes, bloomBlockOf, bloomHeaderBytes } from "./blocked-bloom-filter.js";
import type { FilterBuilder } from "./filter.js";
import { HashList } from "./hash-list.js";
import { goldenRatio, mixHash } from "./key-hash.js";
import { FilterKind } from "./sst.js";

const probeCountMax = 12;

export class BlockedBloomFilterBuilder implements FilterBuilder {
  readonly kind: number = FilterKind.blockedBloom;
  readonly #bitsPerKey: number;
  readonly #hashes = new HashList();

  /** 10 bits per key answer about 1 % of absent keys wrongly; there are more than 0. */
  constructor(bitsPerKey: number) {
    this.#bitsPerKey = bitsPerKey;
  }

  add(keyHash: number): void {
    this.#hashes.add(keyHash);
  }

  finish(): Bytes {
    const hashes = this.#hashes.view();
    const probeCount = Math.max(1, Math.min(probeCountMax, Math.round(this.#bitsPerKey * 0.6)));
    const bits = hashes.length * this.#bitsPerKey;
    const blockCount = Math.max(1, Math.ceil(bits / (bloomBlockBytes * 8)));
    const payload = new Uint8Array(bloomHeaderBytes + blockCount * bloomBlockBytes);
    payload[0] = FilterKind.blockedBloom;
    payload[1] = probeCount;
    writeU32(payload, 2, blockCount);
    for (let i = 0; i < hashes.length; i++) {
      const keyHash = hashes[i]!;
      const start = bloomHeaderBytes + bloomBlockOf(keyHash, blockCount) * bloomBlockBytes;
      let probe = mixHash(keyHash ^ goldenRatio);
      for (let p = 0; p < probeCount; p++) {
        const bit = probe >>> 23;
        payload[start + (bit >>> 3)]! |= 1 << (bit & 7);
        probe = Math.imul(probe, goldenRatio);
      }
    }
    this.#hashes.clear();
    return payload;
  }
}
