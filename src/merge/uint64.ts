/**
 * Merge operators over unsigned 64-bit numbers: `uint64Add`, `uint64Max` and `uint64Min`.
 *
 * Values and operands are eight bytes, little-endian; others are refused. A sum is taken modulo 2^64, so that adding 2^64 - n
 * subtracts n. Format and overflow are those of FoundationDB's atomic ADD and of RocksDB's "uint64add".
 */
import { allocateBytes, type Bytes, describeType } from "../common/bytes.js";
import { InvalidArgumentError } from "../common/errors.js";
import type { MergeOperator } from "./merge-operator.js";

/** A counter: the sum of the value, 0 where there is none, and the operands, modulo 2^64. `encodeUint64(-1)` counts down. */
export const uint64Add: MergeOperator = operatorOf((a, b) => a + b);

/** The greatest of the value and the operands, as numbers. */
export const uint64Max: MergeOperator = operatorOf((a, b) => (a > b ? a : b));

/** The least of the value and the operands, as numbers. */
export const uint64Min: MergeOperator = operatorOf((a, b) => (a < b ? a : b));

/**
 * A whole number as eight little-endian bytes, for the operators whose names begin with uint64. From -2^63, which stands for 2^63, to 2^64 - 1; numbers
 * beyond 2^53 have to be bigints. Others: `InvalidArgumentError`.
 */
export function encodeUint64(value: bigint | number): Bytes {
  const isWhole = typeof value === "bigint" || Number.isSafeInteger(value);
  if (!isWhole || BigInt(value) >= 2n ** 64n || BigInt(value) < -(2n ** 63n)) {
    throw new InvalidArgumentError(
      `A whole number from -2^63 to 2^64 - 1 is needed (a bigint beyond 2^53), not ${typeof value === "number" || typeof value === "bigint" ? value : describeType(value)}.`,
    );
  }
  const bytes = allocateBytes(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, BigInt(value)), true);
  return bytes;
}

/** The number from 0 to 2^64 - 1 that eight little-endian bytes are. `InvalidArgumentError` for other lengths. */
export function decodeUint64(bytes: Uint8Array): bigint {
  if (bytes.length !== 8) {
    throw new InvalidArgumentError(`A uint64 has 8 bytes, not ${bytes.length}.`);
  }
  return new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
}

/** Of an associative function. */
function operatorOf(join: (a: bigint, b: bigint) => bigint): MergeOperator {
  const joinAll = (numbers: readonly Uint8Array[]): Bytes =>
    encodeUint64(BigInt.asUintN(64, numbers.map(decodeUint64).reduce(join)));
  return {
    merge: (_key, value, operands) =>
      joinAll(value === undefined ? operands : [value, ...operands]),
    combine: (_key, operands) => joinAll(operands),
    check: (operand) => void decodeUint64(operand),
  };
}
