/**
 * `dropCovered`: a batch without what its own range deletes hide.
 *
 * All of a batch has one seq, and a range delete hides lower ones only. So what comes before it in the batch is left out when the batch is
 * written, and what it does not hide is what comes after it.
 */
import { ByteReader } from "../common/byte-reader.js";
import { FragmentedTombstones } from "../common/fragmented-tombstones.js";
import type { RangeTombstone } from "../common/range-tombstone.js";
import { OperationKind } from "../common/row.js";
import { readRangeEnd } from "../format/range-delete-operation.js";
import { newOperationRef, type OperationRef, readOperation } from "../format/wal-record.js";
import type { MergeOperators } from "../merge/merge-operators.js";
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

/** Each with its place in the batch, from 1, as its seq. */
function rangeDeletesOf(batch: WriteBatch): FragmentedTombstones {
  const tombstones: RangeTombstone[] = [];
  for (const { index, piece, operation } of operationsOf(batch)) {
    if (operation.kind !== OperationKind.rangeDelete) continue;
    const { keyStart, keyLength, valueLength } = operation;
    const keyEnd = keyStart + keyLength;
    const start = piece.subarray(keyStart, keyEnd);
    const end = readRangeEnd(piece, keyEnd, keyEnd + valueLength);
    tombstones.push({ start, end, seq: index + 1 });
  }
  return FragmentedTombstones.of(tombstones);
}

interface OperationAt {
  index: number;
  piece: Uint8Array;
  readonly operation: OperationRef;
}

/** One object for all of them. */
function* operationsOf(batch: WriteBatch): Generator<OperationAt, undefined, undefined> {
  const at: OperationAt = { index: 0, piece: new Uint8Array(0), operation: newOperationRef() };
  for (const piece of batch.operations()) {
    const reader = new ByteReader(piece, "batch");
    at.piece = piece;
    for (; reader.remaining > 0; at.index++) {
      readOperation(reader, at.operation);
      yield at;
    }
  }
  return undefined;
}
