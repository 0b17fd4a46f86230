/**
 * One record of a WAL object: a whole batch, or a bulk load. The same bytes of a batch are what the MemTable keeps, so a
 * write is copied once.
 *
 *   u8      record type: 1 batch, 2 load
 *   u32     length of what follows the header
 *   u64     seq of the batch; the last seq of the load
 *   u64     creation time, ms since 1970
 *   u32     count of operations; of a load, of the L0 entries that it adds, each with a seq of its own
 *   of a load: the entries (load-record.ts)
 *   of a batch: operations, one for each key, and range deletes at their place among them:
 *     u8      kind (low 4 bits: 1 put, 2 delete, 3 merge, 4 range delete) | 0x10 when it expires, which 2 and 4 never do
 *     varint  key length
 *     varint  expiry, ms since 1970        only when it expires
 *     varint  operator id                  only for merges
 *     varint  value length                 not for deletes
 *     key, value                           of a range delete: range-delete-operation.ts
 */
import type { ByteReader } from "../common/byte-reader.js";
import {
  type ByteWriter,
  varintLength,
  writeU32,
  writeU64,
  writeVarint,
} from "../common/byte-writer.js";
import { keyBytesMax } from "../common/bytes.js";
import { UnsupportedError } from "../common/errors.js";
import { OperationKind } from "../common/row.js";
import { checkRangeDelete } from "./range-delete-operation.js";

export const recordHeaderBytes = 25;
/** Stored. Never change or reuse one. */
export const RecordType = { batch: 1, load: 2 } as const;
export type RecordType = (typeof RecordType)[keyof typeof RecordType];

const expiresFlag = 0x10;
const operatorIdMax = 65_535;

/** Writes the header in front of `operationBytes` bytes of operations; gives the offset after it. */
export function writeRecordHeader(
  target: Uint8Array,
  offset: number,
  record: { operationBytes: number; seq: number; createdAt: number; operationCount: number },
  type: RecordType = RecordType.batch,
): number {
  target[offset] = type;
  let at = writeU32(target, offset + 1, record.operationBytes);
  at = writeU64(target, at, record.seq);
  at = writeU64(target, at, record.createdAt);
  return writeU32(target, at, record.operationCount);
}

/** The most bytes that the expiry of an operation takes. */
export const expiryBytesMax = 8;

/** The most bytes an operation takes. */
export function operationBytesMax(key: Uint8Array, value: Uint8Array | undefined): number {
  return 1 + 3 + expiryBytesMax + 8 + 5 + key.length + (value?.length ?? 0);
}

/** Writes one operation; gives the offset after it. */
export function writeOperation(
  target: Uint8Array,
  offset: number,
  kind: OperationKind,
  key: Uint8Array,
  value: Uint8Array,
  expiresAt: number,
  operatorId: number,
): number {
  target[offset] = kind | (expiresAt > 0 ? expiresFlag : 0);
  let at = writeVarint(target, offset + 1, key.length);
  if (expiresAt > 0) at = writeVarint(target, at, expiresAt);
  if (kind === OperationKind.merge) at = writeVarint(target, at, operatorId);
  if (kind !== OperationKind.delete) at = writeVarint(target, at, value.length);
  at = writeBytes(target, at, key);
  return kind === OperationKind.delete ? at : writeBytes(target, at, value);
}

/** Writes an operation that was read from `source` again, with another expiry; gives the offset after it. */
export function copyOperation(
  target: Uint8Array,
  offset: number,
  source: Uint8Array,
  operation: OperationRef,
  expiresAt: number,
): number {
  const { kind, keyStart, keyLength, valueLength } = operation;
  target[offset] = kind | (expiresAt > 0 ? expiresFlag : 0);
  let at = writeVarint(target, offset + 1, keyLength);
  if (expiresAt > 0) at = writeVarint(target, at, expiresAt);
  if (kind === OperationKind.merge) at = writeVarint(target, at, operation.operatorId);
  if (kind !== OperationKind.delete) at = writeVarint(target, at, valueLength);
  const end = keyStart + keyLength + valueLength;
  if (end - keyStart > loopBytesMax) {
    target.set(source.subarray(keyStart, end), at);
    return at + end - keyStart;
  }
  for (let i = keyStart; i < end; i++) target[at++] = source[i]!;
  return at;
}

