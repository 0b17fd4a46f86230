/** What `stats()` answers: plain data about a handle at this moment. */
import type { RequestCountsSnapshot } from "../object-store/request-counts.js";
import type { CachesStats } from "./caches.js";

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
