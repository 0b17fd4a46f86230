/** `DbState`: the one mutable cell of a handle. It holds one immutable view; three named places replace it. */
import type { Manifest } from "../format/manifest.js";
import { MemTable } from "../memtable/mem-table.js";
import type { DbView } from "../read/db-view.js";

export interface MemTableView extends DbView {
  /** The active one first, then frozen ones, newest first. */
  readonly tables: readonly MemTable[];
}

export class DbState {
  /** The MemTable that takes writes. */
  active: MemTable;
  #view: MemTableView;

  /** `frozen` newest first. */
  constructor(manifest: Manifest, active: MemTable, frozen: readonly MemTable[]) {
    this.active = active;
    this.#view = { tables: [active, ...frozen], manifest };
  }

  get view(): MemTableView {
    return this.#view;
  }

  /** The active MemTable is full: it is frozen, and a new one takes its place. Gives the frozen one. */
  freeze(): MemTable {
    const frozen = this.active;
    frozen.freeze();
    this.active = new MemTable();
    this.#view = { ...this.#view, tables: [this.active, ...this.#view.tables] };
    return frozen;
  }

  /** Tables are in L0: they leave and the manifest comes, so that no read sees a row twice or not at all. */
  retire(tables: readonly MemTable[], manifest: Manifest): void {
    const kept = this.#view.tables.filter((table) => !tables.includes(table));
    this.#view = { tables: kept, manifest };
  }

  /** Bytes of all MemTables. */
  get memTableBytes(): number {
    let bytes = 0;
    for (const table of this.#view.tables) bytes += table.bytes;
    return bytes;
  }
}
