/**
 * `ManifestWriter`: the one place where what a writer has uploaded becomes part of the database. One commit at a time
 * retires the longest uploaded and WAL-durable prefix of the queue; every checkpoint and every flush waiter that the
 * commit covers rides on it and is answered by it.
 *
 * A failure of the store is not the end: whoever waits is told, and the same is tried again. A fence, or a manifest that
 * would break an invariant, is the end.
 */
import { throwIfAborted, whenAborted } from "../common/abort.js";
import type { Clock } from "../common/clock.js";
import { type Deferred, deferred } from "../common/deferred.js";
import { InternalError, MoraineError, StoreError } from "../common/errors.js";
import { outcomeOfSent } from "../common/outcome-of-sent.js";
import type { Checkpoint, L0Entry, Manifest } from "../format/manifest.js";
import type { StoredManifest } from "../manifest/stored-manifest.js";
import type { Transition } from "../manifest/transitions.js";
import type { MemTable } from "../memtable/mem-table.js";
import {
  type Attached,
  flushedBelow,
  lastSeqOf,
  type PendingCheckpoint,
  type Queued,
  selectBatch,
  splitBySeq,
  withCheckpoints,
} from "./flush-plan.js";

/** ms; as long as the longest wait between the attempts of one request: what the store refuses is asked for no more often. */
const retryDelayMs = 5000;

export interface ManifestWriterOptions {
  clock: Clock;
  storedManifest: StoredManifest;
  epoch: number;
  /** The last seq that is durable in the WAL. */
  durableSeq: () => number;
  /** What retiring the first tables of the queue changes. */
  retirementOf: (batch: readonly Queued[], queue: readonly Queued[]) => Transition;
  /** The tables are in L0: the view lets go of them and adopts the manifest, in one assignment. */
  onRetired: (tables: readonly MemTable[], manifest: Manifest) => void;
  /** It has failed for good; called once. */
  onFailed: (error: MoraineError) => void;
  signal: AbortSignal;
}

interface FlushWaiter {
  readonly seq: number;
  readonly done: Deferred<void>;
}

interface CheckpointWaiter extends PendingCheckpoint {
  readonly done: Deferred<Checkpoint>;
}

export class ManifestWriter {
  readonly #options: ManifestWriterOptions;
  #queue: Queued[] = [];
  #waiters: FlushWaiter[] = [];
  #checkpoints: CheckpointWaiter[] = [];
  /** Those of them that ride on the commit in flight: only its outcome tells whether they were made. */
  #committing: ReadonlySet<CheckpointWaiter> = new Set();
  #running = false;
  /** Checkpoints of this turn of the event loop ride on one commit. */
  #isTurnScheduled = false;
  #sentSeq = 0;
  #failure: MoraineError | undefined;

  constructor(options: ManifestWriterOptions) {
    this.#options = options;
  }

  /** The last seq of all batches that a commit was ever tried for: rows up to here may be in L0. */
  get sentSeq(): number {
    return this.#sentSeq;
  }

  /** Oldest first. */
  get queue(): readonly Queued[] {
    return this.#queue;
  }

  /** Tables and loads join in the order of their seqs. */
  enqueue(queued: Queued): void {
    this.#queue.push(queued);
  }

