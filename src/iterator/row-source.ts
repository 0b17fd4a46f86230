/**
 * `RowSource`: a set of rows in memory that reads can ask without waiting, such as a MemTable or the writes of a
 * transaction.
 */
import type { RowRef } from "../common/row.js";
import type { TombstoneSource } from "../common/tombstone-source.js";
import type { RowIterator } from "./row-iterator.js";

export interface RowSource {
  /** How many rows of any kind; a read passes by a source that has none. */
  readonly rowCount: number;

  /** Range deletes, which hide rows of this source and of others; undefined where there are none. */
  readonly rangeDeletes: TombstoneSource | undefined;

  /**
   * Sets `row` to the newest version of `key` with seq <= `seqMax`, whatever its kind, and answers true; answers false
   * and leaves `row` undefined in content when there is none. Neither keeps `key`.
   */
  get(key: Uint8Array, seqMax: number, row: RowRef): boolean;

  /** All rows, from the first one in the given direction. It never answers `Step.pending`. */
  iterator(reverse: boolean): RowIterator;
}
