/** `HashList`: the hashes that a filter is to be built from, in the order they came. */

export class HashList {
  #hashes = new Uint32Array(1024);
  #count = 0;

  add(hash: number): void {
    if (this.#count === this.#hashes.length) {
      const grown = new Uint32Array(this.#count * 2);
      grown.set(this.#hashes);
      this.#hashes = grown;
    }
    this.#hashes[this.#count++] = hash;
  }

  /** Valid until the next `add` or `clear`. */
  view(): Uint32Array {
    return this.#hashes.subarray(0, this.#count);
  }

  clear(): void {
    this.#count = 0;
  }
}
