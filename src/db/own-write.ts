/** `OwnWrite`: what a transaction has written to one key. */
import type { RowKind, RowRef } from "../common/row.js";

/** The last write of a key; never changed. */
export interface OwnWrite {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly kind: RowKind;
  /** When it was buffered, ms since 1970. */
  readonly createdAt: number;
  /** As a row would have it, had it been written then: ms since 1970; 0: never. */
  readonly expiresAt: number;
  /** What was said of it (lifetime.ts); a ttl counts from the commit. */
  readonly lifetime: number;
  /** False where it goes together with writes of others. */
  readonly isMarked: boolean;
}

/** Points `row` to a write. */
export function setRow(row: RowRef, write: OwnWrite, seq: number): void {
  row.keyBytes = write.key;
  row.keyStart = 0;
  row.keyEnd = write.key.length;
  row.valueBytes = write.value;
  row.valueStart = 0;
  row.valueEnd = write.value.length;
  row.kind = write.kind;
  row.seq = seq;
  row.createdAt = write.createdAt;
  row.expiresAt = write.expiresAt;
  row.operatorId = 0;
}
