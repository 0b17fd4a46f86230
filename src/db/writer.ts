/**
 * `Writer`: what an open `Db` is made of, and how it ends: closed by its user, or by the error that its parts report.
 */
import { whenAborted } from "../common/abort.js";
import type { Clock } from "../common/clock.js";
import { deferred } from "../common/deferred.js";
import { ClosedError, MoraineError, StoreError } from "../common/errors.js";
import type { KeyBounds } from "../common/key-range.js";
import type { Flusher } from "../flush/flusher.js";
import type { SstBuilderOptions } from "../format/sst-builder.js";
import type { CheckpointInfo } from "../manifest/checkpoint-info.js";
import type { CheckpointRetention } from "../manifest/checkpoint-retention.js";
import { closeWriter } from "../manifest/transitions.js";
import type { GivenOperators } from "../merge/given-operators.js";
import { MergeOperators } from "../merge/merge-operators.js";
import { engine } from "../read/engine.js";
import type { WriteLog } from "../wal/write-log.js";
import { adoptNewest } from "./adopt-newest.js";
import type { Caches } from "./caches.js";
import type { ChangeFeeds } from "./change-feeds.js";
import type { CheckedCheckpoint } from "./checkpoint-options.js";
import type { Claim } from "./claim.js";
import { closedError } from "./closed-error.js";
import type { DbState } from "./db-state.js";
import { foldBatch } from "./fold-batch.js";
import type { HintWriter } from "./hint-writer.js";
import type { L0Limit } from "./l0-limit.js";
import { Load, type LoadEntries, type LoadProgress, type LoadResult } from "./load.js";
import type { MaintainOptions, MaintenanceReport } from "./maintain-options.js";
import type { Maintenance } from "./maintenance.js";
import { makeCheckpoint } from "./make-checkpoint.js";
import { NewerViews } from "./newer-views.js";
import type { ReadView } from "./read-view.js";
import type { Settings } from "./settings.js";
import type { Snapshots } from "./snapshots.js";
import { type DbStats, spaceOf } from "./stats.js";
import type { Transactions } from "./transactions.js";
import type { WrappedStore } from "./wrap-store.js";
import type { WriteBatch } from "./write-batch.js";
import type { WritePipeline, WriteResult } from "./write-pipeline.js";

export interface WriterParts {
  claim: Claim;
  clock: Clock;
  settings: Settings;
  wrapped: WrappedStore;
  /** Of rows of loads that nothing else is said of; 0: they do not expire. */
  defaultTtlMs: number;
  /** Of checkpoints that have no policy of their own. */
  checkpointRetention: CheckpointRetention | undefined;
  /** How SSTs are built. */
  sst: Omit<SstBuilderOptions, "id">;
  state: DbState;
  wal: WriteLog;
  flusher: Flusher;
  pipeline: WritePipeline;
  feeds: ChangeFeeds;
  caches: Caches;
  snapshots: Snapshots;
  transactions: Transactions;
  /** Those of the manifest, and no others. */
  mergeOperators: GivenOperators;
  hint: HintWriter;
  l0Limit: L0Limit;
  maintenance: Maintenance;
  /** Aborts the requests that are still on their way. */
  abort: AbortController;
  closeStore: () => void;
}

