/** `createFilterBuilder`: the builder of the filter that an option names. */
import type { Bytes } from "../common/bytes.js";
import { BlockedBloomFilterBuilder } from "./blocked-bloom-filter-builder.js";
import type { FilterBuilder } from "./filter.js";
import type { FilterName } from "./filter-name.js";
import { RibbonFilterBuilder } from "./ribbon-filter-builder.js";
import { FilterKind } from "./sst.js";

/** The payload that stands for no filter. */
export function noFilter(): Bytes {
  return new Uint8Array([FilterKind.none]);
}

/** Undefined for no filter: `bitsPerKey` is 0. */
export function createFilterBuilder(
  name: FilterName,
  bitsPerKey: number,
): FilterBuilder | undefined {
  if (bitsPerKey <= 0) return undefined;
  return name === "ribbon"
    ? new RibbonFilterBuilder(bitsPerKey)
    : new BlockedBloomFilterBuilder(bitsPerKey);
}
