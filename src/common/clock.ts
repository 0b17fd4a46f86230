/** Time as an argument: wall clock, monotonic clock, sleeping, and the end of a turn of the event loop. */
import { whenAborted } from "./abort.js";

export interface Clock {
  /** Milliseconds since 1970. May jump in either direction; decides nothing but expiry and ages. */
  now(): number;
  /** Milliseconds that never go back. */
  monotonic(): number;
  /** Resolves after `ms`; rejects with `signal.reason` when aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls back after `ms`, unless cancelled. An `idle` timer does not keep the process alive. */
  after(ms: number, callback: () => void, options?: { idle?: boolean }): Timer;
  /** Calls back once everything that is ready in this turn of the event loop has run. */
  endOfTurn(callback: () => void): void;
}

export interface Timer {
  cancel(): void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep(ms, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const timer = setTimeout(() => {
        stopListening();
        resolve();
      }, ms);
      const stopListening = whenAborted(signal, (reason) => {
        clearTimeout(timer);
        reject(reason);
      });
    });
  },
  after(ms, callback, options) {
    const timer = setTimeout(callback, ms);
    if (options?.idle) timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
  endOfTurn(callback) {
    setImmediate(callback);
  },
};
