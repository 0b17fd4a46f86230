/** The order of SSTs in a sorted run: by key, and apart, range deletes included. */
import { compareBytes } from "../common/bytes.js";
import type { SstInfo } from "../format/manifest.js";

/**
 * Whether one SST may follow another in a run, as far as that is known: spans that no seq covers whole may reach farther than their range
 * deletes do.
 */
export function areInOrder(before: SstInfo, after: SstInfo): boolean {
  if (compareBytes(before.lastKey, after.firstKey) >= 0) return false;
  const last = before.rangeDeletes.at(-1);
  const isExact = last !== undefined && last.minSeq > 0;
  if (isExact && (last.endless || compareBytes(last.end, after.firstKey) > 0)) return false;
  const first = after.rangeDeletes[0];
  if (first === undefined || first.minSeq === 0) return true;
  return (
    compareBytes(before.lastKey, first.start) < 0 &&
    !(isExact && compareBytes(last.end, first.start) > 0)
  );
}
