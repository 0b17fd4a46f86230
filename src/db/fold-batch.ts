/**
 * `foldBatch`: a batch in which merges occur, with one operation for each key.
 *
 * A put or delete replaces what comes before it. Merges stay together where nothing is known of the value beneath them, as operands of one
 * row; where the batch itself has put or deleted the key before, by itself or with a range, the operator makes them a put or a delete. The
 * expiry is that of the last operation. An earlier one that has expired already counts as a delete.
 *
 * Range deletes stay as they are. What they cover has been left out before (drop-covered.ts), so they lie beneath all that is folded: a key in
 * one of them begins as deleted.
 */
import { copyBytes, emptyBytes } from "../common/bytes.js";
import { InvalidArgumentError } from "../common/errors.js";
import { OperationKind } from "../common/row.js";
import { showKey } from "../common/show-key.js";
import type { MergeOperators } from "../merge/merge-operators.js";
import { packOperands, unpackOperands } from "../merge/packed-operands.js";
import { operationsOf, rangeDeletesOf } from "./batch-range-deletes.js";
import { WriteBatch } from "./write-batch.js";

/** One character for each byte. */
const decoder = new TextDecoder("latin1");

export interface FoldOptions {
  readonly operators: MergeOperators;
  /** Of operations that have none of their own (lifetime.ts). */
  readonly lifetime: number;
  /** ms since 1970 */
  readonly now: number;
}

/** What the operations of a key so far come to. Its arrays are views. */
interface Folding {
  readonly key: Uint8Array;
  /** Of what lies beneath the operands; merge: nothing is known of it. */
  readonly kind: OperationKind;
  /** Of a put, or of a range delete. */
  readonly value: Uint8Array;
  /** 0: there are no operands. */
  readonly operatorId: number;
  readonly operands: Uint8Array[];
  readonly lifetime: number;
}

/**
 * A new batch, whose operations are in the order in which their keys occur last. Throws `MergeError` when an operator fails, and
 * `InvalidArgumentError` where operators cannot be told apart in one row.
 */
export function foldBatch(batch: WriteBatch, options: FoldOptions): WriteBatch {
  /** By key; a range delete by its index. */
  const foldings = new Map<string | number, Folding>();
  const { lifetimes } = batch;
  const deleted = batch.hasRangeDeletes ? rangeDeletesOf(batch) : undefined;
  const beneath = (key: Uint8Array): OperationKind => {
    const isCovered = (deleted?.coverSeq(key, 0, key.length, batch.count) ?? 0) > 0;
    return isCovered ? OperationKind.delete : OperationKind.merge;
  };
  for (const { index, piece, operation } of operationsOf(batch)) {
    const { keyStart, keyLength, valueLength, kind, operatorId } = operation;
    const valueStart = keyStart + keyLength;
    const key = piece.subarray(keyStart, valueStart);
    const value = piece.subarray(valueStart, valueStart + valueLength);
    const lifetime = lifetimes?.[index] ?? 0;
    if (kind === OperationKind.rangeDelete) {
      foldings.set(index, { key, kind, value, operatorId: 0, operands: [], lifetime });
      continue;
    }
    const name = decoder.decode(key);
    const next: Folding =
      kind === OperationKind.merge
        ? addMerge(
            foldings.get(name) ?? beneath(key),
            { key, value, operatorId, lifetime },
            options,
          )
        : { ...{ key, kind, value, operatorId: 0, operands: [], lifetime } };
    foldings.delete(name);
    foldings.set(name, next);
  }
  const folded = new WriteBatch(options.operators);
  for (const folding of foldings.values()) addTo(folded, folding, options.operators);
  return folded;
}

/** `before`: what the batch has done to the key, or the kind of what lies beneath all of it. */
function addMerge(
  before: Folding | OperationKind,
  merge: { key: Uint8Array; value: Uint8Array; operatorId: number; lifetime: number },
  options: FoldOptions,
): Folding {
  const { key, operatorId, lifetime } = merge;
  const added = unpackOperands(merge.value, "batch");
  const none = { key, value: emptyBytes, operatorId, operands: added, lifetime };
  if (typeof before === "number") return { ...none, kind: before };
  if (isOver(before, options)) return { ...none, kind: OperationKind.delete };
  if (before.operatorId === 0 || before.operatorId === operatorId) {
    // They are of this folding alone: a copy for each merge would be quadratic in the merges of one key.
    for (const operand of added) before.operands.push(operand);
    return { ...before, operatorId, lifetime };
  }
  if (before.kind === OperationKind.merge) {
    const { names } = options.operators;
    throw new InvalidArgumentError(
      `The batch merges with "${names[before.operatorId - 1]}" and "${names[operatorId - 1]}" into key ${showKey(key)}, whose value is not known yet. Write them in two batches.`,
    );
  }
  const { kind, value } = resolve(before, options.operators);
  return { key, kind, value, operatorId, operands: added, lifetime };
}

/** Folds the operands of a key whose value is known. */
function resolve(
  folding: Folding,
  operators: MergeOperators,
): { kind: OperationKind; value: Uint8Array } {
  const { key, kind, value, operatorId, operands } = folding;
  if (operatorId === 0) return { kind, value };
  const base = kind === OperationKind.put ? copyBytes(value) : undefined;
  const own = operands.map((operand) => copyBytes(operand));
  const result = operators.apply(operatorId, key, base, own);
  if (result === undefined) return { kind: OperationKind.delete, value: emptyBytes };
  return { kind: OperationKind.put, value: result };
}

function addTo(batch: WriteBatch, folding: Folding, operators: MergeOperators): void {
  const { key, lifetime, operatorId } = folding;
  if (folding.kind === OperationKind.merge) {
    batch.addRow(OperationKind.merge, key, packOperands(folding.operands), lifetime, operatorId);
    return;
  }
  const { kind, value } = resolve(folding, operators);
  batch.addRow(kind, key, value, kind === OperationKind.delete ? 0 : lifetime, 0);
}

function isOver(folding: Folding, options: FoldOptions): boolean {
  const lifetime = folding.lifetime === 0 ? options.lifetime : folding.lifetime;
  // A ttl is at least 1 ms.
  return lifetime < 0 && -lifetime <= options.now;
}
