/** `PrefixCursor`: the prefix of one key of an SST after the other. It asks the extractor only where keys begin to differ. */
import { type PrefixExtractor, prefixLength } from "./prefix-extractor.js";

export class PrefixCursor {
  /** Length of the prefix of the key that came last; -1 when it has none. */
  length = -1;
  /** False when the key before had the same prefix. */
  isNew = false;
  readonly #extractor: PrefixExtractor;

  constructor(extractor: PrefixExtractor) {
    this.#extractor = extractor;
  }

  /** The next key is `bytes[start, end)`, of which `shared` bytes are those of the key before. Throws what the extractor throws. */
  next(bytes: Uint8Array, start: number, end: number, shared: number): void {
    this.isNew = this.length < 0 || shared < this.length;
    // The beginnings that both share were asked about, and are no prefixes.
    if (this.isNew) this.length = prefixLength(this.#extractor, bytes, start, end, shared + 1);
  }
}
