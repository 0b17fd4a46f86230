/** `toBatch`: what a transaction has written, as one batch. */
import { RangeSet } from "../common/range-set.js";
import { toHalfOpen } from "../common/range-tombstone.js";
import { OperationKind } from "../common/row.js";
import { encodeRangeEnd } from "../format/range-delete-operation.js";
import { boundsOf } from "./conflict.js";
import type { OwnWrites } from "./own-writes.js";
import { WriteBatch } from "./write-batch.js";

/** Range deletes come first: the rows that are left were written after those that cover them. Where they meet they are one. */
export function toBatch(own: OwnWrites): WriteBatch {
  const batch = new WriteBatch();
  for (const bounds of new RangeSet(own.deleted.map(boundsOf)).ranges) {
    const { start, end } = toHalfOpen(bounds)!;
    batch.addRow(OperationKind.rangeDelete, start, encodeRangeEnd(end), 0, 0);
  }
  for (const { kind, key, value, lifetime, operatorId } of own.values()) {
    batch.addRow(kind, key, value, lifetime, operatorId);
  }
  return batch;
}
