/**
 * `SstBuilder`: rows in storage order in, the bytes of an SST out, and range deletes with them. No I/O; the same rows give the same
 * bytes.
 *
 * A data block is closed before a row that would take it over `blockBytes`, so that a huge row stands alone and small rows
 * never share its block. A partition of index and filter is closed with the block whose entry takes it over its size.
 */
import { assert } from "../common/assert.js";
import { type Bytes, copyBytes, emptyBytes } from "../common/bytes.js";
import { InternalError } from "../common/errors.js";
import type { Ulid } from "../common/ids.js";
import type { RangeTombstone } from "../common/range-tombstone.js";
import type { RowRef } from "../common/row.js";
import type { Steps } from "../common/steps.js";
import { columnsOf, type TombstoneColumns } from "../common/tombstone-columns.js";
import { BlockAppender, chunkBytesMax } from "./block-appender.js";
import { BlockBuilder } from "./block-builder.js";
import { blockTrailerBytes } from "./block-trailer.js";
import type { Compression } from "./compression.js";
import type { FilterBuilder } from "./filter.js";
import { createFilterBuilder, noFilter } from "./filter-builder.js";
import type { FilterName } from "./filter-name.js";
import { IndexBlockBuilder } from "./index-block-builder.js";
import { hashKey } from "./key-hash.js";
import { LastKey } from "./last-key.js";
import { noUlid, type SstInfo, type TombstoneSpan } from "./manifest.js";
import { PrefixCursor } from "./prefix-cursor.js";
import { hashPrefix, type PrefixExtractor } from "./prefix-extractor.js";
import {
  FilterKind,
  requiredSectionFlag,
  type Section,
  SectionId,
  type SstProperties,
  sstHeaderBytes,
} from "./sst.js";
import { appendPartitions, type BuiltPartition } from "./sst-partitions-builder.js";
import { encodeFooter, encodeHeader, encodeProperties } from "./sst-tail-builder.js";
import { type CopiedRows, SstTotals } from "./sst-totals.js";
import { TombstoneBuilder } from "./tombstone-builder.js";

export interface SstBuilderOptions {
  id: Ulid;
  databaseId: Ulid;
  /** Payload bytes of a data block; default 4096. */
  blockBytes?: number | undefined;
  /** Of data blocks. Default: none. */
  compression?: Compression | undefined;
  /** Default "bloom". */
  filter?: FilterName | undefined;
  /** Default 10, about 1 % of absent keys pass; 0 builds no filter. "ribbon" lets as few pass with fewer bits. */
  filterBitsPerKey?: number | undefined;
  /** An SST that has no more bytes gets no filters; default 0. */
  unfilteredSstBytesMax?: number | undefined;
  /** Puts the prefixes of keys into the filters, too. */
  prefixExtractor?: PrefixExtractor | undefined;
  /** Every how many rows a key is stored whole; default 16. */
  restartInterval?: number | undefined;
  /** Payload bytes of the index block of a partition; default 4096. */
  indexPartitionBytes?: number | undefined;
  /** Becomes the first chunk: of an SST that fits into it, the only one. */
  memory?: Bytes | undefined;
}

export interface BuiltSst {
  /** The object, in pieces, but for those that were taken before; they belong to the caller. */
  readonly chunks: Uint8Array[];
  readonly info: SstInfo;
}

export class SstBuilder {
  readonly #id: Ulid;
  readonly #databaseId: Ulid;
  readonly #blockBytes: number;
  readonly #compression: Compression | undefined;
  readonly #indexPartitionBytes: number;
  readonly #block: BlockBuilder;
  /** Undefined: no filters. */
  #filter: FilterBuilder | undefined;
  readonly #unfilteredBytesMax: number;
  readonly #prefixExtractor: string;
  /** Undefined: the filters hold no prefixes, or not all. */
  #prefixes: PrefixCursor | undefined;
  readonly #index = new IndexBlockBuilder();
  readonly #partitions: BuiltPartition[] = [];
  readonly #rangeDeletes = new TombstoneBuilder();

  /** The object so far, without the block that is being built. */
  readonly #blocks: BlockAppender;
  #finished = false;

  readonly #lastKey = new LastKey();
  #lastSeq = 0;
  #firstKey: Bytes = emptyBytes;
  #blockCount = 0;
  #partitionRowCount = 0;
  #copiedBlockCount = 0;
  /** What the prefix of the last key is, the cursor has not been told. */
  #isAfterCopy = false;
  readonly #totals = new SstTotals();

