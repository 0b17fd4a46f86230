/** What `stats()` answers: plain data about a handle at this moment. */
import type { Manifest } from "../format/manifest.js";
import type { FreedObjects } from "../gc/collection-result.js";
import type { RequestCountsSnapshot } from "../object-store/request-counts.js";
import type { CachesStats } from "./caches.js";
import type { CompactionFailure } from "./watched-runner.js";

/** What this handle has compacted since it was opened. */
export interface CompactionStats {
  /** Where jobs run: in threads, or in slices of the main thread; `"idle"`: none has yet. `"off"`: the handle compacts nothing. */
  readonly mode: "off" | "idle" | "threads" | "slices";
  readonly jobsRunning: number;
  readonly jobsDone: number;
  readonly jobsFailed: number;
  /** Bytes of the SSTs that jobs took, and of those that they made; what was moved is in neither. */
  readonly inputBytes: number;
  readonly outputBytes: number;
  /** SSTs that changed their place without being written. */
  readonly movedSsts: number;
  /** Jobs that failed, the last ten, oldest first. While one of L0 is among them, `l0HardMax` holds nobody back. */
  readonly failures: readonly CompactionFailure[];
  /** Why work in the background stopped before its end, the last time that it did. The next commit tries again. */
  readonly lastError: string | undefined;
}

/** What this handle has deleted since it was opened, by kind; bytes as far as they are known. */
export type CollectionStats = FreedObjects;

/** What the newest manifest names, and what it no longer needs. */
export interface SpaceStats {
  readonly l0Bytes: number;
  readonly runBytes: number;
  /** Objects that are kept for `gcGraceMs`, or for a checkpoint. */
  readonly retiredObjects: number;
}

export function spaceOf(manifest: Manifest): SpaceStats {
  let l0Bytes = 0;
  let runBytes = 0;
  let retiredObjects = 0;
  for (const entry of manifest.l0) for (const sst of entry.ssts) l0Bytes += sst.size;
  for (const run of manifest.runs) runBytes += run.size;
  for (const { ids, fromId, toId } of manifest.retired)
    retiredObjects += ids.length + toId - fromId;
  return { l0Bytes, runBytes, retiredObjects };
}

export interface DbStats extends CachesStats {
  /** The writer's epoch. */
  readonly epoch: number;
  /** The number of the newest manifest that the handle knows. */
  readonly manifestNumber: number;
  /** The last seq given, and the last that is durable. */
  readonly seq: number;
  readonly durableSeq: number;
  /** Bytes of all MemTables, and of those, the WAL buffers and the SSTs on their way together. */
  readonly memTableBytes: number;
  readonly unflushedBytes: number;
  readonly memTableCount: number;
  /** Writes that wait for memory. */
  readonly waitingWrites: number;
  /** Snapshots and transactions that are open, and the oldest seq that one of them reads. */
  readonly snapshotCount: number;
  readonly oldestSnapshotSeq: number | undefined;
  /** How many of them are transactions, and bytes of flushed MemTables that are kept for the check of their conflicts. */
  readonly transactionCount: number;
  readonly conflictWindowBytes: number;
  readonly l0Count: number;
  readonly sstBytes: number;
  readonly runCount: number;
  readonly compaction: CompactionStats;
  readonly gc: CollectionStats;
  readonly space: SpaceStats;
  /** Requests that reached the store, repeated ones included, by kind. */
  readonly requests: RequestCountsSnapshot;
}

export interface ReaderStats extends CachesStats {
  readonly manifestNumber: number;
  /** The newest seq that the reader sees. */
  readonly seq: number;
  readonly memTableBytes: number;
  readonly memTableCount: number;
  /** Snapshots that are open, and the seq of the oldest. */
  readonly snapshotCount: number;
  readonly oldestSnapshotSeq: number | undefined;
  readonly l0Count: number;
  readonly runCount: number;
  readonly requests: RequestCountsSnapshot;
}

export interface CompactorStats extends Omit<CompactionStats, "mode" | "lastError"> {
  readonly mode: "threads" | "slices";
  readonly manifestNumber: number;
  /** The epoch of whoever coordinates, as far as this compactor knows. */
  readonly epoch: number;
  readonly l0Count: number;
  readonly runCount: number;
  readonly requests: RequestCountsSnapshot;
}
