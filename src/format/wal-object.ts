/**
 * A WAL object: a group of whole batches of one writer epoch, or the fence that ends a log. Its payload, in an envelope:
 *
 *   u8   flags: 1 fence, 2 the acknowledged id is there
 *   u64  epoch of the log
 *   u64  id in the log
 *   16   random token: no two bodies are equal
 *   u64  first seq           0 in a fence
 *   u64  last seq            0 in a fence
 *   u64  epoch of the writer that placed the fence; 0 in a group
 *   u32  record count
 *   u64  acknowledged id: every object of the log up to it was stored when this one was sealed    only with flag 2
 *   records (wal-record.ts), in seq order
 */
import { ByteReader } from "../common/byte-reader.js";
import { ByteWriter } from "../common/byte-writer.js";
import type { Bytes } from "../common/bytes.js";
import { CorruptionError } from "../common/errors.js";
import type { Ulid } from "../common/ids.js";
import { EnvelopeKind, envelopeHeaderBytes, openEnvelope, sealEnvelope } from "./envelope.js";
import { readRecordHeader } from "./wal-record.js";

const fenceFlag = 1;
const acknowledgedFlag = 2;
const walHeaderBytes = 1 + 8 + 8 + 16 + 8 + 8 + 8 + 4 + 8;

export interface WalObjectHeader {
  readonly fence: boolean;
  readonly epoch: number;
  readonly id: number;
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** Who placed the fence; 0 in a group. */
  readonly closerEpoch: number;
  readonly recordCount: number;
  /** Every object of the log up to this id was stored when this one was sealed; 0 when it does not say. */
  readonly acknowledgedId: number;
}

export interface WalObject extends WalObjectHeader {
  /** All bytes of the object; the records are in [recordsStart, recordsEnd). */
  readonly bytes: Uint8Array;
  readonly recordsStart: number;
  readonly recordsEnd: number;
}

/** Frames a group of records, given as slices of the buffers that they were written to. */
export function encodeWalGroup(
  databaseId: Ulid,
  group: {
    epoch: number;
    id: number;
    token: Bytes;
    firstSeq: number;
    lastSeq: number;
    recordCount: number;
    /** Default: not said. */
    acknowledgedId?: number | undefined;
    records: readonly Uint8Array[];
  },
  allocate?: (length: number) => Bytes,
): Bytes {
  const { token, acknowledgedId = 0 } = group;
  const header = encodeHeader({ ...group, acknowledgedId, fence: false, closerEpoch: 0 }, token);
  return sealEnvelope(EnvelopeKind.wal, databaseId, [header, ...group.records], allocate);
}

export function encodeWalFence(
  databaseId: Ulid,
  fence: { epoch: number; id: number; token: Bytes; closerEpoch: number },
): Bytes {
  const header = encodeHeader(
    { ...fence, fence: true, firstSeq: 0, lastSeq: 0, recordCount: 0, acknowledgedId: 0 },
    fence.token,
  );
  return sealEnvelope(EnvelopeKind.wal, databaseId, [header]);
}

function encodeHeader(header: WalObjectHeader, token: Bytes): Bytes {
  const writer = new ByteWriter(walHeaderBytes);
  const isSaid = header.acknowledgedId > 0;
  writer.u8((header.fence ? fenceFlag : 0) | (isSaid ? acknowledgedFlag : 0));
  writer.u64(header.epoch);
  writer.u64(header.id);
  writer.raw(token);
  writer.u64(header.firstSeq);
  writer.u64(header.lastSeq);
  writer.u64(header.closerEpoch);
  writer.u32(header.recordCount);
  if (isSaid) writer.u64(header.acknowledgedId);
  return writer.view();
}

/**
 * Checks the object whole, and its records but for their operations, and reads its header. `position` is what its name
 * says. Throws `CorruptionError`, or `UnsupportedError` for a record of a later version.
 */
export function decodeWalObject(
  bytes: Uint8Array,
  object: string,
  databaseId: Ulid,
  position: { epoch: number; id: number },
): WalObject {
  const envelope = openEnvelope(bytes, EnvelopeKind.wal, object, databaseId);
  const start = envelope.payloadOffset;
  const end = start + envelope.payload.length;
  const reader = new ByteReader(bytes, object, 0, start, end);
  const flags = reader.u8();
  const epoch = reader.u64();
  const id = reader.u64();
  reader.skip(16);
  const firstSeq = reader.u64();
  const lastSeq = reader.u64();
  const closerEpoch = reader.u64();
  const recordCount = reader.u32();
  if (flags > acknowledgedFlag) reader.fail(`unknown flags ${flags}`);
  const acknowledgedId = flags === acknowledgedFlag ? reader.u64() : 0;
  if (epoch !== position.epoch || id !== position.id) {
    throw new CorruptionError(object, `it says that it is object ${id} of epoch ${epoch}`);
  }
  const fence = flags === fenceFlag;
  if (fence !== (recordCount === 0) || firstSeq > lastSeq || acknowledgedId >= id) {
    reader.fail("its header contradicts itself");
  }
  const recordsStart = reader.offset;
  if (!fence) checkRecords(reader, recordCount, firstSeq, lastSeq);
  if (reader.remaining !== 0) reader.fail(`${reader.remaining} bytes follow the last record`);
  return {
    fence,
    epoch,
    id,
    firstSeq,
    lastSeq,
    closerEpoch,
    recordCount,
    acknowledgedId,
    bytes,
    recordsStart,
    recordsEnd: end,
  };
}

/** The bytes from the beginning of an object that `peekFirstSeq` needs. */
export const peekBytes: number = envelopeHeaderBytes + 1 + 8 + 8 + 16 + 8;

/**
 * The first seq that the beginning of an object names; 0 in a fence. Nothing is checked: it is good for choosing which object to
 * read, and that one is checked whole.
 */
export function peekFirstSeq(beginning: Uint8Array, object: string): number {
  const reader = new ByteReader(beginning, object);
  reader.skip(peekBytes - 8);
  return reader.u64();
}

/** Their seqs ascend from the first to the last that the header names. */
function checkRecords(reader: ByteReader, count: number, firstSeq: number, lastSeq: number): void {
  let seq = firstSeq - 1;
  for (let i = 0; i < count; i++) {
    const record = readRecordHeader(reader);
    if (record.firstSeq <= seq || (i === 0 && record.firstSeq !== firstSeq)) {
      reader.fail(`seq ${record.firstSeq} of record ${i} is out of order`);
    }
    seq = record.lastSeq;
    reader.skip(record.bodyBytes);
  }
  if (seq !== lastSeq) reader.fail(`its last seq is ${seq}, not ${lastSeq}`);
}
