/** `SstTotals`: what the properties of an SST say of all of its rows, counted while they are written. */
import { assert } from "../common/assert.js";
import { RowKind, type RowRef } from "../common/row.js";

/** What is known of rows that were copied without being looked at. */
export interface CopiedRows {
  readonly rowCount: number;
  readonly deleteCount: number;
  readonly mergeCount: number;
  /** Bounds, which rows need not reach, as those below. */
  readonly minSeq: number;
  readonly maxSeq: number;
  readonly minCreatedAt: number;
  readonly maxCreatedAt: number;
}

export class SstTotals {
  rowCount = 0;
  deleteCount = 0;
  mergeCount = 0;
  shadowedCount = 0;
  expiringCount = 0;
  minSeq: number = Number.MAX_SAFE_INTEGER;
  maxSeq = 0;
  minCreatedAt: number = Number.MAX_SAFE_INTEGER;
  maxCreatedAt = 0;
  maxExpiresAt = 0;
  /** Every put and merge does: deletes hide what is older as expired rows do, and need not outlive them. */
  everyValueExpires = true;

  /** `isShadowed`: the row before it is a newer version of its key. */
  add({ kind, seq, createdAt, expiresAt }: RowRef, isShadowed: boolean): void {
    assert(
      Number.isSafeInteger(seq) && seq >= 0 && Number.isSafeInteger(createdAt) && createdAt >= 0,
      "seq and creation time of a row are safe integers",
    );
    this.rowCount++;
    if (isShadowed) this.shadowedCount++;
    if (kind === RowKind.delete) this.deleteCount++;
    else if (kind === RowKind.merge) this.mergeCount++;
    if (seq < this.minSeq) this.minSeq = seq;
    if (seq > this.maxSeq) this.maxSeq = seq;
    if (createdAt < this.minCreatedAt) this.minCreatedAt = createdAt;
    if (createdAt > this.maxCreatedAt) this.maxCreatedAt = createdAt;
    if (expiresAt === 0) {
      if (kind !== RowKind.delete) this.everyValueExpires = false;
      return;
    }
    assert(Number.isSafeInteger(expiresAt) && expiresAt > 0, "an expiry is a safe integer");
    if (kind !== RowKind.delete) this.expiringCount++;
    if (expiresAt > this.maxExpiresAt) this.maxExpiresAt = expiresAt;
  }

  /** Rows that do not expire, as far as is known. */
  addCopied(rows: CopiedRows): void {
    this.rowCount += rows.rowCount;
    this.deleteCount += rows.deleteCount;
    this.mergeCount += rows.mergeCount;
    this.minSeq = Math.min(this.minSeq, rows.minSeq);
    this.maxSeq = Math.max(this.maxSeq, rows.maxSeq);
    this.minCreatedAt = Math.min(this.minCreatedAt, rows.minCreatedAt);
    this.maxCreatedAt = Math.max(this.maxCreatedAt, rows.maxCreatedAt);
    this.everyValueExpires = false;
  }
}
