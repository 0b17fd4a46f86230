/**
 * `L0Limit`: each L0 entry is one more place that reads look into, so the flush pipeline holds tables back while there are
 * too many, until a compaction has taken some away; what they occupy then makes writers wait. Compactors may run in other
 * processes, which the manifest alone tells of: it is looked at while a table is held back, and only then.
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
  /** Nothing will make room, or somebody is about to: the limit holds nobody back. */
  isLifted: () => boolean;
  /** Looks for a newer manifest. */
  refresh: () => Promise<Manifest>;
  /** A table is held back: whoever makes room should. Called now and then for as long as it is. */
  onHeld: () => void;
  /** There may be room: `mayDispatch` answers anew. */
  onNews: () => void;
  /** The handle is of no more use, such as after a fence. */
  onFailed: (error: MoraineError) => void;
  signal: AbortSignal;
}

export class L0Limit {
  readonly #options: L0LimitOptions;
  #max = Number.POSITIVE_INFINITY;
  /** Something is held back. */
  #isHolding = false;
  #isPolling = false;

  constructor(options: L0LimitOptions) {
    this.#options = options;
  }

  /** The handle is open: what older logs held is on its way, whatever the limit. */
  impose(): void {
    this.#max = this.#options.max;
  }

  /** Whether one more table may be on its way to L0, beside the `pending` entries that are. If not, news will be told. */
  mayDispatch(pending: number): boolean {
    const { state, isLifted } = this.#options;
    const may = state.view.manifest.l0.length + pending < this.#max || isLifted();
    this.#isHolding = !may;
    if (!may) this.#poll();
    return may;
  }

  /** The handle is closing: what it has is brought to L0 all the same, because no later writer would wait for room either. */
  lift(): void {
    this.#max = Number.POSITIVE_INFINITY;
    this.#options.onNews();
  }

  #poll(): void {
    if (this.#isPolling) return;
    this.#isPolling = true;
    this.#lookForNews().catch((error: unknown) => {
      this.#isPolling = false;
      if (error instanceof MoraineError) this.#options.onFailed(error);
    });
  }

  async #lookForNews(): Promise<void> {
    const { state, clock, refresh, onHeld, onNews, signal } = this.#options;
    while (!signal.aborted && this.#isHolding) {
      onHeld();
      await clock.sleep(pollMs, signal);
      if (!this.#isHolding) break;
      try {
        state.adopt(await refresh());
      } catch (error) {
        // A store that is away comes back.
        if (!(error instanceof StoreError)) throw error;
      }
      onNews();
    }
    // In the same tick as the look, or what is held back in between would wait for nobody.
    this.#isPolling = false;
  }
}
