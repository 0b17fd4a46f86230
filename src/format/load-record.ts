/**
 * The WAL record of a bulk load: it names the SSTs, not their rows. After the record header stands the protobuf message
 * `LoadRecord` with the L0 entries as the manifest will have them; their seqs follow each other and end at the record's.
 */
import { allocateBytes, type Bytes, compareBytes } from "../common/bytes.js";
import { CorruptionError } from "../common/errors.js";
import type { L0Entry } from "./manifest.js";
import { decodeLoadEntries, encodeLoadEntries } from "./manifest-codec.js";
import {
  type RecordHeader,
  RecordType,
  recordHeaderBytes,
  writeRecordHeader,
} from "./wal-record.js";

export function encodeLoadRecord(entries: readonly L0Entry[], createdAt: number): Bytes {
  const body = encodeLoadEntries(entries);
  const record = allocateBytes(recordHeaderBytes + body.length);
  const seq = entries[entries.length - 1]!.seq;
  const header = { operationBytes: body.length, seq, createdAt, operationCount: entries.length };
  record.set(body, writeRecordHeader(record, 0, header, RecordType.load));
  return record;
}

/** `body` is what follows the header; `object` is for messages. Throws `CorruptionError`. */
export function decodeLoadRecord(
  header: RecordHeader,
  body: Uint8Array,
  object: string,
): readonly L0Entry[] {
  const entries = decodeLoadEntries(body, object);
  if (entries.length !== header.count) {
    throw new CorruptionError(object, `a load has ${entries.length} entries, not ${header.count}`);
  }
  for (const [i, entry] of entries.entries()) {
    if (entry.seq !== header.firstSeq + i || !isInKeyOrder(entry)) {
      throw new CorruptionError(object, `entry ${i} of a load contradicts itself`);
    }
  }
  const ids = entries.flatMap((entry) => entry.ssts.map((sst) => sst.id));
  if (new Set(ids).size !== ids.length) {
    throw new CorruptionError(object, "a load names an SST twice");
  }
  return entries;
}

/** SSTs that do not overlap, of rows that carry no seq. */
function isInKeyOrder({ ssts }: L0Entry): boolean {
  return (
    ssts.length > 0 &&
    ssts.every(
      (sst, i) =>
        sst.maxSeq === 0 && (i === 0 || compareBytes(ssts[i - 1]!.lastKey, sst.firstKey) < 0),
    )
  );
}
