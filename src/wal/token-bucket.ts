/** A token bucket: a busy writer costs no more PUTs than its budget, an idle one may spend a burst at once. */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #updatedAt: number;

  /** Tokens come back at `perSecond`, up to `burst`. `Infinity` lifts the budget. `now` is a monotonic time in ms. */
  constructor(options: { perSecond: number; burst: number; now: number }) {
    this.#perSecond = options.perSecond;
    this.#burst = options.burst;
    this.#tokens = options.burst;
    this.#updatedAt = options.now;
  }

  /** Takes a token and answers 0, or takes none and answers in how many ms there will be one. */
  take(now: number): number {
    if (this.#perSecond === Number.POSITIVE_INFINITY) return 0;
    const elapsedMs = Math.max(0, now - this.#updatedAt);
    this.#updatedAt = now;
    this.#tokens = Math.min(this.#burst, this.#tokens + (elapsedMs * this.#perSecond) / 1000);
    // A timer may fire a hair early; a missing millionth of a token is no reason for another one.
    if (this.#tokens >= 1 - 1e-6) {
      this.#tokens = Math.max(0, this.#tokens - 1);
      return 0;
    }
    return ((1 - this.#tokens) * 1000) / this.#perSecond;
  }
}
