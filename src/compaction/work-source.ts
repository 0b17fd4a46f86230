/** `WorkSource`: says when a worker should look for a job. The store itself says which there are, whoever gave the hint. */
import { whenAborted } from "../common/abort.js";
import type { Clock } from "../common/clock.js";
import { type Deferred, deferred } from "../common/deferred.js";

export interface WorkSource {
  /**
   * Resolves when it is worth looking; `hadWork`: the last look found a job. Rejects with `signal.reason` when aborted. A queue or an event
   * may stand behind it: a hint too many costs one GET, one too few only waits for the next.
   */
  next(hadWork: boolean, signal: AbortSignal): Promise<void>;
}

export interface PollingWorkSourceOptions {
  clock: Clock;
  /** ms until the first look after work; doubles up to `pollMaxMs` while there is none. Default 1000. */
  pollMs?: number | undefined;
  /** ms; default 10,000. */
  pollMaxMs?: number | undefined;
}

/** Looks again after a while, and at once when it is woken. No timer is set while nobody waits. */
export class PollingWorkSource implements WorkSource {
  readonly #options: PollingWorkSourceOptions;
  #waitMs: number;
  #woken: Deferred<void> = deferred();

  constructor(options: PollingWorkSourceOptions) {
    this.#options = options;
    this.#waitMs = options.pollMs ?? defaultPollMs;
  }

  /** There may be work now. */
  wake(): void {
    this.#waitMs = this.#options.pollMs ?? defaultPollMs;
    this.#woken.resolve();
  }

  async next(hadWork: boolean, signal: AbortSignal): Promise<void> {
    const { clock, pollMs = defaultPollMs, pollMaxMs = defaultPollMaxMs } = this.#options;
    if (hadWork) this.#waitMs = pollMs;
    signal.throwIfAborted();
    const stop = new AbortController();
    const stopListening = whenAborted(signal, (reason) => stop.abort(reason));
    const waitMs = this.#waitMs;
    this.#waitMs = Math.min(2 * waitMs, Math.max(pollMs, pollMaxMs));
    try {
      await Promise.race([this.#woken.promise, clock.sleep(waitMs, stop.signal)]);
    } finally {
      stopListening();
      stop.abort();
      this.#woken = deferred();
    }
  }
}

const defaultPollMs = 1000;
const defaultPollMaxMs = 10_000;
