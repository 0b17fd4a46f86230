/** Byte strings: what callers may pass, how they are compared, and how they are shown in messages. */
import { InvalidArgumentError } from "./errors.js";

/** What results are: a byte array over memory that belongs to the caller. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** What keys and values may be given as. Strings are encoded as UTF-8. */
export type KeyLike = string | Uint8Array;
export type ValueLike = string | Uint8Array;

/** The longest key, in bytes. */
export const keyBytesMax = 65_535;
/** The longest value, in bytes. */
export const valueBytesMax: number = 512 * 1024 * 1024;

export const emptyBytes: Bytes = new Uint8Array(0);

/** Memory of its own, not zeroed: the caller overwrites all of it. */
export function allocateBytes(length: number): Bytes {
  // Not the `Buffer` itself: views of one cost twice as much to make.
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer as ArrayBuffer);
}

/** A private copy as a plain `Uint8Array`. */
export function copyBytes(bytes: Uint8Array, start = 0, end: number = bytes.length): Bytes {
  const copy = new Uint8Array(end - start);
  if (end - start <= 32) {
    for (let i = start; i < end; i++) copy[i - start] = bytes[i]!;
  } else {
    copy.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end));
  }
  return copy;
}

export function concatBytes(parts: readonly Uint8Array[]): Bytes {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = allocateBytes(length);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** Unsigned bytewise order: negative, zero or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return compareRanges(a, 0, a.length, b, 0, b.length);
}

/** `compareBytes` of two ranges, without making views. */
export function compareRanges(
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
): number {
  const aLength = aEnd - aStart;
  const bLength = bEnd - bStart;
  const shared = Math.min(aLength, bLength);
  for (let i = 0; i < shared; i++) {
    const difference = a[aStart + i]! - b[bStart + i]!;
    if (difference !== 0) return difference;
  }
  return aLength - bLength;
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && compareBytes(a, b) === 0;
}

/** The least byte string that is greater than every one starting with `prefix`, or undefined when there is none. */
export function prefixSuccessor(prefix: Uint8Array): Bytes | undefined {
  let end = prefix.length;
  while (end > 0 && prefix[end - 1] === 0xff) end--;
  if (end === 0) return undefined;
  const successor = copyBytes(prefix, 0, end);
  successor[end - 1]! += 1;
  return successor;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function encodeUtf8(text: string): Bytes {
  return encoder.encode(text);
}

export function decodeUtf8(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** A lone surrogate would be replaced silently, and two different strings would become one key. */
const loneSurrogate = /\p{Surrogate}/u;

export function hasLoneSurrogate(text: string): boolean {
  return loneSurrogate.test(text);
}

export function isByteArray(input: unknown): input is Uint8Array {
  if (input instanceof Uint8Array) return true;
  // By tag: arrays of another realm (a vm context, a test runner) are welcome.
  return (
    ArrayBuffer.isView(input) && Object.prototype.toString.call(input) === "[object Uint8Array]"
  );
}

function toBytes(input: unknown, what: string, bytesMax: number): Uint8Array {
  if (typeof input === "string") {
    const ascii = encodeShortAscii(input);
    if (ascii !== undefined) return ascii;
    if (input.length > bytesMax) throw tooLong(what, `${input.length} characters`, bytesMax);
    const bytes = encoder.encode(input);
    if (bytes.length > bytesMax) throw tooLong(what, `${bytes.length} bytes`, bytesMax);
    if (hasLoneSurrogate(input)) {
      throw new InvalidArgumentError(
        `The ${what} is a string with a lone surrogate, which UTF-8 cannot hold. Pass a Uint8Array instead.`,
      );
    }
    return bytes;
  }
  if (isByteArray(input)) {
    if (input.length > bytesMax) throw tooLong(what, `${input.length} bytes`, bytesMax);
    return input;
  }
  throw new InvalidArgumentError(
    `The ${what} must be a string or a Uint8Array, not ${describeType(input)}.`,
  );
}

/** Most keys are short and ASCII, and for those a loop is several times faster than the encoder. */
function encodeShortAscii(text: string): Bytes | undefined {
  const { length } = text;
  if (length > asciiLengthMax) return undefined;
  const bytes = asciiBytes(length);
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) return undefined;
    bytes[i] = code;
  }
  return bytes;
}

const asciiLengthMax = 48;
const asciiSlabBytes = 16 * 1024;
let asciiSlab = new Uint8Array(asciiSlabBytes);
let asciiUsed = 0;

/** A part of a slab: what is encoded here is only read by the engine and never given to a caller. */
function asciiBytes(length: number): Bytes {
  if (asciiUsed + length > asciiSlabBytes) {
    asciiSlab = new Uint8Array(asciiSlabBytes);
    asciiUsed = 0;
  }
  const bytes = asciiSlab.subarray(asciiUsed, asciiUsed + length);
  asciiUsed += length;
  return bytes;
}

function tooLong(what: string, size: string, bytesMax: number): InvalidArgumentError {
  return new InvalidArgumentError(
    `The ${what} has ${size}; at most ${bytesMax} bytes are allowed.`,
  );
}

/** A key as bytes. The result may be the caller's own array: copy it before the call returns. */
export function toKeyBytes(input: unknown, what = "key"): Uint8Array {
  return toBytes(input, what, keyBytesMax);
}

/** A value as bytes. The result may be the caller's own array: copy it before the call returns. */
export function toValueBytes(input: unknown, what = "value"): Uint8Array {
  return toBytes(input, what, valueBytesMax);
}

export function describeType(input: unknown): string {
  if (input === null) return "null";
  if (Array.isArray(input)) return "an array";
  if (typeof input === "object") return `an object (${Object.prototype.toString.call(input)})`;
  return typeof input;
}
