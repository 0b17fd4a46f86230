/** The hash of a key for filters: MurmurHash3_x86_32 with seed 0 (Austin Appleby, public domain, smhasher). Stored: never change it. */

/** An unsigned 32-bit number; computed once per lookup, whatever the number of SSTs. */
export function hashKey(bytes: Uint8Array, start = 0, end: number = bytes.length): number {
  let hash = 0;
  const blocksEnd = start + ((end - start) & ~3);
  let at = start;
  for (; at < blocksEnd; at += 4) {
    let k = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    k = Math.imul(k, 0xcc9e2d51);
    k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
    hash ^= k;
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  if (at < end) {
    let k = bytes[at]!;
    if (at + 1 < end) k |= bytes[at + 1]! << 8;
    if (at + 2 < end) k |= bytes[at + 2]! << 16;
    k = Math.imul(k, 0xcc9e2d51);
    hash ^= Math.imul((k << 15) | (k >>> 17), 0x1b873593);
  }
  return mixHash(hash ^ (end - start));
}

/** 2^32 divided by the golden ratio: multiplied with it, neighbours end up far apart. */
export const goldenRatio = 0x9e3779b9;

/** MurmurHash3's finaliser: spreads every bit of a 32-bit number over all of them. */
export function mixHash(input: number): number {
  let hash = input;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
