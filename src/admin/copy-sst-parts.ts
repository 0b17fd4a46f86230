/**
 * `openSstParts`: an SST as parts in order, to be copied through this process, each block checked before it is given on. What is damaged in
 * the source, or was on the way from it, never gets into the copy.
 */
import type { Bytes } from "../common/bytes.js";
import { CorruptionError } from "../common/errors.js";
import type { Ulid } from "../common/ids.js";
import { BlockTrailer } from "../format/block-trailer.js";
import { IndexBlock } from "../format/index-block.js";
import {
  IndexColumn,
  indexColumnCount,
  SectionId,
  type SstFooter,
  sstHeaderBytes,
  TopColumn,
  topColumnCount,
} from "../format/sst.js";
import { checkHeader, rangeDeletesSection, readFooter, sectionOf } from "../format/sst-tail.js";
import type { ObjectStore } from "../object-store/object-store.js";

/** About what one request reads, and what is sent on at once: a part of an upload. A larger block is a part of its own. */
const partBytes = 8 * 1024 * 1024;
/** From the end of an SST: its footer and section table, with room for sections to come. */
export const sstTailBytes = 512;

export interface SstToCopy {
  readonly store: ObjectStore;
  readonly key: string;
  /** What its footer has to say. */
  readonly owner: Ulid;
  readonly id: Ulid;
  /** Undefined where only its id is known. */
  readonly size: number | undefined;
}

export interface SstParts {
  readonly size: number;
  /** Reads anew each time it is called. Throws `CorruptionError` where a block is not as it was written. */
  readonly parts: () => AsyncIterable<Bytes>;
}

/** Two requests, for the footer and for the filters and indexes, which are kept until they are sent. Throws `CorruptionError`. */
export async function openSstParts(
  sst: SstToCopy,
  signal: AbortSignal | undefined,
): Promise<SstParts> {
  const { key } = sst;
  const { footer, size } = await readSstTail(sst, signal);
  const metaOffset = sectionOf(footer, SectionId.partitions).offset;
  const meta = await read(sst, metaOffset, size - metaOffset, signal);
  const ends = blockEnds(meta, size, sst, metaOffset);
  async function* parts(): AsyncIterable<Bytes> {
    const trailer = new BlockTrailer(sst.id);
    let next = 0;
    for (let offset = 0; offset < metaOffset; ) {
      const first = next;
      let end = ends[next++] ?? metaOffset;
      while (next < ends.length && ends[next]! - offset <= partBytes) end = ends[next++]!;
      const part = await read(sst, offset, end - offset, signal);
      if (offset === 0) checkHeader(part, key);
      let start = offset === 0 ? sstHeaderBytes : offset;
      for (let i = first; i < next; i++) {
        if (i < ends.length) trailer.check(part, start - offset, ends[i]! - offset, start, key);
        start = ends[i] ?? start;
      }
      offset = end;
      yield part;
    }
    yield meta;
  }
  return { size, parts };
}

/** Footer and size of a stored SST, which has to be the one that is meant. One GET. Throws `CorruptionError`, also when it is missing. */
export async function readSstTail(
  { store, key, owner, id, size }: SstToCopy,
  signal: AbortSignal | undefined,
): Promise<{ footer: SstFooter; size: number }> {
  const found = await store.get(key, { range: { suffix: sstTailBytes }, signal });
  if (found === undefined) throw missing(key);
  if (size !== undefined && found.size !== size) {
    throw new CorruptionError(key, `${size} bytes expected, ${found.size} found`);
  }
  const footer = readFooter(found.bytes, found.size, key);
  if (footer.databaseId !== owner || footer.sstId !== id) {
    throw new CorruptionError(key, `it is SST ${footer.sstId} of database ${footer.databaseId}`);
  }
  return { footer, size: found.size };
}

export function missing(object: string): CorruptionError {
  return new CorruptionError(object, "it is missing, and the checkpoint names it");
}

/** Where the blocks before the filters and indexes end, in order: data blocks, then that of the range deletes. Checks all that is in `meta`. */
function blockEnds(
  meta: Bytes,
  size: number,
  { key, id }: SstToCopy,
  metaOffset: number,
): number[] {
  const footer = readFooter(meta, size, key);
  const trailer = new BlockTrailer(id);
  const open = (offset: number, length: number): Uint8Array =>
    trailer.open(meta, offset - metaOffset, offset + length - metaOffset, offset, key);
  const rangeDeletes = rangeDeletesSection(footer);
  const top = sectionOf(footer, SectionId.topIndex);
  const properties = sectionOf(footer, SectionId.properties);
  open(properties.offset, properties.length);
  const partitions = new IndexBlock(
    open(top.offset, top.length),
    topColumnCount,
    key,
    top.offset,
    rangeDeletes !== undefined,
  );
  const ends: number[] = [];
  let end = sstHeaderBytes;
  const follow = (offset: number, length: number): void => {
    if (offset !== end) throw new CorruptionError(key, "its blocks do not follow each other");
    end = offset + length;
    ends.push(end);
  };
  for (let p = 0; p < partitions.count; p++) {
    const offset = partitions.column(p, TopColumn.indexOffset);
    const length = partitions.column(p, TopColumn.indexLength);
    open(
      partitions.column(p, TopColumn.filterOffset),
      partitions.column(p, TopColumn.filterLength),
    );
    const index = new IndexBlock(open(offset, length), indexColumnCount, key, offset);
    for (let b = 0; b < index.count; b++) {
      follow(index.column(b, IndexColumn.offset), index.column(b, IndexColumn.length));
    }
  }
  if (rangeDeletes !== undefined) follow(rangeDeletes.offset, rangeDeletes.length);
  if (end !== metaOffset) throw new CorruptionError(key, "its blocks do not reach to the indexes");
  return ends;
}

async function read(
  { store, key }: SstToCopy,
  offset: number,
  length: number,
  signal: AbortSignal | undefined,
): Promise<Bytes> {
  const found = await store.get(key, { range: { offset, length }, signal });
  if (found === undefined) throw missing(key);
  if (found.bytes.length !== length) {
    throw new CorruptionError(key, `${length} bytes expected, ${found.bytes.length} found`, {
      offset,
    });
  }
  return found.bytes;
}
