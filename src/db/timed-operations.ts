/** Operations of a batch with the times at which they expire, known once the write has its creation time. */
import { ByteReader } from "../common/byte-reader.js";
import { allocateBytes } from "../common/bytes.js";
import { OperationKind } from "../common/row.js";
import {
  copyOperation,
  expiryBytesMax,
  newOperationRef,
  readOperation,
} from "../format/wal-record.js";
import { expiryOf } from "./lifetime.js";

const operation = newOperationRef();

export interface TimeOptions {
  /** How many operations there are. */
  readonly count: number;
  /** Those of single operations (lifetime.ts), of the first ones at least. */
  readonly lifetimes: readonly number[] | undefined;
  /** That of the others. */
  readonly fallback: number;
  /** ms since 1970 */
  readonly createdAt: number;
}

/** The encoded `operations` in one piece, each put and merge with its expiry. */
export function timeOperations(
  operations: readonly Uint8Array[],
  options: TimeOptions,
): Uint8Array {
  const { lifetimes, createdAt } = options;
  let bytes = 0;
  for (const piece of operations) bytes += piece.length;
  const target = allocateBytes(bytes + options.count * expiryBytesMax);
  const fallbackExpiry = expiryOf(options.fallback, createdAt);
  let at = 0;
  let index = 0;
  for (const piece of operations) {
    const reader = new ByteReader(piece, "batch");
    while (reader.remaining > 0) {
      readOperation(reader, operation);
      const own = lifetimes?.[index++] ?? 0;
      const expiresAt = own === 0 ? fallbackExpiry : expiryOf(own, createdAt);
      const { kind } = operation;
      const isTimed = kind === OperationKind.put || kind === OperationKind.merge;
      at = copyOperation(target, at, piece, operation, isTimed ? expiresAt : 0);
    }
  }
  return target.subarray(0, at);
}
