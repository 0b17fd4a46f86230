/** How long values of the model test live, and the clock that they live by: it stands still until a step moves it. */
import * as fc from "fast-check";
import { type Clock, systemClock } from "../../src/common/clock.js";
import type { LifetimeOptions } from "../../src/index.js";

/** Where the wall clock begins, in ms since 1970. */
const startMs = 1_767_225_600_000;

/** Timers run as they do; what time it is, the test says. */
export class MovedClock implements Clock {
  readonly monotonic: Clock["monotonic"] = systemClock.monotonic;
  readonly sleep: Clock["sleep"] = systemClock.sleep;
  readonly after: Clock["after"] = systemClock.after;
  readonly endOfTurn: Clock["endOfTurn"] = systemClock.endOfTurn;
  #wallMs = startMs;

  now(): number {
    return this.#wallMs;
  }

  move(ms: number): void {
    this.#wallMs += ms;
  }
}

/** Not expired when they are written; ends that meet the steps of the clock exactly are likely. */
export const livingArbitrary: fc.Arbitrary<LifetimeOptions> = fc.oneof(
  { weight: 6, arbitrary: fc.constant({}) },
  { weight: 3, arbitrary: fc.constantFrom(1, 2, 10, 1000).map((ttlMs) => ({ ttlMs })) },
  { weight: 1, arbitrary: fc.constant({ ttlMs: Number.POSITIVE_INFINITY }) },
  { weight: 1, arbitrary: fc.constant({ expiresAt: startMs + 1e12 }) },
);

/** Some have expired before they are written. */
export const lifetimeArbitrary: fc.Arbitrary<LifetimeOptions> = fc.oneof(
  { weight: 9, arbitrary: livingArbitrary },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom(1 - startMs, 0, 1, 5, 10, 1000)
      .map((after) => ({ expiresAt: startMs + after })),
  },
);

/** Of what is said, most particular first: the time of the end, undefined for none. */
export function endOf(
  said: readonly (LifetimeOptions | undefined)[],
  createdAt: number,
): number | undefined {
  for (const lifetime of said) {
    if (lifetime?.expiresAt !== undefined) return lifetime.expiresAt;
    if (lifetime?.ttlMs === undefined) continue;
    return lifetime.ttlMs === Number.POSITIVE_INFINITY ? undefined : createdAt + lifetime.ttlMs;
  }
  return undefined;
}
