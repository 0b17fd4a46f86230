/** `readFilter`: the filter in the payload of a filter block, whatever its kind. */
import { readBlockedBloomFilter } from "./blocked-bloom-filter.js";
import { type KeyFilter, passAllFilter } from "./filter.js";
import { readRibbonFilter } from "./ribbon-filter.js";
import { FilterKind } from "./sst.js";

/** One of an unknown kind lets every key pass. Throws `CorruptionError`; `object` and `blockOffset` are for its message. */
export function readFilter(payload: Uint8Array, object: string, blockOffset: number): KeyFilter {
  if (payload[0] === FilterKind.blockedBloom) {
    return readBlockedBloomFilter(payload, object, blockOffset);
  }
  if (payload[0] === FilterKind.ribbon) return readRibbonFilter(payload, object, blockOffset);
  return passAllFilter;
}
