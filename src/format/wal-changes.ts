/** What a WAL object changes: its batches with their operations, and the L0 entries of its loads, in seq order. */
import { ByteReader } from "../common/byte-reader.js";
import { type Bytes, copyBytes, emptyBytes } from "../common/bytes.js";
import { OperationKind, seqMax } from "../common/row.js";
import { decodeLoadRecord } from "./load-record.js";
import type { L0Entry } from "./manifest.js";
import type { WalObject } from "./wal-object.js";
import {
  newOperationRef,
  type RecordHeader,
  RecordType,
  readOperation,
  readRecordHeader,
} from "./wal-record.js";

export interface StoredOperation {
  readonly kind: OperationKind;
  readonly key: Bytes;
  /** Empty for deletes; of merges and range deletes as it is stored. */
  readonly value: Bytes;
  /** ms since 1970; 0: never. */
  readonly expiresAt: number;
  /** 0 for all but merges. */
  readonly operatorId: number;
}

/** A batch, or one L0 entry of a load. */
export interface StoredChange {
  readonly seq: number;
  /** ms since 1970 */
  readonly createdAt: number;
  /** Of a batch. */
  readonly operations: readonly StoredOperation[];
  /** Of a load: its rows are in the SSTs of this entry. */
  readonly loaded: L0Entry | undefined;
}

/**
 * Those with a seq above `after`, up to `upTo`. Each is decoded when it is asked for; keys and values of a batch share a copy of it, so that
 * nothing that is kept of it keeps the object. `name` is for messages.
 */
export function* storedChanges(
  object: WalObject,
  name: string,
  after: number,
  upTo: number = seqMax,
): Generator<StoredChange, undefined, undefined> {
  const { bytes, recordsStart, recordsEnd, recordCount } = object;
  const reader = new ByteReader(bytes, name, 0, recordsStart, recordsEnd);
  for (let i = 0; i < recordCount; i++) {
    const header = readRecordHeader(reader);
    const start = reader.offset;
    reader.skip(header.bodyBytes);
    if (header.lastSeq <= after) continue;
    if (header.firstSeq > upTo) return undefined;
    const { lastSeq, createdAt } = header;
    if (header.type === RecordType.batch) {
      const operations = readBatch(header, bytes, start, name);
      yield { seq: lastSeq, createdAt, operations, loaded: undefined };
      continue;
    }
    const body = bytes.subarray(start, start + header.bodyBytes);
    for (const loaded of decodeLoadRecord(header, body, name)) {
      if (loaded.seq > upTo) return undefined;
      if (loaded.seq > after) yield { seq: loaded.seq, createdAt, operations: [], loaded };
    }
  }
  return undefined;
}

function readBatch(
  header: RecordHeader,
  bytes: Uint8Array,
  start: number,
  name: string,
): StoredOperation[] {
  const body = copyBytes(bytes, start, start + header.bodyBytes);
  const reader = new ByteReader(body, name, start);
  const ref = newOperationRef();
  const operations: StoredOperation[] = [];
  for (let i = 0; i < header.count; i++) {
    readOperation(reader, ref);
    const { kind, keyStart, keyLength, valueLength, expiresAt, operatorId } = ref;
    const keyEnd = keyStart + keyLength;
    const key = body.subarray(keyStart, keyEnd);
    const hasValue = kind !== OperationKind.delete;
    const value = hasValue ? body.subarray(keyEnd, keyEnd + valueLength) : emptyBytes;
    operations.push({ kind, key, value, expiresAt, operatorId });
  }
  if (reader.remaining !== 0) reader.fail(`${reader.remaining} bytes follow the last operation`);
  return operations;
}
