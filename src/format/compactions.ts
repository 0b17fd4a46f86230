/**
 * The state of compactions as a value: the jobs that are under way, and how far each has come. Object `compactions/<n>.compactions`, created
 * number after number as manifests are.
 */
import type { Bytes } from "../common/bytes.js";
import type { Ulid } from "../common/ids.js";
import type { SstInfo } from "./manifest.js";

export interface Compactions {
  readonly number: number;
  readonly databaseId: Ulid;
  /** ms since 1970, by the clock of whoever committed it */
  readonly createdAt: number;
  /** Makes the bytes of no two states equal. */
  readonly token: Bytes;
  /** The epoch of the coordinator that this state belongs to; that of the manifest may be newer already. */
  readonly compactorEpoch: number;
  readonly jobs: readonly CompactionJob[];
}

/** Stored: never change or reuse one. */
export const JobStatus = { open: 1, done: 2, failed: 3 } as const;
export type JobStatus = (typeof JobStatus)[keyof typeof JobStatus];

/** One merge of some inputs into SSTs of one sorted run. All that decides its result stands here. */
export interface CompactionJob {
  /** Minted by the coordinator: ids of outputs are above it, and the floor stays below it for as long as the job is here. */
  readonly id: Ulid;
  /** Why, for people: such as `"size-tiered: 4 L0 entries"`. */
  readonly reason: string;
  readonly inputs: CompactionInputs;
  /** Of the output; 0 where the strategy has no levels. */
  readonly level: number;
  /** Versions above it are all kept; of those at or below it, only what a read at this seq sees. */
  readonly retainSeq: number;
  /** What has expired at this time, ms since 1970 by the store's clock, is dropped. */
  readonly expiredAt: number;
  /** No older data lies beneath any key of the inputs, their range deletes included: deletes need not be kept. */
  readonly isBottom: boolean;
  /** Data bytes after which an output is cut. */
  readonly sstBytesMax: number;
  readonly status: JobStatus;
  /** Of the worker that has it: minted anew for each claim. `noUlid`: nobody has it. */
  readonly claim: Ulid;
  /** Who that is, for people. */
  readonly worker: string;
  /** The number of the state in which the worker last gave a sign of life. */
  readonly signNumber: number;
  /** How often it was claimed. */
  readonly attempts: number;
  /** Why it failed, for people: names the object. Empty unless it did. */
  readonly failure: string;
  /** How its keys are cut, in key order, without a gap; empty until its worker has said so. */
  readonly ranges: readonly JobRange[];
  /** A compaction filter is asked: only a worker that has one takes it, and no filter is asked in any other job. Its commit rewrites. */
  readonly rewrites: boolean;
  /** The writer epoch of the handle whose own worker has it; 0: a worker of another process. With that writer superseded, its worker is gone. */
  readonly writerEpoch: number;
}

export interface CompactionInputs {
  /** L0 entries, each by the id of its first SST: the oldest ones of L0, oldest first. */
  readonly l0: readonly Ulid[];
  /** Runs one after another in the manifest, newest first. With L0 entries, the first of them is the newest run. */
  readonly runs: readonly RunInput[];
}

export interface RunInput {
  readonly id: Ulid;
  /** Some of its SSTs, in key order; empty: all of them. The others stay in a run of the same place. */
  readonly ssts: readonly Ulid[];
}

/** Keys from `start` up to, but without, `end`, which one worker merges from the first to the last. */
export interface JobRange {
  /** Empty for the first. */
  readonly start: Bytes;
  /** Empty where it is endless. */
  readonly end: Bytes;
  readonly endless: boolean;
  /** All keys before it are in the outputs. An output never ends between versions of a key. */
  readonly resumeAt: Bytes;
  readonly done: boolean;
  /** In key order. One with the id of an input is that SST, moved. */
  readonly outputs: readonly SstInfo[];
}
