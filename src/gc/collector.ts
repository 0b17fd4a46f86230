/**
 * `Collector`: deletes what the newest manifest says is retired, and old manifests, without a listing (DESIGN 2.5).
 *
 * A pass reads the newest manifest, drops checkpoints that have expired, decides what may go (collectible.ts), deletes it, and takes off the
 * list what the store has confirmed. It may stop anywhere and begin again, and any number of them may run at once: what one manifest lets go
 * is named by no later one.
 */
import type { Clock } from "../common/clock.js";
import { CorruptionError, NotFoundError } from "../common/errors.js";
import { UlidFactory } from "../common/ids.js";
import type { Random } from "../common/random.js";
import type { Manifest, SstInfo } from "../format/manifest.js";
import { findNewest } from "../manifest/find-newest.js";
import { ManifestStore } from "../manifest/manifest-store.js";
import { instantOf, StoredManifest } from "../manifest/stored-manifest.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { inBackground } from "./background-store.js";
import { CollectionPass } from "./collection-pass.js";
import {
  type CollectionResult,
  type CollectOptions,
  checkCollectOptions,
  FreedCount,
  type FreedObjects,
} from "./collection-result.js";
import { BudgetLeft } from "./deletions.js";
import { GoneObject, PinnedStates } from "./pinned-states.js";
import { releaseExternals } from "./release-externals.js";

export interface CollectorOptions {
  /** The database's path. */
  readonly store: ObjectStore;
  /** Where its logs are, when that is another store. Without it, a log elsewhere is left as it is. Default: `store`. */
  readonly walStore?: ObjectStore | undefined;
  readonly clock: Clock;
  readonly random: Random;
  /** `manifestRetentionMs`: manifests stay so long. What is less than a day counts as a day. */
  readonly retentionMs: number;
  /** What the location is called in messages. Default: the store's id. */
  readonly place?: string | undefined;
  /** That of the writer of this process: the commits of two would outrun each other. Its requests are not among those of a pass. Default: its own. */
  readonly storedManifest?: StoredManifest | undefined;
  /** The store of the database at another path of the same namespace. Without it, nothing that is held there is released. */
  readonly at?: ((path: string) => ObjectStore) | undefined;
}

/** What releasing a database may take, where it is the only one and its lists are known. */
const releaseRequests = 12;

/** How often a pass begins anew because what it had read was collected by another one. */
const attemptsMax = 10;

type Released = Pick<CollectionResult, "databasesReleased" | "notReleased">;

const nothingReleased: Released = { databasesReleased: 0, notReleased: [] };

export class Collector {
  readonly #options: CollectorOptions;
  readonly #count = { requests: 0 };
  readonly #store: ObjectStore;
  readonly #walStores: readonly ObjectStore[];
  readonly #manifests: ManifestStore;
  readonly #states: PinnedStates;
  readonly #ids: UlidFactory;
  readonly #totals = new FreedCount();
  readonly #storedAt = new Map<number, number>();
  /** Sizes of SSTs that manifests named when this collector saw them. */
  #sizes = new Map<string, number>();
  #stored: StoredManifest | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #nextHistoryMs = Number.NEGATIVE_INFINITY;

