/** `overOwnWrites`: the reads of a transaction. One that waits sees what had been written when it was asked for, whatever is written meanwhile. */
import { compareBytes } from "../common/bytes.js";
import type { RowSource } from "../iterator/row-source.js";
import type { DbView } from "../read/db-view.js";
import type { ReadEngine } from "../read/engine.js";
import type { OwnWrites } from "./own-writes.js";

/** The views that it is asked with have `own` before all other tables. Scans are asked with one that has it as of their call. */
export function overOwnWrites(base: ReadEngine, own: OwnWrites): ReadEngine {
  /**
   * By the array with the key, or with the keys: where the newest version is a merge, and where an object of the view is gone, a read asks
   * again, with the same one.
   */
  const seen = new WeakMap<object, readonly RowSource[]>();
  const asOfNow = (keys: readonly Uint8Array[]): readonly RowSource[] =>
    own.isEmpty ? [] : [own.asOfNowFor(keys)];
  const over = (view: DbView, asked: object, written: () => readonly RowSource[]): DbView => {
    let first = seen.get(asked);
    if (first === undefined) {
      first = written();
      seen.set(asked, first);
    }
    return { ...view, tables: [...first, ...view.tables.slice(1)] };
  };
  return {
    ...base,
    fetchRow: (view, tables, key, ...rest) =>
      base.fetchRow(
        over(view, key, () => asOfNow([key])),
        tables,
        key,
        ...rest,
      ),
    fetchMerged: (view, tables, key, ...rest) =>
      base.fetchMerged(
        over(view, key, () => asOfNow([key])),
        tables,
        key,
        ...rest,
      ),
    getMany: (view, tables, keys, options) => {
      const inOrder = (): readonly RowSource[] => asOfNow(keys.toSorted(compareBytes));
      return base.getMany(over(view, keys, inOrder), tables, keys, options);
    },
  };
}
