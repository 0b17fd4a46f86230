/** `OwnWrite`: what a transaction has written to one key. */
import { compareBytes } from "../common/bytes.js";
import type { RowKind, RowRef } from "../common/row.js";

/** What the writes of a key add up to; never changed. */
export interface OwnWrite {
  readonly key: Uint8Array;
  /** Of a merge the packed operands. */
  readonly value: Uint8Array;
  readonly kind: RowKind;
  /** 0 when it is no merge. */
  readonly operatorId: number;
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
  row.operatorId = write.operatorId;
}

/** The index of the first write, of those from `from`, whose key is at or above `key`; the length when there is none. */
export function firstAtOrAfter(writes: readonly OwnWrite[], key: Uint8Array, from = 0): number {
  let low = from;
  let high = writes.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareBytes(writes[middle]!.key, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
