/**
 * `WriteSlowdown`: between `l0SoftMax` and `l0HardMax` entries of L0 writes wait in proportion to their bytes, the longer the fewer entries are left, so
 * that compaction catches up before everybody has to stop. A pace, not a queue: what a write owes, those behind it wait for.
 */
import type { Clock, Timer } from "../common/clock.js";

/** What the bytes of one MemTable take at the least, in ms, with one entry left before the limit; with n times as many left an n-th of it. */
export const slowestMemTableMs = 2000;
/** No single write holds up those behind it for longer, in ms, however large it is. */
const waitMaxMs = 1000;
/** Less than a timer can tell is not waited for, but owed. */
const slackMs = 5;

export interface WriteSlowdownOptions {
  clock: Clock;
  /** Entries of L0 now. */
  l0Count: () => number;
  l0SoftMax: number;
  l0HardMax: number;
  memTableBytes: number;
  /** `mayWrite` answers anew. */
  onReady: () => void;
}

export class WriteSlowdown {
  readonly #options: WriteSlowdownOptions;
  /** Without a hard limit the slowest pace is that of twice the soft one. */
  readonly #hardMax: number;
  /** By the monotonic clock, in ms; 0: nothing is owed. */
  #readyAt = 0;
  #timer: Timer | undefined;

  constructor(options: WriteSlowdownOptions) {
    this.#options = options;
    this.#hardMax = Math.min(options.l0HardMax, 2 * options.l0SoftMax);
  }

  /** Whether a write may have its seq now. */
  mayWrite(): boolean {
    if (this.#readyAt === 0) return true;
    const { clock, l0Count, l0SoftMax } = this.#options;
    if (l0Count() < l0SoftMax) this.#readyAt = 0;
    return this.#readyAt - clock.monotonic() < slackMs;
  }

  /** A write of so many bytes has its seq. */
  wrote(bytes: number): void {
    const { clock, l0Count, l0SoftMax, memTableBytes } = this.#options;
    const count = l0Count();
    if (count < l0SoftMax || l0SoftMax >= this.#hardMax) return;
    const fullness = Math.min(1, (count - l0SoftMax + 1) / (this.#hardMax - l0SoftMax));
    const owedMs = Math.min(waitMaxMs, (bytes / memTableBytes) * fullness * slowestMemTableMs);
    this.#readyAt = Math.max(this.#readyAt, clock.monotonic()) + owedMs;
  }

  /** Somebody waits: `onReady` is called when `mayWrite` is true again, if it is not. There is no timer while nobody does. */
  wait(): void {
    if (this.#timer !== undefined || this.mayWrite()) return;
    const { clock, onReady } = this.#options;
    this.#timer = clock.after(this.#readyAt - clock.monotonic(), () => {
      this.#timer = undefined;
      onReady();
    });
  }

  /** Nobody waits any more. */
  end(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
