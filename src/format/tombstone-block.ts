/**
 * The block of range deletes of an SST, which is the whole of its section: the columns of `FragmentedTombstones`.
 *
 *   varint boundary count     at least 1
 *   boundaries, ascending:    varint bytes shared with the one before | varint further bytes | these
 *   varint tombstone count    at least 1
 *   tombstones, in order:     varint first fragment, less that of the one before | varint number of fragments | varint seq
 *
 * Fragment i are the keys from boundary i up to, but without, the next; the last one has no end. Tombstones come by first
 * fragment, then the highest seq first, then the longest first. Each boundary is where one of them begins or ends.
 */
import { ByteReader } from "../common/byte-reader.js";
import { ByteWriter } from "../common/byte-writer.js";
import { type Bytes, keyBytesMax } from "../common/bytes.js";
import { FragmentedTombstones } from "../common/fragmented-tombstones.js";

/** The payload; there is at least one tombstone. */
export function encodeTombstones({ columns, fragmentCount }: FragmentedTombstones): Bytes {
  const { keys, offsets, firsts, ends, seqs } = columns;
  const writer = new ByteWriter(keys.length + 64);
  writer.varint(fragmentCount);
  let previous = 0;
  let previousEnd = 0;
  for (let i = 0; i < fragmentCount; i++) {
    const start = offsets[i]!;
    const end = offsets[i + 1]!;
    const sharedMax = Math.min(previousEnd - previous, end - start);
    let shared = 0;
    while (shared < sharedMax && keys[previous + shared] === keys[start + shared]) shared++;
    writer.varint(shared);
    writer.varint(end - start - shared);
    writer.raw(keys, start + shared, end);
    previous = start;
    previousEnd = end;
  }
  const order = Uint32Array.from(seqs.keys());
  order.sort(
    (a, b) => firsts[a]! - firsts[b]! || seqs[b]! - seqs[a]! || ends[b]! - ends[a]! || a - b,
  );
  writer.varint(order.length);
  let first = 0;
  for (const i of order) {
    writer.varint(firsts[i]! - first);
    first = firsts[i]!;
    writer.varint(ends[i]! - first);
    writer.varint(seqs[i]!);
  }
  return writer.copy();
}

/** What `encodeTombstones` wrote; anything else is `CorruptionError`. `blockOffset` and `object` are for messages. */
export function decodeTombstones(
  payload: Uint8Array,
  object: string,
  blockOffset: number,
): FragmentedTombstones {
  const reader = new ByteReader(payload, object, blockOffset);
  const { keys, offsets } = readBoundaries(reader);
  const fragmentCount = offsets.length - 1;
  // Looked at before memory is taken for them: each has three numbers.
  const count = reader.varint();
  if (count === 0 || count > reader.remaining / 3) reader.fail(`${count} range deletes do not fit`);
  const firsts = new Uint32Array(count);
  const ends = new Uint32Array(count);
  const seqs = new Float64Array(count);
  const isUsed = new Uint8Array(fragmentCount + 1);
  isUsed[fragmentCount] = 1;
  let first = 0;
  for (let i = 0; i < count; i++) {
    const step = reader.varint();
    first += step;
    const length = reader.varint();
    const end = first + length;
    const seq = reader.varint();
    if (length === 0 || end > fragmentCount) reader.fail("a range delete has no such fragments");
    const rises = i > 0 && step === 0 && (seq - seqs[i - 1]! || end - ends[i - 1]!) > 0;
    if (seq === 0 || rises) reader.fail("range deletes are out of order");
    firsts[i] = first;
    ends[i] = end;
    seqs[i] = seq;
    isUsed[first] = 1;
    isUsed[end] = 1;
  }
  if (isUsed.includes(0)) reader.fail("no range delete begins or ends at a boundary");
  if (reader.remaining > 0) reader.fail(`${reader.remaining} bytes after the range deletes`);
  return new FragmentedTombstones({ keys, offsets, firsts, ends, seqs });
}

function readBoundaries(reader: ByteReader): { keys: Bytes; offsets: Uint32Array } {
  const count = reader.varint();
  if (count === 0 || count > reader.remaining / 2) reader.fail(`${count} boundaries do not fit`);
  const offsets = new Uint32Array(count + 1);
  const keys = new ByteWriter(reader.remaining);
  let previous = 0;
  for (let i = 0; i < count; i++) {
    const shared = reader.varint();
    const rest = reader.raw(reader.varint());
    const start = keys.length;
    const previousLength = start - previous;
    if (shared > previousLength) reader.fail("a boundary shares more than there is");
    if (shared + rest.length > keyBytesMax) reader.fail("a boundary is longer than keys are");
    // As it shares all that it can, what comes behind that tells whether it is above the one before.
    const before = shared < previousLength ? keys.bytes[previous + shared]! : -1;
    if (i > 0 && !(rest.length > 0 && rest[0]! > before)) {
      reader.fail("boundaries are out of order");
    }
    keys.reserve(shared + rest.length);
    keys.bytes.copyWithin(start, previous, previous + shared);
    keys.length += shared;
    keys.raw(rest);
    previous = start;
    offsets[i + 1] = keys.length;
  }
  return { keys: keys.copy(), offsets };
}
