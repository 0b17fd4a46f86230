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
import { runSteps, type Steps, stepBytes, stepKeyOverheadBytes } from "../common/steps.js";
import type { TombstoneColumns } from "../common/tombstone-columns.js";

/** How many tombstones one step sorts or writes. */
const sortStepCount = 16_384;

type SortedTombstones = Pick<TombstoneColumns, "firsts" | "ends" | "seqs">;

/** The payload; there is at least one tombstone. */
export function* encodeSteps(columns: TombstoneColumns): Steps<Bytes> {
  const { keys, offsets, seqs } = columns;
  const fragmentCount = offsets.length - 1;
  const writer = new ByteWriter(keys.length + 8 * seqs.length + 64);
  writer.varint(fragmentCount);
  let previous = 0;
  let previousEnd = 0;
  let room = stepBytes;
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
    room -= end - start + stepKeyOverheadBytes;
    if (room > 0) continue;
    room = stepBytes;
    yield;
  }
  const sorted = yield* sortSteps(columns);
  writer.varint(seqs.length);
  let first = 0;
  for (let i = 0; i < seqs.length; i++) {
    writer.varint(sorted.firsts[i]! - first);
    first = sorted.firsts[i]!;
    writer.varint(sorted.ends[i]! - first);
    writer.varint(sorted.seqs[i]!);
    if ((i + 1) % sortStepCount === 0) yield;
  }
  return writer.view();
}

/** `encodeSteps` at once. @internal For tests. */
export function encodeTombstones({ columns }: FragmentedTombstones): Bytes {
  return runSteps(encodeSteps(columns));
}

/**
 * The tombstones by first fragment, then the highest seq first, then the longest first. Of a MemTable they come in the order of their seqs, so
 * that only those of one batch that begin alike are left to sort.
 */
function* sortSteps({ offsets, firsts, ends, seqs }: TombstoneColumns): Steps<SortedTombstones> {
  const count = seqs.length;
  const order = seqOrder(seqs);
  /** Where the next one of each fragment goes: from the lowest seq, at the end, to the highest. */
  const places = new Uint32Array(offsets.length);
  for (let i = 0; i < count; i++) places[firsts[i]!]!++;
  for (let i = 1; i < places.length; i++) places[i]! += places[i - 1]!;
  yield;
  const sorted = {
    firsts: new Uint32Array(count),
    ends: new Uint32Array(count),
    seqs: new Float64Array(count),
  };
  for (let i = 0; i < count; i++) {
    const from = order?.[i] ?? i;
    const first = firsts[from]!;
    const place = --places[first]!;
    sorted.firsts[place] = first;
    sorted.ends[place] = ends[from]!;
    sorted.seqs[place] = seqs[from]!;
    if ((i + 1) % sortStepCount === 0) yield;
  }
  let runStart = 0;
  for (let i = 1; i <= count; i++) {
    const isAlike =
      i < count &&
      sorted.firsts[i] === sorted.firsts[runStart] &&
      sorted.seqs[i] === sorted.seqs[runStart];
    if (isAlike) continue;
    if (i - runStart > 1) sorted.ends.subarray(runStart, i).sort().reverse();
    runStart = i;
  }
  return sorted;
}

/** The numbers of the tombstones by their seqs, lowest first; undefined when that is their order. */
function seqOrder(seqs: Float64Array): Uint32Array | undefined {
  let i = 1;
  while (i < seqs.length && seqs[i - 1]! <= seqs[i]!) i++;
  if (i >= seqs.length) return undefined;
  return Uint32Array.from(seqs.keys()).sort((a, b) => seqs[a]! - seqs[b]!);
}

/** What `encodeSteps` wrote; anything else is `CorruptionError`. `blockOffset` and `object` are for messages. */
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
