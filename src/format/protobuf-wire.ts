/**
 * The wire format of protobuf: the library's reader and writer, and stricter. Integers are safe ones, without the library's
 * detour over bigints, which takes several times as long. Nothing is cut to 32 bits: a tag, a length or a uint32 that has
 * more is damage, never another value.
 */
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { assert } from "../common/assert.js";
import { writeVarint } from "../common/byte-writer.js";
import { CorruptionError } from "../common/errors.js";

export { WireType };

export const uint32Max: number = 0xffff_ffff;
const varintBytesMax = 10;

export class WireWriter extends BinaryWriter {
  readonly #varint = new Uint8Array(8);

  /** A non-negative safe integer, at most `max`. */
  integer(value: number, max: number = Number.MAX_SAFE_INTEGER): void {
    const fits = Number.isSafeInteger(value) && value >= 0 && value <= max;
    assert(fits, "what is stored as an integer is one, not negative and not too large");
    if (value <= uint32Max) this.uint32(value);
    else this.raw(this.#varint.subarray(0, writeVarint(this.#varint, 0, value)));
  }
}

export class WireReader extends BinaryReader {
  readonly #bytes: Uint8Array;
  readonly #object: string;

  /** `object` is for messages only. */
  constructor(bytes: Uint8Array, object: string) {
    super(bytes);
    this.#bytes = bytes;
    this.#object = object;
  }

  /** What the library reads tags and lengths with. */
  override uint32: () => number = () => {
    const value = this.#varint();
    if (value > uint32Max) this.fail("a tag or a length has more than 32 bits");
    return value;
  };

  /** The value of `field`, at most `max`. */
  integer(field: string, max: number = Number.MAX_SAFE_INTEGER): number {
    const value = this.#varint();
    if (value > max) {
      this.fail(`field ${field} is not a ${max === uint32Max ? "32-bit" : "safe"} integer`);
    }
    return value;
  }

  /** Where what follows its own length ends. */
  lengthEnd(): number {
    const length = this.uint32();
    const left = this.len - this.pos;
    if (length > left) this.fail(`${length} bytes of protobuf expected, ${left} are left`);
    return this.pos + length;
  }

  /** The library would let a number that is skipped be of any length. */
  override skip(wireType: WireType, number?: number, depthMax?: number): Uint8Array {
    if (wireType !== WireType.Varint) return super.skip(wireType, number, depthMax);
    const start = this.pos;
    this.#varint();
    return this.#bytes.subarray(start, this.pos);
  }

  fail(detail: string): never {
    throw new CorruptionError(this.#object, detail);
  }

  /** Exact up to 2^53; what is greater may be rounded, but never to less than that. */
  #varint(): number {
    const bytes = this.#bytes;
    const end = Math.min(this.len, this.pos + varintBytesMax);
    let value = 0;
    let scale = 1;
    for (let at = this.pos; at < end; at++) {
      const byte = bytes[at]!;
      value += (byte & 127) * scale;
      if (byte < 128) {
        this.pos = at + 1;
        return value;
      }
      scale *= 128;
    }
    return this.fail("a number in its protobuf message does not end");
  }
}
