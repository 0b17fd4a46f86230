/** `rangeDeletesOf`: the range deletes of a batch, to be searched by key; and `operationsOf`, a walk through its operations. */
import { ByteReader } from "../common/byte-reader.js";
import { FragmentedTombstones } from "../common/fragmented-tombstones.js";
import type { RangeTombstone } from "../common/range-tombstone.js";
import { OperationKind } from "../common/row.js";
import { readRangeEnd } from "../format/range-delete-operation.js";
import { newOperationRef, type OperationRef, readOperation } from "../format/wal-record.js";
import type { WriteBatch } from "./write-batch.js";

/** Each with its place in the batch, from 1, as its seq. */
export function rangeDeletesOf(batch: WriteBatch): FragmentedTombstones {
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

export interface OperationAt {
  index: number;
  piece: Uint8Array;
  readonly operation: OperationRef;
}

/** One object for all of them. */
export function* operationsOf(batch: WriteBatch): Generator<OperationAt, undefined, undefined> {
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
