/** `KeyFilter`: tells, without reading a block, that a partition of an SST does not hold a key. */

export interface KeyFilter {
  /** False only when no key with this hash (see key-hash.ts) was added. */
  mayContain(keyHash: number): boolean;
}

/** Stands where there is no filter, or one of a kind that this version does not know: filters only save reads. */
export const passAllFilter: KeyFilter = { mayContain: () => true };
