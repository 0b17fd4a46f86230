/**
 * `SimulatedProcess`: a name, a store handle, a clock and a source of randomness. While it is paused none of its timers
 * fires and no reply reaches it; once it is dead nothing of it ever settles again.
 */
import type { Clock, Timer } from "../../src/common/clock.js";
import type { Random } from "../../src/common/random.js";
import type { SimulatedObjects } from "./simulated-objects.js";
import { type HeldRequest, SimulatedStore } from "./simulated-store.js";

export interface SimulatedTimer {
  readonly dueMs: number;
  readonly idle: boolean;
  readonly callback: () => void;
}

export class SimulatedProcess {
  readonly name: string;
  readonly random: Random;
  readonly clock: SimulatedClock;
  readonly store: SimulatedStore;
  state: "running" | "paused" | "dead" = "running";

  constructor(options: {
    name: string;
    random: Random;
    timeMs: () => number;
    /** How far its wall clock is off. */
    wallOffsetMs: number;
    objects: SimulatedObjects;
    hold: (request: HeldRequest) => void;
  }) {
    this.name = options.name;
    this.random = options.random;
    this.clock = new SimulatedClock(options.timeMs, options.wallOffsetMs);
    this.store = new SimulatedStore(this, options.objects, options.hold);
  }
}

export const wallStartMs: number = Date.UTC(2026, 0, 1);

export class SimulatedClock implements Clock {
  /** By due time, and in the order in which they were set. */
  timers: SimulatedTimer[] = [];
  /** What waits for the end of the turn. */
  turns: (() => void)[] = [];
  readonly #timeMs: () => number;
  readonly #wallOffsetMs: number;

  constructor(timeMs: () => number, wallOffsetMs: number) {
    this.#timeMs = timeMs;
    this.#wallOffsetMs = wallOffsetMs;
  }

  now(): number {
    return wallStartMs + this.#wallOffsetMs + Math.floor(this.#timeMs());
  }

  monotonic(): number {
    return this.#timeMs();
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const onAbort = (): void => {
        timer.cancel();
        reject(signal!.reason);
      };
      const timer = this.after(ms, () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      });
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  after(ms: number, callback: () => void, options?: { idle?: boolean }): Timer {
    const dueMs = this.#timeMs() + Math.max(0, ms);
    const timer: SimulatedTimer = { dueMs, idle: options?.idle ?? false, callback };
    let index = this.timers.length;
    while (index > 0 && this.timers[index - 1]!.dueMs > dueMs) index--;
    this.timers.splice(index, 0, timer);
    return {
      cancel: () => {
        const at = this.timers.indexOf(timer);
        if (at >= 0) this.timers.splice(at, 1);
      },
    };
  }

  endOfTurn(callback: () => void): void {
    this.turns.push(callback);
  }
}
