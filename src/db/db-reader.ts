/** `DbReader`: reads a database without writing to it, and follows its writer through the manifest and the WAL. */
import { withSignal } from "../common/abort.js";
import type { Clock, Timer } from "../common/clock.js";
import { deferred } from "../common/deferred.js";
import {
  ClosedError,
  InternalError,
  InvalidArgumentError,
  MoraineError,
  NotFoundError,
  StoreError,
  UnsupportedError,
} from "../common/errors.js";
import { checkOptions, requireInteger, requireSignal } from "../common/options.js";
import type { Manifest } from "../format/manifest.js";
import { findNewest } from "../manifest/find-newest.js";
import { ManifestStore } from "../manifest/manifest-store.js";
import { instantOf, StoredManifest } from "../manifest/stored-manifest.js";
import { MemTable } from "../memtable/mem-table.js";
import { ObjectPaths } from "../object-store/paths.js";
import { BlockCache } from "../sst/block-cache.js";
import { TableStore } from "../sst/table-store.js";
import { WalFollower } from "../wal/wal-follower.js";
import { DbState } from "./db-state.js";
import { type Location, type OpenLocation, openLocation } from "./location.js";
import { type CheckedOptions, checkReaderOptions, type ReaderOptions } from "./open-options.js";
import { Reads, type ReadView } from "./reads.js";
import type { Settings } from "./settings.js";
import type { ReaderStats } from "./stats.js";
import { openWalPlace, repinWal, type WalPlace } from "./wal-place.js";
import { type WrappedStore, wrapStore } from "./wrap-store.js";
import { closedError } from "./write-pipeline.js";

const defaultPollIntervalMs = 1_000;
const idlePollIntervalMs = 10_000;

interface ReaderParts {
  stored: StoredManifest;
  follower: WalFollower;
  state: DbState;
  clock: Clock;
  settings: Settings;
  wrapped: WrappedStore;
  tables: TableStore;
  cache: BlockCache;
  pollIntervalMs: number;
  closeStore: () => void;
}

export class DbReader extends Reads {
  readonly #parts: ReaderParts;
  readonly #abort = new AbortController();
  readonly #closed = deferred<MoraineError | undefined>();
  #end: MoraineError | undefined;
  #timer: Timer | undefined;
  #quietPolls = 0;
  #refreshing: Promise<boolean> | undefined;
  #seq: number;
  #seqWaiters: { seq: number; resolve: () => void; reject: (error: unknown) => void }[] = [];

