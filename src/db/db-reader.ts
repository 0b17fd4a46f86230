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
import type { Manifest, WalPosition } from "../format/manifest.js";
import type { WalObject } from "../format/wal-object.js";
import type { MemTable } from "../memtable/mem-table.js";
import type { DbView } from "../read/db-view.js";
import type { WarmResult } from "../read/warm.js";
import type { ChangeFeed } from "./change-feed.js";
import type { ChangeFeeds, ChangesOptions } from "./change-feeds.js";
import { closedError } from "./closed-error.js";
import type { MemTableView } from "./db-state.js";
import type { Location } from "./location.js";
import { NewerViews } from "./newer-views.js";
import type { ReaderOptions } from "./open-options.js";
import { Polls } from "./polls.js";
import type { ReadView } from "./read-view.js";
import { Reads } from "./reads.js";
import { RowsAfter } from "./rows-after.js";
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
  /** Undefined at a checkpoint. */
  readonly #polls: Polls | undefined;
  #refreshing: Promise<boolean> | undefined;
  #seq: number;
  /** Everything before this in the logs has been seen; the follower may have read more. */
  #walPosition: WalPosition;
  readonly #feeds: ChangeFeeds | undefined;
  /** Undefined at a checkpoint, which names all that is read for as long as it is there. */
  readonly #newer: NewerViews | undefined;
  /** What reads are shown of a view of the state. */
  #shown: { readonly of: DbView; readonly view: DbView } | undefined;
  #seqWaiters: { seq: number; resolve: () => void; reject: (error: unknown) => void }[] = [];

  /**
   * Opens the latest state, WAL included, and follows it; or a checkpoint, and stands still. Writes nothing. `NotFoundError` when
   * there is no database, or no such checkpoint.
   */
  static async open(location: Location, options?: ReaderOptions): Promise<DbReader> {
    const given = [asOfNow(location), asOfNow(options)] as const;
    const signal = options?.signal;
    const { openReader } = await opener();
    const parts = await openReader(...given);
    const reader = new DbReader(parts);
    try {
      await withSignal(reader.#followAll(), signal);
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
    const { manifest } = parts.state.view;
    this.#seq = manifest.lastL0Seq;
    this.#walPosition = parts.follower?.position ?? manifest.walStart;
    this.#feeds = parts.openFeeds?.({
      end: () => this.#walPosition,
      readView: () => this.readView(),
      closed: () => this.closed,
      onWaiting: () => this.#polls?.renew(),
    });
    this.#newer =
      parts.follower &&
      new NewerViews({ current: () => this.readView(), refresh: () => this.#lookAgain() });
    this.#polls =
      parts.follower &&
      new Polls({
        ...{ clock: parts.clock, intervalMs: parts.pollIntervalMs },
        look: () => this.#refresh(),
        isHurried: () => this.#seqWaiters.length > 0,
        keepsProcess: () => this.#feeds?.hasWaiting === true,
      });
  }

  /** The newest seq that this reader sees. */
  get seq(): number {
    return this.#seq;
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
    if (seq <= this.#seq) return;
    if (this.#parts.follower === undefined) {
      throw new InvalidArgumentError(
        `This reader stands at a checkpoint with seq ${this.#seq} and will never see ${seq}. Open one without "checkpoint".`,
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
        'This reader stands at a checkpoint and sees no changes. Open one without "checkpoint".',
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
   * A handle that reads what this reader sees now, whatever it follows later. It holds memory until it is closed: see `Snapshot`. Nobody
   * keeps its objects: where they are collected meanwhile, its reads reject with `SnapshotGoneError`.
   */
  snapshot(): Snapshot {
    this.#requireOpen();
    return this.#parts.snapshots.take(this.readView());
  }

  stats(): ReaderStats {
    const { state, snapshots, wrapped, caches } = this.#parts;
    const { manifest, tables } = state.view;
    return {
      manifestNumber: manifest.number,
      seq: this.#seq,
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
    await this.#parts.caches.close(this.#closedError());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  protected override readView(): ReadView {
    const { engine, caches, clock, settings, mergeOperators } = this.#parts;
    return {
      engine,
      view: this.#view(),
      tables: caches.tables,
      seq: this.#seq,
      durableSeq: this.#seq,
      readAheadBytes: settings.readAheadBytes,
      now: () => clock.now(),
      operators: mergeOperators,
      requireOpen: this.#requireOpen,
      newer: this.#newer,
      ownTableCount: 0,
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
    this.#refreshing ??= this.#lookForNews()
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

  /**
   * The end of the log is found before the manifest is looked for: with no grace an object of the log may be collected as soon as a manifest
   * has it in L0, and what is missed so is in a manifest that is found after it. Two GETs when there is no news.
   */
  async #lookForNews(): Promise<boolean> {
    const { stored, follower, state } = this.#parts;
    if (follower === undefined) return false;
    for (let news = await this.#followAll(); ; news = true) {
      const known = state.view.manifest;
      const newest = await stored.refresh({ signal: this.#abort.signal });
      if (newest === known) return news;
      this.#adopt(newest);
      await this.#followAll();
    }
  }

  /** Reads the WAL until there is no more of it. True when there was any. */
  async #followAll(): Promise<boolean> {
    const { follower } = this.#parts;
    for (let found = false; ; found = true) {
      const object = await follower?.next(this.#abort.signal);
      if (object === undefined) return found;
      this.#apply(object);
    }
  }

  #apply(object: WalObject): void {
    const { state, settings, applyObject } = this.#parts;
    applyObject(state, object, this.#seq, settings.memTableBytes);
    const { epoch, id, bytes } = object;
    this.#walPosition = { epoch, id: id + 1 };
    this.#feeds?.tail.add({ epoch, id }, bytes, false);
    this.#advance(object.lastSeq);
    this.#feeds?.wake();
  }

  /** What L0 holds now leaves memory in the same assignment that brings the manifest. */
  #adopt(manifest: Manifest): void {
    const { state, follower } = this.#parts;
    // A writer may have moved the WAL to where this reader does not look.
    this.#parts.requireReadable(manifest);
    if (!state.active.isEmpty && state.active.lastSeq <= manifest.lastL0Seq) state.freeze();
    const retired = state.view.tables.filter(
      (table) => table !== state.active && table.lastSeq <= manifest.lastL0Seq,
    );
    state.retire(retired, manifest);
    follower?.adopt(manifest);
    this.#walPosition = follower?.position ?? this.#walPosition;
    this.#advance(manifest.lastL0Seq);
    this.#feeds?.wake();
  }

  #advance(seq: number): void {
    if (seq <= this.#seq) return;
    this.#seq = seq;
    for (const waiter of this.#seqWaiters) if (waiter.seq <= seq) waiter.resolve();
  }

  #finish(error: MoraineError | undefined): void {
    if (this.#end !== undefined) return;
    this.#end = error ?? new ClosedError("This handle is closed. Open a new one.");
    this.#polls?.stop();
    this.#abort.abort(this.#end);
    for (const waiter of this.#seqWaiters) waiter.reject(this.#end);
    this.#parts.snapshots.close();
    void this.#parts.caches.close(this.#closedError());
    this.#parts.closeStore();
    this.#closed.resolve(error);
  }
}

/** Of the tables, oldest last, at most one has both rows that are in SSTs and others. */
function withoutStoredRows(view: MemTableView): DbView {
  const { lastL0Seq } = view.manifest;
  const isMixed = ({ firstSeq, lastSeq }: MemTable): boolean =>
    firstSeq <= lastL0Seq && lastSeq > lastL0Seq;
  if (!view.tables.some(isMixed)) return view;
  const tables = view.tables.map((table) =>
    isMixed(table) ? new RowsAfter(table, lastL0Seq) : table,
  );
  return { ...view, tables };
}
