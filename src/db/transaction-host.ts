/** What a transaction is asked for with, and what it asks of its database. */
import type { Footprint } from "./footprint.js";
import type { WriteBatch } from "./write-batch.js";
import type { WriteResult } from "./write-pipeline.js";

/**
 * `"snapshot"`: of two transactions that write the same key one gives way. `"serializable"`: so does one that has read what another wrote,
 * so that all that commit are as if they had run one after another.
 */
export type Isolation = "snapshot" | "serializable";

export interface CommitOptions {
  /** Resolve when the writes are durable (true, the default), or as soon as they are visible to this process. */
  durable?: boolean | undefined;
  /** Before the commit has its seq, calls it off: nothing is written, and the transaction is over. After that only the waiting ends. */
  signal?: AbortSignal | undefined;
}

/** What is to be committed. */
export interface CommitWork {
  /** The seq that the transaction reads at. */
  readonly seq: number;
  readonly footprint: Footprint;
  readonly batch: WriteBatch;
  readonly durable: boolean;
  readonly signal: AbortSignal | undefined;
  onCommitted(): void;
}

/** What a transaction asks of its database. */
export interface TransactionHost {
  now(): number;
  /** When a value that is written at `createdAt` expires, as rows have it. */
  expiryOf(lifetime: number, createdAt: number): number;
  /** Checks and writes in one tick, or rejects; `onCommitted` is called in that tick. */
  commit(work: CommitWork): Promise<WriteResult>;
  /** It has ended, in whatever way. */
  end(transaction: Disposable): void;
}
