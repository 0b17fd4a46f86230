/** A row: one version of one key, and the kinds of row and of operation that storage knows. */
import { type Bytes, compareRanges, emptyBytes } from "./bytes.js";

/** These numbers are stored in WAL objects and SSTs. Never change or reuse one. */
export const RowKind = { put: 1, delete: 2, merge: 3 } as const;
export type RowKind = (typeof RowKind)[keyof typeof RowKind];

/** What the log holds: a row, or a range delete, which is none and so in no RowRef. Stored as well: no row ever is of kind 4. */
export const OperationKind = { put: 1, delete: 2, merge: 3, rangeDelete: 4 } as const;
export type OperationKind = (typeof OperationKind)[keyof typeof OperationKind];

/** The greatest seq there can be. */
export const seqMax: number = Number.MAX_SAFE_INTEGER;

/**
 * Where a row iterator stands. One mutable object per iterator, so that stepping allocates nothing; its fields are valid
 * until the next step. Key and value are ranges of buffers that may hold much else.
 */
export class RowRef {
  keyBytes: Uint8Array = emptyBytes;
  keyStart = 0;
  keyEnd = 0;
  valueBytes: Uint8Array = emptyBytes;
  valueStart = 0;
  valueEnd = 0;
  kind: RowKind = RowKind.put;
  seq = 0;
  /** ms since 1970 */
  createdAt = 0;
  /** ms since 1970; 0 when the row does not expire */
  expiresAt = 0;
  /** index of the merge operator's name in the manifest; 0 when the row is no merge */
  operatorId = 0;

  copyFrom(other: RowRef): void {
    this.keyBytes = other.keyBytes;
    this.keyStart = other.keyStart;
    this.keyEnd = other.keyEnd;
    this.valueBytes = other.valueBytes;
    this.valueStart = other.valueStart;
    this.valueEnd = other.valueEnd;
    this.kind = other.kind;
    this.seq = other.seq;
    this.createdAt = other.createdAt;
    this.expiresAt = other.expiresAt;
    this.operatorId = other.operatorId;
  }

  /** A view of the key. */
  key(): Uint8Array {
    return this.keyBytes.subarray(this.keyStart, this.keyEnd);
  }

  /** A view of the value. */
  value(): Uint8Array {
    return this.valueBytes.subarray(this.valueStart, this.valueEnd);
  }
}

/** The order of rows in storage: key up, then seq down, so that the newest version of a key comes first. @internal For tests. */
export function compareRows(a: RowRef, b: RowRef): number {
  return (
    compareRanges(a.keyBytes, a.keyStart, a.keyEnd, b.keyBytes, b.keyStart, b.keyEnd) ||
    b.seq - a.seq
  );
}

/** What `getEntry` answers. Times are ms since 1970. */
export interface Entry {
  key: Bytes;
  value: Bytes;
  seq: number;
  createdAt: number;
  expiresAt?: number | undefined;
}
