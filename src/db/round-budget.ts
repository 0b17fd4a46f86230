/**
 * `RoundBudget`: how much a round of maintenance may take. It is looked at between SSTs, so that each round makes progress: a round goes over
 * it by what one SST takes, at most.
 */
import type { Clock } from "../common/clock.js";
import type { ObservedRequest } from "../object-store/observed-request.js";
import type { BudgetOptions } from "./maintain-options.js";

/** Why a round stopped before nothing was due. */
export class BudgetSpent extends Error {}

export class RoundBudget {
  readonly #options: BudgetOptions;
  readonly #clock: Clock;
  readonly #startMs: number;
  readonly #spent = new AbortController();
  #bytes = 0;
  #requests = 0;
  #hasProgressed = false;

  constructor(options: BudgetOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
    this.#startMs = clock.monotonic();
  }

  /** Aborted, with a `BudgetSpent`, when the round is to stop. */
  get signal(): AbortSignal {
    return this.#spent.signal;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get requests(): number {
    return this.#requests;
  }

  get isSpent(): boolean {
    const none = Number.POSITIVE_INFINITY;
    const { timeMs = none, bytes = none, requests = none } = this.#options;
    return (
      this.#bytes >= bytes ||
      this.#requests >= requests ||
      this.#clock.monotonic() - this.#startMs >= timeMs
    );
  }

  /** What is left of it, in time and requests; at least one of each. */
  get left(): { timeMs?: number | undefined; requests?: number | undefined } {
    const { timeMs, requests } = this.#options;
    const usedMs = this.#clock.monotonic() - this.#startMs;
    return {
      timeMs: timeMs === undefined ? undefined : Math.max(1, Math.floor(timeMs - usedMs)),
      requests: requests === undefined ? undefined : Math.max(1, requests - this.#requests),
    };
  }

  add({ bytesGot, bytesPut }: Pick<ObservedRequest, "bytesGot" | "bytesPut">): void {
    this.#bytes += bytesGot + bytesPut;
    this.#requests++;
  }

  /** Another SST is stored, or a job is done. */
  progressed(): void {
    this.#hasProgressed = true;
  }

  /** Between two pieces of work: ends the round where it has done something, and may do no more. */
  check(): void {
    if (!this.#hasProgressed || !this.isSpent || this.signal.aborted) return;
    this.#spent.abort(new BudgetSpent("The budget of this round is spent."));
  }
}
