/**
 * `dropCovered`: a batch without what its own range deletes hide.
 *
 * All of a batch has one seq, and a range delete hides lower ones only. So what comes before it in the batch is left out when the batch is
 * written, and what it does not hide is what comes after it.
 */
import { OperationKind } from "../common/row.js";
import type { MergeOperators } from "../merge/merge-operators.js";
import { operationsOf, rangeDeletesOf } from "./batch-range-deletes.js";
import { WriteBatch } from "./write-batch.js";

/** The batch itself where nothing is covered, else a new one of the same order. `operators` are those of the database. */
export function dropCovered(batch: WriteBatch, operators: MergeOperators): WriteBatch {
  const lastCovers = rangeDeletesOf(batch);
  const covered = new Set<number>();
  for (const { index, piece, operation } of operationsOf(batch)) {
    if (operation.kind === OperationKind.rangeDelete) continue;
    const { keyStart, keyLength } = operation;
    const last = lastCovers.coverSeq(piece, keyStart, keyStart + keyLength, batch.count);
    if (last > index + 1) covered.add(index);
  }
  if (covered.size === 0) return batch;
  const left = new WriteBatch(operators);
  const { lifetimes } = batch;
  for (const { index, piece, operation } of operationsOf(batch)) {
    if (covered.has(index)) continue;
    const { kind, keyStart, keyLength, valueLength, operatorId } = operation;
    const valueStart = keyStart + keyLength;
    const key = piece.subarray(keyStart, valueStart);
    const value = piece.subarray(valueStart, valueStart + valueLength);
    left.addRow(kind, key, value, lifetimes?.[index] ?? 0, operatorId);
  }
  return left;
}
