/**
 * `Flusher`: frozen MemTables and bulk loads to L0. Several SSTs are built and uploaded at once and finish in any order; the
 * `ManifestWriter` retires them in queue order.
 *
 * Failing to build an SST is fatal. Failing to upload it is not: the same id and the same bytes are sent again.
 */
import type { Clock } from "../common/clock.js";
import { InternalError, MoraineError } from "../common/errors.js";
import type { Ulid, UlidFactory } from "../common/ids.js";
import type { Checkpoint, L0Entry, Manifest, WalPosition } from "../format/manifest.js";
import type { SstBuilderOptions } from "../format/sst-builder.js";
import type { StoredManifest } from "../manifest/stored-manifest.js";
import { retireBatch, type Transition } from "../manifest/transitions.js";
import { MemTable } from "../memtable/mem-table.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { ObjectPaths } from "../object-store/paths.js";
import { writeSst } from "../sst/sst-writer.js";
import { type BuildOptions, type BuiltSst, buildSst } from "./build-sst.js";
import {
  entriesOf,
  floorAfter,
  lastSeqOf,
  nextToDispatch,
  type PendingCheckpoint,
  pendingEntries,
  type Queued,
  type QueuedTable,
} from "./flush-plan.js";
import { ManifestWriter } from "./manifest-writer.js";

export interface FlusherOptions {
  store: ObjectStore;
  clock: Clock;
  ids: UlidFactory;
  storedManifest: StoredManifest;
  epoch: number;
  uploadsInFlight: number;
  sst: Omit<SstBuilderOptions, "id">;
  /** As in `BuildOptions`. */
  combine?: BuildOptions["combine"];
  /** For each older log of the chain, the id of its first fence. */
  logEnds: ReadonlyMap<number, number>;
  /** The last seq that is durable in the WAL. */
  durableSeq: () => number;
  lastSeq: () => number;
  /** The oldest seq that a snapshot or transaction has open; 0: none. */
  snapshotSeq: () => number;
  /** Where replay starts once L0 holds everything up to `seq`. */
  walPositionAfter: (seq: number) => WalPosition;
  /** Whether one more table may be on its way to L0, beside so many entries that are. When that changes, `poke` is called. */
  mayDispatch: (pending: number) => boolean;
  /** An SST is stored, and its bytes are free. */
  onUploaded: () => void;
  /** The tables are in L0: the view lets go of them and adopts the manifest, in one assignment. */
  onRetired: (tables: readonly MemTable[], manifest: Manifest) => void;
  /** The flusher has failed for good; called once. */
  onFailed: (error: MoraineError) => void;
}

export class Flusher {
  readonly #options: FlusherOptions;
  readonly #writer: ManifestWriter;
  readonly #abort = new AbortController();
  /** Ids of loads under way: no manifest names them yet, and the floor stays below them. */
  readonly #reserved = new Set<Ulid>();
  #uploading = 0;
  #builtBytes = 0;
  #ended = false;
  /** Tables are built one after another: building takes the processor, uploading waits for the network. */
  #build: Promise<unknown> = Promise.resolve();

