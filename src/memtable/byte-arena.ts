/** `ByteArena`: append-only memory in chunks that never move, so that rows and WAL groups can point into it. */
import { allocateBytes, type Bytes } from "../common/bytes.js";

const firstChunkBytes = 16 * 1024;
const chunkBytesMax = 1024 * 1024;

export class ByteArena {
  readonly chunks: Uint8Array[] = [];
  /** Bytes allocated, used or not. */
  allocated = 0;
  /** The chunk and offset that the last `reserve` answered. */
  chunkIndex = -1;
  offset = 0;
  #open: Bytes | undefined;
  #used = 0;
  #openIndex = -1;
  #nextBytes = firstChunkBytes;

  /** Makes room for `length` contiguous bytes and gives their chunk; `chunkIndex` and `offset` say where they are. */
  reserve(length: number): Uint8Array {
    if (this.#open === undefined || this.#used + length > this.#open.length) this.#grow(length);
    this.chunkIndex = this.#openIndex;
    this.offset = this.#used;
    return this.#open!;
  }

  /** Takes `length` bytes of what was reserved. */
  commit(length: number): void {
    this.#used += length;
  }

  /** Adds memory that is full already; gives its chunk index. */
  adopt(bytes: Uint8Array): number {
    this.allocated += bytes.length;
    return this.chunks.push(bytes) - 1;
  }

  #grow(length: number): void {
    const capacity = Math.max(length, this.#nextBytes);
    this.#nextBytes = Math.min(this.#nextBytes * 2, chunkBytesMax);
    this.#open = allocateBytes(capacity);
    this.#used = 0;
    this.#openIndex = this.adopt(this.#open);
  }
}