  constructor(options: SstBuilderOptions) {
    const { blockBytes = 4096, filterBitsPerKey = 10, restartInterval = 16 } = options;
    const { indexPartitionBytes = 4096 } = options;
    this.#id = options.id;
    this.#databaseId = options.databaseId;
    this.#blockBytes = blockBytes;
    this.#compression = options.compression;
    this.#indexPartitionBytes = indexPartitionBytes;
    this.#block = new BlockBuilder(restartInterval, Math.min(blockBytes * 2, chunkBytesMax));
    this.#filter = createFilterBuilder(options.filter ?? "bloom", filterBitsPerKey);
    const { prefixExtractor } = options;
    this.#prefixExtractor = prefixExtractor?.name ?? "";
    if (prefixExtractor !== undefined) this.#prefixes = new PrefixCursor(prefixExtractor);
    this.#unfilteredBytesMax = options.unfilteredSstBytesMax ?? 0;
    this.#blocks = new BlockAppender(options.id, options.memory);
    this.#blocks.append(encodeHeader());
  }

  get rowCount(): number {
    return this.#totals.rowCount;
  }

  get hasRangeDeletes(): boolean {
    return this.#rangeDeletes.count > 0;
  }

  /** Bytes of the data so far, with the block that is being built; range deletes, indexes and filters come on top. */
  get bytesWritten(): number {
    return this.#blocks.offset + (this.#block.rowCount === 0 ? 0 : this.#block.byteLength);
  }

  /** True when a row of this key may come next, whatever its seq. */
  isBelow(key: Uint8Array): boolean {
    return this.#totals.rowCount === 0 || this.#lastKey.compare(key) < 0;
  }

