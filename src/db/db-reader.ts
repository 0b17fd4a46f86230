/** `DbReader`: reads a database without writing to it, and follows its writer through the manifest and the WAL. */
import { withSignal } from "../common/abort.js";
import { deferred } from "../common/deferred.js";
import {
  ClosedError,
  InternalError,
  InvalidArgumentError,
  MoraineError,
  StoreError,
} from "../common/errors.js";
import type { KeyRange } from "../common/key-range.js";
import { lazy } from "../common/lazy.js";
import { asOfNow, checkOptions, requireInteger, requireSignal } from "../common/options.js";
import type { DbView } from "../read/db-view.js";
import type { WarmResult } from "../read/warm.js";
import type { ChangeFeed } from "./change-feed.js";
import type { ChangeFeeds, ChangesOptions } from "./change-feeds.js";
import { closedError } from "./closed-error.js";
import type { Following } from "./following.js";
import type { Location } from "./location.js";
import { NewerViews } from "./newer-views.js";
import { Polls } from "./polls.js";
import type { ReadView, ViewSource } from "./read-view.js";
import type { ReaderOptions } from "./reader-options.js";
import { Reads } from "./reads.js";
import { withoutStoredRows } from "./rows-after.js";
import type { Snapshot } from "./snapshot.js";
import type { ReaderParts } from "./start-reader.js";
import type { ReaderStats } from "./stats.js";
import { type WarmOptions, warm } from "./warm.js";

const opener = lazy(() => import("./open-reader.js"));

export class DbReader extends Reads {
  readonly #parts: ReaderParts;
  readonly #abort = new AbortController();
  readonly #closed = deferred<MoraineError | undefined>();
  #end: MoraineError | undefined;
  /** Undefined for a reader that stands still, as `#polls` is. */
  readonly #following: Following | undefined;
  readonly #polls: Polls | undefined;
  #refreshing: Promise<boolean> | undefined;
  readonly #feeds: ChangeFeeds | undefined;
  readonly #newer: ViewSource | undefined;
  #released: Promise<void> | undefined;
  /** What reads are shown of a view of the state. */
  #shown: { readonly of: DbView; readonly view: DbView } | undefined;
  #seqWaiters: { seq: number; resolve: () => void; reject: (error: unknown) => void }[] = [];