/** A loop beats `set` for what keys and small values usually are. */
const loopBytesMax = 40;

function writeBytes(target: Uint8Array, offset: number, source: Uint8Array): number {
  if (source.length <= loopBytesMax) {
    for (let i = 0; i < source.length; i++) target[offset + i] = source[i]!;
  } else {
    target.set(source, offset);
  }
  return offset + source.length;
}

/** Appends one operation to a growing writer. @internal For tests. */
export function appendOperation(
  writer: ByteWriter,
  kind: OperationKind,
  key: Uint8Array,
  value: Uint8Array,
  expiresAt: number,
  operatorId: number,
): void {
  writer.reserve(operationBytesMax(key, value) + varintLength(expiresAt));
  writer.length = writeOperation(
    writer.bytes,
    writer.length,
    kind,
    key,
    value,
    expiresAt,
    operatorId,
  );
}

/** What a record's header says. */
export interface RecordHeader {
  readonly type: RecordType;
  /** A batch has one seq, a load one for each of its entries. */
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly createdAt: number;
  /** Operations of a batch, entries of a load. */
  readonly count: number;
  /** Bytes of them, after the header. */
  readonly bodyBytes: number;
}

/** Reads a header; the reader then stands at the operations, or the entries. */
export function readRecordHeader(reader: ByteReader): RecordHeader {
  const type = reader.u8();
  if (type !== RecordType.batch && type !== RecordType.load) {
    throw new UnsupportedError(
      `A WAL record has type ${type}, which this version of Moraine does not know. Use a later version.`,
    );
  }
  const bodyBytes = reader.u32();
  const lastSeq = reader.u64();
  const createdAt = reader.u64();
  const count = reader.u32();
  if (bodyBytes > reader.remaining) reader.fail("a record is longer than its object");
  if (type === RecordType.batch) {
    return { type, firstSeq: lastSeq, lastSeq, createdAt, count, bodyBytes };
  }
  if (count === 0 || count > lastSeq) reader.fail(`a load of ${count} entries with seq ${lastSeq}`);
  return { type, firstSeq: lastSeq - count + 1, lastSeq, createdAt, count, bodyBytes };
}

/** One operation as it stands in its buffer; reused from call to call. */
export interface OperationRef {
  kind: OperationKind;
  keyStart: number;
  keyLength: number;
  valueLength: number;
  expiresAt: number;
  operatorId: number;
}

export function newOperationRef(): OperationRef {
  return {
    kind: OperationKind.put,
    keyStart: 0,
    keyLength: 0,
    valueLength: 0,
    expiresAt: 0,
    operatorId: 0,
  };
}

/** Reads one operation; the reader then stands at the next. */
export function readOperation(reader: ByteReader, operation: OperationRef): void {
  const tag = reader.u8();
  // Flags that are not known make a kind that is not.
  const kind = tag & ~expiresFlag;
  if (!isOperationKind(kind)) {
    throw new UnsupportedError(
      `A WAL record holds an operation of kind ${kind}, which this version of Moraine does not know. Use a later version.`,
    );
  }
  operation.kind = kind;
  operation.keyLength = reader.varint();
  operation.expiresAt = (tag & expiresFlag) !== 0 ? reader.varint() : 0;
  operation.operatorId = kind === OperationKind.merge ? reader.varint() : 0;
  operation.valueLength = kind === OperationKind.delete ? 0 : reader.varint();
  if (operation.keyLength > keyBytesMax) reader.fail(`a key of ${operation.keyLength} bytes`);
  if (operation.operatorId > operatorIdMax) reader.fail(`operator id ${operation.operatorId}`);
  operation.keyStart = reader.offset;
  reader.skip(operation.keyLength);
  reader.skip(operation.valueLength);
  if (kind === OperationKind.rangeDelete) checkRangeDelete(reader, operation);
}

function isOperationKind(kind: number): kind is OperationKind {
  return kind >= OperationKind.put && kind <= OperationKind.rangeDelete;
}
