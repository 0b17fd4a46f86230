/**
 * The object of a sorted run whose list of SSTs is too long for the manifest, to and from bytes:
 *
 *   part 0 | part 1 | ... | index
 *
 * Each part is an envelope with a message `Run` of some SSTs, the index one with a message `RunIndex` that says where the parts
 * lie. A single part has no index. So a reader fetches no more than what its keys need, and checks what it has fetched.
 */
import { assert } from "../common/assert.js";
import { type Bytes, compareBytes, concatBytes } from "../common/bytes.js";
import { CorruptionError } from "../common/errors.js";
import type { Ulid } from "../common/ids.js";
import { EnvelopeKind, openEnvelope, sealEnvelope } from "./envelope.js";
import { noUlid, type RunPart, type SortedRun, type SstInfo } from "./manifest.js";
import { runIndexMessage, runMessage } from "./manifest-messages.js";

/** A part is closed with the SST that takes it to about so many bytes: some 600 SSTs, and one quick request. */
const defaultPartBytes = 64 * 1024;
/** About what an SST takes besides its keys, and what a span of its range deletes does: to encode them only to know would take as long as the list. */
const sstOverheadBytes = 72;
const spanOverheadBytes = 24;
const ownerBytes = 28;

/** What the manifest says of a run, and its list has to be. */
export type RunOfList = Pick<SortedRun, "id" | "listBytes" | "indexOffset" | "sstCount" | "owner">;

export interface EncodedRunList {
  readonly bytes: Bytes;
  /** As in `SortedRun`. */
  readonly indexOffset: number;
}

/** `ssts` in key order, at least one. Other `partBytes` are for tests; readers take any. */
export function encodeRunList(
  databaseId: Ulid,
  id: Ulid,
  ssts: readonly SstInfo[],
  partBytes: number = defaultPartBytes,
): EncodedRunList {
  assert(ssts.length > 0, "a run has an SST");
  const seal = (payload: Bytes): Bytes => sealEnvelope(EnvelopeKind.run, databaseId, [payload]);
  const sealed: Bytes[] = [];
  const parts: RunPart[] = [];
  let offset = 0;
  for (let from = 0, to = 0; from < ssts.length; from = to) {
    to = endOfPart(ssts, from, partBytes);
    const part = ssts.slice(from, to);
    const bytes = seal(runMessage.encode({ id, ssts: part }));
    sealed.push(bytes);
    parts.push({
      ...{ start: startOf(ssts[from]!, ssts[from - 1]), offset, length: bytes.length },
      ...{ sstCount: part.length, hasRangeDeletes: part.some(hasRangeDeletes) },
    });
    offset += bytes.length;
  }
  if (parts.length === 1) return { bytes: sealed[0]!, indexOffset: 0 };
  sealed.push(seal(runIndexMessage.encode({ id, parts })));
  return { bytes: concatBytes(sealed), indexOffset: offset };
}

function endOfPart(ssts: readonly SstInfo[], from: number, partBytes: number): number {
  let to = from;
  for (let bytes = 0; to < ssts.length && bytes < partBytes; to++) {
    const { firstKey, lastKey, rangeDeletes, owner } = ssts[to]!;
    bytes += sstOverheadBytes + firstKey.length + lastKey.length;
    if (owner !== noUlid) bytes += ownerBytes;
    for (const { start, end } of rangeDeletes)
      bytes += spanOverheadBytes + start.length + end.length;
  }
  return to;
}

const hasRangeDeletes = ({ rangeDeletes }: SstInfo): boolean => rangeDeletes.length > 0;

/**
 * From which key on an SST says all, where `before` does up to it. Spans may lie farther out than their range deletes do, even beyond
 * the last key of the SST before; then what is known of the two decides.
 */
function startOf({ firstKey, rangeDeletes }: SstInfo, before: SstInfo | undefined): Bytes {
  const span = rangeDeletes[0];
  let start = span !== undefined && compareBytes(span.start, firstKey) < 0 ? span.start : firstKey;
  if (before === undefined) return start;
  const last = before.rangeDeletes.at(-1);
  const ends = [concatBytes([before.lastKey, Uint8Array.of(0)])];
  if (last !== undefined && !last.endless) ends.push(last.end);
  for (const end of ends) {
    if (compareBytes(end, start) > 0 && compareBytes(end, firstKey) <= 0) start = end;
  }
  return start;
}

/**
 * All SSTs of the run, each of which says whose it is, unless it is that of `databaseId`, the database whose manifest names the run. `object` is
 * for messages. Throws `CorruptionError` or `UnsupportedError`.
 */
