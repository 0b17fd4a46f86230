/** `StoreTime`: the store's clock as far as this process knows it, never ahead of it: from the last times seen, and monotonic time since. */
import type { Clock } from "../common/clock.js";

export class StoreTime {
  readonly #clock: Clock;
  /** The store's clock minus the monotonic one, as far as it was ever seen to be ahead. */
  #offset = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isKnown(): boolean {
    return this.#offset !== Number.NEGATIVE_INFINITY;
  }

  /** ms since 1970; 0 while nothing was seen. */
  now(): number {
    return this.isKnown ? Math.max(0, Math.floor(this.#clock.monotonic() + this.#offset)) : 0;
  }

  /** `lastModified` of an object that a reply has just told: the store's clock is there or later. */
  saw(lastModified: number): void {
    this.#offset = Math.max(this.#offset, lastModified - this.#clock.monotonic());
  }
}
