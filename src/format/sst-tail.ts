/** Decodes the header, the footer, the section table and the properties of an SST; `sst.ts` draws them. */
import { ByteReader } from "../common/byte-reader.js";
import { copyBytes, decodeUtf8, emptyBytes } from "../common/bytes.js";
import { checksum } from "../common/checksum.js";
import { CorruptionError, UnsupportedError } from "../common/errors.js";
import { ulidFromBytes } from "../common/ids.js";
import {
  PropertyId,
  requiredSectionFlag,
  type Section,
  SectionId,
  type SstFooter,
  type SstProperties,
  sectionEntryBytes,
  sstFooterBytes,
  sstFormatVersion,
  sstHeaderBytes,
  sstMagic,
} from "./sst.js";

const rangeDeletesSectionId: number = SectionId.rangeTombstones | requiredSectionFlag;

/** Checks the eight bytes that an SST begins with. */
export function checkHeader(bytes: Uint8Array, object: string): void {
  const reader = new ByteReader(bytes, object);
  if (reader.u32() !== sstMagic) reader.fail("it does not begin as an SST does");
  if (reader.u16() !== sstFormatVersion || reader.u16() !== 0) {
    reader.fail("the header does not agree with the footer");
  }
}

/**
 * The footer and the section table, from the last bytes of an object of `size` bytes. Throws `CorruptionError`, also when
 * the bytes do not reach back to the section table, and `UnsupportedError` for an unknown version or required section.
 */
export function readFooter(bytes: Uint8Array, size: number, object: string): SstFooter {
  const bytesOffset = size - bytes.length;
  const footerStart = bytes.length - sstFooterBytes;
  if (footerStart < 0) throw new CorruptionError(object, `${size} bytes are too few for an SST`);
  const reader = new ByteReader(bytes, object, bytesOffset, footerStart);
  const databaseId = ulidFromBytes(reader.raw(16));
  const sstId = ulidFromBytes(reader.raw(16));
  const tableLength = reader.u32();
  const crcOffset = reader.offset;
  const crc = reader.u32();
  const version = reader.u16();
  if (reader.u32() !== sstMagic) reader.fail("it does not end as an SST does");
  const tableStart = footerStart - tableLength;
  if (tableStart < 0) reader.fail(`a section table of ${tableLength} bytes does not fit`);
  const found = checksum(
    bytes.subarray(crcOffset + 4),
    checksum(bytes.subarray(tableStart, crcOffset)),
  );
  if (found !== crc) reader.fail(`the checksum of the footer is ${found}, expected ${crc}`);
  if (version !== sstFormatVersion) {
    throw new UnsupportedError(
      `Object "${object}" has SST format version ${version}; this version of Moraine knows ${sstFormatVersion}. Use a newer version.`,
    );
  }
  const table = new ByteReader(bytes, object, bytesOffset, tableStart, footerStart);
  return { databaseId, sstId, sections: readSections(table, bytesOffset + tableStart, object) };
}

function readSections(table: ByteReader, tableOffset: number, object: string): Section[] {
  const known: number[] = [
    SectionId.data,
    SectionId.partitions,
    SectionId.topIndex,
    SectionId.properties,
  ];
  const sections: Section[] = [];
  let offset = sstHeaderBytes;
  while (table.remaining > 0) {
    if (table.remaining < sectionEntryBytes) table.fail("the section table has a wrong length");
    const section = { id: table.u16(), offset: table.u64(), length: table.u64() };
    if (section.offset !== offset) table.fail("the sections do not follow each other");
    offset += section.length;
    if ((section.id & requiredSectionFlag) !== 0 && section.id !== rangeDeletesSectionId) {
      throw new UnsupportedError(
        `Object "${object}" has section ${section.id}, which this version of Moraine must not skip. Use a newer version.`,
      );
    }
    sections.push(section);
  }
  if (offset !== tableOffset) table.fail("the sections do not reach to the section table");
  for (const id of known) {
    if (sections.filter((section) => section.id === id).length !== 1) {
      table.fail(`there is not exactly one section ${id}`);
    }
  }
  checkRangeDeletes(table, sections);
  return sections;
}

/** A manifest says where the section begins and, with `metaOffset`, where it ends. */
function checkRangeDeletes(table: ByteReader, sections: readonly Section[]): void {
  const found = sections.flatMap(({ id }, i) => (id === rangeDeletesSectionId ? [i] : []));
  if (found.length === 0) return;
  if (found.length > 1 || sections[found[0]! + 1]?.id !== SectionId.partitions) {
    table.fail("the section of range deletes is not the one before the partitions");
  }
}

/** Where the range deletes are; undefined where there are none. */
export function rangeDeletesSection(footer: SstFooter): Section | undefined {
  return footer.sections.find((section) => section.id === rangeDeletesSectionId);
}

export function sectionOf(footer: SstFooter, id: number): Section {
  return footer.sections.find((section) => section.id === id)!;
}

/** The properties in the payload of their block. Unknown ids are skipped; a known one that is missing is 0 or empty. */
export function readProperties(
  payload: Uint8Array,
  object: string,
  blockOffset: number,
): SstProperties {
  const found = new Map<number, Uint8Array>();
  const reader = new ByteReader(payload, object, blockOffset);
  while (reader.remaining > 0) {
    const id = reader.varint();
    found.set(id, reader.raw(reader.varint()));
  }
  const number = (id: number): number => {
    const value = found.get(id);
    return value === undefined ? 0 : new ByteReader(value, object, blockOffset).varint();
  };
  const key = (id: number): Uint8Array<ArrayBuffer> => copyBytes(found.get(id) ?? emptyBytes);
  return {
    rowCount: number(PropertyId.rowCount),
    deleteCount: number(PropertyId.deleteCount),
    mergeCount: number(PropertyId.mergeCount),
    minSeq: number(PropertyId.minSeq),
    maxSeq: number(PropertyId.maxSeq),
    firstKey: key(PropertyId.firstKey),
    lastKey: key(PropertyId.lastKey),
    minCreatedAt: number(PropertyId.minCreatedAt),
    maxCreatedAt: number(PropertyId.maxCreatedAt),
    maxExpiresAt: number(PropertyId.maxExpiresAt),
    dataBytes: number(PropertyId.dataBytes),
    blockCount: number(PropertyId.blockCount),
    filterKind: number(PropertyId.filterKind),
    prefixExtractor: decodeUtf8(key(PropertyId.prefixExtractor)),
    rangeDeleteCount: number(PropertyId.rangeDeleteCount),
    shadowedCount: number(PropertyId.shadowedCount),
    expiringCount: number(PropertyId.expiringCount),
    copiedBlockCount: number(PropertyId.copiedBlockCount),
  };
}
