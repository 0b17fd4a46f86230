/**
 * `Flusher`: frozen MemTables to L0. Several SSTs are built and uploaded at once and finish in any order; one commit at a
 * time retires the longest finished prefix of the queue, so that tables enter the manifest in the order of their seqs.
 *
 * Failing to build an SST, or to agree with the manifest's invariants, is fatal. Failing to reach the store is not: the
 * same id and the same bytes are tried again, while whoever waits is told after each deadline of the store.
 */
import type { Clock } from "../common/clock.js";
import { type Deferred, deferred } from "../common/deferred.js";
import { InternalError, MoraineError, StoreError } from "../common/errors.js";
import type { UlidFactory } from "../common/ids.js";
import type { Manifest, WalPosition } from "../format/manifest.js";
import type { SstBuilderOptions } from "../format/sst-builder.js";
import type { StoredManifest } from "../manifest/stored-manifest.js";
import { retireBatch } from "../manifest/transitions.js";
import type { MemTable } from "../memtable/mem-table.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { ObjectPaths } from "../object-store/paths.js";
import { writeSst } from "../sst/sst-writer.js";
import { type BuiltSst, buildSst } from "./build-sst.js";
import {
  entriesOf,
  floorAfter,
  nextToDispatch,
  type QueuedTable,
  selectBatch,
} from "./queued-table.js";

const retryDelayMs = 1000;

export interface FlusherOptions {
  store: ObjectStore;
  clock: Clock;
  ids: UlidFactory;
  storedManifest: StoredManifest;
  epoch: number;
  uploadsInFlight: number;
  sst: Omit<SstBuilderOptions, "id">;
  /** For each older log of the chain, the id of its first fence. */
  logEnds: ReadonlyMap<number, number>;
  /** The last seq that is durable in the WAL. */
  durableSeq: () => number;
  lastSeq: () => number;
  /** Where replay starts once L0 holds everything up to `seq`. */
  walPositionAfter: (seq: number) => WalPosition;
  /** The tables are in L0: the view lets go of them and adopts the manifest, in one assignment. */
  onRetired: (tables: readonly MemTable[], manifest: Manifest) => void;
  /** The flusher has failed for good; called once. */
  onFailed: (error: MoraineError) => void;
}

interface FlushWaiter {
  readonly seq: number;
  readonly done: Deferred<void>;
}

export class Flusher {
  readonly #options: FlusherOptions;
  readonly #abort = new AbortController();
  #queue: QueuedTable[] = [];
  #waiters: FlushWaiter[] = [];
  #uploading = 0;
  #retiring = false;
  #failure: MoraineError | undefined;
  /** Tables are built one after another: building takes the processor, uploading waits for the network. */
  #build: Promise<unknown> = Promise.resolve();

  constructor(options: FlusherOptions) {
    this.#options = options;
  }

  get queuedBytes(): number {
    let bytes = 0;
    for (const queued of this.#queue) bytes += queued.table.bytes;
    return bytes;
  }

  /** Tables join in the order of their seqs. */
  enqueue(table: MemTable): void {
    this.#queue.push({ table, id: undefined, sst: undefined });
    this.#dispatch();
  }

  /** More of the WAL is durable: tables that waited for it may be retired. */
  poke(): void {
    this.#retire();
  }

  /** Resolves when L0 holds every queued row up to `seq`. Rejects when the store has failed for a whole deadline. */
  whenFlushed(seq: number): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const first = this.#queue[0];
    if (first === undefined || first.table.firstSeq > seq) return Promise.resolve();
    const done = deferred();
    this.#waiters.push({ seq, done });
    return done.promise;
  }

  /** Stops everything; whoever waits gets `error`. */
  fail(error: MoraineError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#abort.abort(error);
    this.#rejectWaiters(error);
  }

  #dispatch(): void {
    while (this.#failure === undefined && this.#uploading < this.#options.uploadsInFlight) {
      const queued = nextToDispatch(this.#queue);
      if (queued === undefined) return;
      queued.id = this.#options.ids.next();
      this.#uploading++;
      this.#upload(queued).then(
        () => {
          this.#uploading--;
          this.#retire();
          this.#dispatch();
        },
        (error: unknown) => this.#failed(error),
      );
    }
  }

  async #upload(queued: QueuedTable): Promise<void> {
    const { store, clock, sst } = this.#options;
    const signal = this.#abort.signal;
    const id = queued.id!;
    const build = this.#build.then(() => buildSst(queued.table, { ...sst, id }, clock, signal));
    this.#build = build.catch(() => undefined);
    const built: BuiltSst = await build;
    for (;;) {
      try {
        await writeSst(store, ObjectPaths.sst(id), built.chunks, { signal });
        break;
      } catch (error) {
        await this.#pause(error);
      }
    }
    queued.sst = built.info;
  }

  #retire(): void {
    if (this.#retiring || this.#failure !== undefined) return;
    this.#retiring = true;
    this.#retireBatches().catch((error: unknown) => this.#failed(error));
  }

  async #retireBatches(): Promise<void> {
    for (;;) {
      const batch = selectBatch(this.#queue, this.#options.durableSeq());
      if (batch.length === 0) {
        // In the same tick as the look at the queue, or a poke in between would be lost.
        this.#retiring = false;
        return;
      }
      let manifest: Manifest;
      try {
        manifest = await this.#commit(batch);
      } catch (error) {
        await this.#pause(error);
        continue;
      }
      if (this.#failure !== undefined) return;
      this.#queue = this.#queue.slice(batch.length);
      this.#options.onRetired(
        batch.map((queued) => queued.table),
        manifest,
      );
      this.#resolveWaiters();
      this.#dispatch();
    }
  }

  #commit(batch: readonly QueuedTable[]): Promise<Manifest> {
    const { storedManifest, epoch, ids, logEnds, lastSeq, walPositionAfter } = this.#options;
    const lastL0Seq = batch[batch.length - 1]!.table.lastSeq;
    return storedManifest.commit(
      retireBatch({
        epoch,
        entries: entriesOf(batch),
        walStart: walPositionAfter(lastL0Seq),
        lastL0Seq,
        lastSeq: lastSeq(),
        writerFloor: floorAfter(this.#queue, batch, ids.last),
        logEnds,
      }),
      { epoch, signal: this.#abort.signal },
    );
  }

  /** After a failure of the store: whoever waits is told, and after a while the same is tried again. */
  async #pause(error: unknown): Promise<void> {
    if (this.#failure !== undefined || !(error instanceof StoreError)) throw error;
    this.#rejectWaiters(error);
    await this.#options.clock.sleep(retryDelayMs, this.#abort.signal);
  }

  #resolveWaiters(): void {
    const flushedBelow = this.#queue[0]?.table.firstSeq ?? Number.POSITIVE_INFINITY;
    const waiting = this.#waiters;
    this.#waiters = waiting.filter((waiter) => waiter.seq >= flushedBelow);
    for (const waiter of waiting) if (waiter.seq < flushedBelow) waiter.done.resolve();
  }

  #rejectWaiters(error: MoraineError): void {
    const waiting = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiting) waiter.done.reject(error);
  }

  #failed(cause: unknown): void {
    if (this.#failure !== undefined) return;
    const error =
      cause instanceof MoraineError
        ? cause
        : new InternalError("A MemTable could not be flushed.", { cause });
    this.fail(error);
    this.#options.onFailed(error);
  }
}
