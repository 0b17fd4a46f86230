/** `WatchedTrailer`: a `BlockTrailer` that tells when a block of its SST is not what it should be. */
import type { Ulid } from "../common/ids.js";
import { BlockTrailer } from "../format/block-trailer.js";

export class WatchedTrailer extends BlockTrailer {
  readonly #onDamage: () => void;

  constructor(sstId: Ulid, onDamage: () => void) {
    super(sstId);
    this.#onDamage = onDamage;
  }

  override open(
    bytes: Uint8Array,
    start: number,
    end: number,
    blockOffset: number,
    object: string,
  ): Uint8Array {
    try {
      return super.open(bytes, start, end, blockOffset, object);
    } catch (error) {
      this.#onDamage();
      throw error;
    }
  }
}
