/** xorshift32 (Marsaglia): numbers that are scattered, and the same in each run. */
export class Dice {
  #state;

  /** Any seed but 0. */
  constructor(seed) {
    this.#state = Math.imul(seed, 0x9e3779b1) || 1;
  }

  /** A whole number from 0 up to, and without, `limit`. */
  below(limit) {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return (state >>> 0) % limit;
  }

  /** The numbers below `count`, each once. */
  shuffled(count) {
    const numbers = Uint32Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [numbers[i], numbers[j]] = [numbers[j], numbers[i]];
    }
    return numbers;
  }
}
