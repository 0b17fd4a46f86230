/**
 * `GhostSet`: which entries have left a cache lately, as numbers of 32 bits. Two sets take turns, so that what is old is
 * forgotten without a list of it. Two entries with one number are taken for each other, which costs a little of the cache at worst.
 */
export class GhostSet {
  #young = new Set<number>();
  #old = new Set<number>();

  /** Between `countMax` / 2 and `countMax` of the last ones are remembered. */
  add(mark: number, countMax: number): void {
    if (this.#young.size >= countMax / 2) {
      this.#old = this.#young;
      this.#young = new Set();
    }
    this.#young.add(mark);
  }

  /** Whether it was there; from now on it is not. */
  take(mark: number): boolean {
    const wasYoung = this.#young.delete(mark);
    return this.#old.delete(mark) || wasYoung;
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
  }
}
