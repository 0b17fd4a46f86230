/**
 * `ByteArena`: append-only memory in chunks that never move, so that rows and WAL groups can point into it.
 *
 * Chunks double. Past the small ones a chunk is address space of more than 32 MiB, of which the system backs what has been
 * written: the C library maps a block of that size by itself and gives it back at once and whole, where smaller ones leave
 * holes. And V8, which lets up to 64 MiB of dead arrays lie, counts it whole and so collects it sooner.
 */
import { allocateBytes, type Bytes } from "../common/bytes.js";

const firstChunkBytes = 16 * 1024;
const smallChunkBytesMax = 1024 * 1024;
const mappedChunkBytes = 40 * 1024 * 1024;

export class ByteArena {
  readonly chunks: Uint8Array[] = [];
  /** Bytes of memory, written or not; of a mapped chunk those that are written. */
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
    if (this.#open!.length >= mappedChunkBytes) this.allocated += length;
  }

  /** Adds memory that is full already; gives its chunk index. */
  adopt(bytes: Uint8Array): number {
    this.allocated += bytes.length;
    return this.chunks.push(bytes) - 1;
  }

  #grow(length: number): void {
    const capacity = Math.max(length, this.#nextBytes);
    this.#nextBytes = capacity < smallChunkBytesMax ? capacity * 2 : mappedChunkBytes;
    this.#open = allocateBytes(capacity);
    this.#used = 0;
    this.#openIndex = this.chunks.push(this.#open) - 1;
    if (capacity < mappedChunkBytes) this.allocated += capacity;
  }
}