export function decodeRunList(
  bytes: Uint8Array,
  object: string,
  databaseId: Ulid,
  run: RunOfList,
): readonly SstInfo[] {
  return [...decodeRunParts(bytes, object, databaseId, run)].flat();
}

/** The same part by part: a list of some MB takes so long that others should have a turn in between. */
export function* decodeRunParts(
  bytes: Uint8Array,
  object: string,
  databaseId: Ulid,
  run: RunOfList,
): Generator<readonly SstInfo[], void> {
  const { listBytes, indexOffset, sstCount } = run;
  if (bytes.length !== listBytes) {
    throw new CorruptionError(object, `${listBytes} bytes expected, ${bytes.length} found`);
  }
  if (indexOffset === 0) {
    yield decodeSsts(bytes, { object, databaseId, run }, sstCount);
    return;
  }
  let before: SstInfo | undefined;
  for (const part of decodeRunIndex(bytes.subarray(indexOffset), object, databaseId, run)) {
    if (before !== undefined && compareBytes(before.lastKey, part.start) >= 0) {
      throw new CorruptionError(object, "a part begins within the one before", {
        offset: part.offset,
      });
    }
    const partOfBytes = bytes.subarray(part.offset, part.offset + part.length);
    const ssts = decodeRunPart(partOfBytes, object, databaseId, run, part);
    before = ssts.at(-1);
    yield ssts;
  }
}

/** The parts of a list that has several, from the bytes from `run.indexOffset` on. Throws as `decodeRunList` does. */
export function decodeRunIndex(
  bytes: Uint8Array,
  object: string,
  databaseId: Ulid,
  run: RunOfList,
): readonly RunPart[] {
  const { payload } = openEnvelope(bytes, EnvelopeKind.run, object, ownerOf(run, databaseId));
  const index = runIndexMessage.decode(payload, object);
  checkId(index.id, run.id, object);
  let offset = 0;
  let sstCount = 0;
  for (const [i, part] of index.parts.entries()) {
    const follows = i === 0 || compareBytes(index.parts[i - 1]!.start, part.start) < 0;
    if (!follows || part.offset !== offset || part.length === 0 || part.sstCount === 0) {
      throw new CorruptionError(object, "the parts of its index do not follow each other", {
        offset: run.indexOffset,
      });
    }
    offset += part.length;
    sstCount += part.sstCount;
  }
  if (offset !== run.indexOffset || sstCount !== run.sstCount) {
    throw new CorruptionError(object, "its index does not cover the run", {
      offset: run.indexOffset,
    });
  }
  return index.parts;
}

/** The SSTs of one part, from its bytes. Throws as `decodeRunList` does. */
export function decodeRunPart(
  bytes: Uint8Array,
  object: string,
  databaseId: Ulid,
  run: RunOfList,
  part: RunPart,
): readonly SstInfo[] {
  const ssts = decodeSsts(bytes, { object, databaseId, run }, part.sstCount);
  if (
    bytes.length !== part.length ||
    compareBytes(part.start, ssts[0]!.firstKey) > 0 ||
    ssts.some(hasRangeDeletes) !== part.hasRangeDeletes
  ) {
    throw new CorruptionError(object, "a part is not what its index says", { offset: part.offset });
  }
  return ssts;
}

interface Expected {
  readonly object: string;
  readonly databaseId: Ulid;
  readonly run: RunOfList;
}

function decodeSsts(
  bytes: Uint8Array,
  { object, databaseId, run }: Expected,
  sstCount: number,
): readonly SstInfo[] {
  const { payload } = openEnvelope(bytes, EnvelopeKind.run, object, ownerOf(run, databaseId));
  const { id, ssts } = runMessage.decode(payload, object);
  checkId(id, run.id, object);
  if (ssts.length !== sstCount || sstCount === 0) {
    throw new CorruptionError(object, `${sstCount} SSTs expected, ${ssts.length} found`);
  }
  for (let i = 1; i < ssts.length; i++) {
    if (compareBytes(ssts[i - 1]!.lastKey, ssts[i]!.firstKey) >= 0) {
      throw new CorruptionError(object, `SST ${ssts[i]!.id} overlaps the one before`);
    }
  }
  // A list says nothing of the owner of what is its own owner's.
  return run.owner === noUlid
    ? ssts
    : ssts.map((sst) => (sst.owner === noUlid ? { ...sst, owner: run.owner } : sst));
}

function ownerOf({ owner }: RunOfList, databaseId: Ulid): Ulid {
  return owner === noUlid ? databaseId : owner;
}

function checkId(found: Ulid, expected: Ulid, object: string): void {
  if (found !== expected) throw new CorruptionError(object, `it says that it is run ${found}`);
}
