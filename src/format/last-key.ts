/** `LastKey`: the key that was added last, which the next one is compared with. */
import { allocateBytes, type Bytes, compareRanges, copyBytes } from "../common/bytes.js";
import { shortestSeparator } from "./separator.js";

export class LastKey {
  length = 0;
  /** The key is the beginning of this buffer. */
  #bytes: Bytes = allocateBytes(64);

  /** How many bytes the key `bytes[start, end)` has in common with it. */
  shared(bytes: Uint8Array, start: number, end: number): number {
    const own = this.#bytes;
    const sharedMax = Math.min(this.length, end - start);
    let shared = 0;
    while (shared < sharedMax && own[shared] === bytes[start + shared]) shared++;
    return shared;
  }

  /** True when the key `bytes[start, end)`, which shares so many bytes with it, is above it. */
  isBelow(bytes: Uint8Array, start: number, end: number, shared: number): boolean {
    if (shared === this.length) return end - start > shared;
    return shared < end - start && bytes[start + shared]! > this.#bytes[shared]!;
  }

  /** Negative, zero or positive: it against `key`. */
  compare(key: Uint8Array): number {
    return compareRanges(this.#bytes, 0, this.length, key, 0, key.length);
  }

  /** The key `bytes[start, end)`, which shares so many bytes with it, takes its place. */
  set(bytes: Uint8Array, start: number, end: number, shared: number): void {
    const length = end - start;
    if (length > this.#bytes.length) {
      const grown = allocateBytes(length * 2);
      grown.set(this.#bytes.subarray(0, shared));
      this.#bytes = grown;
    }
    const own = this.#bytes;
    for (let i = shared; i < length; i++) own[i] = bytes[start + i]!;
    this.length = length;
  }

  /** What parts it from the key `bytes[start, end)`, which shares so many bytes with it. */
  separatorTo(bytes: Uint8Array, start: number, end: number, shared: number): Bytes {
    return shortestSeparator(this.#bytes, this.length, bytes, start, end, shared);
  }

  copy(): Bytes {
    return copyBytes(this.#bytes, 0, this.length);
  }
}
