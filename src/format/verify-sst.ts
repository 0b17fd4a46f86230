/** `verifySst`: reads a whole SST and checks every byte of it, and everything that its parts say about each other. */
import { compareBytes, equalBytes } from "../common/bytes.js";
import { CorruptionError } from "../common/errors.js";
import type { FragmentedTombstones } from "../common/fragmented-tombstones.js";
import type { Ulid } from "../common/ids.js";
import type { RowRef } from "../common/row.js";
import { Block } from "./block.js";
import { BlockTrailer } from "./block-trailer.js";
import { IndexBlock } from "./index-block.js";
import { noUlid, type SstInfo } from "./manifest.js";
import type { PrefixExtractor } from "./prefix-extractor.js";
import { readFilter } from "./read-filter.js";
import { RowChecker } from "./row-checker.js";
import {
  IndexColumn,
  indexColumnCount,
  SectionId,
  type SstProperties,
  TopColumn,
  topColumnCount,
} from "./sst.js";
import {
  checkHeader,
  rangeDeletesSection,
  readFooter,
  readProperties,
  sectionOf,
} from "./sst-tail.js";
import { decodeTombstones } from "./tombstone-block.js";
import { summarizeTombstones } from "./tombstone-spans.js";

export interface VerifySstOptions {
  /** The object's key, for messages. */
  object: string;
  /** What the footer must say, where it is known. */
  databaseId?: Ulid | undefined;
  id?: Ulid | undefined;
  /** Checks that the filters hold the prefixes, if they were made with this one. */
  prefixExtractor?: PrefixExtractor | undefined;
  /** Called for each row in storage order; the row is valid during the call only. */
  onRow?: ((row: RowRef) => void) | undefined;
  /** Called when there are range deletes. */
  onRangeDeletes?: ((rangeDeletes: FragmentedTombstones) => void) | undefined;
}

/**
 * Returns what a manifest says about this SST. `bytes` is the whole object. Throws `CorruptionError` for any byte that is
 * not as it was written, or `UnsupportedError` for what this version does not know.
 */
export function verifySst(bytes: Uint8Array, options: VerifySstOptions): SstInfo {
  const { object } = options;
  const fail = (detail: string, offset?: number): never => {
    throw new CorruptionError(object, detail, { offset });
  };
  const footer = readFooter(bytes, bytes.length, object);
  checkHeader(bytes, object);
  if (options.databaseId !== undefined && footer.databaseId !== options.databaseId) {
    fail(`it belongs to database ${footer.databaseId}, expected ${options.databaseId}`);
  }
  if (options.id !== undefined && footer.sstId !== options.id) {
    fail(`it is SST ${footer.sstId}, expected ${options.id}`);
  }
  const trailer = new BlockTrailer(footer.sstId);
  const open = (offset: number, length: number): Uint8Array =>
    trailer.open(bytes, offset, offset + length, offset, object);
  const rangeSection = rangeDeletesSection(footer);
  const [data, partitions, topSection, propertiesSection] = [
    sectionOf(footer, SectionId.data),
    sectionOf(footer, SectionId.partitions),
    sectionOf(footer, SectionId.topIndex),
    sectionOf(footer, SectionId.properties),
  ];
  const said = readProperties(
    open(propertiesSection.offset, propertiesSection.length),
    object,
    propertiesSection.offset,
  );
  const top = new IndexBlock(
    open(topSection.offset, topSection.length),
    topColumnCount,
    object,
    topSection.offset,
    said.rowCount === 0 && rangeSection !== undefined,
  );
  const rows = new RowChecker(
    object,
    said.prefixExtractor === options.prefixExtractor?.name ? options.prefixExtractor : undefined,
    options.onRow,
  );
  let metaOffset = partitions.offset;
  let dataOffset = data.offset;
  let blockCount = 0;
  for (let p = 0; p < top.count; p++) {
    const indexOffset = top.column(p, TopColumn.indexOffset);
    const indexLength = top.column(p, TopColumn.indexLength);
    const filterOffset = top.column(p, TopColumn.filterOffset);
    const filterLength = top.column(p, TopColumn.filterLength);
    if (indexOffset !== metaOffset || filterOffset !== indexOffset + indexLength) {
      fail("the partitions do not follow each other", topSection.offset);
    }
    metaOffset = filterOffset + filterLength;
    const index = new IndexBlock(
      open(indexOffset, indexLength),
      indexColumnCount,
      object,
      indexOffset,
    );
    const filter = readFilter(open(filterOffset, filterLength), object, filterOffset);
    const rowCountBefore = rows.rowCount;
    for (let b = 0; b < index.count; b++) {
      const offset = index.column(b, IndexColumn.offset);
      const length = index.column(b, IndexColumn.length);
      if (offset !== dataOffset) fail("the data blocks do not follow each other", indexOffset);
      dataOffset = offset + length;
      rows.checkBlock(new Block(open(offset, length), object, offset), filter, index.key(b));
      blockCount++;
    }
    if (index.count !== top.column(p, TopColumn.blockCount)) fail("a wrong block count");
    if (rows.rowCount - rowCountBefore !== top.column(p, TopColumn.rowCount)) {
      fail("a wrong row count of a partition");
    }
    if (compareBytes(index.key(index.count - 1), top.key(p)) !== 0) fail("a wrong separator");
  }
  if (metaOffset !== topSection.offset || dataOffset !== data.offset + data.length) {
    fail("the blocks do not reach to the end of their section");
  }
  const rangeDeletes =
    rangeSection &&
    decodeTombstones(open(rangeSection.offset, rangeSection.length), object, rangeSection.offset);
  if (rangeDeletes !== undefined) options.onRangeDeletes?.(rangeDeletes);
  checkTotals({ rows, rangeDeletes, blockCount, dataBytes: data.length }, said, fail);
  return {
    id: footer.sstId,
    size: bytes.length,
    metaOffset: partitions.offset,
    topOffset: topSection.offset,
    firstKey: said.firstKey,
    lastKey: said.lastKey,
    minSeq: said.minSeq,
    maxSeq: said.maxSeq,
    rowCount: said.rowCount,
    deleteCount: said.deleteCount,
    maxExpiresAt: said.maxExpiresAt,
    rangeDeletesOffset: rangeSection?.offset ?? 0,
    rangeDeletes: rangeDeletes === undefined ? [] : summarizeTombstones(rangeDeletes),
    seq: 0,
    shadowedCount: said.shadowedCount,
    expiringCount: said.expiringCount,
    owner: noUlid,
  };
}

