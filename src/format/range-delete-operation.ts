/**
 * A range delete among the operations of a WAL record: its key is where the range starts, its value says where it ends.
 *
 *   u8      1: there is an end; 0: there is none
 *   the end, of a range that has one: it is above the start
 */
import type { ByteReader } from "../common/byte-reader.js";
import { allocateBytes, type Bytes, compareRanges, keyBytesMax } from "../common/bytes.js";
import type { HalfOpenRange } from "../common/range-tombstone.js";

/** The value of a range delete. */
export function encodeRangeEnd(end: HalfOpenRange["end"]): Bytes {
  if (end === undefined) return new Uint8Array(1);
  const value = allocateBytes(1 + end.length);
  value[0] = 1;
  value.set(end, 1);
  return value;
}

/** The end that the value `bytes[start, end)` of a checked range delete says, as a view; undefined: there is none. */
export function readRangeEnd<B extends ArrayBufferLike>(
  bytes: Uint8Array<B>,
  start: number,
  end: number,
): Uint8Array<B> | undefined {
  return bytes[start] === 0 ? undefined : bytes.subarray(start + 1, end);
}

/** The reader stands behind the operation. */
export function checkRangeDelete(
  reader: ByteReader,
  operation: {
    readonly keyStart: number;
    readonly keyLength: number;
    readonly valueLength: number;
    readonly expiresAt: number;
  },
): void {
  const { keyStart, keyLength, valueLength, expiresAt } = operation;
  const valueStart = keyStart + keyLength;
  if (expiresAt !== 0) reader.fail("a range delete that expires");
  if (valueLength < 1 || valueLength > 1 + keyBytesMax) {
    reader.fail(
      valueLength === 0
        ? "a range delete without a value"
        : `a range delete with an end of ${valueLength - 1} bytes`,
    );
  }
  const flag = reader.bytes[valueStart]!;
  if (flag > 1) reader.fail(`a range delete with flag ${flag}`);
  if (flag === 0) {
    if (valueLength > 1) reader.fail("a range delete without an end that has bytes for one");
    return;
  }
  const valueEnd = valueStart + valueLength;
  const { bytes } = reader;
  if (compareRanges(bytes, keyStart, valueStart, bytes, valueStart + 1, valueEnd) >= 0) {
    reader.fail("a range delete that does not end above its start");
  }
}
