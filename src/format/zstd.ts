/** Zstandard (RFC 8878) of blocks, by Node's zlib, which has it from 22.15 and 23.8 on. */
import * as zlib from "node:zlib";
import { isWrongInput } from "./zlib-error.js";

interface ZstdOptions {
  readonly params: Readonly<Record<number, number>>;
  readonly chunkSize?: number;
  readonly maxOutputLength?: number;
}

/** What the oldest Node that is supported lacks. */
interface ZlibWithZstd {
  readonly constants: { ZSTD_c_compressionLevel: number; ZSTD_d_windowLogMax: number };
  zstdCompressSync(source: Uint8Array, options: ZstdOptions): Uint8Array;
  zstdDecompressSync(source: Uint8Array, options: ZstdOptions): Uint8Array;
}

const zstd = zlib as unknown as ZlibWithZstd;

export const hasZstd: boolean =
  typeof zstd.zstdCompressSync === "function" && typeof zstd.zstdDecompressSync === "function";

/** A frame that asks for a window above 16 MiB, which no block needs, is refused instead of being given the memory. */
const windowLogMax = 24;

/** Writes to `target[start, end)` and returns the end of what was written, or 0 when it does not fit. */
export function compressZstd(
  source: Uint8Array,
  target: Uint8Array,
  start: number,
  end: number,
  level: number,
): number {
  const params = { [zstd.constants.ZSTD_c_compressionLevel]: level };
  const compressed = zstd.zstdCompressSync(source, { params });
  if (compressed.length > end - start) return 0;
  target.set(compressed, start);
  return start + compressed.length;
}

/** Fills `target` from `source[start, end)`. False when that are no frames of exactly so many bytes. */
export function decompressZstd(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
): boolean {
  const { length } = target;
  try {
    const payload = zstd.zstdDecompressSync(source.subarray(start, end), {
      params: { [zstd.constants.ZSTD_d_windowLogMax]: windowLogMax },
      maxOutputLength: length,
      chunkSize: Math.max(64, length + 1),
    });
    // A frame that is cut off is no error to zlib, only shorter.
    if (payload.length !== length) return false;
    target.set(payload);
    return true;
  } catch (error) {
    if (isWrongInput(error)) return false;
    throw error;
  }
}
