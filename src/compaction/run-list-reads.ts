/** `RunListReads`: where a compaction gets the SSTs of runs whose list stands in an object of its own. */
import { CorruptionError } from "../common/errors.js";
import type { Ulid } from "../common/ids.js";
import type { Manifest, SortedRun, SstInfo } from "../format/manifest.js";
import { decodeRunList } from "../format/run-list.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { ObjectPaths } from "../object-store/paths.js";

export interface RunListReads {
  /** All SSTs of the run, in key order. */
  all(run: SortedRun, signal?: AbortSignal | undefined): Promise<readonly SstInfo[]>;
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

/** Reads a list with one GET, and keeps the last ones that were asked for: a compaction needs all of them again and again. */
export class KeptRunLists implements RunListReads {
  readonly #store: ObjectStore;
  readonly #databaseId: Ulid;
  /** In the order of their last use. */
  readonly #kept = new Map<Ulid, readonly SstInfo[]>();

  constructor(store: ObjectStore, databaseId: Ulid) {
    this.#store = store;
    this.#databaseId = databaseId;
  }

  async all(run: SortedRun, signal?: AbortSignal): Promise<readonly SstInfo[]> {
    if (run.listBytes === 0) return run.ssts;
    const ssts = this.#kept.get(run.id) ?? (await this.#read(run, signal));
    this.#kept.delete(run.id);
    this.#kept.set(run.id, ssts);
    for (const id of this.#kept.keys()) {
      if (this.#kept.size <= keptMax) break;
      this.#kept.delete(id);
    }
    return ssts;
  }

  async #read(run: SortedRun, signal: AbortSignal | undefined): Promise<readonly SstInfo[]> {
    const path = ObjectPaths.run(run.id, run.owner);
    const object = await this.#store.get(path, { signal, background: true });
    if (object === undefined) throw new CorruptionError(path, "it is missing");
    return decodeRunList(object.bytes, path, this.#databaseId, run);
  }
}

/** More runs than a strategy leaves. */
const keptMax = 64;
