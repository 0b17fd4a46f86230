/** `propertiesMatch`: an SST is the one that a manifest names. */
import { compareBytes } from "../common/bytes.js";
import type { SstInfo } from "../format/manifest.js";
import type { SstProperties } from "../format/sst.js";
import { rangeDeleteCount } from "../format/tombstone-spans.js";

/** True when what a manifest says about an SST is what the SST says about itself. */
export function propertiesMatch(info: SstInfo, properties: SstProperties): boolean {
  return (
    info.rowCount === properties.rowCount &&
    info.deleteCount === properties.deleteCount &&
    rangeDeleteCount(info) === properties.rangeDeleteCount &&
    info.minSeq === properties.minSeq &&
    info.maxSeq === properties.maxSeq &&
    info.maxExpiresAt === properties.maxExpiresAt &&
    compareBytes(info.firstKey, properties.firstKey) === 0 &&
    compareBytes(info.lastKey, properties.lastKey) === 0
  );
}
