/** A growable little-endian writer; `ByteReader` reads the same primitives in the same order. */
import { allocateBytes, type Bytes } from "./bytes.js";

export class ByteWriter {
  bytes: Bytes;
  length = 0;

  constructor(capacity = 256) {
    this.bytes = allocateBytes(capacity);
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.bytes.length) return;
    const grown = allocateBytes(Math.max(needed, this.bytes.length * 2));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  u8(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }

  u16(value: number): void {
    this.reserve(2);
    this.bytes[this.length++] = value;
    this.bytes[this.length++] = value >>> 8;
  }

  u32(value: number): void {
    this.reserve(4);
    this.length = writeU32(this.bytes, this.length, value);
  }

  /** A non-negative safe integer in eight bytes. */
  u64(value: number): void {
    this.reserve(8);
    this.length = writeU64(this.bytes, this.length, value);
  }

  /** LEB128 of a non-negative safe integer: 1 to 8 bytes. */
  varint(value: number): void {
    this.reserve(8);
    this.length = writeVarint(this.bytes, this.length, value);
  }

  raw(source: Uint8Array, start = 0, end: number = source.length): void {
    const count = end - start;
    this.reserve(count);
    if (count <= 32) {
      const target = this.bytes;
      let at = this.length;
      for (let i = start; i < end; i++) target[at++] = source[i]!;
    } else {
      this.bytes.set(
        start === 0 && end === source.length ? source : source.subarray(start, end),
        this.length,
      );
    }
    this.length += count;
  }

  /** A view of what was written; valid until the next write. */
  view(): Bytes {
    return new Uint8Array(this.bytes.buffer, this.bytes.byteOffset, this.length);
  }

  /** A private copy of what was written. */
  copy(): Bytes {
    return new Uint8Array(this.view());
  }
}

export function writeU32(target: Uint8Array, offset: number, value: number): number {
  target[offset] = value;
  target[offset + 1] = value >>> 8;
  target[offset + 2] = value >>> 16;
  target[offset + 3] = value >>> 24;
  return offset + 4;
}

export function writeU64(target: Uint8Array, offset: number, value: number): number {
  writeU32(target, offset, value >>> 0);
  return writeU32(target, offset + 4, Math.floor(value / 2 ** 32));
}

export function writeVarint(target: Uint8Array, offset: number, value: number): number {
  let at = offset;
  let rest = value;
  while (rest > 0x7fffffff) {
    target[at++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  while (rest > 127) {
    target[at++] = (rest & 127) | 0x80;
    rest >>>= 7;
  }
  target[at++] = rest;
  return at;
}

/** How many bytes `writeVarint` takes for `value`. */
export function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) length++;
  return length;
}
