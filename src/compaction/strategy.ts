/** `CompactionStrategy`: decides what is merged next, from the manifest alone. */
import type { Ulid } from "../common/ids.js";
import type { CompactionInputs } from "../format/compactions.js";
import type { Manifest, SstInfo } from "../format/manifest.js";

export interface CompactionPick {
  readonly inputs: CompactionInputs;
  /** Of the output run; 0 where the strategy has no levels. */
  readonly level: number;
  /** Nothing is merged: the inputs go, and their rows with them. */
  readonly drops: boolean;
  /** Of these it is their age alone for which they go, the oldest first. Default: none. */
  readonly aged?: readonly SstInfo[] | undefined;
  /** For people: which rule, and how much. */
  readonly reason: string;
}

export interface CompactionStrategy {
  /** For people and for statistics. */
  readonly name: string;
  /**
   * What to do beside what is running, most urgent first; the same arguments give the same answer. Runs whose list stands in an object of its own come
   * with `ssts` filled in, unless it cannot be read: then `running` has the run. `now` is ms since 1970 by the store's clock.
   *
   * `storedAt`: when an SST was stored, by the same clock, at the latest. Nothing that was stored less than its time before `now` goes for its age. Default: ids alone
   * say how old they are, so what is `aged` has to be asked about.
   */
  pick(
    manifest: Manifest,
    running: readonly CompactionInputs[],
    now: number,
    storedAt?: (id: Ulid) => number,
  ): readonly CompactionPick[];
}
