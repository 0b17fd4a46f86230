/** Deflate (RFC 1951, without a header) of blocks, by Node's zlib. */
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { isWrongInput } from "./zlib-error.js";

/** Writes to `target[start, end)` and returns the end of what was written, or 0 when it does not fit. */
export function compressDeflate(
  source: Uint8Array,
  target: Uint8Array,
  start: number,
  end: number,
  level: number,
): number {
  const compressed = deflateRawSync(source, { level });
  if (compressed.length > end - start) return 0;
  target.set(compressed, start);
  return start + compressed.length;
}

/** Fills `target` from `source[start, end)`. False when that is no deflate stream of exactly so many bytes, or goes on after it. */
export function decompressDeflate(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
): boolean {
  const { length } = target;
  try {
    // One byte more than is expected, so that one call of zlib sees the end.
    const options = { maxOutputLength: length, chunkSize: Math.max(64, length + 1), info: true };
    const { buffer, engine } = inflateRawSync(source.subarray(start, end), options) as unknown as {
      buffer: Uint8Array;
      engine: { bytesWritten: number };
    };
    if (buffer.length !== length || engine.bytesWritten !== end - start) return false;
    // zlib's memory may be a part of something larger that would stay alive with it.
    target.set(buffer);
    return true;
  } catch (error) {
    if (isWrongInput(error)) return false;
    throw error;
  }
}
