/** `DbState`: the one mutable cell of a handle. It holds one immutable view; four named places replace it. */
import type { L0Entry, Manifest } from "../format/manifest.js";
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

  /** `frozen` newest first; `loads` oldest first. */
  constructor(
    manifest: Manifest,
    active: MemTable,
    frozen: readonly MemTable[] = [],
    loads: readonly L0Entry[] = [],
  ) {
    this.active = active;
    this.#view = { tables: [active, ...frozen], loads, manifest };
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

  /** A load becomes visible. The active MemTable is empty: what is written from now on is newer. */
  addLoad(entries: readonly L0Entry[]): void {
    this.#view = { ...this.#view, loads: [...this.#view.loads, ...entries] };
  }

  /** Tables and loads are in L0: they leave and the manifest comes, so that no read sees a row twice or not at all. */
  retire(tables: readonly MemTable[], manifest: Manifest): void {
    const { lastL0Seq } = manifest;
    this.#view = {
      tables: this.#view.tables.filter((table) => !tables.includes(table)),
      loads: this.#view.loads.filter((entry) => entry.seq > lastL0Seq),
      manifest,
    };
  }

  /**
   * Another role has changed the manifest. One in which more of this writer's rows are in L0 comes by `retire`, which takes
   * them out of memory in the same step.
   */
  adopt(manifest: Manifest): void {
    const known = this.#view.manifest;
    if (manifest.number <= known.number || manifest.lastL0Seq !== known.lastL0Seq) return;
    this.#view = { ...this.#view, manifest };
  }

  /** Bytes of all MemTables. */
  get memTableBytes(): number {
    let bytes = 0;
    for (const table of this.#view.tables) bytes += table.bytes;
    return bytes;
  }
}
