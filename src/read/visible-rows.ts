/** What a read sees of the rows of a view: visibility, and the folding of merges where the database may have any. */
import type { KeyBounds } from "../common/key-range.js";
import { ResolvingIterator } from "../iterator/resolving-iterator.js";
import type { KeyedRows, RowIterator } from "../iterator/row-iterator.js";
import { VisibleIterator } from "../iterator/visible-iterator.js";
import type { GivenOperators } from "../merge/given-operators.js";
import { MergeOperators } from "../merge/merge-operators.js";
import type { DbView } from "./db-view.js";

export interface VisibleRowsOptions {
  readonly bounds: KeyBounds;
  readonly reverse: boolean;
  readonly seqMax: number;
  /** ms since 1970; asked at each row that expires */
  readonly now: () => number;
  /** Merge operators that the handle has; undefined: none. */
  readonly operators?: GivenOperators | undefined;
}

const none: GivenOperators = new Map();

/** One row per key. Takes `rows`, which are of the view, over. */
export function visibleRows(
  rows: RowIterator,
  view: Pick<DbView, "manifest">,
  options: VisibleRowsOptions,
): KeyedRows {
  const { bounds, reverse, seqMax, now } = options;
  const visible = { bounds, reverse, seqMax, now };
  const names = view.manifest.pinned.mergeOperators;
  // Without an operator nobody can have written a merge.
  if (names.length === 0) return new VisibleIterator(rows, visible);
  const { apply } = new MergeOperators(names, options.operators ?? none);
  return new ResolvingIterator(rows, { ...visible, apply });
}