interface Totals {
  readonly rows: RowChecker;
  readonly rangeDeletes: FragmentedTombstones | undefined;
  readonly blockCount: number;
  readonly dataBytes: number;
}

function checkTotals(
  { rows, rangeDeletes, blockCount, dataBytes }: Totals,
  said: SstProperties,
  fail: (detail: string) => void,
): void {
  const { rowCount } = rows;
  const seqs = [...(rangeDeletes?.columns.seqs ?? [])];
  const found = {
    rowCount,
    deleteCount: rows.deleteCount,
    mergeCount: rows.mergeCount,
    minSeq: seqs.reduce((min, seq) => Math.min(min, seq), rows.minSeq),
    maxSeq: seqs.reduce((max, seq) => Math.max(max, seq), rows.maxSeq),
    minCreatedAt: rowCount === 0 ? 0 : rows.minCreatedAt,
    maxCreatedAt: rows.maxCreatedAt,
    maxExpiresAt: rows.everyValueExpires ? rows.maxExpiresAt : 0,
    dataBytes,
    blockCount,
    rangeDeleteCount: seqs.length,
  };
  // Hints, which older SSTs lack.
  const atMost = { shadowedCount: rows.shadowedCount, expiringCount: rows.expiringCount };
  for (const [name, value] of Object.entries({ ...found, ...atMost })) {
    const expected = said[name as keyof SstProperties];
    const isNear = said.copiedBlockCount > 0 && isBound(name, Number(expected), value);
    const fits = value === expected || isNear || (name in atMost && value > Number(expected));
    if (!fits) fail(`the property ${name} is ${expected}, but ${value} was found`);
  }
  const start = rowCount === 0 ? rangeDeletes?.boundary(0) : undefined;
  if (
    !equalBytes(start ?? rows.firstKey, said.firstKey) ||
    !equalBytes(start ?? rows.lastKey, said.lastKey)
  ) {
    fail("the first or last key is not what the properties say");
  }
}

/** What is said of rows that were copied without being looked at need not be exact. */
function isBound(name: string, said: number, found: number): boolean {
  if (name === "minSeq" || name === "minCreatedAt") return said <= found;
  if (name === "maxSeq" || name === "maxCreatedAt") return said >= found;
  // Then nothing is known of it.
  return name === "maxExpiresAt" && said === 0;
}
