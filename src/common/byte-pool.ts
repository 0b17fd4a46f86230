/**
 * `BytePool`: memory that is lent for the body of a request, and lent again once that has been sent.
 *
 * V8 frees dead arrays late, and the system's allocator keeps holes where blocks of many sizes have been: a writer that
 * makes bodies of megabytes several times a second held twice what was on its way. So bodies are ranges of large slabs.
 * A slab is address space above all: the system backs what has been written, and as the C library maps blocks of more than
 * 32 MiB by themselves, a dead one leaves no hole.
 *
 * Only what nobody can read any more may be given back. What a failed attempt may still be sending is forgotten, and its
 * slab with it: the collector of garbage then knows best.
 */
import { allocateBytes, type Bytes } from "./bytes.js";

/** Smaller ones are cheap to make, and soon collected. */
const lentBytesMin = 128 * 1024;
const slabBytes = 40 * 1024 * 1024;
const pageBytes = 4096;

interface Slab {
  readonly buffer: ArrayBuffer;
  /** What is not lent, from low to high and with something lent in between. */
  free: { start: number; end: number }[];
  /** End by start of what is lent. */
  readonly lent: Map<number, number>;
}

export class BytePool {
  /** Those of which something is lent. */
  #slabs: Slab[] = [];
  /** One of which nothing is lent, for as long as the collector leaves it. */
  #spare: WeakRef<Slab> | undefined;

  /** Bytes that are lent now. */
  get lentBytes(): number {
    let bytes = 0;
    for (const { lent } of this.#slabs) for (const [start, end] of lent) bytes += end - start;
    return bytes;
  }

  /** Memory of `length` bytes, with whatever it held before. */
  lend(length: number): Bytes {
    if (length < lentBytesMin) return allocateBytes(length);
    const size = Math.ceil(length / pageBytes) * pageBytes;
    for (const slab of this.#slabs) {
      if (slab.buffer.byteLength > slabBytes) continue;
      const start = take(slab, size);
      if (start !== undefined) return new Uint8Array(slab.buffer, start, length);
    }
    const slab = this.#takeSpare(size) ?? newSlab(size);
    this.#slabs.push(slab);
    return new Uint8Array(slab.buffer, take(slab, size), length);
  }

  /** Takes the memory that `bytes` begins in back, if it was lent: nobody reads or writes it from now on. */
  giveBack(bytes: Uint8Array): void {
    const slab = this.#slabOf(bytes);
    const end = slab?.lent.get(bytes.byteOffset);
    if (slab === undefined || end === undefined) return;
    slab.lent.delete(bytes.byteOffset);
    release(slab, bytes.byteOffset, end);
    if (slab.lent.size > 0) return;
    this.#drop(slab);
    // A larger one was made for one large body: small ones would keep all of it from being freed.
    if (slab.buffer.byteLength === slabBytes) this.#spare = new WeakRef(slab);
  }

  /** `bytes`, if it was lent, never comes back: somebody may still read it. */
  forget(bytes: Uint8Array): void {
    const slab = this.#slabOf(bytes);
    if (slab !== undefined) this.#drop(slab);
  }

  #slabOf(bytes: Uint8Array): Slab | undefined {
    return this.#slabs.find(({ buffer }) => buffer === bytes.buffer);
  }

  #drop(slab: Slab): void {
    this.#slabs = this.#slabs.filter((other) => other !== slab);
  }

  #takeSpare(size: number): Slab | undefined {
    const spare = this.#spare?.deref();
    this.#spare = undefined;
    return spare !== undefined && spare.buffer.byteLength >= size ? spare : undefined;
  }
}

function newSlab(size: number): Slab {
  const length = Math.max(size, slabBytes);
  const buffer = allocateBytes(length).buffer;
  return { buffer, free: [{ start: 0, end: length }], lent: new Map() };
}

/** Where `size` bytes are lent from now on: as low as possible, so that little of the slab is ever written. */
function take(slab: Slab, size: number): number | undefined {
  const index = slab.free.findIndex(({ start, end }) => end - start >= size);
  const range = slab.free[index];
  if (range === undefined) return undefined;
  const { start } = range;
  range.start += size;
  if (range.start === range.end) slab.free.splice(index, 1);
  slab.lent.set(start, start + size);
  return start;
}

function release(slab: Slab, start: number, end: number): void {
  const merged = { start, end };
  const others = slab.free.filter((range) => {
    if (range.end === merged.start) merged.start = range.start;
    else if (range.start === merged.end) merged.end = range.end;
    else return true;
    return false;
  });
  slab.free = [...others, merged].sort((a, b) => a.start - b.start);
}

/** That of the process. */
export const bodyPool: BytePool = new BytePool();
