/** `KeyFilter`: tells, without reading a block, that a partition of an SST does not hold a key. `FilterBuilder` makes one. */
import type { Bytes } from "../common/bytes.js";

export interface KeyFilter {
  /** False only when no key with this hash (see key-hash.ts) was added. */
  mayContain(keyHash: number): boolean;
}

/** Stands where there is no filter, or one of a kind that this version does not know: filters only save reads. */
export const passAllFilter: KeyFilter = { mayContain: () => true };

export interface FilterBuilder {
  /** The filter kind that it means to write. */
  readonly kind: number;
  /** `hash`: of a key, see key-hash.ts, or of a prefix, see prefix-extractor.ts. */
  add(hash: number): void;
  /** The payload of the filter block; the builder is empty afterwards. */
  finish(): Bytes;
}
