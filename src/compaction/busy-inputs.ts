/** `BusyInputs`: what running jobs have taken, and may be in no other. */
import type { CompactionInputs } from "../format/compactions.js";

export class BusyInputs {
  /** A job with L0 entries is running: there is one at a time. */
  readonly hasL0: boolean;
  readonly #whole = new Set<string>();
  /** Ids of the SSTs that were taken of a run. */
  readonly #partly = new Map<string, Set<string>>();

  constructor(running: readonly CompactionInputs[]) {
    this.hasL0 = running.some(({ l0 }) => l0.length > 0);
    for (const { runs } of running) {
      for (const { id, ssts } of runs) {
        if (ssts.length === 0) this.#whole.add(id);
        else {
          const taken = this.#partly.get(id) ?? new Set();
          for (const sst of ssts) taken.add(sst);
          this.#partly.set(id, taken);
        }
      }
    }
  }

  /** True when a job has the run, or a part of it. */
  hasSomeOf(runId: string): boolean {
    return this.#whole.has(runId) || this.#partly.has(runId);
  }

  hasSst(runId: string, sstId: string): boolean {
    return this.#whole.has(runId) || this.#partly.get(runId)?.has(sstId) === true;
  }
}
