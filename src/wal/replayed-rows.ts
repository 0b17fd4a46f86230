/** `ReplayedRows`: what replay finds, as MemTables and loads in the order of their seqs. */
import type { L0Entry } from "../format/manifest.js";
import type { WalObject } from "../format/wal-object.js";
import { walParts } from "../format/wal-parts.js";
import { MemTable } from "../memtable/mem-table.js";
import { ObjectPaths } from "../object-store/paths.js";

/** What L0 does not hold yet: a frozen MemTable, or the L0 entries of a load. */
export type Replayed = MemTable | readonly L0Entry[];

export class ReplayedRows {
  /** Oldest first. */
  readonly queue: Replayed[] = [];
  /** The newest rows; it may take more writes. */
  active: MemTable = new MemTable();
  readonly #lastL0Seq: number;
  readonly #memTableBytes: number;

  /** `lastL0Seq`: what has a seq up to here is in L0 already. */
  constructor(options: { lastL0Seq: number; memTableBytes: number }) {
    this.#lastL0Seq = options.lastL0Seq;
    this.#memTableBytes = options.memTableBytes;
  }

  apply(object: WalObject): void {
    const path = ObjectPaths.wal(object.epoch, object.id);
    for (const part of walParts(object, path)) {
      if (part.loaded === undefined) {
        if (this.active.bytes >= this.#memTableBytes) this.#freeze();
        const { start, end, recordCount } = part;
        this.active.applyRecords(object.bytes, start, end, recordCount, this.#lastL0Seq, path);
      } else if (part.lastSeq > this.#lastL0Seq) {
        // Its SSTs are read at their place among the rows; below the last L0 seq they may be long gone.
        this.#freeze();
        this.queue.push(part.loaded);
      }
    }
  }

  #freeze(): void {
    if (this.active.isEmpty) return;
    this.active.freeze();
    this.queue.push(this.active);
    this.active = new MemTable();
  }
}