  /** Copies the row. Throws `InternalError` when it is not above the row before it, in storage order. */
  add(row: RowRef): void {
    const shared = this.#lastKey.shared(row.keyBytes, row.keyStart, row.keyEnd);
    if (this.#totals.rowCount > 0) this.#checkOrder(row, shared);
    this.#append(row, shared);
  }

  /** Copies a row whose key is above the one before it. False, and nothing done, when it is not, whatever its seq. */
  addIfAbove(row: RowRef): boolean {
    const shared = this.#lastKey.shared(row.keyBytes, row.keyStart, row.keyEnd);
    if (this.#totals.rowCount > 0 && !this.#isKeyAbove(row, shared)) {
      return false;
    }
    this.#append(row, shared);
    return true;
  }

  #append(row: RowRef, shared: number): void {
    const keyLength = row.keyEnd - row.keyStart;
    const isNewKey = shared !== keyLength || keyLength !== this.#lastKey.length;
    if (this.#totals.rowCount === 0) {
      assert(!this.#finished, "an SST that is finished takes no rows");
      this.#firstKey = copyBytes(row.keyBytes, row.keyStart, row.keyEnd);
    } else {
      const rowBytes = keyLength - shared + row.valueEnd - row.valueStart + 8;
      if (this.#block.rowCount > 0 && this.#block.byteLength + rowBytes > this.#blockBytes) {
        this.#closeBlock(this.#lastKey.separatorTo(row.keyBytes, row.keyStart, row.keyEnd, shared));
      }
    }
    this.#block.add(row, shared);
    // A key whose versions span two partitions is in the filters of both.
    if (this.#filter !== undefined && (isNewKey || this.#partitionRowCount === 0)) {
      this.#filter.add(hashKey(row.keyBytes, row.keyStart, row.keyEnd));
      if (this.#prefixes !== undefined) {
        this.#addPrefix(this.#filter, this.#prefixes, row, this.#isAfterCopy ? 0 : shared);
        this.#isAfterCopy = false;
      }
    }
    const isShadowed = !isNewKey && this.#totals.rowCount > 0;
    this.#partitionRowCount++;
    this.#totals.add(row, isShadowed);
    this.#lastKey.set(row.keyBytes, row.keyStart, row.keyEnd, shared);
    this.#lastSeq = row.seq;
  }

  /**
   * Copied partitions come next: what was added before ends a partition. `firstKey` is that of their first row, above the last one. Then
   * come their blocks, each partition is closed after its last one, and `closeCopy` is called.
   */
  openCopy(firstKey: Uint8Array): void {
    assert(!this.#finished, "an SST that is finished takes no rows");
    if (this.#totals.rowCount === 0) this.#firstKey = copyBytes(firstKey);
    assert(this.isBelow(firstKey), "copied partitions are above the rows before them");
    if (this.#block.rowCount === 0) return;
    const { length } = firstKey;
    const shared = this.#lastKey.shared(firstKey, 0, length);
    const separator = this.#lastKey.separatorTo(firstKey, 0, length, shared);
    this.#closeBlock(separator);
    if (this.#index.count > 0) this.#closePartition(separator);
  }

  /** A block with its trailer, which has been checked, and its separator: it is sealed for its new place, and not decoded. */
  addCopiedBlock(stored: Uint8Array, separator: Uint8Array): void {
    const { offset } = this.#blocks;
    this.#blocks.appendStored(stored);
    this.#blockCount++;
    this.#copiedBlockCount++;
    this.#index.add(separator, [offset, this.#blocks.offset - offset]);
  }

  /** The blocks since the last partition were all of one, which has this filter and so many rows. */
  closeCopiedPartition(filter: Uint8Array, rowCount: number): void {
    const blockCount = this.#index.count;
    const separator = this.#index.lastKey;
    const index = this.#index.finish();
    this.#partitions.push({ separator, index, filter, blockCount, rowCount });
  }

  /** `lastKey` is that of the last row that was copied. */
  closeCopy(lastKey: Uint8Array, rows: CopiedRows): void {
    this.#totals.addCopied(rows);
    this.#lastKey.set(lastKey, 0, lastKey.length, 0);
    this.#isAfterCopy = true;
  }

  /** The chunks that are complete so far; they belong to the caller, and `finish` gives those after them. */
  takeChunks(): Uint8Array[] {
    return this.#blocks.takeChunks();
  }

  /** Adds range deletes of seqs above 0, in any order: rows may come before or after. Keeps the columns until `finish`. */
  addRangeDeletes(columns: TombstoneColumns): void {
    this.#rangeDeletes.add(columns);
  }

  /** @internal For tests. One as `addRangeDeletes`. */
  addRangeDelete(tombstone: RangeTombstone): void {
    this.#rangeDeletes.add(columnsOf([tombstone]));
  }

  /** What `finish` would do with many range deletes, in steps; none come after it. Does nothing where there are none. */
  *prepareRangeDeletes(): Steps<void> {
    if (this.#rangeDeletes.count > 0) yield* this.#rangeDeletes.prepare();
  }

  /** The whole SST, of at least one row or range delete. The builder cannot be used again. */
  finish(): BuiltSst {
    const { hasRangeDeletes } = this;
    const hasRows = this.#totals.rowCount > 0;
    assert((hasRows || hasRangeDeletes) && !this.#finished, "an SST has rows and is finished once");
    this.#finished = true;
    const blocks = this.#blocks;
    const sections: Section[] = [];
    let sectionStart = sstHeaderBytes;
    const endSection = (id: number): void => {
      sections.push({ id, offset: sectionStart, length: blocks.offset - sectionStart });
      sectionStart = blocks.offset;
    };
    let lastKey: Bytes = this.#lastKey.copy();
    if (this.#block.rowCount > 0) this.#closeBlock(lastKey);
    endSection(SectionId.data);
    const rangeDeletesOffset = hasRangeDeletes ? blocks.offset : 0;
    let rangeDeletes: readonly TombstoneSpan[] = [];
    if (hasRangeDeletes) {
      const finished = this.#rangeDeletes.finish(blocks, this.#compression);
      endSection(SectionId.rangeTombstones | requiredSectionFlag);
      rangeDeletes = finished.spans;
      if (!hasRows) {
        lastKey = finished.firstKey;
        this.#firstKey = lastKey;
      }
    }
    if (this.#bytesMax(lastKey) <= this.#unfilteredBytesMax) this.#filter = undefined;
    if (this.#index.count > 0) this.#closePartition(lastKey);
    const metaOffset = blocks.offset;
    const top = appendPartitions(blocks, this.#partitions, this.#filter !== undefined);
    endSection(SectionId.partitions);
    const topOffset = blocks.offset;
    blocks.appendBlock(top);
    endSection(SectionId.topIndex);
    const properties = this.#properties(lastKey, sections[0]!.length);
    blocks.appendBlock(encodeProperties(properties));
    endSection(SectionId.properties);
    blocks.append(encodeFooter({ databaseId: this.#databaseId, sstId: this.#id, sections }));
    blocks.finish();
    const { firstKey, minSeq, maxSeq, rowCount, deleteCount, maxExpiresAt } = properties;
    const { shadowedCount, expiringCount } = properties;
    return {
      chunks: blocks.takeChunks(),
      info: {
        id: this.#id,
        size: blocks.offset,
        metaOffset,
        topOffset,
        firstKey,
        lastKey,
        minSeq,
        maxSeq,
        rowCount,
        deleteCount,
        maxExpiresAt,
        rangeDeletesOffset,
        rangeDeletes,
        seq: 0,
        shadowedCount,
        expiringCount,
        owner: noUlid,
      },
    };
  }

  #isKeyAbove({ keyBytes, keyStart, keyEnd }: RowRef, shared: number): boolean {
    return this.#lastKey.isBelow(keyBytes, keyStart, keyEnd, shared);
  }

  #checkOrder(row: RowRef, shared: number): void {
    if (this.#isKeyAbove(row, shared)) return;
    const keyLength = row.keyEnd - row.keyStart;
    const isSameKey = shared === this.#lastKey.length && shared === keyLength;
    if (isSameKey && row.seq < this.#lastSeq) return;
    throw new InternalError(
      `Rows of an SST are out of order: a key of ${keyLength} bytes at seq ${row.seq} after a key of ${this.#lastKey.length} bytes at seq ${this.#lastSeq}`,
    );
  }

  #addPrefix(filter: FilterBuilder, prefixes: PrefixCursor, row: RowRef, shared: number): void {
    const { keyBytes, keyStart, keyEnd } = row;
    try {
      prefixes.next(keyBytes, keyStart, keyEnd, shared);
    } catch {
      // No write may fail for the sake of a filter; without its name nobody looks for prefixes in it.
      this.#prefixes = undefined;
      return;
    }
    if (prefixes.length < 0 || !(prefixes.isNew || this.#partitionRowCount === 0)) return;
    filter.add(hashPrefix(keyBytes, keyStart, keyStart + prefixes.length));
  }

  #properties(lastKey: Bytes, dataBytes: number): SstProperties {
    const totals = this.#totals;
    const rangeDeletes = this.#rangeDeletes;
    return {
      rowCount: totals.rowCount,
      deleteCount: totals.deleteCount,
      mergeCount: totals.mergeCount,
      minSeq: Math.min(totals.minSeq, rangeDeletes.minSeq),
      maxSeq: Math.max(totals.maxSeq, rangeDeletes.maxSeq),
      firstKey: this.#firstKey,
      lastKey,
      minCreatedAt: totals.rowCount === 0 ? 0 : totals.minCreatedAt,
      maxCreatedAt: totals.maxCreatedAt,
      maxExpiresAt: totals.everyValueExpires ? totals.maxExpiresAt : 0,
      dataBytes,
      blockCount: this.#blockCount,
      filterKind: this.#filter?.kind ?? FilterKind.none,
      prefixExtractor:
        this.#filter === undefined || this.#prefixes === undefined ? "" : this.#prefixExtractor,
      rangeDeleteCount: rangeDeletes.count,
      shadowedCount: totals.shadowedCount,
      expiringCount: totals.expiringCount,
      copiedBlockCount: this.#copiedBlockCount,
    };
  }

  #closeBlock(separator: Bytes): void {
    const { offset } = this.#blocks;
    // The decision is made on the size before the restarts: close enough.
    const isHuge = this.#block.byteLength >= chunkBytesMax;
    const writer = this.#block.finish(blockTrailerBytes, isHuge);
    const compression = this.#compression;
    if (compression === undefined || !this.#blocks.appendCompressed(writer.view(), compression)) {
      if (isHuge) this.#blocks.adoptBlock(writer);
      else this.#blocks.appendBlock(writer.view());
    }
    if (!isHuge) this.#block.reset();
    this.#blockCount++;
    this.#index.add(separator, [offset, this.#blocks.offset - offset]);
    if (this.#index.byteLength >= this.#indexPartitionBytes) this.#closePartition(separator);
  }

  #closePartition(separator: Bytes): void {
    const blockCount = this.#index.count;
    this.#partitions.push({
      separator,
      index: this.#index.finish(),
      filter: this.#filter?.finish() ?? noFilter(),
      blockCount,
      rowCount: this.#partitionRowCount,
    });
    this.#partitionRowCount = 0;
  }

  /** What the object has at most without filters, when the last block is closed. */
  #bytesMax(lastKey: Bytes): number {
    let bytes = this.#blocks.offset + this.#firstKey.length + lastKey.length + 512;
    for (const { separator, index } of this.#partitions) {
      bytes += separator.length + index.length + 80;
    }
    return bytes + lastKey.length + this.#index.byteLength + 80;
  }
}
