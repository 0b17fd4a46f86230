/**
 * `ConflictWindow`: the writes that open transactions may conflict with and that are no longer in the view's memory.
 *
 * What has been written lately is in MemTables, key by key with its seq, so nothing is recorded for conflicts while writing. When
 * a MemTable is in L0 and leaves the view, it is kept here for as long as an open transaction is older than its last write, up to a
 * number of bytes; then the oldest go, and transactions that are older than those read from SSTs what they held. Loads,
 * of which only the key ranges are kept, stay as long as somebody needs them.
 */
import type { L0Entry } from "../format/manifest.js";
import type { MemTable } from "../memtable/mem-table.js";

export class ConflictWindow {
  readonly #bytesMax: number;
  /** Oldest first; with their bytes as they were counted: reads may add to those of range deletes. */
  #kept: readonly { readonly table: MemTable; readonly bytes: number }[] = [];
  #loads: readonly L0Entry[] = [];
  #bytes = 0;
  #fromSeq = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** All writes with a greater seq are in MemTables: those here, or those of the view. */
  get fromSeq(): number {
    return this.#fromSeq;
  }

  /** Bytes of the MemTables that are only kept for conflicts. */
  get bytes(): number {
    return this.#bytes;
  }

  get tables(): readonly MemTable[] {
    return this.#kept.map(({ table }) => table);
  }

  get loads(): readonly L0Entry[] {
    return this.#loads;
  }

  /** These leave the view, oldest first. `neededSeq` is that of the oldest open transaction; undefined: there is none. */
  retire(
    tables: readonly MemTable[],
    loads: readonly L0Entry[],
    neededSeq: number | undefined,
  ): void {
    const added = tables.map((table) => ({ table, bytes: table.bytes }));
    this.#kept = [...this.#kept, ...added];
    this.#loads = [...this.#loads, ...loads];
    for (const { bytes } of added) this.#bytes += bytes;
    this.release(neededSeq);
  }

  /** Frees what no transaction needs. */
  release(neededSeq: number | undefined): void {
    const needed = neededSeq ?? Number.POSITIVE_INFINITY;
    while (this.#kept.length > 0) {
      const [oldest, ...newer] = this.#kept;
      const { table, bytes } = oldest!;
      if (table.lastSeq > needed && this.#bytes <= this.#bytesMax) break;
      this.#fromSeq = table.lastSeq;
      this.#bytes -= bytes;
      this.#kept = newer;
    }
    if (this.#loads.length > 0) this.#loads = this.#loads.filter(({ seq }) => seq > needed);
  }
}
