/**
 * Which range delete covers a key, for a point read: rows with a lower seq are hidden.
 *
 * Everything stored that is newer than a row or range delete in memory is in memory too, but for loads that the manifest does not name,
 * and those have no range deletes. So only where memory has neither, those that are stored are asked: first what the manifest says of
 * them, and only where that is not enough, the SSTs that have them.
 */
import { compareBytes } from "../common/bytes.js";
import type { SstInfo } from "../format/manifest.js";
import type { DbView } from "./db-view.js";
import {
  floorOfSpan,
  type Holders,
  holdersOf,
  lastHolderAt,
  type RangeDeleteReader,
  seqOfSpan,
  spanHolding,
} from "./stored-range-deletes.js";

/** A request is needed to know. */
export const unknownCover = -1;

/** The highest seq, at most `seqMax`, of a range delete in memory that covers the key; 0 when none does. */
export function coverInMemory(view: DbView, key: Uint8Array, seqMax: number): number {
  let cover = 0;
  for (const { rangeDeletes } of view.tables) {
    if (rangeDeletes === undefined) continue;
    const seq = rangeDeletes.coverSeq(key, 0, key.length, seqMax);
    if (seq > cover) cover = seq;
  }
  return cover;
}

/**
 * The highest of `cover` and the seqs, at most `seqMax`, of range deletes of one L0 entry or run that cover the key; `unknownCover` when a
 * request is needed.
 */
export function raiseCover(
  cover: number,
  holders: Holders,
  reader: RangeDeleteReader,
  key: Uint8Array,
  seqMax: number,
): number {
  for (let i = lastHolderAt(holders, key); i >= 0; i--) {
    const raised = raiseByOne(cover, holders[i]!, reader, key, seqMax);
    if (raised === unknownCover) return raised;
    cover = raised;
    if (isDecidedBy(holders, i, key)) break;
  }
  return cover;
}

/**
 * True when no SST before this one can have a range delete over the key. Only where its rows begin behind the key may its span reach farther than
 * its range deletes, to where those of the one before are.
 */
function isDecidedBy(holders: Holders, i: number, key: Uint8Array): boolean {
  return i === 0 || compareBytes(holders[i]!.firstKey, key) <= 0;
}

function raiseByOne(
  cover: number,
  info: SstInfo,
  reader: RangeDeleteReader,
  key: Uint8Array,
  seqMax: number,
): number {
  // Those that are older than one that is known change nothing.
  if (info.maxSeq <= cover || info.minSeq > seqMax) return cover;
  // Where they are in memory, one search says all.
  let seq = reader.rangeDeletesOf(info)?.coverSeq(key, 0, key.length, seqMax);
  if (seq === undefined) {
    const span = spanHolding(info, key);
    if (span === undefined) return cover;
    seq = seqOfSpan(span, seqMax);
    if (seq === undefined) return unknownCover;
  }
  return seq > cover ? seq : cover;
}

/**
 * The same of all SSTs that the manifest names. Without `unread` it is `unknownCover` when a request is needed; with it, the least that it can
 * be, and the SSTs to ask are put into it.
 */
export function storedCover(
  { manifest }: Pick<DbView, "manifest">,
  reader: RangeDeleteReader,
  key: Uint8Array,
  seqMax: number,
  unread?: SstInfo[],
): number {
  let cover = 0;
  for (const holders of holdersOf(manifest)) {
    for (let i = lastHolderAt(holders, key); i >= 0; i--) {
      const info = holders[i]!;
      const raised = raiseByOne(cover, info, reader, key, seqMax);
      if (raised !== unknownCover) cover = raised;
      else if (unread === undefined) return unknownCover;
      else {
        unread.push(info);
        cover = Math.max(cover, floorOfSpan(spanHolding(info, key)!, seqMax));
      }
      if (isDecidedBy(holders, i, key)) break;
    }
  }
  return cover;
}

/** A seq below which the rows of the key are hidden, as far as that is known without a request. */
export function knownCover(
  view: DbView,
  reader: RangeDeleteReader,
  key: Uint8Array,
  seqMax: number,
): number {
  return coverInMemory(view, key, seqMax) || storedCover(view, reader, key, seqMax, []);
}

/** With the requests that it takes, all at the same time. `key` must stay as it is. Rejects as `RangeDeleteReader` does. */
export async function fetchCover(
  cover: number,
  unread: readonly SstInfo[],
  reader: RangeDeleteReader,
  key: Uint8Array,
  seqMax: number,
  signal?: AbortSignal,
): Promise<number> {
  const loaded = await Promise.all(unread.map((info) => reader.loadRangeDeletes(info, signal)));
  const seqs = loaded.map((tombstones) => tombstones.coverSeq(key, 0, key.length, seqMax));
  return Math.max(cover, ...seqs);
}
