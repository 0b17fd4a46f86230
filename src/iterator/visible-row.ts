/** What the newest version of a key means to a read: there is a value, or there is none. */
import { UnsupportedError } from "../common/errors.js";
import { RowKind, type RowRef } from "../common/row.js";
import { showKey } from "../common/show-key.js";

/**
 * True when `row`, the newest version that the read may see, gives the key a value; false for a delete and for a row that
 * has expired, both of which also hide what is older. `now` answers in ms since 1970 and is only asked for rows that expire.
 * Throws `UnsupportedError` for a merge row: where there can be any, `ResolvingIterator` has made something else of it.
 */
export function isVisible(row: RowRef, now: () => number): boolean {
  if (row.expiresAt !== 0 && row.expiresAt <= now()) return false;
  if (row.kind === RowKind.merge) {
    throw new UnsupportedError(
      `Key ${showKey(row.key())} has merge operands of operator ${row.operatorId}, and the manifest names no merge operators.`,
    );
  }
  return row.kind === RowKind.put;
}