  /** Sends nothing. */
  constructor(options: CollectorOptions) {
    const { store, walStore, clock, random } = options;
    this.#options = options;
    this.#store = inBackground(store, this.#count);
    this.#walStores =
      walStore === undefined || walStore === store
        ? [this.#store]
        : [this.#store, inBackground(walStore, this.#count)];
    this.#manifests = new ManifestStore(this.#store);
    this.#states = new PinnedStates(this.#manifests, clock, (sst) => this.#remember(sst));
    this.#ids = new UlidFactory(clock, random);
  }

  /** All that was freed since this collector was made. */
  get totals(): FreedObjects {
    return this.#totals.toJSON();
  }

  /**
   * One pass; a second one waits for the first. Throws `NotFoundError` when there is no database, `CorruptionError` when something is missing
   * that a manifest needs, and `StoreError`: then what was deleted before is taken off all the same, if that is possible.
   */
  runOnce(options: CollectOptions): Promise<CollectionResult> {
    const run = this.#turn.then(() => this.#run(options));
    this.#turn = run.catch(() => undefined);
    return run;
  }

  async #run(options: CollectOptions): Promise<CollectionResult> {
    checkCollectOptions(options, this.#options.retentionMs);
    const { signal } = options;
    const before = this.#count.requests;
    const budget = new BudgetLeft(options.budget ?? {}, this.#options.clock, this.#count);
    signal?.throwIfAborted();
    const stored = await this.#newest(signal);
    for (let attempt = 1; ; attempt++) {
      const { number } = stored.current;
      requireThere(stored.current, this.#place);
      const pass = this.#newPass(stored, budget, options);
      try {
        const result = await pass.run(options.dryRun ?? false);
        const mayRelease = !result.dryRun && result.isDone && budget.allows(releaseRequests);
        const released = mayRelease ? await this.#release(stored, options) : nothingReleased;
        if (!result.dryRun) this.#forget(stored.current);
        return { ...result, ...released, requests: this.#count.requests - before };
      } catch (error) {
        if (!(error instanceof GoneObject)) throw error;
        const newest = await stored.refresh(signal && { signal });
        if (newest.number === number || attempt === attemptsMax) {
          const detail = `it is missing, and manifest ${newest.number} or a checkpoint of it needs it`;
          throw new CorruptionError(error.object, detail, { cause: error });
        }
      } finally {
        if (!options.dryRun) this.#totals.add(pass.freed);
      }
    }
  }

  /** What a clone holds of the databases that it comes from. */
  async #release(stored: StoredManifest, { graceMs, signal }: CollectOptions): Promise<Released> {
    const { at, clock, random, retentionMs } = this.#options;
    if (at === undefined || stored.current.externals.length === 0) return nothingReleased;
    const notReleased: string[] = [];
    const databasesReleased = await releaseExternals(stored, {
      ...{ clock, random, retentionMs, graceMs, signal },
      ...{ states: this.#states, storedAt: this.#storedAt },
      at: (path) => inBackground(at(path), this.#count),
      onNotFound: (path) => notReleased.push(path),
    });
    return { databasesReleased, notReleased };
  }

  get #place(): string {
    return this.#options.place ?? this.#options.store.id;
  }

  async #newest(signal: AbortSignal | undefined): Promise<StoredManifest> {
    this.#stored ??= this.#options.storedManifest;
    if (this.#stored !== undefined) {
      await this.#stored.refresh(signal && { signal });
      return this.#stored;
    }
    const { clock, random, retentionMs } = this.#options;
    const searchedAt = instantOf(clock);
    const newest = await findNewest(this.#manifests, { clock, retentionMs, signal });
    if (newest === undefined) throw new NotFoundError(`There is no database at ${this.#place}.`);
    requireThere(newest, this.#place);
    this.#stored = new StoredManifest(this.#manifests, newest, {
      ...{ clock, random, retentionMs, searchedAt },
    });
    return this.#stored;
  }

  #newPass(
    stored: StoredManifest,
    budget: BudgetLeft,
    { graceMs, signal }: CollectOptions,
  ): CollectionPass {
    const { clock, random, retentionMs } = this.#options;
    return new CollectionPass({
      ...{ stored, random, retentionMs, budget, graceMs, signal, ids: this.#ids },
      ...{ store: this.#store, walStores: this.#walStores, states: this.#states },
      ...{ storedAt: this.#storedAt, sizeOf: (id) => this.#sizes.get(id) ?? 0 },
      isHistoryDue: clock.monotonic() >= this.#nextHistoryMs,
      onHistoryYoung: (ms) => {
        this.#nextHistoryMs = clock.monotonic() + ms;
      },
    });
  }

  #remember(sst: SstInfo): void {
    this.#sizes.set(sst.id, sst.size);
  }

  /** Keeps the sizes of what can be retired or deleted later. */
  #forget(manifest: Manifest): void {
    if (this.#storedAt.size > 10_000) this.#storedAt.clear();
    if (this.#sizes.size <= 100_000) return;
    const kept = new Map<string, number>();
    for (const { ssts } of [...manifest.l0, ...manifest.runs]) {
      for (const { id, size } of ssts) kept.set(id, size);
    }
    this.#sizes = kept;
  }
}

function requireThere(manifest: Manifest, place: string): void {
  if (manifest.destroyed) throw new NotFoundError(`The database at ${place} was destroyed.`);
}
