/**
 * `CompactorRole`: what a process does for compaction: a coordinator, workers, or both, and when they look for something to do. It sets no
 * timer while there is nothing to wait for, unless it polls.
 */
import type { Clock } from "../common/clock.js";
import type { MoraineError } from "../common/errors.js";
import type { KeyBounds } from "../common/key-range.js";
import type { Random } from "../common/random.js";
import type { Manifest } from "../format/manifest.js";
import type { StoredManifest } from "../manifest/stored-manifest.js";
import type { ObjectStore } from "../object-store/object-store.js";
import type { BuildSettings, JobRunner } from "./job.js";
import type { RunListReads } from "./run-list-reads.js";
import type { CompactionStrategy } from "./strategy.js";
import type { WorkSource } from "./work-source.js";

export interface CompactorRoleOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Its requests should give way to others. */
  readonly store: ObjectStore;
  /** May be shared with the writer of this process. */
  readonly storedManifest: StoredManifest;
  readonly lists: RunListReads;
  /** Carries out jobs; closed with the role. */
  readonly runner: JobRunner;
  readonly build: BuildSettings;
  /** Of this process, for people. */
  readonly name: string;
  /** Undefined: no coordinator, only workers, which take jobs that others plan. */
  readonly coordinator?: CoordinatorSettings | undefined;
  /** Jobs that this process carries out at once. Default 1. */
  readonly localJobsMax?: number | undefined;
  /** As in `StoredManifestOptions`. */
  readonly retentionMs: number;
  /**
   * Looks for work by itself, also when nobody pokes it, as in a process of its own: when this says. Default: only when it is poked, and
   * while jobs of other processes are under way.
   */
  readonly source?: WorkSource | undefined;
  /** The manifest of each of its commits, in the tick in which it is known: so that a writer adopts it. */
  readonly onCommitted?: ((manifest: Manifest) => void) | undefined;
  /** It has stopped for good, other than by `close`. A fence does not stop it: it stands by. */
  readonly onFailed?: ((error: MoraineError) => void) | undefined;
}

export interface CoordinatorSettings {
  readonly strategy: CompactionStrategy;
  /** Data bytes after which an output is cut. */
  readonly sstBytesMax: number;
  /** L0 entries from which on a coordinator that stands by takes over. */
  readonly l0SoftMax: number;
  /** `"at-once"`: a process of its own. `"lazily"`: beside a writer, only when there is work that nobody else does. */
  readonly claims: "at-once" | "lazily";
  /** Jobs planned at once for workers of other processes. Default 0. */
  readonly remoteJobsMax?: number | undefined;
}

export interface CompactionStats {
  readonly jobsRunning: number;
  readonly jobsDone: number;
  readonly jobsFailed: number;
  /** Bytes of the SSTs that jobs of this process took, and of those that they made; what was moved is in neither. */
  readonly inputBytes: number;
  readonly outputBytes: number;
  /** SSTs that changed their place without being written. */
  readonly movedSsts: number;
}

/** The calls; `CompactorRole` implements it. */
export interface CompactorHandle {
  readonly stats: CompactionStats;
  /** L0 or the runs have changed: looks, soon, whether there is something to do. Costs no request when there is not. */
  poke(): void;
  /**
   * Looks and does what is due, until nothing is: jobs that it plans or finds are carried out and committed. `claims`: takes the epoch when
   * there is something to do, whoever has it. Gives how many jobs were finished. Rejects with a `StoreError`, or with `signal.reason`; then
   * jobs are given back with what was reached.
   */
  runOnce(options?: {
    signal?: AbortSignal | undefined;
    claims?: boolean | undefined;
  }): Promise<number>;
  /**
   * Merges all that L0 and the runs hold of the range, or of every key. Resolves when it is committed. Rejects with the failure of its job,
   * a `StoreError`, a `ClosedError`, or `signal.reason`; then it goes on by itself or is given up, and the database is as sound as before.
   */
  compact(bounds?: KeyBounds | undefined, signal?: AbortSignal | undefined): Promise<void>;
  /** Jobs stop and are given back. May be called twice. */
  close(): Promise<void>;
}
