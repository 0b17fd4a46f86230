/**
 * `ReadableLists`: a manifest with the lists of its runs, as far as they can be read. One whose object is missing or damaged stops only what needs
 * it: the run counts as taken, and all others are compacted.
 */
import { CorruptionError } from "../common/errors.js";
import type { Ulid } from "../common/ids.js";
import type { CompactionInputs } from "../format/compactions.js";
import type { Manifest, SortedRun } from "../format/manifest.js";
import type { StoredManifest } from "../manifest/stored-manifest.js";
import type { RunListReads } from "./run-list-reads.js";

export interface ReadManifest {
  /** A run without `ssts` is among `damaged`, or was not asked for. */
  readonly manifest: Manifest;
  /** Why the lists of these runs cannot be read. */
  readonly damaged: ReadonlyMap<Ulid, CorruptionError>;
  /** Runs with such lists, as if jobs had them. */
  readonly taken: readonly CompactionInputs[];
}

export interface ReadableListsOptions {
  readonly lists: RunListReads;
  readonly storedManifest: StoredManifest;
  /** Called once for each run whose list cannot be read. */
  readonly onDamagedList?: ((error: CorruptionError) => void) | undefined;
}

export class ReadableLists {
  readonly #options: ReadableListsOptions;
  readonly #told = new Set<Ulid>();

  constructor(options: ReadableListsOptions) {
    this.#options = options;
  }

  /** The newest manifest that is known. Rejects with a `StoreError`, or with `signal.reason`. */
  read(signal: AbortSignal | undefined): Promise<ReadManifest> {
    const { lists, storedManifest } = this.#options;
    const { current } = storedManifest;
    lists.keepOnly?.(current.runs);
    return this.of(current, current.runs, signal);
  }

  /** The same of `manifest`, with the lists of `runs` alone. */
  async of(
    manifest: Manifest,
    runs: readonly SortedRun[],
    signal: AbortSignal | undefined,
  ): Promise<ReadManifest> {
    const damaged = new Map<Ulid, CorruptionError>();
    const wanted = runs.filter(({ listBytes }) => listBytes > 0);
    if (wanted.length === 0) return { manifest, damaged, taken: [] };
    const loaded = new Map<Ulid, SortedRun>();
    await Promise.all(
      wanted.map(async (run) => {
        try {
          loaded.set(run.id, { ...run, ssts: await this.#options.lists.all(run, signal) });
        } catch (error) {
          if (!(error instanceof CorruptionError)) throw error;
          damaged.set(run.id, error);
        }
      }),
    );
    await this.#tell(damaged, signal);
    return {
      manifest: { ...manifest, runs: manifest.runs.map((run) => loaded.get(run.id) ?? run) },
      damaged,
      taken: [...damaged.keys()].map((id) => ({ l0: [], runs: [{ id, ssts: [] }] })),
    };
  }

  /** What is missing is damage only as long as the newest manifest names it. */
  async #tell(
    damaged: ReadonlyMap<Ulid, CorruptionError>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { storedManifest, onDamagedList } = this.#options;
    const news = [...damaged].filter(([id]) => !this.#told.has(id));
    if (news.length === 0) return;
    const { runs } = await storedManifest.refresh({ signal });
    for (const [id, error] of news) {
      if (!runs.some((run) => run.id === id)) continue;
      this.#told.add(id);
      onDamagedList?.(error);
    }
  }
}
