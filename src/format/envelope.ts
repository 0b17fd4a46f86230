/**
 * The frame around every object that is read whole: manifests, runs, WAL objects, compaction states.
 *
 *   offset  size
 *        0     3   magic "MRN"
 *        3     1   kind: "M" manifest, "R" run, "W" WAL object, "C" compaction state, "L" list of
 *                 retired objects, "X" claim of an exporter
 *        4     2   format version (1)
 *        6     2   zero
 *        8    16   database id
 *       24     4   payload length
 *       28     n   payload
 *   28 + n     4   CRC-32 of everything before
 */
import { assert } from "../common/assert.js";
import { readU32 } from "../common/byte-reader.js";
import { writeU32 } from "../common/byte-writer.js";
import { allocateBytes, type Bytes } from "../common/bytes.js";
import { checksum } from "../common/checksum.js";
import { CorruptionError, UnsupportedError } from "../common/errors.js";
import { type Ulid, ulidFromBytes, ulidToBytes } from "../common/ids.js";

/** Stored as one ASCII letter. Never change one. */
export const EnvelopeKind = {
  manifest: 0x4d,
  run: 0x52,
  wal: 0x57,
  compactions: 0x43,
  retired: 0x4c,
  claim: 0x58,
} as const;
export type EnvelopeKind = (typeof EnvelopeKind)[keyof typeof EnvelopeKind];

export const envelopeVersion = 1;
export const envelopeHeaderBytes = 28;
const overheadBytes = envelopeHeaderBytes + 4;

/** Frames the payload, given in parts, in one copy, in memory from `allocate`. */
export function sealEnvelope(
  kind: EnvelopeKind,
  databaseId: Ulid,
  parts: readonly Uint8Array[],
  allocate: (length: number) => Bytes = allocateBytes,
): Bytes {
  let length = 0;
  for (const part of parts) length += part.length;
  assert(length <= 0xffff_ffff, "a payload is shorter than 4 GiB");
  const object = allocate(overheadBytes + length);
  object.set([0x4d, 0x52, 0x4e, kind, envelopeVersion, 0, 0, 0]);
  object.set(ulidToBytes(databaseId), 8);
  writeU32(object, 24, length);
  let offset = envelopeHeaderBytes;
  for (const part of parts) {
    object.set(part, offset);
    offset += part.length;
  }
  writeU32(object, offset, checksum(object.subarray(0, offset)));
  return object;
}

export interface OpenEnvelope {
  readonly databaseId: Ulid;
  /** A view into the object's bytes. */
  readonly payload: Uint8Array;
  /** Where the payload lies in the object, for messages. */
  readonly payloadOffset: number;
}

/**
 * Checks the frame of `object` (its key, for messages). With a `databaseId`, an object of another database is damage.
 * Throws `CorruptionError`, or `UnsupportedError` for a whole object of a later format.
 */
export function openEnvelope(
  bytes: Uint8Array,
  kind: EnvelopeKind,
  object: string,
  databaseId?: Ulid,
): OpenEnvelope {
  const corrupt = (detail: string, offset?: number): never => {
    throw new CorruptionError(object, detail, { offset });
  };
  if (bytes.length < overheadBytes) {
    corrupt(`${bytes.length} bytes are fewer than the smallest object has`);
  }
  if (bytes[0] !== 0x4d || bytes[1] !== 0x52 || bytes[2] !== 0x4e) {
    corrupt("it does not begin as an object of Moraine does", 0);
  }
  const length = readU32(bytes, 24);
  if (length !== bytes.length - overheadBytes) {
    corrupt(`${length} bytes of payload expected, ${bytes.length - overheadBytes} found`, 24);
  }
  const end = envelopeHeaderBytes + length;
  const expected = readU32(bytes, end);
  const found = checksum(bytes.subarray(0, end));
  if (expected !== found) {
    corrupt(`checksum ${expected.toString(16)} expected, ${found.toString(16)} found`, end);
  }
  if (bytes[3] !== kind) corrupt("it is an object of another kind", 3);
  const version = bytes[4]! | (bytes[5]! << 8);
  if (version !== envelopeVersion) {
    throw new UnsupportedError(
      `Object "${object}" has format version ${version}; this version of Moraine reads ${envelopeVersion}. Use a later version.`,
    );
  }
  const found16 = ulidFromBytes(bytes.subarray(8, 24));
  if (databaseId !== undefined && found16 !== databaseId) {
    corrupt(`it belongs to database ${found16}, not to ${databaseId}`, 8);
  }
  return {
    databaseId: found16,
    payload: bytes.subarray(envelopeHeaderBytes, end),
    payloadOffset: envelopeHeaderBytes,
  };
}
