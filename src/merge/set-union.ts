/**
 * The merge operator `setUnion`. A set is its items, any bytes: for each a varint of its length, then the item (packed-operands.ts).
 *
 * Values and operands are sets; in those that are read, items may stand in any order and repeat. In what is written they ascend bytewise,
 * each once, so that equal sets are equal bytes.
 */
import {
  type Bytes,
  compareBytes,
  copyBytes,
  toValueBytes,
  type ValueLike,
} from "../common/bytes.js";
import { InvalidArgumentError, isMoraineError } from "../common/errors.js";
import type { MergeOperator } from "./merge-operator.js";
import { packOperands, unpackOperands } from "./packed-operands.js";

/** The items of the value and of all operands. Make operands with `encodeSet`, read values with `decodeSet`. Nothing takes an item out. */
export const setUnion: MergeOperator = {
  merge: (_key, value, operands) => union(value === undefined ? operands : [value, ...operands]),
  combine: (_key, operands) => union(operands),
  check: (operand) => void itemsOf(operand),
};

/** The bytes of a set, as `setUnion` takes them: operand or value. Strings become UTF-8. */
export function encodeSet(items: Iterable<ValueLike>): Bytes {
  return pack(Array.from(items, (item) => toValueBytes(item, "item")));
}

/** The items of a set in bytewise order, each a copy of its own. `InvalidArgumentError` when the bytes are no set. */
export function decodeSet(set: Uint8Array): Bytes[] {
  return distinct(itemsOf(set)).map((item) => copyBytes(item));
}

function union(sets: readonly Uint8Array[]): Bytes {
  return pack(sets.flatMap(itemsOf));
}

function pack(items: Uint8Array[]): Bytes {
  return packOperands(distinct(items));
}

function distinct(items: Uint8Array[]): Uint8Array[] {
  const sorted = items.sort(compareBytes);
  return sorted.filter((item, i) => i === 0 || compareBytes(sorted[i - 1]!, item) !== 0);
}

function itemsOf(set: Uint8Array): Uint8Array[] {
  try {
    return unpackOperands(set, "set");
  } catch (error) {
    if (!isMoraineError(error, "corruption")) throw error;
    throw new InvalidArgumentError("The bytes are no set: make one with encodeSet().");
  }
}
