/**
 * The five bytes after the payload of every block of an SST, and the checksum in them.
 *
 *   stored payload | u8 codec id | u32 crc
 *
 * The crc is that of: SST id (16 bytes) | u64 offset of the block in the object | stored payload | codec id. A block that
 * was moved to another place, or that comes from another SST, therefore never matches. How a payload is stored: compression.ts.
 */
import { readU32 } from "../common/byte-reader.js";
import { writeU32, writeU64 } from "../common/byte-writer.js";
import { checksum } from "../common/checksum.js";
import { CorruptionError } from "../common/errors.js";
import { type Ulid, ulidToBytes } from "../common/ids.js";
import { Codec, decompressPayload } from "./compression.js";

export const blockTrailerBytes = 5;

const offsetBytes = new Uint8Array(8);

/** Seals and opens the blocks of one SST. */
export class BlockTrailer {
  readonly #idSeed: number;

  constructor(sstId: Ulid) {
    this.#idSeed = checksum(ulidToBytes(sstId));
  }

  /**
   * Writes the trailer after the stored payload `bytes[start, payloadEnd)` of the block that will lie at `blockOffset` of
   * the object. Returns the end of the block in `bytes`.
   */
  seal(
    bytes: Uint8Array,
    start: number,
    payloadEnd: number,
    blockOffset: number,
    codecId: number = Codec.none,
  ): number {
    bytes[payloadEnd] = codecId;
    return writeU32(bytes, payloadEnd + 1, this.#crc(bytes, start, payloadEnd + 1, blockOffset));
  }

  /**
   * Checks the block `bytes[start, end)`, which lies at `blockOffset` of `object`, and returns its payload: a view of
   * `bytes`, or memory of its own where the block is compressed. Throws `CorruptionError`, or `UnsupportedError` for an
   * unknown codec.
   */
  open(
    bytes: Uint8Array,
    start: number,
    end: number,
    blockOffset: number,
    object: string,
  ): Uint8Array {
    this.check(bytes, start, end, blockOffset, object);
    const payloadEnd = end - blockTrailerBytes;
    return decompressPayload(bytes[payloadEnd]!, bytes, start, payloadEnd, blockOffset, object);
  }

  /** Checks a block as `open` does, but does not decompress it. Throws `CorruptionError`. */
  check(bytes: Uint8Array, start: number, end: number, blockOffset: number, object: string): void {
    if (!(start >= 0 && start + blockTrailerBytes <= end && end <= bytes.length)) {
      throw new CorruptionError(object, "a block does not fit into the bytes that are there", {
        offset: blockOffset,
      });
    }
    const expected = readU32(bytes, end - 4);
    const found = this.#crc(bytes, start, end - 4, blockOffset);
    if (expected !== found) {
      throw new CorruptionError(
        object,
        `the checksum of a block of ${end - start} bytes is ${found}, expected ${expected}`,
        { offset: blockOffset },
      );
    }
  }

  #crc(bytes: Uint8Array, start: number, end: number, blockOffset: number): number {
    writeU64(offsetBytes, 0, blockOffset);
    return checksum(bytes.subarray(start, end), checksum(offsetBytes, this.#idSeed));
  }
}
