/**
 * `Coordinator`: holds the compactor's epoch and decides. A round looks at the manifest and at the state of jobs, commits what is done,
 * takes jobs back from workers that are gone, gives up those whose inputs are, and plans new ones.
 */
import type { Clock } from "../common/clock.js";
import type { KeyBounds } from "../common/key-range.js";
import type { Random } from "../common/random.js";
import type { CompactionJob, JobRange } from "../format/compactions.js";
import type { Manifest } from "../format/manifest.js";
import type { StoredManifest } from "../manifest/stored-manifest.js";
import type { ObjectStore } from "../object-store/object-store.js";
import type { RunListReads } from "./run-list-reads.js";
import type { StoreTime } from "./store-time.js";
import type { StoredCompactions } from "./stored-compactions.js";
import type { CompactionPick, CompactionStrategy } from "./strategy.js";

export interface CoordinatorOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Run lists are put here, and the store's time is asked of it. */
  readonly store: ObjectStore;
  /** May be shared with the writer of this process. */
  readonly storedManifest: StoredManifest;
  /** Shared with the workers of this process. */
  readonly compactions: StoredCompactions;
  readonly storeTime: StoreTime;
  readonly lists: RunListReads;
  readonly strategy: CompactionStrategy;
  /** What a full compaction, or one of a range, merges: `pickAll`. */
  readonly pickAll: PickAll;
  /** Data bytes after which an output is cut. */
  readonly sstBytesMax: number;
  /** L0 entries from which on a coordinator that stands by takes over. */
  readonly l0SoftMax: number;
  /** `"at-once"`: the first round claims the epoch. `"lazily"`: only when there is work that nobody else does. */
  readonly claims: "at-once" | "lazily";
  /** Jobs that are open at once; those of `local` are among them. */
  readonly jobsMax: number;
  /** Workers of this process: a job for them is added and claimed in one commit, and what they finish needs none. Default: none. */
  readonly local?: LocalJobs | undefined;
  /** The manifest of each of its commits, in the tick in which it is known. */
  readonly onCommitted?: ((manifest: Manifest) => void) | undefined;
}

export type PickAll = (
  manifest: Manifest,
  bounds: KeyBounds | undefined,
) => readonly CompactionPick[];

/** What a coordinator needs to know of the workers in its own process. */
export interface LocalJobs {
  /** For people. */
  readonly name: string;
  /** How many more jobs it would take. */
  readonly free: number;
  /** Begins a job whose claim is stored. */
  start(job: CompactionJob): void;
  /** What has become of its jobs since the last round that stored it, by job id. */
  readonly finished: ReadonlyMap<string, LocalOutcome>;
  /** The state has it. */
  settled(jobId: string): void;
}

/** Done with all ranges, failed for good, or given back with what was reached. */
export type LocalOutcome =
  | { readonly kind: "done"; readonly claim: string; readonly ranges: readonly JobRange[] }
  | {
      readonly kind: "failed";
      readonly claim: string;
      readonly ranges: readonly JobRange[];
      readonly error: Error;
    }
  | { readonly kind: "released"; readonly claim: string; readonly ranges: readonly JobRange[] };
