/**
 * `Sweep`: a rare pass that lists, and deletes what no manifest ever came to name: uploads of processes that died, void WAL objects, strays
 * (DESIGN 2.5). What is retired it leaves to the collector.
 *
 * First the newest manifest is read, with all that it and its checkpoints name, and only then are objects listed: so whatever is below the
 * floors of that manifest and not named by it never will be. Nothing is deleted before it has been read: a fence stays, and what belongs to
 * another database too.
 */
import { CorruptionError, NotFoundError } from "../common/errors.js";
import type { Ulid } from "../common/ids.js";
import type { Manifest, RetiredObjects } from "../format/manifest.js";
import { findNewest } from "../manifest/find-newest.js";
import { ManifestStore } from "../manifest/manifest-store.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { inBackground } from "./background-store.js";
import type { PinnedState, RetiredLists } from "./collectible.js";
import type { CollectorOptions } from "./collector.js";
import { BudgetLeft } from "./deletions.js";
import { Orphans } from "./orphans.js";
import { GoneObject, PinnedStates } from "./pinned-states.js";
import { readRetiredLists } from "./retired-lists.js";
import { StoreAges } from "./store-ages.js";
import { SweepPass } from "./sweep-pass.js";
import {
  checkSweepOptions,
  nothingSwept,
  type SweepOptions,
  type SweepResult,
  type SweptObjects,
} from "./sweep-result.js";

const attemptsMax = 10;

export class Sweep {
  readonly #options: CollectorOptions;
  readonly #count = { requests: 0 };
  readonly #store: ObjectStore;
  readonly #walStores: readonly ObjectStore[];
  readonly #manifests: ManifestStore;
  #totals: SweptObjects = nothingSwept;
  #turn: Promise<unknown> = Promise.resolve();

  /** Sends nothing. */
  constructor(options: CollectorOptions) {
    const { store, walStore } = options;
    this.#options = options;
    this.#store = inBackground(store, this.#count);
    this.#walStores =
      walStore === undefined || walStore === store
        ? [this.#store]
        : [this.#store, inBackground(walStore, this.#count)];
    this.#manifests = new ManifestStore(this.#store);
  }

  /** All that was swept since this was made. */
  get totals(): SweptObjects {
    return this.#totals;
  }

  /** One sweep; a second one waits for the first. Throws as `Collector.runOnce` does. */
  runOnce(options: SweepOptions = {}): Promise<SweepResult> {
    const run = this.#turn.then(() => this.#run(options));
    this.#turn = run.catch(() => undefined);
    return run;
  }

  async #run(options: SweepOptions): Promise<SweepResult> {
    checkSweepOptions(options);
    const { dryRun = false, budget = {}, signal } = options;
    const { clock, random } = this.#options;
    const before = this.#count.requests;
    signal?.throwIfAborted();
    const left = new BudgetLeft(budget, clock, this.#count);
    const { manifest, pinned, lists } = await this.#read(signal);
    const pass = new SweepPass({
      ...{ store: this.#store, walStores: this.#walStores, dryRun, signal, budget: left },
      ...{ databaseId: manifest.databaseId, orphans: new Orphans(manifest, pinned, lists) },
      copied: new Set(
        manifest.externals.filter(({ path }) => path === "").map(({ databaseId }) => databaseId),
      ),
      ages: new StoreAges(this.#store, { random, storedAt: new Map(), signal }),
    });
    try {
      const isDone = await pass.run();
      const requests = this.#count.requests - before;
      const { deleted, foreign, foreignCount } = pass;
      return { dryRun, deleted, foreign, foreignCount, requests, isDone };
    } finally {
      if (!dryRun) this.#totals = sum(this.#totals, pass.deleted);
    }
  }

  /** A manifest with all that it needs: when something of it is gone, a newer one has come. */
  async #read(
    signal: AbortSignal | undefined,
  ): Promise<{ manifest: Manifest; pinned: PinnedState; lists: RetiredLists }> {
    const states = new PinnedStates(this.#manifests, this.#options.clock);
    let last: { number: number; error: GoneObject } | undefined;
    for (let attempt = 1; ; attempt++) {
      const manifest = await this.#newest(signal);
      if (last !== undefined && (last.number === manifest.number || attempt > attemptsMax)) {
        const detail = `it is missing, and manifest ${last.number} or a checkpoint of it needs it`;
        throw new CorruptionError(last.error.object, detail, { cause: last.error });
      }
      try {
        const lists: ReadonlyMap<Ulid, readonly RetiredObjects[]> = await readRetiredLists(
          ...[this.#store, manifest, signal],
        );
        return { manifest, lists, pinned: await states.of(manifest, signal) };
      } catch (error) {
        if (!(error instanceof GoneObject)) throw error;
        last = { number: manifest.number, error };
      }
    }
  }

  async #newest(signal: AbortSignal | undefined): Promise<Manifest> {
    const { clock, retentionMs, place = this.#options.store.id } = this.#options;
    const newest = await findNewest(this.#manifests, { clock, retentionMs, signal });
    if (newest === undefined) throw new NotFoundError(`There is no database at ${place}.`);
    if (newest.destroyed) throw new NotFoundError(`The database at ${place} was destroyed.`);
    return newest;
  }
}

function sum(a: SweptObjects, b: SweptObjects): SweptObjects {
  const total = { ...a };
  for (const name of Object.keys(b) as (keyof SweptObjects)[]) total[name] += b[name];
  return total;
}