  /** Opens the latest state, WAL included. Writes nothing. `NotFoundError` when there is no database. */
  static async open(location: Location, options?: ReaderOptions): Promise<DbReader> {
    const checked = checkReaderOptions(options);
    const place = await openLocation(location);
    let walPlace: WalPlace | undefined;
    try {
      walPlace = await openWalPlace(options?.wal, place);
      checked.signal?.throwIfAborted();
      const pollIntervalMs = options?.pollIntervalMs ?? defaultPollIntervalMs;
      const reader = new DbReader(await openParts(place, walPlace, checked, pollIntervalMs));
      await withSignal(reader.#followAll(), checked.signal);
      reader.#schedule();
      return reader;
    } catch (error) {
      place.close();
      walPlace?.open?.close();
      throw error;
    }
  }

  private constructor(parts: ReaderParts) {
    super();
    this.#parts = parts;
    this.#seq = parts.state.view.manifest.lastL0Seq;
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
    // One that is under way may have looked already: only one that starts now sees everything.
    if (this.#refreshing !== undefined) await withSignal(this.#refreshing, options?.signal);
    this.#requireOpen();
    await withSignal(this.#refresh(), options?.signal);
  }

  /** Resolves once the reader sees `seq`: read-your-writes across processes, given the seq of a durable write. */
  async waitForSeq(seq: number, options?: { signal?: AbortSignal | undefined }): Promise<void> {
    checkOptions(options, ["signal"], "waitForSeq");
    if (seq === undefined) throw new InvalidArgumentError('"seq" is missing.');
    requireInteger(seq, "seq", 0, Number.MAX_SAFE_INTEGER);
    requireSignal(options?.signal);
    this.#requireOpen();
    if (seq <= this.#seq) return;
    const waiting = deferred();
    const waiter = { seq, resolve: () => waiting.resolve(), reject: waiting.reject };
    this.#seqWaiters.push(waiter);
    // Somebody waits: news are looked for at once, and at the short interval from now on.
    this.#quietPolls = 0;
    this.#schedule(0);
    try {
      await withSignal(waiting.promise, options?.signal);
    } finally {
      this.#seqWaiters = this.#seqWaiters.filter((other) => other !== waiter);
    }
  }

  stats(): ReaderStats {
    const { state, wrapped, cache } = this.#parts;
    const { manifest, tables } = state.view;
    return {
      manifestNumber: manifest.number,
      seq: this.#seq,
      memTableBytes: state.memTableBytes,
      memTableCount: tables.length,
      l0Count: manifest.l0.length,
      runCount: manifest.runs.length,
      blockCache: { bytes: cache.bytes, hits: cache.hits, misses: cache.misses },
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
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  protected override readView(): ReadView {
    const { state, tables, clock, settings } = this.#parts;
    return {
      view: state.view,
      tables,
      seq: this.#seq,
      durableSeq: this.#seq,
      readAheadBytes: settings.readAheadBytes,
      now: () => clock.now(),
      requireOpen: this.#requireOpen,
    };
  }

  readonly #requireOpen = (): void => {
    if (this.#end !== undefined) {
      throw this.#end instanceof ClosedError ? closedError(undefined) : closedError(this.#end);
    }
  };

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

  async #lookForNews(): Promise<boolean> {
    const { stored, follower, state } = this.#parts;
    const signal = this.#abort.signal;
    const known = state.view.manifest;
    const [looked, followed] = await Promise.allSettled([
      stored.refresh({ signal }),
      follower.next(signal),
    ]);
    // The follower has gone past this object and will not read it again, so it counts whatever the manifest's GET did.
    const object = followed.status === "fulfilled" ? followed.value : undefined;
    if (object !== undefined) this.#apply(object);
    if (looked.status === "rejected") throw looked.reason;
    if (followed.status === "rejected") throw followed.reason;
    const newest = looked.value;
    if (newest !== known) this.#adopt(newest);
    const news = object !== undefined || newest !== known;
    if (news) await this.#followAll();
    return news;
  }

  /** Reads the WAL until there is no more of it. */
  async #followAll(): Promise<void> {
    const { follower } = this.#parts;
    for (;;) {
      const object = await follower.next(this.#abort.signal);
      if (object === undefined) return;
      this.#apply(object);
    }
  }

  /** All batches of an object appear in one tick. */
  #apply(object: NonNullable<Awaited<ReturnType<WalFollower["next"]>>>): void {
    const { state, settings } = this.#parts;
    if (state.active.bytes >= settings.memTableBytes) state.freeze();
    const { bytes, recordsStart, recordsEnd, recordCount } = object;
    const path = ObjectPaths.wal(object.epoch, object.id);
    state.active.applyRecords(bytes, recordsStart, recordsEnd, recordCount, this.#seq, path);
    this.#advance(object.lastSeq);
  }

  /** What L0 holds now leaves memory in the same assignment that brings the manifest. */
  #adopt(manifest: Manifest): void {
    const { state, follower } = this.#parts;
    if (state.active.rowCount > 0 && state.active.lastSeq <= manifest.lastL0Seq) state.freeze();
    const retired = state.view.tables.filter(
      (table) => table !== state.active && table.lastSeq <= manifest.lastL0Seq,
    );
    state.retire(retired, manifest);
    follower.adopt(manifest);
    this.#advance(manifest.lastL0Seq);
  }

  #advance(seq: number): void {
    if (seq <= this.#seq) return;
    this.#seq = seq;
    for (const waiter of this.#seqWaiters) if (waiter.seq <= seq) waiter.resolve();
  }

  /** The next poll: after the interval, doubling to ten seconds while there is no news and nobody waits. */
  #schedule(delayMs?: number): void {
    if (this.#end !== undefined) return;
    this.#timer?.cancel();
    const { clock, pollIntervalMs } = this.#parts;
    const longest = Math.max(pollIntervalMs, idlePollIntervalMs);
    const quiet = this.#seqWaiters.length > 0 ? 0 : this.#quietPolls;
    const wait = delayMs ?? Math.min(pollIntervalMs * 2 ** quiet, longest);
    this.#timer = clock.after(wait, () => void this.#poll(), { idle: true });
  }

  async #poll(): Promise<void> {
    try {
      const news = await this.#refresh();
      this.#quietPolls = news ? 0 : Math.min(this.#quietPolls + 1, 20);
    } catch {
      // The reader has ended, or tries again after the interval.
    }
    this.#schedule();
  }

  #finish(error: MoraineError | undefined): void {
    if (this.#end !== undefined) return;
    this.#end = error ?? new ClosedError("This handle is closed. Open a new one.");
    this.#timer?.cancel();
    this.#abort.abort(this.#end);
    for (const waiter of this.#seqWaiters) waiter.reject(this.#end);
    this.#parts.closeStore();
    this.#closed.resolve(error);
  }
}

async function openParts(
  place: OpenLocation,
  walPlace: WalPlace | undefined,
  options: CheckedOptions,
  pollIntervalMs: number,
): Promise<ReaderParts> {
  const { settings, clock, random, signal } = options;
  const wrapped = wrapStore(place, options);
  const { store } = wrapped;
  const manifests = new ManifestStore(store);
  const retentionMs = settings.manifestRetentionMs;
  const searchedAt = instantOf(clock);
  const newest = await findNewest(manifests, { clock, retentionMs, signal });
  if (newest === undefined || newest.destroyed) {
    throw new NotFoundError(
      `There is no database at "${place.path || place.store.id}". A reader makes none: open it with Db.open first.`,
    );
  }
  requireReadable(newest, walPlace);
  const cache = new BlockCache(settings.blockCacheBytes);
  const tables = new TableStore({ store, databaseId: newest.databaseId, cache });
  const stored = new StoredManifest(manifests, newest, {
    ...{ clock, random, retentionMs, searchedAt },
  });
  const state = new DbState(newest, new MemTable(), []);
  const walStore = walPlace?.open ? wrapStore(walPlace.open, options, wrapped.counts).store : store;
  const follower = new WalFollower(walStore, newest);
  const parts = { stored, follower, state, clock, settings, wrapped, tables, cache };
  const closeStore = (): void => {
    place.close();
    walPlace?.open?.close();
  };
  return { ...parts, pollIntervalMs, closeStore };
}

function requireReadable(manifest: Manifest, walPlace: WalPlace | undefined): void {
  if (manifest.pinned.encryption !== 0) {
    throw new UnsupportedError(
      `The database is encrypted (mode ${manifest.pinned.encryption}), which this version of Moraine does not know. Use a later version.`,
    );
  }
  // A reader changes nothing: it has to be given the place that is pinned.
  if (repinWal(manifest, walPlace) !== manifest.pinned) {
    throw new InvalidArgumentError(
      'The write-ahead log of this database is in another place than this reader was told. Leave "wal" out, or give the place that it has.',
    );
  }
}
