/** Opening a `Compactor`: finds the database, and puts together what compacts it. */
import { whenAborted } from "../common/abort.js";
import { deferred } from "../common/deferred.js";
import {
  ClosedError,
  type MoraineError,
  NotFoundError,
  UnsupportedError,
} from "../common/errors.js";
import type { KeyBounds } from "../common/key-range.js";
import { PollingWorkSource } from "../compaction/work-source.js";
import type { Manifest } from "../format/manifest.js";
import { findNewest } from "../manifest/find-newest.js";
import { ManifestStore } from "../manifest/manifest-store.js";
import { instantOf, StoredManifest } from "../manifest/stored-manifest.js";
import { BlockCache } from "../sst/block-cache.js";
import { TableStore } from "../sst/table-store.js";
import { closedError } from "./closed-error.js";
import { compactWith } from "./compact-with.js";
import {
  type CheckedCompactorOptions,
  type CompactorOptions,
  checkCompactorOptions,
} from "./compactor-options.js";
import { HintWriter } from "./hint-writer.js";
import { describeLocation, type Location, openLocation } from "./location.js";
import { newStrategy } from "./new-strategy.js";
import { type StartedCompaction, startCompaction } from "./start-compaction.js";
import type { CompactorStats } from "./stats.js";
import type { CompactionFailure } from "./watched-runner.js";
import { withFunctions } from "./with-functions.js";
import { type WrappedStore, wrapStore } from "./wrap-store.js";

/** Lists of long runs; data is read once, and not kept. */
const cacheBytes = 16 * 1024 * 1024;
const failuresKept = 10;

export async function openCompactor(
  location: Location,
  options: CompactorOptions | undefined,
): Promise<OpenCompactor> {
  const checked = await withFunctions(checkCompactorOptions(options));
  // Says what is wrong with its options before anything is opened.
  if (checked.strategy !== undefined) newStrategy(checked.strategy, checked.settings);
  const place = await openLocation(location);
  try {
    const { clock, random, signal, settings } = checked;
    const retentionMs = settings.manifestRetentionMs;
    const wrapped = wrapStore(place, checked);
    const manifests = new ManifestStore(wrapped.store);
    const searchedAt = instantOf(clock);
    const newest = await findNewest(manifests, { clock, retentionMs, signal });
    requireUsable(newest, describeLocation(location));
    const stored = new StoredManifest(manifests, newest, {
      ...{ clock, random, retentionMs, searchedAt },
    });
    return new OpenCompactor(wrapped, stored, checked, place.close);
  } catch (error) {
    place.close();
    throw error;
  }
}

function requireUsable(newest: Manifest | undefined, place: string): asserts newest {
  if (newest === undefined) throw new NotFoundError(`There is no database at ${place}.`);
  if (newest.destroyed) throw new NotFoundError(`The database at ${place} was destroyed.`);
  if (newest.pinned.encryption === 0) return;
  throw new UnsupportedError(
    `The database at ${place} is encrypted (mode ${newest.pinned.encryption}), which this version of Moraine does not know. Use a later version.`,
  );
}

export class OpenCompactor {
  readonly #wrapped: WrappedStore;
  readonly #stored: StoredManifest;
  readonly #tables: TableStore;
  readonly #started: StartedCompaction;
  readonly #hint: HintWriter;
  readonly #isWorker: boolean;
  readonly #ended = new AbortController();
  readonly #closed = deferred<MoraineError | undefined>();
  readonly #closeStore: () => void;
  readonly #failed = deferred();
  #failure: MoraineError | undefined;
  #closing: Promise<void> | undefined;
  #failures: readonly CompactionFailure[] = [];

  constructor(
    wrapped: WrappedStore,
    stored: StoredManifest,
    options: CheckedCompactorOptions,
    closeStore: () => void,
  ) {
    const { clock, random, settings, strategy, filter, prefixExtractor, compaction } = options;
    const { store } = wrapped;
    this.#wrapped = wrapped;
    this.#stored = stored;
    this.#closeStore = closeStore;
    this.#isWorker = strategy === undefined;
    this.#hint = new HintWriter(stored, clock);
    this.#tables = new TableStore({
      ...{ store, databaseId: stored.current.databaseId, background: true },
      cache: new BlockCache(cacheBytes),
    });
    this.#started = startCompaction({
      ...{ store, clock, random, settings, storedManifest: stored, strategy, filter },
      ...{ lists: this.#tables.runLists, compression: options.compression.runs },
      ...{ mergeOperators: options.mergeOperators, prefixExtractor },
      ...{ compactionFilter: compaction.filter, functions: compaction.functions },
      ...{
        claims: "at-once",
        writerEpoch: 0,
        remoteJobsMax: options.workerJobsMax,
        name: options.name,
      },
      ended: this.#ended.signal,
      onCommitted: () => this.#hint.committed(),
      source: options.source ?? new PollingWorkSource({ clock }),
      onJobFailed: (failure) => {
        this.#failures = [...this.#failures, failure].slice(-failuresKept);
      },
      onFailed: (error) => {
        this.#failure ??= error;
        this.#failed.resolve();
      },
    });
  }

  get closed(): Promise<MoraineError | undefined> {
    return this.#closed.promise;
  }

  async runOnce(signal: AbortSignal | undefined): Promise<number> {
    this.#requireOpen();
    return this.#started.role.runOnce({ signal });
  }

  async run(signal: AbortSignal | undefined): Promise<void> {
    this.#requireOpen();
    const stop = deferred<void>();
    const stopListening = whenAborted(signal, () => stop.resolve());
    this.#started.role.start();
    await Promise.race([stop.promise, this.#failed.promise, this.#closed.promise]);
    stopListening();
    await this.close();
    if (this.#failure !== undefined) throw this.#failure;
  }

  async compact(bounds: KeyBounds | undefined, signal: AbortSignal | undefined): Promise<void> {
    this.#requireOpen();
    if (this.#isWorker) {
      throw new UnsupportedError(
        "A worker plans no compactions. Open a compactor without worker: true.",
      );
    }
    await compactWith(this.#started.role, bounds, signal);
  }

  stats(): CompactorStats {
    const { role, mode } = this.#started;
    const { number, compactorEpoch, l0, runs } = this.#stored.current;
    return {
      ...{ manifestNumber: number, epoch: compactorEpoch },
      ...{ l0Count: l0.length, runCount: runs.length, mode, ...role.stats },
      failures: this.#failures,
      requests: this.#wrapped.counts.snapshot(),
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const error = new ClosedError("This compactor is closed.");
    try {
      await this.#started.role.close();
      await this.#hint.finish();
    } finally {
      this.#ended.abort(error);
      this.#hint.end(error);
      this.#tables.close(error);
      this.#closeStore();
      this.#closed.resolve(this.#failure);
    }
  }

  #requireOpen(): void {
    if (this.#closing !== undefined) throw closedError(undefined);
  }
}
