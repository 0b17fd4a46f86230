/** Merge operators over any bytes: `bytesMax`, `bytesMin` and `bytesAppend`. */
import { compareBytes, concatBytes } from "../common/bytes.js";
import type { MergeOperator } from "./merge-operator.js";

/** The greatest of the value and the operands, in unsigned bytewise order, in which a beginning comes before what it begins. */
export const bytesMax: MergeOperator = operatorOf((all) =>
  all.reduce((best, next) => (compareBytes(next, best) > 0 ? next : best)),
);

/** The least of the value and the operands, in the same order. */
export const bytesMin: MergeOperator = operatorOf((all) =>
  all.reduce((best, next) => (compareBytes(next, best) < 0 ? next : best)),
);

/** The operands after the value, oldest first, with nothing in between. Reading a key whose value grows beyond 512 MiB is a `MergeError`. */
export const bytesAppend: MergeOperator = operatorOf(concatBytes);

/** Of an associative function: a value is like an operand that came first. */
function operatorOf(join: (all: readonly Uint8Array[]) => Uint8Array): MergeOperator {
  return {
    merge: (_key, value, operands) => join(value === undefined ? operands : [value, ...operands]),
    combine: (_key, operands) => join(operands),
  };
}
