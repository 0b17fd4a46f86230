/** A WAL object cut at its loads: what is between them goes into a MemTable, a load stands for itself. */
import { ByteReader } from "../common/byte-reader.js";
import { decodeLoadRecord } from "./load-record.js";
import type { L0Entry } from "./manifest.js";
import type { WalObject } from "./wal-object.js";
import { RecordType, readRecordHeader } from "./wal-record.js";

/** Batches that follow each other: the bytes [start, end) of the object. */
export interface WalBatches {
  readonly loaded: undefined;
  readonly start: number;
  readonly end: number;
  readonly recordCount: number;
}

export interface WalLoad {
  readonly loaded: readonly L0Entry[];
  readonly lastSeq: number;
}

/** In log order. `name` is for messages. Throws `CorruptionError` for a load that contradicts itself. */
export function walParts(object: WalObject, name: string): (WalBatches | WalLoad)[] {
  const { bytes, recordsStart, recordsEnd } = object;
  const reader = new ByteReader(bytes, name, 0, recordsStart, recordsEnd);
  const parts: (WalBatches | WalLoad)[] = [];
  let start = recordsStart;
  let recordCount = 0;
  const endBatches = (end: number): void => {
    if (recordCount > 0) parts.push({ loaded: undefined, start, end, recordCount });
    recordCount = 0;
  };
  for (let i = 0; i < object.recordCount; i++) {
    const recordStart = reader.offset;
    const header = readRecordHeader(reader);
    const bodyStart = reader.offset;
    reader.skip(header.bodyBytes);
    if (header.type === RecordType.batch) {
      recordCount++;
      continue;
    }
    endBatches(recordStart);
    start = reader.offset;
    const loaded = decodeLoadRecord(header, bytes.subarray(bodyStart, start), name);
    parts.push({ loaded, lastSeq: header.lastSeq });
  }
  endBatches(recordsEnd);
  return parts;
}
