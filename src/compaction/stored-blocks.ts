/** Data blocks of an input as they are stored, for whoever copies them; and the few that have to be looked at for it. */
import { withSignal } from "../common/abort.js";
import { compareBytes, copyBytes, keyBytesMax } from "../common/bytes.js";
import type { Block } from "../format/block.js";
import { BlockCursor } from "../format/block-cursor.js";
import { blockTrailerBytes } from "../format/block-trailer.js";
import { Codec, type Compression } from "../format/compression.js";
import type { ObjectBytes } from "../sst/partitions.js";
import type { Table } from "../sst/table.js";
import { readWindowBytes } from "./source-rows.js";

/** Bytes of the object that hold the blocks from `first` to `last`. */
export interface StoredBlocks extends ObjectBytes {
  readonly first: number;
  readonly last: number;
}

/** The blocks from `first` to `last` of an open table, in windows of which the next one is under way. */
export async function* storedBlocks(
  table: Table,
  first: number,
  last: number,
  signal: AbortSignal,
): AsyncGenerator<StoredBlocks, undefined, undefined> {
  let ahead = nextWindow(table, first, last, signal);
  for (let next = first; next <= last; ) {
    const window = await ahead;
    next = window.last + 1;
    if (next <= last) {
      ahead = nextWindow(table, next, last, signal);
      // Met by whoever waits for it, if anybody does.
      ahead.catch(() => undefined);
    }
    yield window;
  }
  return undefined;
}

async function nextWindow(
  table: Table,
  first: number,
  last: number,
  signal: AbortSignal,
): Promise<StoredBlocks> {
  let end = first;
  let bytes = 0;
  for (; end <= last; end++) {
    if (!table.knowsBlock(end)) {
      if (end > first) break;
      await table.loadBlockPlaces(end, last, signal);
    }
    bytes += table.blockBytes(end);
    if (end > first && bytes > readWindowBytes) break;
  }
  return readBlocks(table, first, end - 1, signal);
}

async function readBlocks(
  table: Table,
  first: number,
  last: number,
  signal: AbortSignal,
): Promise<StoredBlocks> {
  const offset = table.blockOffset(first);
  const length = table.blockOffset(last) + table.blockBytes(last) - offset;
  const bytes = table.isResident
    ? table.tailBytes(offset, length)
    : await table.read(offset, length, true, signal);
  return { offset, bytes, first, last };
}

/** True when no key has versions both in the partition and in the one before it, so that an output may end there. */
export async function isCleanEdge(table: Table, p: number, signal: AbortSignal): Promise<boolean> {
  const { partitions } = table;
  if (p === 0 || p === partitions.count) return true;
  const separator = partitions.separator(p - 1);
  if (separator.length >= keyBytesMax) return false;
  return compareBytes(await firstKeyOf(table, p, signal), separator) > 0;
}

/** The first key of a partition. */
export async function firstKeyOf(
  table: Table,
  p: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  if (p === 0) return table.info.firstKey;
  const number = table.partitions.firstBlock(p);
  if (!table.knowsBlock(number)) await table.loadBlockPlaces(number, number, signal);
  const cursor = new BlockCursor();
  cursor.reset(table.decode(await readBlocks(table, number, number, signal), number, false));
  cursor.next();
  const { keyBytes, keyStart, keyEnd } = cursor.row;
  return copyBytes(keyBytes, keyStart, keyEnd);
}

/** The last key of a block. */
export function lastKeyOf(block: Block): Uint8Array {
  const cursor = new BlockCursor();
  cursor.reset(block);
  cursor.seekLast();
  const { keyBytes, keyStart, keyEnd } = cursor.row;
  return copyBytes(keyBytes, keyStart, keyEnd);
}

/** Whether blocks of an SST are stored as new ones would be, by its first one. Where new ones would be plain, all are welcome. */
export async function hasCodecOf(
  table: Table,
  compression: Compression | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  if (compression === undefined) return true;
  if (!table.knowsBlock(0)) await withSignal(table.loadBlockPlaces(0, 0), signal);
  const { bytes } = await readBlocks(table, 0, 0, signal);
  return bytes[bytes.length - blockTrailerBytes] === Codec[compression.codec];
}
