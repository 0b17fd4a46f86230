/** `BlockAppender`: puts the sealed blocks of an SST one after another, into chunks that become the object. */
import type { ByteWriter } from "../common/byte-writer.js";
import { allocateBytes, type Bytes } from "../common/bytes.js";
import type { Ulid } from "../common/ids.js";
import { BlockTrailer, blockTrailerBytes } from "./block-trailer.js";
import { Codec, type Compression, compressPayload } from "./compression.js";

/** A block at least this large becomes a chunk of its own instead of being copied into one. */
export const chunkBytesMax: number = 1024 * 1024;

export class BlockAppender {
  #chunks: Uint8Array[] = [];
  readonly #trailer: BlockTrailer;
  #chunk: Bytes;
  #chunkLength = 0;
  #offset = 0;

  /** `memory` becomes the first chunk. */
  constructor(id: Ulid, memory: Bytes | undefined) {
    this.#trailer = new BlockTrailer(id);
    this.#chunk = memory ?? allocateBytes(64 * 1024);
  }

  /** Bytes of the object so far. */
  get offset(): number {
    return this.#offset;
  }

  /** Copies bytes that are no block. */
  append(bytes: Uint8Array): void {
    this.#chunk.set(bytes, this.#room(bytes.length));
    this.#offset += bytes.length;
  }

  /** Copies a payload and seals it. */
  appendBlock(payload: Uint8Array): void {
    const length = payload.length + blockTrailerBytes;
    const start = this.#room(length);
    this.#chunk.set(payload, start);
    this.#trailer.seal(this.#chunk, start, start + payload.length, this.#offset);
    this.#offset += length;
  }

  /** Stores a payload compressed and seals it. Where that saves too little nothing is done: false. */
  appendCompressed(payload: Uint8Array, compression: Compression): boolean {
    const start = this.#room(payload.length + blockTrailerBytes);
    const payloadEnd = compressPayload(payload, compression, this.#chunk, start);
    this.#chunkLength = start;
    if (payloadEnd === 0) return false;
    const codecId = Codec[compression.codec];
    const end = this.#trailer.seal(this.#chunk, start, payloadEnd, this.#offset, codecId);
    this.#chunkLength = end;
    this.#offset += end - start;
    return true;
  }

  /** Copies a block that was sealed for another place, and seals it for its own. */
  appendStored(stored: Uint8Array): void {
    const { length } = stored;
    const start = this.#room(length);
    this.#chunk.set(stored, start);
    const payloadEnd = start + length - blockTrailerBytes;
    this.#trailer.seal(this.#chunk, start, payloadEnd, this.#offset, this.#chunk[payloadEnd]);
    this.#offset += length;
  }

  /** Takes the memory of a writer, which holds a payload and has room for the trailer, as a chunk of its own. */
  adoptBlock(writer: ByteWriter): void {
    this.#closeChunk(64 * 1024);
    const end = this.#trailer.seal(writer.bytes, 0, writer.length, this.#offset);
    this.#chunks.push(writer.bytes.subarray(0, end));
    this.#offset += end;
  }

  /** The chunks that are complete and were not taken before. */
  takeChunks(): Uint8Array[] {
    const chunks = this.#chunks;
    this.#chunks = [];
    return chunks;
  }

  /** Nothing comes after; all chunks are complete. */
  finish(): void {
    this.#closeChunk(0);
  }

  /** Takes `length` bytes of the chunk and returns where they start. */
  #room(length: number): number {
    if (this.#chunkLength + length > this.#chunk.length) {
      this.#closeChunk(Math.max(length, Math.min(this.#chunk.length * 2, chunkBytesMax)));
    }
    const start = this.#chunkLength;
    this.#chunkLength += length;
    return start;
  }

  #closeChunk(nextBytes: number): void {
    if (this.#chunkLength > 0) this.#chunks.push(this.#chunk.subarray(0, this.#chunkLength));
    this.#chunk = allocateBytes(nextBytes);
    this.#chunkLength = 0;
  }
}
