/** The real side of the model test: a store that survives, and the handles of processes that come and go on it. */
import {
  Db,
  DbReader,
  type Entry,
  type ObjectStore,
  type OpenOptions,
  type Snapshot,
} from "../../src/index.js";
import { FaultyObjectStore } from "../../src/testing/index.js";
import { MovedClock } from "./lifetimes.js";
import type { ModelRow } from "./model.js";

export class World {
  db!: Db;
  reader: DbReader | undefined;
  /** Of every process. */
  readonly clock: MovedClock = new MovedClock();
  readonly #store: ObjectStore;
  readonly #options: OpenOptions;
  #process!: FaultyObjectStore;

  private constructor(store: ObjectStore, options: OpenOptions) {
    this.#store = store;
    this.#options = options;
  }

  static async open(store: ObjectStore, options: OpenOptions): Promise<World> {
    const world = new World(store, options);
    await world.openDb();
    return world;
  }

  async openDb(): Promise<void> {
    this.#process = new FaultyObjectStore(this.#store);
    const { clock } = this;
    const at = { store: this.#process, path: "db" };
    // Reads of any seq are compared, and what has expired is judged by this clock, not by the store's: so nothing compacts by itself.
    this.db = await Db.open(at, { ...this.#options, clock, background: false });
  }

  /** The process is gone: none of its requests settles any more, and none of its timers does anything. */
  crash(): void {
    this.#process.crash();
  }

  /** There are merges. */
  get hasOperators(): boolean {
    return this.#options.mergeOperators !== undefined;
  }

  async openReader(): Promise<DbReader> {
    const { blockCacheBytes, blockCache, cache, memTableBytes } = this.#options;
    const { prefixExtractor, readAheadBytes, mergeOperators } = this.#options;
    const { clock } = this;
    this.reader ??= await DbReader.open(
      { store: this.#store, path: "db" },
      {
        ...{ blockCacheBytes, blockCache, cache, memTableBytes, prefixExtractor, readAheadBytes },
        ...{ mergeOperators, clock, pollIntervalMs: 3_600_000 },
      },
    );
    return this.reader;
  }

  async closeReader(): Promise<void> {
    await this.reader?.close();
    this.reader = undefined;
  }

  async close(): Promise<void> {
    await this.closeReader();
    this.crash();
  }
}

/** Everything that a handle sees, with seqs. */
export async function allRows(reads: Db | DbReader | Snapshot): Promise<ModelRow[]> {
  const rows: ModelRow[] = [];
  for await (const key of reads.keys()) {
    const entry: Entry | undefined = await reads.getEntry(key);
    if (entry === undefined) throw new Error(`A scan finds key ${String(key)}, a get does not.`);
    const { value, seq, expiresAt } = entry;
    rows.push({ key: entry.key, value, seq, expiresAt });
  }
  return rows;
}
