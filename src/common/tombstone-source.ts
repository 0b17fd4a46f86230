/** `TombstoneSource`: range deletes in memory, wherever they come from. */
import type { FragmentedTombstones } from "./fragmented-tombstones.js";

export interface TombstoneSource {
  /** The highest seq, at most `seqMax`, of a range delete that covers the key `bytes[start, end)`; 0 when none does. */
  coverSeq(bytes: Uint8Array, start: number, end: number, seqMax: number): number;
  /** All of them as they are now: later ones do not appear. */
  fragmented(): readonly FragmentedTombstones[];
}