  constructor(options: FlusherOptions) {
    this.#options = options;
    const { clock, storedManifest, epoch, durableSeq } = options;
    this.#writer = new ManifestWriter({
      ...{ clock, storedManifest, epoch, durableSeq, signal: this.#abort.signal },
      retirementOf: (batch, queue) => this.#retirementOf(batch, queue),
      onRetired: (tables, manifest) => {
        options.onRetired(tables, manifest);
        this.#dispatch();
      },
      onFailed: (error) => this.#failed(error),
    });
  }

  /** Bytes of SSTs that are being built, or are built and not stored yet: memory beside that of their tables. */
  get builtBytes(): number {
    return this.#builtBytes;
  }

  /** The last seq of all commits that were ever sent: rows up to here may be in L0. */
  get sentSeq(): number {
    return this.#writer.sentSeq;
  }

  /** Tables join in the order of their seqs. */
  enqueue(table: MemTable): void {
    this.#writer.enqueue({ table, id: undefined, sst: undefined });
    this.#dispatch();
  }

  /**
   * What replay found joins as a whole, oldest first: the floor of the first commit must stay below the loads that come after
   * what it retires.
   */
  enqueueReplayed(queue: readonly (MemTable | readonly L0Entry[])[]): void {
    for (const queued of queue) {
      this.#writer.enqueue(
        queued instanceof MemTable
          ? { table: queued, id: undefined, sst: undefined }
          : { loaded: queued },
      );
    }
    this.#dispatch();
    this.#writer.poke();
  }

  /** An id for an SST of a load, which may be uploaded before the load has its place in the queue. */
  reserve(): Ulid {
    const id = this.#options.ids.next();
    this.#reserved.add(id);
    return id;
  }

  /** The ids are given up: nothing will ever name them. */
  release(ids: Iterable<Ulid>): void {
    for (const id of ids) this.#reserved.delete(id);
  }

  /** A load joins, in the order of its seqs; its SSTs are stored. */
  enqueueLoad(entries: readonly L0Entry[]): void {
    this.#writer.enqueue({ loaded: entries });
    for (const entry of entries) this.release(entry.ssts.map((sst) => sst.id));
    this.#writer.poke();
  }

  /** More of the WAL is durable, or L0 has room: what waited for it goes on. */
  poke(): void {
    this.#writer.poke();
    this.#dispatch();
  }

  /** Resolves when L0 holds every queued row up to `seq`. Rejects when the store has failed for a whole deadline. */
  whenFlushed(seq: number): Promise<void> {
    return this.#writer.whenFlushed(seq);
  }

  /** As of `ManifestWriter`. */
  checkpoint(pending: PendingCheckpoint, signal?: AbortSignal): Promise<Checkpoint> {
    return this.#writer.checkpoint(pending, signal);
  }

  /** The entries of loads that wait for their commit. */
  get loads(): readonly L0Entry[] {
    return this.#writer.loads;
  }

  /** As of `ManifestWriter`. */
  checkpointed(): Promise<void> {
    return this.#writer.checkpointed();
  }

  /** Stops everything; whoever waits gets `error`. */
  fail(error: MoraineError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#writer.fail(error);
    this.#abort.abort(error);
  }

  #dispatch(): void {
    while (!this.#ended && this.#uploading < this.#options.uploadsInFlight) {
      const { queue } = this.#writer;
      const queued = nextToDispatch(queue);
      if (queued === undefined || !this.#options.mayDispatch(pendingEntries(queue))) return;
      queued.id = this.#options.ids.next();
      this.#uploading++;
      this.#upload(queued).then(
        () => {
          this.#uploading--;
          this.#writer.poke();
          this.#dispatch();
        },
        (error: unknown) => this.#failed(error),
      );
    }
  }

  async #upload(queued: QueuedTable): Promise<void> {
    const { store, clock, sst, combine } = this.#options;
    const signal = this.#abort.signal;
    const id = queued.id!;
    // What it is built into is as large as the table.
    const memoryBytes = queued.table.bytes;
    const build = this.#build.then(() => {
      this.#builtBytes += memoryBytes;
      return buildSst(queued.table, { ...sst, id, combine }, clock, signal);
    });
    this.#build = build.catch(() => undefined);
    const built: BuiltSst = await build;
    this.#builtBytes += built.info.size - memoryBytes;
    for (;;) {
      try {
        await writeSst(store, ObjectPaths.sst(id), built.chunks, { signal });
        break;
      } catch (error) {
        await this.#writer.pause(error, queued.table.firstSeq);
      }
    }
    this.#builtBytes -= built.info.size;
    queued.sst = built.info;
    this.#options.onUploaded();
  }

  #retirementOf(batch: readonly Queued[], queue: readonly Queued[]): Transition {
    const { epoch, ids, logEnds, lastSeq, snapshotSeq, walPositionAfter } = this.#options;
    const lastL0Seq = lastSeqOf(batch[batch.length - 1]!);
    return retireBatch({
      ...{ epoch, logEnds, lastL0Seq },
      entries: entriesOf(batch),
      walStart: walPositionAfter(lastL0Seq),
      lastSeq: lastSeq(),
      snapshotSeq: snapshotSeq(),
      writerFloor: floorAfter(queue, batch.length, this.#reserved, ids.last),
    });
  }

  #failed(cause: unknown): void {
    if (this.#ended) return;
    const error =
      cause instanceof MoraineError
        ? cause
        : new InternalError("A MemTable could not be flushed.", { cause });
    this.fail(error);
    this.#options.onFailed(error);
  }
}
