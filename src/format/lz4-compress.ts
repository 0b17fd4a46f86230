/**
 * `compressLz4`: bytes to an LZ4 block, in the fast greedy way: a table of where four bytes were seen last, and a look that steps
 * wider the longer it finds nothing.
 *
 * Written from the "LZ4 Block Format Description" (https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md):
 *
 *   sequence: u8 token | literal length, more | literals | u16 offset back | match length, more
 *
 * The token has the literal length in its high four bits and the match length less 4 in its low ones; 15 means that bytes to
 * add follow, up to and with the first below 255. The last sequence ends after its literals, which are at least the last five
 * bytes, and the last match starts twelve bytes before the end at the latest.
 */

/** 32 KiB of table, which stays in the cache of the processor beside a block. */
const hashBits = 13;
const lastLiterals = 5;
const lastMatchBytes = 12;
const offsetMax = 65_535;
/** After so many looks in vain (a power of two) the step grows by one. */
const skipBits = 6;

/** Where four bytes with this hash were seen last, plus `base`; what is below `base` is of an earlier call. */
const seen = new Int32Array(1 << hashBits);
let base = 1;

/** Writes to `target[start, end)` and returns the end of what was written, or 0 when it does not fit. */
export function compressLz4(
  source: Uint8Array,
  target: Uint8Array,
  start: number,
  end: number,
): number {
  const { length } = source;
  if (base + length > 0x7fffffff) {
    seen.fill(0);
    base = 1;
  }
  const written = compress(source, target, start, end, base);
  base += length;
  return written;
}

function compress(
  source: Uint8Array,
  target: Uint8Array,
  start: number,
  end: number,
  from: number,
): number {
  const { length } = source;
  const matchEnd = length - lastLiterals;
  const lastStart = length - lastMatchBytes;
  let anchor = 0;
  let at = start;
  let position = 0;
  while (position <= lastStart) {
    let match = -1;
    for (let looks = 1 << skipBits; position <= lastStart; position += looks++ >> skipBits) {
      const four =
        source[position]! |
        (source[position + 1]! << 8) |
        (source[position + 2]! << 16) |
        (source[position + 3]! << 24);
      const slot = Math.imul(four, 0x9e3779b1) >>> (32 - hashBits);
      const candidate = seen[slot]! - from;
      seen[slot] = position + from;
      if (
        candidate >= 0 &&
        position - candidate <= offsetMax &&
        source[candidate] === (four & 255) &&
        source[candidate + 1] === ((four >>> 8) & 255) &&
        source[candidate + 2] === ((four >>> 16) & 255) &&
        source[candidate + 3] === four >>> 24
      ) {
        match = candidate;
        break;
      }
    }
    if (match < 0) break;
    const offset = position - match;
    let matched = position + 4;
    while (matched < matchEnd && source[matched] === source[matched - offset]) matched++;
    while (
      position > anchor &&
      position > offset &&
      source[position - 1] === source[position - offset - 1]
    ) {
      position--;
    }
    const literals = position - anchor;
    const more = matched - position - 4;
    // Each length in excess of 15 takes a byte for each 255, and one.
    if (at + literals + 5 + ((literals / 255) | 0) + ((more / 255) | 0) > end) return 0;
    const tokenAt = at++;
    at = writeLiterals(source, anchor, position, target, at);
    target[at++] = offset;
    target[at++] = offset >>> 8;
    if (more >= 15) at = writeLength(target, at, more - 15);
    target[tokenAt] = ((literals < 15 ? literals : 15) << 4) | (more < 15 ? more : 15);
    anchor = position = matched;
  }
  const literals = length - anchor;
  if (at + literals + 2 + ((literals / 255) | 0) > end) return 0;
  target[at++] = (literals < 15 ? literals : 15) << 4;
  return writeLiterals(source, anchor, length, target, at);
}

function writeLiterals(
  source: Uint8Array,
  from: number,
  to: number,
  target: Uint8Array,
  start: number,
): number {
  const count = to - from;
  let at = count < 15 ? start : writeLength(target, start, count - 15);
  if (count > 64) {
    target.set(source.subarray(from, to), at);
    return at + count;
  }
  for (let i = from; i < to; i++) target[at++] = source[i]!;
  return at;
}

function writeLength(target: Uint8Array, start: number, length: number): number {
  let at = start;
  let rest = length;
  for (; rest >= 255; rest -= 255) target[at++] = 255;
  target[at++] = rest;
  return at;
}
