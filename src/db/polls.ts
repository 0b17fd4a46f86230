/**
 * `Polls`: when a reader looks for news. After the interval, doubling to ten seconds while there is none; at once when somebody begins to
 * wait, and after the interval for as long as somebody does.
 */
import type { Clock, Timer } from "../common/clock.js";

const idleIntervalMs = 10_000;

export interface PollsOptions {
  clock: Clock;
  intervalMs: number;
  /** True when there was news. A rejection is none. */
  look: () => Promise<boolean>;
  /** Somebody waits for what the next poll may find. */
  isHurried: () => boolean;
  /** The process goes on for as long as this is so, even where nothing else keeps it. */
  keepsProcess: () => boolean;
}

export class Polls {
  readonly #options: PollsOptions;
  #timer: Timer | undefined;
  /** When the timer is due, by the monotonic clock. */
  #dueAt = 0;
  #quietPolls = 0;
  #isPolling = false;
  /** Somebody began to wait while a poll was under way, which may have looked already. */
  #pollAgain = false;
  #isStopped = false;

  constructor(options: PollsOptions) {
    this.#options = options;
  }

  start(): void {
    this.#schedule();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  /** Polls now. */
  hurry(): void {
    this.#quietPolls = 0;
    if (this.#isPolling) this.#pollAgain = true;
    else this.#schedule(0);
  }

  /** What `keepsProcess` answers has changed. */
  renew(): void {
    if (this.#isPolling || this.#timer === undefined) return;
    this.#schedule(Math.max(0, this.#dueAt - this.#options.clock.monotonic()));
  }

  #schedule(delayMs?: number): void {
    if (this.#isStopped) return;
    this.#timer?.cancel();
    const { clock, intervalMs, isHurried, keepsProcess } = this.#options;
    const quiet = isHurried() ? 0 : this.#quietPolls;
    const longest = Math.max(intervalMs, idleIntervalMs);
    const wait = delayMs ?? Math.min(intervalMs * 2 ** quiet, longest);
    this.#dueAt = clock.monotonic() + wait;
    this.#timer = clock.after(wait, () => void this.#poll(), { idle: !keepsProcess() });
  }

  async #poll(): Promise<void> {
    this.#isPolling = true;
    try {
      const news = await this.#options.look();
      this.#quietPolls = news ? 0 : Math.min(this.#quietPolls + 1, 20);
    } catch {
      // The reader has ended, or looks again after the interval.
    }
    this.#isPolling = false;
    const again = this.#pollAgain;
    this.#pollAgain = false;
    this.#schedule(again ? 0 : undefined);
  }
}
