/** Encodes the header, the properties, the section table and the footer of an SST; `sst.ts` draws them. */
import { ByteWriter } from "../common/byte-writer.js";
import { type Bytes, encodeUtf8 } from "../common/bytes.js";
import { checksum } from "../common/checksum.js";
import { ulidToBytes } from "../common/ids.js";
import {
  PropertyId,
  type SstFooter,
  type SstProperties,
  sectionEntryBytes,
  sstFormatVersion,
  sstMagic,
} from "./sst.js";

export function encodeHeader(): Bytes {
  const writer = new ByteWriter(8);
  writer.u32(sstMagic);
  writer.u16(sstFormatVersion);
  writer.u16(0);
  return writer.copy();
}

/** The payload of the properties block. */
export function encodeProperties(properties: SstProperties): Bytes {
  const writer = new ByteWriter();
  const value = new ByteWriter();
  for (const [name, id] of Object.entries(PropertyId)) {
    const property = properties[name as keyof SstProperties];
    // Written only where there are some, as it was before there were any.
    if (property === "" || (property === 0 && id >= PropertyId.rangeDeleteCount)) continue;
    value.length = 0;
    if (typeof property === "string") value.raw(encodeUtf8(property));
    else if (typeof property === "number") value.varint(property);
    else value.raw(property);
    writer.varint(id);
    writer.varint(value.length);
    writer.raw(value.view());
  }
  return writer.copy();
}

/** The section table and the footer. */
export function encodeFooter(footer: SstFooter): Bytes {
  const writer = new ByteWriter();
  for (const section of footer.sections) {
    writer.u16(section.id);
    writer.u64(section.offset);
    writer.u64(section.length);
  }
  writer.raw(ulidToBytes(footer.databaseId));
  writer.raw(ulidToBytes(footer.sstId));
  writer.u32(footer.sections.length * sectionEntryBytes);
  const end = new ByteWriter(6);
  end.u16(sstFormatVersion);
  end.u32(sstMagic);
  writer.u32(checksum(end.view(), checksum(writer.view())));
  writer.raw(end.view());
  return writer.copy();
}
