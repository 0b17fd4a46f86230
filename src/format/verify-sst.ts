/** `verifySst`: reads a whole SST and checks every byte of it, and everything that its parts say about each other. */
import { compareBytes, compareRanges, copyBytes, equalBytes } from "../common/bytes.js";
import { CorruptionError } from "../common/errors.js";
import type { Ulid } from "../common/ids.js";
import { RowKind, type RowRef } from "../common/row.js";
import { Block } from "./block.js";
import { BlockCursor } from "./block-cursor.js";
import { BlockTrailer } from "./block-trailer.js";
import type { KeyFilter } from "./filter.js";
import { IndexBlock } from "./index-block.js";
import { hashKey } from "./key-hash.js";
import type { SstInfo } from "./manifest.js";
import { hashPrefix, type PrefixExtractor, prefixLength } from "./prefix-extractor.js";
import { readFilter } from "./read-filter.js";
import {
  IndexColumn,
  indexColumnCount,
  SectionId,
  type SstProperties,
  TopColumn,
  topColumnCount,
} from "./sst.js";
import { checkHeader, readFooter, readProperties, sectionOf } from "./sst-tail.js";

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
  const [data, partitions, topSection, propertiesSection] = [
    sectionOf(footer, SectionId.data),
    sectionOf(footer, SectionId.partitions),
    sectionOf(footer, SectionId.topIndex),
    sectionOf(footer, SectionId.properties),
  ];
  const top = new IndexBlock(
    open(topSection.offset, topSection.length),
    topColumnCount,
    object,
    topSection.offset,
  );
  const said = readProperties(
    open(propertiesSection.offset, propertiesSection.length),
    object,
    propertiesSection.offset,
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
  if (metaOffset !== topSection.offset || dataOffset !== partitions.offset) {
    fail("the blocks do not reach to the end of their section");
  }
  checkTotals(rows, said, blockCount, data.length, fail);
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
    rangeDeletesOffset: 0,
    rangeDeletes: [],
  };
}

function checkTotals(
  rows: RowChecker,
  said: SstProperties,
  blockCount: number,
  dataBytes: number,
  fail: (detail: string) => void,
): void {
  const found = {
    rowCount: rows.rowCount,
    deleteCount: rows.deleteCount,
    mergeCount: rows.mergeCount,
    minSeq: rows.minSeq,
    maxSeq: rows.maxSeq,
    minCreatedAt: rows.minCreatedAt,
    maxCreatedAt: rows.maxCreatedAt,
    maxExpiresAt: rows.everyValueExpires ? rows.maxExpiresAt : 0,
    dataBytes,
    blockCount,
  };
  for (const [name, value] of Object.entries(found)) {
    const expected = said[name as keyof typeof found];
    if (value !== expected) fail(`the property ${name} is ${expected}, but ${value} was found`);
  }
  if (!equalBytes(rows.firstKey, said.firstKey) || !equalBytes(rows.lastKey, said.lastKey)) {
    fail("the first or last key is not what the properties say");
  }
}

/** Checks the order of the rows, and counts them. */
class RowChecker {
  rowCount = 0;
  deleteCount = 0;
  mergeCount = 0;
  minSeq: number = Number.MAX_SAFE_INTEGER;
  maxSeq = 0;
  minCreatedAt: number = Number.MAX_SAFE_INTEGER;
  maxCreatedAt = 0;
  maxExpiresAt = 0;
  everyValueExpires = true;
  firstKey: Uint8Array = new Uint8Array(0);
  lastKey: Uint8Array = new Uint8Array(0);
  readonly #object: string;
  readonly #prefixExtractor: PrefixExtractor | undefined;
  readonly #onRow: ((row: RowRef) => void) | undefined;
  readonly #cursor = new BlockCursor();
  #lastSeq = 0;
  /** The separator of the block before: the keys of this one are at or above it. */
  #separator: Uint8Array | undefined;

  constructor(
    object: string,
    prefixExtractor: PrefixExtractor | undefined,
    onRow: ((row: RowRef) => void) | undefined,
  ) {
    this.#object = object;
    this.#prefixExtractor = prefixExtractor;
    this.#onRow = onRow;
  }

  checkBlock(block: Block, filter: KeyFilter, separator: Uint8Array): void {
    const { row } = this.#cursor;
    this.#cursor.reset(block);
    let restartIndex = 0;
    let at = block.rowsStart;
    while (this.#cursor.next()) {
      const isRestart = restartIndex < block.restartCount && block.restart(restartIndex) === at;
      if (isRestart) {
        restartIndex++;
        if (block.bytes[at] !== 0) this.#fail("a restart shares bytes with the row before it");
      }
      at = row.valueEnd;
      this.#checkRow(row);
      if (!filter.mayContain(hashKey(row.keyBytes, row.keyStart, row.keyEnd))) {
        this.#fail("a filter denies a key of its partition");
      }
      this.#checkPrefix(row, filter);
    }
    if (restartIndex !== block.restartCount) this.#fail("a restart points to no row");
    if (compareBytes(this.lastKey, separator) > 0) this.#fail("a separator is below its block");
    this.#separator = copyBytes(separator);
  }

  #checkPrefix({ keyBytes, keyStart, keyEnd }: RowRef, filter: KeyFilter): void {
    if (this.#prefixExtractor === undefined) return;
    const length = prefixLength(this.#prefixExtractor, keyBytes, keyStart, keyEnd);
    if (length >= 0 && !filter.mayContain(hashPrefix(keyBytes, keyStart, keyStart + length))) {
      this.#fail("a filter denies a prefix of its partition");
    }
  }

  #checkRow(row: RowRef): void {
    const { lastKey } = this;
    const { keyBytes, keyStart, keyEnd } = row;
    const order = compareRanges(keyBytes, keyStart, keyEnd, lastKey, 0, lastKey.length);
    if (this.rowCount === 0) this.firstKey = copyBytes(keyBytes, keyStart, keyEnd);
    else if (order < 0 || (order === 0 && row.seq >= this.#lastSeq)) {
      this.#fail("rows are out of order");
    }
    const separator = this.#separator;
    if (
      separator !== undefined &&
      compareRanges(keyBytes, keyStart, keyEnd, separator, 0, separator.length) < 0
    ) {
      this.#fail("a key is below the separator before its block");
    }
    this.rowCount++;
    if (row.kind === RowKind.delete) this.deleteCount++;
    if (row.kind === RowKind.merge) this.mergeCount++;
    this.minSeq = Math.min(this.minSeq, row.seq);
    this.maxSeq = Math.max(this.maxSeq, row.seq);
    this.minCreatedAt = Math.min(this.minCreatedAt, row.createdAt);
    this.maxCreatedAt = Math.max(this.maxCreatedAt, row.createdAt);
    this.maxExpiresAt = Math.max(this.maxExpiresAt, row.expiresAt);
    if (row.expiresAt === 0 && row.kind !== RowKind.delete) this.everyValueExpires = false;
    if (order !== 0 || this.rowCount === 1) this.lastKey = copyBytes(keyBytes, keyStart, keyEnd);
    this.#lastSeq = row.seq;
    this.#onRow?.(row);
  }

  #fail(detail: string): never {
    throw new CorruptionError(this.#object, detail);
  }
}
