/** The one checksum of every stored byte: CRC-32 (IEEE 802.3, as in zlib), optionally chained from a seed. */
import * as zlib from "node:zlib";

/**
 * The CRC-32 of `bytes`. With a seed it is the CRC of whatever the seed is the CRC of, followed by `bytes`: a block
 * that was moved to another place of an object, or to another object, does not match a checksum seeded by its place.
 */
export function checksum(bytes: Uint8Array, seed = 0): number {
  return zlib.crc32(bytes, seed);
}