export class Writer {
  readonly pipeline: WritePipeline;
  readonly feeds: ChangeFeeds;
  /** What a merge may name. */
  readonly mergeOperators: MergeOperators;
  /** What is open at older seqs. */
  readonly snapshots: Snapshots;
  readonly transactions: Transactions;
  readonly #parts: WriterParts;
  readonly #closed = deferred<MoraineError | undefined>();
  #failure: MoraineError | undefined;
  #closing: Promise<void> | undefined;
  /** Bulk loads under way. */
  readonly #loads = new Set<Load>();
  /** A close that is under way is not to wait any longer. */
  readonly #cut = deferred<void>();
  /** Nothing is read or written any more. */
  #ended = false;
  readonly #newer = new NewerViews({
    current: () => this.readView(),
    refresh: () => this.#lookForNews(),
  });

  constructor(parts: WriterParts) {
    this.#parts = parts;
    this.pipeline = parts.pipeline;
    this.feeds = parts.feeds;
    this.snapshots = parts.snapshots;
    this.transactions = parts.transactions;
    const { mergeOperators: names } = parts.claim.stored.current.pinned;
    this.mergeOperators = new MergeOperators(names, parts.mergeOperators);
  }

  get closed(): Promise<MoraineError | undefined> {
    return this.#closed.promise;
  }

  /** Throws when the handle is closed, being closed, or has failed. */
  readonly requireOpen = (): void => {
    if (this.#failure !== undefined || this.#closing !== undefined) {
      throw closedError(this.#failure);
    }
  };

  readView(): ReadView {
    const { state, caches, clock, settings, mergeOperators } = this.#parts;
    return {
      engine,
      view: state.view,
      tables: caches.tables,
      seq: this.pipeline.lastSeq,
      durableSeq: this.#durableSeq(),
      readAheadBytes: settings.readAheadBytes,
      now: () => clock.now(),
      operators: mergeOperators,
      requireOpen: this.requireOpen,
      newer: this.#newer,
      ownTableCount: 0,
      keep: this.#keep,
    };
  }

  readonly #keep = (seq: number): (() => void) => this.snapshots.keep(seq);

  /** What compactors of other processes have committed. */
  async #lookForNews(): Promise<void> {
    const { claim, state, clock, abort } = this.#parts;
    try {
      await adoptNewest({ claim, state, clock, signal: abort.signal });
    } catch (error) {
      // A store that is away comes back.
      if (error instanceof MoraineError && !(error instanceof StoreError)) this.fail(error);
      throw error;
    }
  }

  async flush(to: "wal" | "l0"): Promise<{ durableSeq: number }> {
    // Writes that wait for memory were called before too.
    if (this.pipeline.waitingCount > 0) await this.pipeline.admitted();
    const seq = this.pipeline.lastSeq;
    if (to === "l0") this.pipeline.freeze();
    await this.#parts.wal.whenDurable(seq);
    if (to === "l0") await this.#parts.flusher.whenFlushed(seq);
    return { durableSeq: this.#lastDurable() };
  }

  async load(
    entries: LoadEntries,
    options: {
      onProgress: ((progress: LoadProgress) => void) | undefined;
      signal: AbortSignal | undefined;
    },
  ): Promise<LoadResult> {
    const { wrapped, clock, settings, defaultTtlMs, flusher, sst } = this.#parts;
    const { onProgress, signal } = options;
    const { loadBufferBytes, sstBytesMax, uploadsInFlight, unflushedBytesMax } = settings;
    const load = new Load({
      ...{ store: wrapped.store, clock, sst, loadBufferBytes, uploadsInFlight, onProgress },
      defaultTtlMs,
      sstBytes: Math.min(sstBytesMax, Math.ceil(unflushedBytesMax / uploadsInFlight)),
      reserve: () => flusher.reserve(),
      release: (ids) => flusher.release(ids),
      commit: (runs, createdAt) => this.pipeline.load(runs, createdAt),
    });
    const stopListening = whenAborted(signal, (reason) => void load.cancel(reason));
    this.#loads.add(load);
    try {
      return await load.run(entries, () => this.pipeline.lastSeq);
    } finally {
      this.#loads.delete(load);
      stopListening();
    }
  }

  checkpoint(
    options: CheckedCheckpoint<"all" | "durable">,
    signal: AbortSignal | undefined,
  ): Promise<CheckpointInfo> {
    return makeCheckpoint(this.#parts, options, signal);
  }

  /** What was written before is merged too: it is brought to L0 first. */
  compact(bounds: KeyBounds | undefined, signal: AbortSignal | undefined): Promise<void> {
    return this.#parts.maintenance.compact(bounds, signal, () => this.flush("l0"));
  }

  maintain(options: MaintainOptions): Promise<MaintenanceReport> {
    return this.#parts.maintenance.round(options);
  }

  /** A batch with merges, one operation for each key. `lifetime` is that of the write. */
  foldBatch(batch: WriteBatch, lifetime: number): WriteBatch {
    const now = this.#parts.clock.now();
    return foldBatch(batch, { operators: this.mergeOperators, lifetime, now });
  }

  /** What an empty batch answers: it is a part of every state. */
  emptyWrite(): WriteResult {
    const { clock } = this.#parts;
    return {
      seq: this.pipeline.lastSeq,
      createdAt: Math.floor(clock.now()),
      durable: () => Promise.resolve(),
    };
  }

  stats(): DbStats {
    const { state, wrapped, caches, claim, maintenance } = this.#parts;
    const { manifest, tables } = state.view;
    const space = spaceOf(manifest);
    return {
      epoch: claim.epoch,
      manifestNumber: manifest.number,
      seq: this.pipeline.lastSeq,
      durableSeq: this.#lastDurable(),
      memTableBytes: state.memTableBytes,
      unflushedBytes: this.pipeline.unflushedBytes,
      memTableCount: tables.length,
      waitingWrites: this.pipeline.waitingCount,
      snapshotCount: this.snapshots.count,
      oldestSnapshotSeq: this.snapshots.oldestSeq,
      transactionCount: this.transactions.count,
      conflictWindowBytes: this.transactions.windowBytes,
      l0Count: manifest.l0.length,
      sstBytes: space.l0Bytes + space.runBytes,
      runCount: manifest.runs.length,
      compaction: maintenance.compactionStats,
      gc: maintenance.collectionStats,
      space,
      ...caches.stats(),
      requests: wrapped.counts.snapshot(),
    };
  }

  /** A part has failed for good: everybody who waits, and every later call, is told. */
  fail(error: MoraineError): void {
    if (this.#failure !== undefined || this.#ended) return;
    this.#failure = error;
    // Writes that wait for memory and loads under way have no seq, so there is no doubt about them.
    this.pipeline.close(closedError(error));
    void this.#cancelLoads(closedError(error));
    this.#end(error);
    this.#closed.resolve(error);
  }

  close(flush: boolean | "wal"): Promise<void> {
    if (flush === false && this.#closing !== undefined && !this.#ended) {
      // A close that waits for the store is cut short: it rejects, and what is not durable is given up.
      this.#end(new ClosedError("This handle was closed without waiting for what is not durable."));
      this.#cut.resolve();
      this.#closing = this.#closing.catch(() => undefined);
      return this.#closing;
    }
    this.#closing ??= this.#close(flush);
    return this.#closing;
  }

  async #close(flush: boolean | "wal"): Promise<void> {
    if (this.#failure !== undefined) {
      // Whoever waited for a write has been told; writes that nobody waited for are only told of here.
      if (this.pipeline.lastSeq > this.#durableSeq()) throw closedError(this.#failure);
      return;
    }
    this.pipeline.close(closedError(undefined));
    // Jobs are given back while the rest is flushed; whoever opens the database next goes on with them.
    const stopped = flush === false ? Promise.resolve() : this.#parts.maintenance.close();
    try {
      if (flush !== false) {
        await Promise.race([this.#cancelLoads(closedError(undefined)), this.#cut.promise]);
      }
      if (flush !== false) await this.#parts.wal.whenDurable(this.pipeline.lastSeq);
      if (flush === true) {
        this.pipeline.freeze();
        this.#parts.l0Limit.lift();
        await this.#parts.flusher.whenFlushed(this.pipeline.lastSeq);
      }
      await Promise.race([stopped, this.#cut.promise]);
      // Checkpoints that were asked for before, and have what they need.
      if (flush !== false) {
        await Promise.race([this.#parts.flusher.checkpointed(), this.#cut.promise]);
      }
      if (flush === true) await this.#commitClose();
      if (flush !== false) await this.#parts.hint.finish();
    } catch (error) {
      const reason = error instanceof MoraineError ? error : undefined;
      // Cut short by a second close, it has not failed.
      if (!this.#ended) this.#failure ??= reason;
      this.#end(reason ?? new ClosedError("This handle is closed."));
      this.#closed.resolve(this.#failure);
      throw error;
    }
    if (this.#failure !== undefined) throw closedError(this.#failure);
    this.#end(closedError(undefined));
    await this.#parts.caches.close(closedError(undefined));
    this.#closed.resolve(undefined);
  }

  /** Everything is in L0: the log leaves the chain. Once this is sent, nothing is sent or acknowledged any more. */
  async #commitClose(): Promise<void> {
    const { claim, wal, abort } = this.#parts;
    const lastSeq = this.pipeline.lastSeq;
    await claim.stored.commit(
      closeWriter({
        epoch: claim.epoch,
        walStart: wal.positionAfter(lastSeq),
        lastSeq,
        writerFloor: claim.ids.last,
        logEnds: claim.logEnds,
      }),
      { epoch: claim.epoch, signal: abort.signal },
    );
  }

  /** Those that have no seq yet. Resolves when what they stored is deleted. */
  async #cancelLoads(reason: MoraineError): Promise<void> {
    const loads = [...this.#loads].filter((load) => !load.isCommitted);
    await Promise.all(loads.map((load) => load.cancel(reason)));
  }

  #end(error: MoraineError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.snapshots.close();
    const { wal, flusher, pipeline, hint, maintenance, abort, caches, closeStore } = this.#parts;
    pipeline.close(error);
    wal.fail(error);
    flusher.fail(error);
    hint.end(error);
    maintenance.end(error);
    abort.abort(error);
    void caches.close(error instanceof ClosedError ? error : closedError(error));
    if (this.#loads.size === 0) closeStore();
    else void this.#cancelLoads(error).finally(closeStore);
  }

  /**
   * The seq of the last thing that is durable: of those given before this handle, lost ones are none that a reader would
   * ever see.
   */
  #lastDurable(): number {
    const { claim } = this.#parts;
    const seq = this.#durableSeq();
    return seq > claim.lastSeq
      ? seq
      : Math.max(claim.foundSeq, this.#parts.state.view.manifest.lastL0Seq);
  }

  /** Whatever has a seq up to here is durable, or lost. */
  #durableSeq(): number {
    return Math.max(this.#parts.wal.durableSeq, this.#parts.state.view.manifest.lastL0Seq);
  }
}