  /** A table was uploaded, or more of the WAL is durable. */
  poke(): void {
    if (this.#running || this.#failure !== undefined) return;
    this.#running = true;
    this.#run().catch((error: unknown) => this.#failed(error));
  }

  /** Resolves when L0 holds every queued row up to `seq`. Rejects when the store has failed for a whole deadline. */
  whenFlushed(seq: number): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (seq < flushedBelow(this.#queue, 0)) return Promise.resolve();
    const done = deferred();
    this.#waiters.push({ seq, done });
    return done.promise;
  }

  /** The entries of loads that wait for their commit. */
  get loads(): readonly L0Entry[] {
    return this.#queue.flatMap(({ loaded }) => loaded ?? []);
  }

  /**
   * Resolves with the checkpoint as the commit has it that satisfies its seq. Aborted before it rides on one, it leaves no trace; after that
   * only the waiting ends.
   */
  async checkpoint(pending: PendingCheckpoint, signal?: AbortSignal): Promise<Checkpoint> {
    throwIfAborted(signal);
    if (this.#failure !== undefined) throw this.#failure;
    const waiter: CheckpointWaiter = { ...pending, done: deferred<Checkpoint>() };
    const stopListening = whenAborted(signal, (reason) => {
      if (!this.#committing.has(waiter)) this.#forget(new Set([waiter]));
      waiter.done.reject(reason);
    });
    this.#checkpoints.push(waiter);
    this.#pokeLater();
    try {
      return await waiter.done.promise;
    } finally {
      stopListening();
    }
  }

  /** Resolves when every checkpoint has its answer that needs nothing but what is uploaded and durable now. */
  async checkpointed(): Promise<void> {
    const batch = selectBatch(this.#queue, this.#options.durableSeq());
    const { covered } = splitBySeq(this.#checkpoints, flushedBelow(this.#queue, batch.length));
    await Promise.allSettled(covered.map(({ done }) => done.promise));
  }

  /** Nothing is committed from now on; whoever waits gets `error`. */
  fail(error: MoraineError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    const outcome = outcomeOfSent(error, "this checkpoint was made");
    for (const waiter of this.#committing) waiter.done.reject(outcome);
    this.#reject(error);
  }

  /**
   * After a failure of the store: whoever waits for a seq from `fromSeq` on is told, and after a while the same is tried
   * again.
   */
  async pause(error: unknown, fromSeq = 0): Promise<void> {
    if (this.#failure !== undefined || !(error instanceof StoreError)) throw error;
    this.#reject(error, fromSeq);
    await this.#options.clock.sleep(retryDelayMs, this.#options.signal);
  }

  #pokeLater(): void {
    if (this.#isTurnScheduled) return;
    this.#isTurnScheduled = true;
    this.#options.clock.endOfTurn(() => {
      this.#isTurnScheduled = false;
      this.poke();
    });
  }

  async #run(): Promise<void> {
    for (;;) {
      const batch = selectBatch(this.#queue, this.#options.durableSeq());
      const below = flushedBelow(this.#queue, batch.length);
      const covered = new Set(splitBySeq(this.#checkpoints, below).covered);
      if (batch.length === 0 && covered.size === 0) {
        // In the same tick as the look at the queue, or a poke in between would be lost.
        this.#running = false;
        return;
      }
      const attached: Attached = new Map();
      let manifest: Manifest | undefined;
      try {
        this.#committing = covered;
        if (batch.length > 0) this.#sentSeq = lastSeqOf(batch[batch.length - 1]!);
        manifest = await this.#commit(batch, [...covered], attached);
      } catch (error) {
        this.#committing = new Set();
        await this.pause(error);
        continue;
      }
      if (this.#failure !== undefined) return;
      this.#committing = new Set();
      if (manifest === undefined) continue;
      this.#forget(covered);
      this.#queue = this.#queue.slice(batch.length);
      this.#options.onRetired(
        batch.flatMap((queued) => queued.table ?? []),
        manifest,
      );
      for (const waiter of covered) {
        const outcome = attached.get(waiter)!;
        if (outcome instanceof MoraineError) waiter.done.reject(outcome);
        else waiter.done.resolve(outcome);
      }
      this.#resolveWaiters();
    }
  }

  /** Undefined: a checkpoint was refused because of what is not the newest manifest any more. */
  async #commit(
    batch: readonly Queued[],
    checkpoints: readonly CheckpointWaiter[],
    attached: Attached,
  ): Promise<Manifest | undefined> {
    const { storedManifest, epoch, signal, retirementOf } = this.#options;
    const retire = batch.length === 0 ? undefined : retirementOf(batch, this.#queue);
    const transition = withCheckpoints(retire, checkpoints, attached);
    let base: Manifest | undefined;
    const manifest = await storedManifest.commit(
      (newest) => {
        base = newest;
        return transition(newest);
      },
      { epoch, signal },
    );
    const isRefused = [...attached.values()].some((outcome) => outcome instanceof MoraineError);
    // A commit proves that it was built on the newest manifest; without one that has to be looked at.
    if (manifest !== base || !isRefused) return manifest;
    const newest = await storedManifest.refresh({ epoch, signal });
    return newest.number === manifest.number ? manifest : undefined;
  }

  #forget(waiters: ReadonlySet<CheckpointWaiter>): void {
    this.#checkpoints = this.#checkpoints.filter((waiter) => !waiters.has(waiter));
  }

  #resolveWaiters(): void {
    const { covered, later } = splitBySeq(this.#waiters, flushedBelow(this.#queue, 0));
    this.#waiters = later;
    for (const waiter of covered) waiter.done.resolve();
  }

  /** Those whose checkpoint rides on the commit in flight go on waiting for its outcome. */
  #reject(error: MoraineError, fromSeq = 0): void {
    const flushes = splitBySeq(this.#waiters, fromSeq);
    const pending = this.#checkpoints.filter((waiter) => !this.#committing.has(waiter));
    const checkpoints = splitBySeq(pending, fromSeq);
    this.#waiters = flushes.covered;
    this.#checkpoints = [...this.#committing, ...checkpoints.covered];
    for (const waiter of [...flushes.later, ...checkpoints.later]) waiter.done.reject(error);
  }

  #failed(cause: unknown): void {
    if (this.#failure !== undefined) return;
    const error =
      cause instanceof MoraineError
        ? cause
        : new InternalError("A manifest could not be committed.", { cause });
    this.fail(error);
    this.#options.onFailed(error);
  }
}
