/** What a coordinator is made of, and what its parts share. */
import type { Clock } from "../common/clock.js";
import type { CorruptionError } from "../common/errors.js";
import type { Random } from "../common/random.js";
import type { CompactionJob } from "../format/compactions.js";
import type { Manifest } from "../format/manifest.js";
import type { StoredManifest } from "../manifest/stored-manifest.js";
import type { ObjectStore } from "../object-store/object-store.js";
import type { DuePicks } from "./due-picks.js";
import type { LocalWorkers } from "./local-workers.js";
import type { ReadableLists } from "./readable-lists.js";
import type { RunListReads } from "./run-list-reads.js";
import type { StoreTime } from "./store-time.js";
import type { StoredCompactions } from "./stored-compactions.js";
import type { CompactionStrategy } from "./strategy.js";

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
  /** Data bytes after which an output is cut. */
  readonly sstBytesMax: number;
  /** L0 entries from which on a coordinator that stands by takes over. */
  readonly l0SoftMax: number;
  /** `"at-once"`: the first round claims the epoch. `"lazily"`: only when there is work that nobody else does. */
  readonly claims: "at-once" | "lazily";
  /** That of the writer whose handle this belongs to; 0: a process of its own. */
  readonly writerEpoch: number;
  /** Jobs that are open at once; those of `local` are among them. */
  readonly jobsMax: number;
  /** Workers of this process: a job for them is added and claimed in one commit, and what they finish needs none. Default: none. */
  readonly local?: LocalWorkers | undefined;
  /** The workers of this process have a compaction filter: jobs are planned for it where nothing is open. Default: none. */
  readonly filters?: boolean | undefined;
  /** Whether jobs may be planned that change what reads see, as far as this process knows. Default: they may. */
  readonly mayRewrite?: (() => boolean) | undefined;
  /** A job of a worker of another process has failed for good. */
  readonly onJobFailed?: ((job: CompactionJob, error: Error) => void) | undefined;
  /** The manifest of each of its commits, in the tick in which it is known. */
  readonly onCommitted?: ((manifest: Manifest) => void) | undefined;
  /** The list of a run cannot be read: the run stays as it is, and nothing is merged across it. Called once for each. */
  readonly onDamagedList?: ((error: CorruptionError) => void) | undefined;
}

/** Since a coordinator began. */
export interface CompactionTotals {
  committedJobs: number;
  failedJobs: number;
  /** Of the committed jobs: bytes of SSTs that were merged, and that were made; what was moved is in neither. */
  inputBytes: number;
  outputBytes: number;
  movedSsts: number;
}

/** What the parts of a coordinator share. */
export type RoundContext = Omit<CoordinatorOptions, "lists"> & {
  readonly totals: CompactionTotals;
  readonly picks: DuePicks;
  readonly lists: ReadableLists;
};
