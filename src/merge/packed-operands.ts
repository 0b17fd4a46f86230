/**
 * Packed operands: the stored value of a merge row, and the format of sets.
 *
 *   repeated: varint length | bytes          oldest first, to the end
 *
 * So two rows are joined by putting the older one's value before the newer one's, without knowing the operator.
 */
import { ByteReader } from "../common/byte-reader.js";
import { varintLength, writeVarint } from "../common/byte-writer.js";
import { allocateBytes, type Bytes } from "../common/bytes.js";

/** A private array of all operands, which are copied. */
export function packOperands(operands: readonly Uint8Array[]): Bytes {
  let length = 0;
  for (const operand of operands) length += varintLength(operand.length) + operand.length;
  const packed = allocateBytes(length);
  let at = 0;
  for (const operand of operands) {
    at = writeVarint(packed, at, operand.length);
    packed.set(operand, at);
    at += operand.length;
  }
  return packed;
}

/** Views of the operands, oldest first. `object` is what a `CorruptionError` names when the bytes are not packed operands. */
export function unpackOperands(packed: Uint8Array, object: string): Uint8Array[] {
  const reader = new ByteReader(packed, object);
  const operands: Uint8Array[] = [];
  while (reader.remaining > 0) operands.push(reader.raw(reader.varint()));
  return operands;
}
