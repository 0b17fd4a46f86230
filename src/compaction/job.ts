/** What a compaction job is to whoever carries it out: plain data that may cross into a thread. */
import type { Ulid } from "../common/ids.js";
import type { CompactionJob, JobRange } from "../format/compactions.js";
import type { Compression } from "../format/compression.js";
import type { FilterName } from "../format/filter-name.js";
import type { SstInfo } from "../format/manifest.js";

/** One L0 entry, or what a job takes of one run: SSTs in key order that do not overlap. */
export interface JobSource {
  readonly ssts: readonly SstInfo[];
  /** As in `L0Entry`: the seq of every row, where rows carry none and `SstInfo.seq` does not say it; 0 otherwise. */
  readonly seq: number;
}

/** How outputs are built, but for what cannot cross into a thread. */
export interface BuildSettings {
  readonly blockBytes: number;
  readonly filter: FilterName | undefined;
  readonly filterBitsPerKey: number;
  readonly unfilteredSstBytesMax: number;
  readonly compression: Compression | undefined;
}

export interface JobTask {
  readonly job: CompactionJob;
  readonly databaseId: Ulid;
  /** Newest first. */
  readonly sources: readonly JobSource[];
  readonly build: BuildSettings;
}

export interface JobEvents {
  /** The ranges have been planned, or one more output is stored. May be called often; keeps nothing waiting. */
  progress(ranges: readonly JobRange[]): void;
}

/** Carries out jobs: in slices of the main thread, or in threads of its own. */
export interface JobRunner {
  /**
   * Goes on where `task.job.ranges` say, and gives them all done. Rejects with `CorruptionError` and the like, with a `StoreError`, or with
   * `signal.reason`; outputs that are stored by then are in the last `progress`.
   */
  run(task: JobTask, events: JobEvents, signal: AbortSignal): Promise<readonly JobRange[]>;
  close(): Promise<void>;
}
