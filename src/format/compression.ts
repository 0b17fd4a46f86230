/**
 * Codecs: how the payload of a block is stored.
 *
 *   codec 0          payload, as it is
 *   any other codec  u32 length of the payload | the payload, compressed
 *
 * A block is compressed where that saves a sixteenth of it, and plain otherwise, so that both kinds mix in an SST. The length
 * is looked at before any memory is taken for it: it has a bound, and no codec makes more than so many bytes out of one.
 */
import { readU32 } from "../common/byte-reader.js";
import { writeU32 } from "../common/byte-writer.js";
import { allocateBytes } from "../common/bytes.js";
import { CorruptionError, UnsupportedError } from "../common/errors.js";
import { compressDeflate, decompressDeflate } from "./deflate.js";
import { compressLz4 } from "./lz4-compress.js";
import { decompressLz4 } from "./lz4-decompress.js";
import { compressZstd, decompressZstd, hasZstd } from "./zstd.js";

/** These numbers are stored in every block. Never change or reuse one. */
export const Codec = { none: 0, lz4: 1, deflate: 2, zstd: 3 } as const;
export type CodecName = keyof typeof Codec;

/** What blocks are written with. */
export interface Compression {
  readonly codec: Exclude<CodecName, "none">;
  /** 0 where the codec has no levels. */
  readonly level: number;
}

/** Larger payloads, which are those of a single huge row, are stored plain: compressing them would hold up everything else. */
export const compressedPayloadBytesMax: number = 16 * 1024 * 1024;

const lengthBytes = 4;

interface BlockCodec {
  readonly isThere: boolean;
  /** Writes to `target[start, end)` and returns the end of what was written, or 0 when it does not fit. */
  compress(
    source: Uint8Array,
    target: Uint8Array,
    start: number,
    end: number,
    level: number,
  ): number;
  /** Fills `target` from `source[start, end)`. False when these are not the bytes of exactly so many. */
  decompress(source: Uint8Array, start: number, end: number, target: Uint8Array): boolean;
  /** No byte becomes more than so many. */
  readonly expansionMax: number;
}

const codecs: Readonly<Record<number, BlockCodec>> = {
  [Codec.lz4]: {
    isThere: true,
    compress: compressLz4,
    decompress: decompressLz4,
    // A byte of a length stands for 255.
    expansionMax: 255,
  },
  [Codec.deflate]: {
    isThere: true,
    compress: compressDeflate,
    decompress: decompressDeflate,
    // 258 bytes in two bits.
    expansionMax: 1032,
  },
  [Codec.zstd]: {
    isThere: hasZstd,
    compress: compressZstd,
    decompress: decompressZstd,
    // 128 KiB of one byte in a block of four.
    expansionMax: 32_768,
  },
};

/** Throws `UnsupportedError` where this Node has not what the codec takes. */
export function requireCodec(codec: CodecName): void {
  if (codec === "none" || codecs[Codec[codec]]!.isThere) return;
  throw new UnsupportedError(
    `Compression "${codec}" is not there in Node ${process.versions.node}: use Node 22.15 or later, or reopen with another compression.`,
  );
}

/**
 * Writes the compressed payload to `target` from `start` on, and returns its end; 0 when too little is saved. `target` has room for
 * `payload.length` bytes.
 */
export function compressPayload(
  payload: Uint8Array,
  compression: Compression,
  target: Uint8Array,
  start: number,
): number {
  const { length } = payload;
  if (length > compressedPayloadBytesMax) return 0;
  const end = start + length - Math.max(1, length >>> 4);
  if (start + lengthBytes >= end) return 0;
  const codec = codecs[Codec[compression.codec]]!;
  writeU32(target, start, length);
  return codec.compress(payload, target, start + lengthBytes, end, compression.level);
}

/**
 * The payload that is stored as `bytes[start, end)`: a view where it is plain, else memory of its own. `blockOffset` and `object` are
 * for messages. Throws `CorruptionError`, or `UnsupportedError` for a codec that is not known here.
 */
export function decompressPayload(
  codecId: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  blockOffset: number,
  object: string,
): Uint8Array {
  if (codecId === Codec.none) return bytes.subarray(start, end);
  const codec = codecs[codecId];
  if (codec === undefined) {
    throw new UnsupportedError(
      `Object "${object}" has a block with codec ${codecId}, which this version of Moraine does not know. Use a newer version.`,
    );
  }
  if (!codec.isThere) {
    throw new UnsupportedError(
      `Object "${object}" has a block compressed with zstd, which is not there in Node ${process.versions.node}: use Node 22.15 or later to read it, and to write such blocks no longer, reopen with another compression.`,
    );
  }
  const stored = end - start - lengthBytes;
  const length = stored > 0 ? readU32(bytes, start) : 0;
  if (length === 0 || length > compressedPayloadBytesMax || length > stored * codec.expansionMax) {
    throw new CorruptionError(
      object,
      `a compressed block of ${end - start} bytes says that it was ${length}`,
      { offset: blockOffset },
    );
  }
  const payload = allocateBytes(length);
  if (!codec.decompress(bytes, start + lengthBytes, end, payload)) {
    throw new CorruptionError(
      object,
      `a block of codec ${codecId} does not decompress to ${length} bytes`,
      { offset: blockOffset },
    );
  }
  return payload;
}
