/** `ManualClock`: time that stands still until a test moves it. */
import { whenAborted } from "../common/abort.js";
import type { Clock, Timer } from "../common/clock.js";

interface ManualTimer {
  dueMs: number;
  callback: () => void;
}

/** How many timers may fire without time moving on, before it is taken for a loop. */
const firedAtOnceMax = 100_000;
/**
 * How many turns of the event loop may pass without a timer, before a promise is taken for forgotten: half a minute, as the later ones last a
 * millisecond each. Modules that are loaded on a busy machine take seconds, and longer beside a loop that never rests.
 */
const idleTurnsMax = 40_000;
const shortTurnsMax = 10_000;

/**
 * `endOfTurn` needs no advance: it is the end of a real turn. Between two timers `advance` lets everything happen that
 * needs no I/O; what waits for real I/O (files, sockets, worker threads) may need another turn.
 */
export class ManualClock implements Clock {
  #wallMs: number;
  #monotonicMs = 0;
  #timers: ManualTimer[] = [];
  #turnsPending = 0;

  /** `now` is the wall clock to begin with, in ms since 1970. Default: 1 January 2026. */
  constructor(options: { now?: number | undefined } = {}) {
    this.#wallMs = options.now ?? Date.UTC(2026, 0, 1);
  }

  now(): number {
    return this.#wallMs;
  }

  monotonic(): number {
    return this.#monotonicMs;
  }

  /** How many sleeps and timers have not fired. */
  get pendingTimers(): number {
    return this.#timers.length;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const timer = this.after(ms, () => {
        stopListening();
        resolve();
      });
      const stopListening = whenAborted(signal, (reason) => {
        timer.cancel();
        reject(reason);
      });
    });
  }

  after(ms: number, callback: () => void, _options?: { idle?: boolean }): Timer {
    const timer = { dueMs: this.#monotonicMs + Math.max(0, ms), callback };
    // Behind those that are due at the same time: they fire in the order in which they were set.
    let index = this.#timers.length;
    while (index > 0 && this.#timers[index - 1]!.dueMs > timer.dueMs) index--;
    this.#timers.splice(index, 0, timer);
    return {
      cancel: () => {
        const at = this.#timers.indexOf(timer);
        if (at >= 0) this.#timers.splice(at, 1);
      },
    };
  }

  endOfTurn(callback: () => void): void {
    this.#turnsPending++;
    setImmediate(() => {
      this.#turnsPending--;
      callback();
    });
  }

  /** Moves both clocks by `ms`, firing what falls due in order, each at its own time. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#monotonicMs + ms;
    await this.settle();
    for (let firedAtOnce = 0; (this.#timers[0]?.dueMs ?? Infinity) <= endMs; firedAtOnce++) {
      const timer = this.#timers.shift()!;
      if (timer.dueMs > this.#monotonicMs) firedAtOnce = 0;
      if (firedAtOnce > firedAtOnceMax) {
        throw new Error(
          `${firedAtOnceMax} timers fired at ${this.#monotonicMs} ms: do they set each other?`,
        );
      }
      this.#moveTo(timer.dueMs);
      timer.callback();
      await this.settle();
    }
    this.#moveTo(endMs);
  }

  /** Moves from timer to timer until `promise` settles, and gives its outcome. Throws after `limitMs` (default an hour). */
  async advanceUntil<T>(promise: Promise<T>, limitMs = 3_600_000): Promise<T> {
    let settled = false;
    const onSettled = (): void => {
      settled = true;
    };
    promise.then(onSettled, onSettled);
    const endMs = this.#monotonicMs + limitMs;
    await this.settle();
    for (let idleTurns = 0; !settled; idleTurns++) {
      const dueMs = this.#timers[0]?.dueMs;
      if (dueMs !== undefined && dueMs > endMs) {
        throw new Error(`A promise did not settle within ${limitMs} ms.`);
      }
      if (dueMs !== undefined) idleTurns = 0;
      else if (idleTurns > idleTurnsMax) throw new Error("A promise waits, and no timer is set.");
      // Without a timer it can only be real I/O that is waited for: another turn.
      if (idleTurns > shortTurnsMax) await new Promise((resolve) => setTimeout(resolve, 1));
      await this.advance(dueMs === undefined ? 0 : Math.max(0, dueMs - this.#monotonicMs));
    }
    return promise;
  }

  /** Lets everything run that is ready, without moving the time. */
  async settle(): Promise<void> {
    do {
      await new Promise<void>((resolve) => setImmediate(resolve));
    } while (this.#turnsPending > 0);
  }

  /** Sets the wall clock alone, as when someone corrects it. Timers follow the monotonic clock. */
  setWall(ms: number): void {
    this.#wallMs = ms;
  }

  /** Moves both clocks, and nothing fires before the next advance: the process was frozen. */
  freeze(ms: number): void {
    this.#moveTo(this.#monotonicMs + ms);
  }

  #moveTo(monotonicMs: number): void {
    const movedMs = Math.max(0, monotonicMs - this.#monotonicMs);
    this.#monotonicMs += movedMs;
    this.#wallMs += movedMs;
  }
}
