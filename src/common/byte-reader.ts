/** A bounds-checked little-endian cursor over stored bytes; running past the end is a `CorruptionError`. */
import { CorruptionError } from "./errors.js";

export class ByteReader {
  readonly bytes: Uint8Array;
  readonly end: number;
  offset: number;
  readonly #object: string;
  readonly #objectOffset: number;

  /** `object` and `objectOffset` (where `bytes[0]` lies in it) are for messages only. */
  constructor(
    bytes: Uint8Array,
    object: string,
    objectOffset = 0,
    start = 0,
    end: number = bytes.length,
  ) {
    this.bytes = bytes;
    this.offset = start;
    this.end = end;
    this.#object = object;
    this.#objectOffset = objectOffset;
  }

  get remaining(): number {
    return this.end - this.offset;
  }

  u8(): number {
    this.#need(1);
    return this.bytes[this.offset++]!;
  }

  u16(): number {
    this.#need(2);
    const { bytes, offset } = this;
    this.offset += 2;
    return bytes[offset]! | (bytes[offset + 1]! << 8);
  }

  u32(): number {
    this.#need(4);
    const value = readU32(this.bytes, this.offset);
    this.offset += 4;
    return value;
  }

  u64(): number {
    this.#need(8);
    const value = readU64(this.bytes, this.offset);
    if (!Number.isSafeInteger(value)) this.fail(`${value} is not a safe integer`);
    this.offset += 8;
    return value;
  }

  varint(): number {
    const { bytes, end } = this;
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8; i++) {
      if (this.offset >= end) this.fail("the bytes end inside a number");
      const byte = bytes[this.offset++]!;
      value += (byte & 127) * scale;
      if (byte < 128) {
        if (!Number.isSafeInteger(value)) this.fail(`${value} is not a safe integer`);
        return value;
      }
      scale *= 128;
    }
    return this.fail("a number does not end");
  }

  /** A view of the next `count` bytes. */
  raw(count: number): Uint8Array {
    this.#need(count);
    const view = this.bytes.subarray(this.offset, this.offset + count);
    this.offset += count;
    return view;
  }

  skip(count: number): void {
    this.#need(count);
    this.offset += count;
  }

  fail(detail: string): never {
    throw new CorruptionError(this.#object, detail, {
      offset: this.#objectOffset + this.offset,
    });
  }

  #need(count: number): void {
    if (count > this.end - this.offset) {
      this.fail(`${count} bytes expected, ${this.end - this.offset} are left`);
    }
  }
}

export function readU32(bytes: Uint8Array, offset: number): number {
  return (
    (bytes[offset]! |
      (bytes[offset + 1]! << 8) |
      (bytes[offset + 2]! << 16) |
      (bytes[offset + 3]! << 24)) >>>
    0
  );
}

export function readU64(bytes: Uint8Array, offset: number): number {
  return readU32(bytes, offset) + readU32(bytes, offset + 4) * 2 ** 32;
}