  /**
   * Opens the latest state, WAL included, and follows it; or a checkpoint or an old state, and stands still. Writes nothing, unless it is to be
   * pinned: then `StoreError` with reason `denied` where it may not write. `NotFoundError` when there is no database, no such checkpoint, or
   * when what an old state names is collected.
   */
  static async open(location: Location, options?: ReaderOptions): Promise<DbReader> {
    const given = [asOfNow(location), asOfNow(options)] as const;
    const signal = options?.signal;
    const { openReader } = await opener();
    const parts = await openReader(...given);
    const reader = new DbReader(parts);
    try {
      await withSignal(Promise.resolve(reader.#following?.look()), signal);
    } catch (error) {
      reader.#finish(undefined);
      throw error;
    }
    reader.#polls?.start();
    return reader;
  }

  private constructor(parts: ReaderParts) {
    super();
    this.#parts = parts;
    this.#following = parts.follow?.({
      signal: this.#abort.signal,
      onSeq: (seq) => this.#advance(seq),
      onObject: (position, bytes) => this.#feeds?.tail.add(position, bytes, false),
      onNews: () => this.#feeds?.wake(),
      lookAgain: () => this.#lookAgain(),
    });
    const following = this.#following;
    if (following === undefined) {
      this.#newer = parts.newer;
      return;
    }
    this.#feeds = parts.openFeeds?.({
      end: () => following.walPosition,
      readView: () => this.readView(),
      closed: () => this.closed,
      onWaiting: () => this.#polls?.renew(),
    });
    this.#newer = new NewerViews({
      current: () => this.readView(),
      refresh: () => this.#lookAgain(),
    });
    this.#polls = new Polls({
      ...{ clock: parts.clock, intervalMs: parts.pollIntervalMs },
      look: () => this.#refresh(),
      isHurried: () => this.#seqWaiters.length > 0,
      keepsProcess: () => this.#feeds?.hasWaiting === true,
    });
  }

  /** The newest seq that this reader sees. */
  get seq(): number {
    return this.#following?.seq ?? this.#parts.seq;
  }

  /** Looks for news now. Resolves when everything that was durable before the call is visible. */
  async refresh(options?: { signal?: AbortSignal | undefined }): Promise<void> {
    checkOptions(options, ["signal"], "refresh");
    requireSignal(options?.signal);
    this.#requireOpen();
    await withSignal(this.#lookAgain(), options?.signal);
  }

  /** Resolves once the reader sees `seq`: read-your-writes across processes, given the seq of a durable write. */
  async waitForSeq(seq: number, options?: { signal?: AbortSignal | undefined }): Promise<void> {
    checkOptions(options, ["signal"], "waitForSeq");
    if (seq === undefined) throw new InvalidArgumentError('"seq" is missing.');
    requireInteger(seq, "seq", 0, Number.MAX_SAFE_INTEGER);
    requireSignal(options?.signal);
    this.#requireOpen();
    if (seq <= this.seq) return;
    if (this.#following === undefined) {
      throw new InvalidArgumentError(
        `This reader stands still at seq ${this.seq} and will never see ${seq}. Open one without "checkpoint", "manifestNumber" and "at".`,
      );
    }
    const waiting = deferred();
    const waiter = { seq, resolve: () => waiting.resolve(), reject: waiting.reject };
    this.#seqWaiters.push(waiter);
    // Somebody waits: news are looked for at once, and at the short interval from now on.
    this.#polls?.hurry();
    try {
      await withSignal(waiting.promise, options?.signal);
    } finally {
      this.#seqWaiters = this.#seqWaiters.filter((other) => other !== waiter);
    }
  }

  /**
   * The changes of the database in the order of their seqs: those after `from`, then new ones as this reader's polls find them. What is
   * behind `from` is read from the write-ahead log. Where that is gone, the feed rejects with `TruncatedError`, whose `oldestSeq` is a
   * position that is left. `UnsupportedError` where the database has no log.
   */
  changes(options?: ChangesOptions): ChangeFeed {
    if (this.#feeds === undefined) {
      throw new InvalidArgumentError(
        this.#following === undefined
          ? 'This reader stands still and sees no changes. Open one without "checkpoint", "manifestNumber" and "at".'
          : 'Changes are read from the write-ahead log, which this reader does not follow. Open one without "tail: false".',
      );
    }
    return this.#feeds.open(options);
  }

  /**
   * Brings the SSTs of a key range (default: all keys) into the block cache, their indexes, filters and data, in few large requests that
   * give way to others. Stops when the cache is full; with a disk cache it goes on until that is. Rows in memory need no warming.
   */
  warm(range?: KeyRange, options?: WarmOptions): Promise<WarmResult> {
    return warm(() => this.readView(), range, options);
  }

  /**
   * A handle that reads what this reader sees now, whatever it follows later. It holds memory until it is closed: see `Snapshot`. A pinned
   * reader keeps its objects. Otherwise nobody does: where they are collected meanwhile, its reads reject with `SnapshotGoneError`.
   */
  snapshot(): Snapshot {
    this.#requireOpen();
    const { snapshots, pin } = this.#parts;
    return snapshots.take(this.readView(), pin?.hold());
  }

  stats(): ReaderStats {
    const { state, snapshots, wrapped, caches } = this.#parts;
    const { manifest, tables } = state.view;
    return {
      manifestNumber: manifest.number,
      seq: this.seq,
      memTableBytes: state.memTableBytes,
      memTableCount: tables.length,
      snapshotCount: snapshots.count,
      oldestSnapshotSeq: snapshots.oldestSeq,
      l0Count: manifest.l0.length,
      runCount: manifest.runs.length,
      ...caches.stats(),
      requests: wrapped.counts.snapshot(),
    };
  }

  /** Resolves when it is closed: with the error that closed it, or undefined after `close()`. Never rejects. */
  get closed(): Promise<MoraineError | undefined> {
    return this.#closed.promise;
  }

  /** Closing twice is harmless. */
  async close(): Promise<void> {
    this.#finish(undefined);
    await this.#refreshing?.catch(() => undefined);
    await this.#released;
    await this.#parts.caches.close(this.#closedError());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  protected override readView(): ReadView {
    const { engine, caches, clock, settings, mergeOperators, pin } = this.#parts;
    const { seq } = this;
    return {
      engine,
      view: this.#view(),
      tables: caches.tables,
      ...{ seq, durableSeq: seq },
      readAheadBytes: settings.readAheadBytes,
      now: () => clock.now(),
      operators: mergeOperators,
      requireOpen: this.#requireOpen,
      newer: this.#newer,
      ownTableCount: 0,
      keep: pin && (() => pin.hold()),
    };
  }

  protected override snapshotView(snapshot: unknown): ReadView {
    return this.#parts.snapshots.viewOf(snapshot);
  }

  #view(): DbView {
    const { view } = this.#parts.state;
    if (view.manifest.pinned.mergeOperators.length === 0) return view;
    if (this.#shown?.of !== view) this.#shown = { of: view, view: withoutStoredRows(view) };
    return this.#shown.view;
  }

  readonly #requireOpen = (): void => {
    if (this.#end !== undefined) throw this.#closedError();
  };

  /** What reads of the closed handle reject with, those under way too. */
  #closedError(): MoraineError {
    return closedError(this.#end instanceof ClosedError ? undefined : this.#end);
  }

  /** One that is under way may have looked already: only one that starts now sees everything. */
  async #lookAgain(): Promise<void> {
    await this.#refreshing?.catch(() => undefined);
    this.#requireOpen();
    await this.#refresh();
  }

  /** True when there was news. A store that is away comes back, and what is here can still be read. Anything else ends the reader. */
  #refresh(): Promise<boolean> {
    this.#refreshing ??= Promise.resolve(this.#following?.look() ?? false)
      .catch((error: unknown) => {
        if (!(error instanceof StoreError) && this.#end === undefined) {
          this.#finish(
            error instanceof MoraineError
              ? error
              : new InternalError("The reader could not look for news.", { cause: error }),
          );
        }
        throw error;
      })
      .finally(() => {
        this.#refreshing = undefined;
      });
    return this.#refreshing;
  }

  #advance(seq: number): void {
    for (const waiter of this.#seqWaiters) if (waiter.seq <= seq) waiter.resolve();
  }

  #finish(error: MoraineError | undefined): void {
    if (this.#end !== undefined) return;
    this.#end = error ?? new ClosedError("This handle is closed. Open a new one.");
    this.#polls?.stop();
    this.#abort.abort(this.#end);
    for (const waiter of this.#seqWaiters) waiter.reject(this.#end);
    const { snapshots, caches, closeStore, pin } = this.#parts;
    snapshots.close();
    void caches.close(this.#closedError());
    if (pin === undefined) closeStore();
    else this.#released = pin.release().finally(closeStore);
    this.#closed.resolve(error);
  }
}
