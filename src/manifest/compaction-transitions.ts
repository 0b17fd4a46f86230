/** Transitions of the compactor: its epoch, and runs in the place of what they were made of. */
import type { Ulid } from "../common/ids.js";
import type { SortedRun } from "../format/manifest.js";

/** What one commit of a compactor changes. Inputs are named exactly: a manifest in which one of them is missing is not changed. */
export interface RunChange {
  /** L0 entries, each by the id of its first SST: the oldest ones, oldest first. */
  readonly l0: readonly Ulid[];
  /** Runs one after another, newest first; may be empty. */
  readonly runsFrom: readonly Ulid[];
  /** What stands in their place; in place of none, the newest of all runs. */
  readonly runsTo: readonly SortedRun[];
  /** SSTs, and runs' own objects, that are no longer named. */
  readonly retiredSsts: readonly Ulid[];
  readonly retiredRuns: readonly Ulid[];
  /** As in the job. */
  readonly retainSeq: number;
  /** Reads at every seq may see something else than before. */
  readonly rewrites: boolean;
  /** The compactor will never again name an id at or below it that the manifest does not name by then. */
  readonly floor: Ulid;
}
