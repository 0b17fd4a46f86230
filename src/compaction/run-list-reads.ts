/** `RunListReads`: where a compaction gets the SSTs of runs whose list stands in an object of its own. */
import { type Clock, systemClock } from "../common/clock.js";
import { CorruptionError } from "../common/errors.js";
import type { Ulid } from "../common/ids.js";
import { TimeSlice } from "../common/time-slice.js";
import type { Manifest, SortedRun, SstInfo } from "../format/manifest.js";
import { decodeRunParts } from "../format/run-list.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { ObjectPaths } from "../object-store/paths.js";

export interface RunListReads {
  /** All SSTs of the run, in key order. */
  all(run: SortedRun, signal?: AbortSignal | undefined): Promise<readonly SstInfo[]>;
  /** No others will be asked for: a manifest names these. */
  keepOnly?(runs: readonly SortedRun[]): void;
}

/** Lists that are in memory for others, too. */
export interface SharedRunLists extends RunListReads {
  /** The list is read whole, and kept while there is room. */
  isShort(run: SortedRun): boolean;
}

export interface KeptRunListsOptions {
  /** Default: the time of the system. */
  readonly clock?: Clock | undefined;
  /** Short lists come from there. Default: all are read here. */
  readonly shared?: SharedRunLists | undefined;
}

/** The manifest with `ssts` filled in for each run. */
export async function withLists(
  manifest: Manifest,
  lists: RunListReads,
  signal?: AbortSignal | undefined,
): Promise<Manifest> {
  if (manifest.runs.every(({ listBytes }) => listBytes === 0)) return manifest;
  const runs = await Promise.all(
    manifest.runs.map(async (run) => ({ ...run, ssts: await lists.all(run, signal) })),
  );
  return { ...manifest, runs };
}

/**
 * Reads a list with one GET, and keeps the last ones that were asked for: a compaction needs all of them again and again. A long one is decoded in
 * slices, between which others have a turn.
 */
export class KeptRunLists implements RunListReads {
  readonly #store: ObjectStore;
  readonly #databaseId: Ulid;
  readonly #clock: Clock;
  readonly #shared: SharedRunLists | undefined;
  /** In the order of their last use. */
  readonly #kept = new Map<Ulid, readonly SstInfo[]>();

  constructor(store: ObjectStore, databaseId: Ulid, options: KeptRunListsOptions = {}) {
    this.#store = store;
    this.#databaseId = databaseId;
    this.#clock = options.clock ?? systemClock;
    this.#shared = options.shared;
  }

  async all(run: SortedRun, signal?: AbortSignal): Promise<readonly SstInfo[]> {
    if (run.listBytes === 0) return run.ssts;
    if (this.#shared?.isShort(run)) return this.#shared.all(run, signal);
    const ssts = this.#kept.get(run.id) ?? (await this.#read(run, signal));
    this.#kept.delete(run.id);
    this.#kept.set(run.id, ssts);
    for (const id of this.#kept.keys()) {
      if (this.#kept.size <= keptMax) break;
      this.#kept.delete(id);
    }
    return ssts;
  }

  keepOnly(runs: readonly SortedRun[]): void {
    if (this.#kept.size === 0) return;
    const ids = new Set(runs.map(({ id }) => id));
    for (const id of [...this.#kept.keys()]) if (!ids.has(id)) this.#kept.delete(id);
  }

  async #read(run: SortedRun, signal: AbortSignal | undefined): Promise<readonly SstInfo[]> {
    const path = ObjectPaths.run(run.id, run.owner);
    const object = await this.#store.get(path, { signal, background: true });
    if (object === undefined) throw new CorruptionError(path, "it is missing");
    const ssts: SstInfo[] = [];
    const slice = new TimeSlice(this.#clock);
    for (const part of decodeRunParts(object.bytes, path, this.#databaseId, run)) {
      for (const sst of part) ssts.push(sst);
      if (slice.isOver) await slice.giveTurn();
    }
    return ssts;
  }
}

/** More runs than a strategy leaves. */
const keptMax = 64;
