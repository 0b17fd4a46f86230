/** `HeldTables`: what a read asks for SSTs, and tables that one call holds open, whether the cache has room for them or not. */
import type { FragmentedTombstones } from "../common/fragmented-tombstones.js";
import type { Ulid } from "../common/ids.js";
import type { SstInfo } from "../format/manifest.js";
import type { RunLists } from "../sst/run-lists.js";
import type { TableSource } from "../sst/sst-iterator.js";
import type { Table } from "../sst/table.js";
import type { TableStore } from "../sst/table-store.js";
import type { RangeDeleteReader } from "./stored-range-deletes.js";

/** What reads ask for SSTs: a `TableStore`, or tables that are held for one read. */
export type ReadTables = TableSource & RangeDeleteReader & Pick<TableStore, "runLists">;

export class HeldTables implements ReadTables {
  readonly background: boolean;
  readonly runLists: RunLists;
  readonly #tables: ReadTables;
  readonly #signal: AbortSignal | undefined;
  #held = new Map<Ulid, Table>();
  readonly #rangeDeletes = new Map<Ulid, Promise<FragmentedTombstones>>();

  constructor(tables: ReadTables, signal: AbortSignal | undefined) {
    this.background = tables.background;
    this.runLists = tables.runLists;
    this.#tables = tables;
    this.#signal = signal;
  }

  has(id: Ulid): boolean {
    return this.#held.has(id);
  }

  /** Opens these, all at the same time, and holds no others any more. */
  async hold(ssts: readonly SstInfo[]): Promise<void> {
    const before = this.#held;
    const held = await Promise.all(
      ssts.map((info) => before.get(info.id) ?? this.#tables.open(info, this.#signal)),
    );
    this.#held = new Map(held.map((table) => [table.info.id, table]));
  }

  getIfOpen(info: SstInfo): Table | undefined {
    return this.#held.get(info.id) ?? this.#tables.getIfOpen(info);
  }

  open(info: SstInfo, signal?: AbortSignal): Promise<Table> {
    const held = this.#held.get(info.id);
    return held === undefined ? this.#tables.open(info, signal) : Promise.resolve(held);
  }

  rangeDeletesOf(info: SstInfo): FragmentedTombstones | undefined {
    return this.#tables.rangeDeletesOf(info);
  }

  /** Once for each SST, for all keys of the call. */
  loadRangeDeletes(info: SstInfo): Promise<FragmentedTombstones> {
    let loading = this.#rangeDeletes.get(info.id);
    if (loading === undefined) {
      loading = this.#tables.loadRangeDeletes(info, this.#signal);
      this.#rangeDeletes.set(info.id, loading);
    }
    return loading;
  }
}
