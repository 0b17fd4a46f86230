/** `overOwnWrites`: the reads of a transaction. One that waits sees what had been written when it was asked for, whatever is written meanwhile. */
import { compareBytes } from "../common/bytes.js";
import type { DbView } from "../read/db-view.js";
import type { ReadEngine } from "../read/engine.js";
import type { OwnWrites } from "./own-writes.js";

/** The views that it is asked with have `own` before all other tables. Scans are asked with one that has it as of their call. */
export function overOwnWrites(base: ReadEngine, own: OwnWrites): ReadEngine {
  const asOfNow = (view: DbView, keys: readonly Uint8Array[]): DbView => {
    const [, ...tables] = view.tables;
    if (own.isEmpty) return { ...view, tables };
    return { ...view, tables: [own.asOfNowFor(keys), ...tables] };
  };
  /** By the array with the key: where the newest version is a merge, a read asks again, with the same one. */
  const views = new WeakMap<Uint8Array, DbView>();
  return {
    ...base,
    fetchRow: (view, tables, key, ...rest) => {
      const seen = asOfNow(view, [key]);
      views.set(key, seen);
      return base.fetchRow(seen, tables, key, ...rest);
    },
    fetchMerged: (view, tables, key, ...rest) =>
      base.fetchMerged(views.get(key) ?? asOfNow(view, [key]), tables, key, ...rest),
    getMany: (view, tables, keys, options) =>
      base.getMany(asOfNow(view, keys.toSorted(compareBytes)), tables, keys, options),
  };
}
