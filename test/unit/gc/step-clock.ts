/** `StepClock`: time that a test moves, in which sleeps are over at once. */
import type { Clock, Timer } from "../../../src/common/clock.js";

export class StepClock implements Clock {
  ms = 0;
  /** What the wall clock is off by. */
  readonly #skewMs: number;

  constructor(skewMs = 0) {
    this.#skewMs = skewMs;
  }

  now(): number {
    return Date.UTC(2026, 0, 1) + this.ms + this.#skewMs;
  }

  monotonic(): number {
    return this.ms;
  }

  sleep(): Promise<void> {
    return Promise.resolve();
  }

  after(_ms: number, callback: () => void): Timer {
    const timer = setImmediate(callback);
    return { cancel: () => clearImmediate(timer) };
  }

  endOfTurn(callback: () => void): void {
    setImmediate(callback);
  }
}

/** The wall clock of a process that is off by so much. */
export class ShiftedClock extends StepClock {
  readonly #clock: StepClock;
  readonly #shiftMs: number;

  constructor(clock: StepClock, shiftMs: number) {
    super();
    this.#clock = clock;
    this.#shiftMs = shiftMs;
  }

  override now(): number {
    return this.#clock.now() + this.#shiftMs;
  }
}
