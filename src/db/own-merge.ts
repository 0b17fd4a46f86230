/**
 * `mergeOnto`: what a transaction has written to a key once it merges an operand into it.
 *
 * Where the value beneath is not known, operands stay together in one merge row. Where the transaction itself has put or deleted the key,
 * the operator makes the operand a put or a delete at once. What has expired already counts as a delete.
 */
import { allocateBytes, copyBytes, emptyBytes } from "../common/bytes.js";
import { InvalidArgumentError } from "../common/errors.js";
import { RowKind } from "../common/row.js";
import { showKey } from "../common/show-key.js";
import type { MergeOperators } from "../merge/merge-operators.js";
import { unpackOperands } from "../merge/packed-operands.js";
import type { OwnWrite } from "./own-write.js";

/** A merge of one operand, packed, into a key that has not been written. */
export type OwnMerge = Omit<OwnWrite, "isMarked">;

/**
 * `isCovered`: the transaction has deleted what lies beneath its writes of the key. Throws `MergeError` when the operator fails, and
 * `InvalidArgumentError` where operators cannot be told apart in one row.
 */
export function mergeOnto(
  before: OwnWrite | undefined,
  merge: OwnMerge,
  operators: MergeOperators,
  isCovered: boolean,
): OwnMerge {
  if (before === undefined) return merge;
  const { expiresAt, kind } = before;
  if (expiresAt !== 0 && expiresAt <= merge.createdAt) return fold(undefined, merge, operators);
  if (kind === RowKind.put) return fold(before.value, merge, operators);
  if (kind === RowKind.delete) return fold(undefined, merge, operators);
  if (before.operatorId === merge.operatorId) {
    return { ...merge, value: append(before.value, merge.value) };
  }
  if (isCovered) {
    const { kind: folded, value } = fold(undefined, before, operators);
    return fold(folded === RowKind.put ? value : undefined, merge, operators);
  }
  const { names } = operators;
  throw new InvalidArgumentError(
    `The transaction merges with "${names[before.operatorId - 1]}" and "${names[merge.operatorId - 1]}" into key ${showKey(merge.key)}, whose value is not known to it. Read the value and put the new one, or use two transactions.`,
  );
}

/** What the operands of a merge make of a value; undefined: there is none. */
function fold(value: Uint8Array | undefined, merge: OwnMerge, operators: MergeOperators): OwnMerge {
  const { key, operatorId } = merge;
  const operands = unpackOperands(merge.value, "transaction").map((one) => copyBytes(one));
  const result = operators.apply(operatorId, key, value && copyBytes(value), operands);
  if (result === undefined) {
    const none = { value: emptyBytes, expiresAt: 0, lifetime: 0 };
    return { ...merge, ...none, kind: RowKind.delete, operatorId: 0 };
  }
  return { ...merge, kind: RowKind.put, value: copyBytes(result), operatorId: 0 };
}

/** Buffers that operands were appended to, with room behind the last: packing all of them again with each would be quadratic. */
const rooms = new WeakMap<Uint8Array, Uint8Array>();

/** Packed operands with others behind them. `packed` stays as it is, and is appended to only once. */
function append(packed: Uint8Array, added: Uint8Array): Uint8Array {
  const length = packed.length + added.length;
  let room = rooms.get(packed);
  if (room === undefined || room.length < length) {
    room = allocateBytes(2 * length);
    room.set(packed);
  }
  room.set(added, packed.length);
  const whole = room.subarray(0, length);
  rooms.set(whole, room);
  return whole;
}
