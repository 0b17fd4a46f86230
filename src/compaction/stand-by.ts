/**
 * `StandBy`: whether a coordinator that does not hold the epoch takes it. Safety does not depend on it: this is manners, so that two of them
 * do not take turns. Whoever holds the epoch does the work; when L0 grows all the same, nobody does.
 */
import type { Clock } from "../common/clock.js";
import { type Compactions, JobStatus } from "../format/compactions.js";
import type { Manifest } from "../format/manifest.js";

/** Nothing has changed for so long: longer than the pause between two looks of a coordinator that polls. */
const idleMs = 10_000;
/** The same while a job of L0 is under way: its worker gives a sign of life more often. */
const silentMs = 60_000;

export class StandBy {
  readonly #clock: Clock;
  readonly #l0SoftMax: number;
  #seen = "";
  #seenAtMs = 0;

  constructor(clock: Clock, l0SoftMax: number) {
    this.#clock = clock;
    this.#l0SoftMax = l0SoftMax;
  }

  /** L0 is as large as it only gets where nobody compacts. */
  isDue({ l0 }: Manifest): boolean {
    return l0.length >= this.#l0SoftMax;
  }

  /** How many ms are left until the epoch may be taken, if nothing changes; 0: now. */
  waitMs(manifest: Manifest, state: Compactions): number {
    const isWorkedOn = state.jobs.some(
      ({ inputs, status }) => inputs.l0.length > 0 && status !== JobStatus.failed,
    );
    const oldest = manifest.l0[0]?.ssts[0]?.id ?? "";
    const seen = `${manifest.compactorEpoch}/${state.number}/${oldest}`;
    const now = this.#clock.monotonic();
    if (seen !== this.#seen) {
      this.#seen = seen;
      this.#seenAtMs = now;
    }
    // Writers are about to be held back.
    if (!isWorkedOn && manifest.l0.length >= 2 * this.#l0SoftMax) return 0;
    return Math.max(0, this.#seenAtMs + (isWorkedOn ? silentMs : idleMs) - now);
  }
}
