/**
 * `L0Limit`: each L0 entry is one more place that reads look into, so writers wait while there are too many, until a
 * compaction has taken some away. Compactors may run in other processes, which the manifest alone tells of: it is looked at
 * while a write waits, and only then.
 */
import type { Clock } from "../common/clock.js";
import { MoraineError, StoreError } from "../common/errors.js";
import type { Manifest } from "../format/manifest.js";
import type { DbState } from "./db-state.js";

const pollMs = 1000;

export interface L0LimitOptions {
  state: DbState;
  clock: Clock;
  /** Entries of L0; `Infinity` for no limit. */
  max: number;
  /** Looks for a newer manifest. */
  refresh: () => Promise<Manifest>;
  /** There is room again. */
  onRoom: () => void;
  /** The handle is of no more use, such as after a fence. */
  onFailed: (error: MoraineError) => void;
  signal: AbortSignal;
}

export class L0Limit {
  readonly #options: L0LimitOptions;
  #watching = false;

  constructor(options: L0LimitOptions) {
    this.#options = options;
  }

  get isReached(): boolean {
    const { state, max } = this.#options;
    return state.view.manifest.l0.length >= max;
  }

  /** Looks for room for as long as `isWanted`. */
  watch(isWanted: () => boolean): void {
    if (this.#watching || !this.isReached) return;
    this.#watching = true;
    this.#poll(isWanted)
      .catch((error: unknown) => {
        if (error instanceof MoraineError) this.#options.onFailed(error);
      })
      .finally(() => {
        this.#watching = false;
      });
  }

  async #poll(isWanted: () => boolean): Promise<void> {
    const { state, clock, refresh, onRoom, signal } = this.#options;
    while (!signal.aborted && isWanted() && this.isReached) {
      await clock.sleep(pollMs, signal);
      try {
        state.adopt(await refresh());
      } catch (error) {
        // A store that is away comes back.
        if (!(error instanceof StoreError)) throw error;
      }
      if (!this.isReached) onRoom();
    }
  }
}
