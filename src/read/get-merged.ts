/** Point reads of keys whose newest version is a merge: the rule is that of scans, over the versions of the one key. */
import { allKeys } from "../common/key-range.js";
import type { RowRef } from "../common/row.js";
import type { SstInfo } from "../format/manifest.js";
import { type RowIterator, Step } from "../iterator/row-iterator.js";
import { coverInMemory, fetchCover, storedCover, unknownCover } from "./cover.js";
import type { DbView } from "./db-view.js";
import type { ReadTables } from "./held-tables.js";
import { KeyVersions } from "./key-versions.js";
import { listedView, listedViewIfLoaded } from "./listed-runs.js";
import { type VisibleRowsOptions, visibleRows } from "./visible-rows.js";

export interface GetMergedOptions<T>
  extends Pick<VisibleRowsOptions, "seqMax" | "now" | "operators"> {
  /** Called with the row that the read sees, if there is one. */
  readonly take: (row: RowRef) => T;
}

/** What `take` makes of the row, or undefined in it, if no request is needed to know; otherwise undefined. Throws as `fetchMerged` rejects. */
export function tryGetMerged<T>(
  view: DbView,
  tables: ReadTables,
  key: Uint8Array,
  options: GetMergedOptions<T>,
): { readonly taken: T | undefined } | undefined {
  const listed = listedViewIfLoaded(view, tables.runLists, key);
  if (listed === undefined) return undefined;
  const { seqMax } = options;
  const hiddenBelow = coverInMemory(view, key, seqMax) || storedCover(listed, tables, key, seqMax);
  if (hiddenBelow === unknownCover) return undefined;
  const rows = openKey(listed, tables, key, options, hiddenBelow);
  try {
    const step = rows.step();
    if (step === Step.pending) return undefined;
    return { taken: step === Step.row ? options.take(rows.row) : undefined };
  } finally {
    rows.close();
  }
}

/**
 * `tryGetMerged` with the requests that it takes; `key` must stay as it is meanwhile. Rejects with `MergeError`, with `UnsupportedError` when the
 * operator is not at hand, and as `fetchRow` does.
 */
export async function fetchMerged<T>(
  view: DbView,
  tables: ReadTables,
  key: Uint8Array,
  options: GetMergedOptions<T>,
  signal?: AbortSignal,
): Promise<T | undefined> {
  const { seqMax } = options;
  const listed = await listedView(view, tables.runLists, key, signal);
  let hiddenBelow = coverInMemory(view, key, seqMax);
  if (hiddenBelow === 0) {
    const unread: SstInfo[] = [];
    const floor = storedCover(listed, tables, key, seqMax, unread);
    hiddenBelow = await fetchCover(floor, unread, tables, key, seqMax, signal);
  }
  const rows = openKey(listed, tables, key, options, hiddenBelow);
  try {
    for (;;) {
      const step = rows.step();
      if (step === Step.end) return undefined;
      if (step === Step.row) return options.take(rows.row);
      await rows.fill(signal);
    }
  } finally {
    rows.close();
  }
}

function openKey<T>(
  view: DbView,
  tables: ReadTables,
  key: Uint8Array,
  { seqMax, now, operators }: GetMergedOptions<T>,
  hiddenBelow: number,
): RowIterator {
  const rows = new KeyVersions(view, tables, key, { seqMax, hiddenBelow });
  return visibleRows(rows, view, { seqMax, now, operators, bounds: allKeys, reverse: false });
}
