/**
 * `decompressLz4`: an LZ4 block to the bytes that it was made of, whose number is known; `lz4-compress.ts` draws the layout.
 *
 * Trusts nothing: each step reads inside the source, writes inside the target and takes a byte at least, so that any input
 * comes to an end, in time that is bounded by both lengths.
 */

/** From here on a copy by the runtime is faster than a loop. */
const longBytes = 32;

/** Fills `target` from `source[start, end)`. False when that is no LZ4 block of exactly so many bytes. */
export function decompressLz4(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
): boolean {
  const targetEnd = target.length;
  let at = start;
  let to = 0;
  while (at < end) {
    const token = source[at++]!;
    let literals = token >>> 4;
    if (literals === 15) {
      for (let byte = 255; byte === 255; literals += byte) {
        if (at === end) return false;
        byte = source[at++]!;
      }
    }
    if (literals > end - at || literals > targetEnd - to) return false;
    if (literals > longBytes) {
      target.set(source.subarray(at, at + literals), to);
      at += literals;
      to += literals;
    } else {
      for (const stop = at + literals; at < stop; ) target[to++] = source[at++]!;
    }
    if (at === end) return to === targetEnd;
    if (end - at < 2) return false;
    const offset = source[at]! | (source[at + 1]! << 8);
    at += 2;
    if (offset === 0 || offset > to) return false;
    let matched = (token & 15) + 4;
    if (matched === 19) {
      for (let byte = 255; byte === 255; matched += byte) {
        if (at === end) return false;
        byte = source[at++]!;
      }
    }
    if (matched > targetEnd - to) return false;
    if (matched > longBytes && offset >= matched) {
      target.copyWithin(to, to - offset, to - offset + matched);
      to += matched;
    } else {
      // The match may reach into what it writes: byte by byte.
      let from = to - offset;
      for (const stop = to + matched; to < stop; ) target[to++] = target[from++]!;
    }
  }
  return false;
}
