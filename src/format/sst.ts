/**
 * The SST object: its layout, the numbers in it, and its tail as values. `sst-builder.ts` writes it, `sst-tail.ts` reads it.
 *
 *   +--------------------+
 *   | header             |  "MRNS" | u16 format version | u16 zero
 *   +--------------------+
 *   | data blocks        |  rows in storage order                     block-builder.ts, block.ts
 *   +--------------------+  <- rangeDeletesOffset
 *   | range deletes      |  one block; only where there are some        tombstone-block.ts
 *   +--------------------+  <- metaOffset
 *   | index 0 | filter 0 |  one pair for each partition               index-block.ts, blocked-bloom-filter.ts
 *   | index 1 | filter 1 |
 *   | ...                |
 *   +--------------------+  <- topOffset
 *   | top index          |  one entry for each partition              index-block.ts
 *   +--------------------+
 *   | properties         |  varint id | varint length | value, ids ascending
 *   +--------------------+
 *   | section table      |  u16 id | u64 offset | u64 length, in the order of the object
 *   +--------------------+
 *   | footer             |  database id (16) | SST id (16) | u32 section table length | u32 crc | u16 format version | "MRNS"
 *   +--------------------+
 *
 * Every block (data, range deletes, index, filter, top index, properties) ends with a codec id and a checksum: block-trailer.ts. The
 * sections follow each other without a gap. The footer's crc is that of the section table and of the footer without its
 * crc; the shape of the footer stays the same in every format version, so that an unknown version is told from damage.
 */
import type { Bytes } from "../common/bytes.js";
import type { Ulid } from "../common/ids.js";

/** All numbers below are stored. Never change or reuse one. */
export const sstMagic = 0x534e524d; // "MRNS", read as a little-endian u32
export const sstFormatVersion = 1;
export const sstHeaderBytes = 8;
export const sstFooterBytes = 46;
export const sectionEntryBytes = 18;

export const SectionId = {
  data: 1,
  partitions: 2,
  topIndex: 3,
  properties: 4,
  /** Written as required, because a reader that skips it would answer what was deleted. Absent without range deletes. */
  rangeTombstones: 5,
  /** Reserved; written as required. */
  blobReferences: 6,
} as const;

/** Set in the id of a section that a reader must understand; sections without it are skipped when unknown. */
export const requiredSectionFlag = 0x8000;

export const PropertyId = {
  rowCount: 1,
  deleteCount: 2,
  mergeCount: 3,
  minSeq: 4,
  maxSeq: 5,
  firstKey: 6,
  lastKey: 7,
  minCreatedAt: 8,
  maxCreatedAt: 9,
  maxExpiresAt: 10,
  dataBytes: 11,
  blockCount: 12,
  filterKind: 13,
  prefixExtractor: 14,
  rangeDeleteCount: 15,
  shadowedCount: 16,
  expiringCount: 17,
  copiedBlockCount: 18,
} as const;

export const FilterKind = { none: 0, blockedBloom: 1, ribbon: 2 } as const;

/** What an index entry holds beside its separator: where the data block lies, with its trailer. */
export const IndexColumn = { offset: 0, length: 1 } as const;
export const indexColumnCount = 2;

/** The same for the entries of the top index; lengths include trailers. */
export const TopColumn = {
  indexOffset: 0,
  indexLength: 1,
  filterOffset: 2,
  filterLength: 3,
  blockCount: 4,
  rowCount: 5,
} as const;
export const topColumnCount = 6;

export interface Section {
  readonly id: number;
  readonly offset: number;
  /** bytes */
  readonly length: number;
}

/** Totals over all rows, and seqs over range deletes, too. Times are ms since 1970; 0 without rows. */
export interface SstProperties {
  readonly rowCount: number;
  readonly deleteCount: number;
  readonly mergeCount: number;
  readonly minSeq: number;
  readonly maxSeq: number;
  /** The first and last key are those of rows; without rows, both are where the first range delete begins. */
  readonly firstKey: Bytes;
  readonly lastKey: Bytes;
  readonly minCreatedAt: number;
  readonly maxCreatedAt: number;
  /** The latest expiry; 0 when a put or merge never expires, and when there is none. See `SstInfo`. */
  readonly maxExpiresAt: number;
  /** Bytes of the data section. */
  readonly dataBytes: number;
  readonly blockCount: number;
  /** The kind that was asked for; each filter block says what it is. */
  readonly filterKind: number;
  /** The name of the extractor whose prefixes are in the filters; empty when none are. */
  readonly prefixExtractor: string;
  readonly rangeDeleteCount: number;
  /** As in `SstInfo`. */
  readonly shadowedCount: number;
  readonly expiringCount: number;
  /** Blocks that were taken from other SSTs as they were: then seqs and creation times above are bounds that rows need not reach. */
  readonly copiedBlockCount: number;
}

export interface SstFooter {
  readonly databaseId: Ulid;
  readonly sstId: Ulid;
  /** In the order of the object, without a gap from the header to the section table. */
  readonly sections: readonly Section[];
}
