/** `planSlice`: which keys of a `getMany` are looked up together, so that the tables that are held open for them have a bound. */
import type { Ulid } from "../common/ids.js";
import type { SstInfo } from "../format/manifest.js";
import type { TableStore } from "../sst/table-store.js";
import { candidatesForKey, type StoredView } from "./candidates.js";

export interface KeySlice {
  /** The index of the first key that is not part of it. */
  readonly end: number;
  /** The SSTs that may hold one of its keys. */
  readonly ssts: readonly SstInfo[];
}

export interface PlanSliceOptions {
  readonly seqMax: number;
  /** What the tables may take that have to be opened. One key is always let through. */
  readonly bytesMax: number;
  /** True for SSTs whose tables are held already, beside those that the cache holds. */
  isHeld(id: Ulid): boolean;
  /** The seq of a range delete that is known to cover the key: SSTs with nothing newer are not asked. */
  hiddenBelow(key: Uint8Array): number;
}

/** A part of the index and filter of a very large SST, in memory, about. */
const partitionBytes = 32 * 1024;

/**
 * The distinct, sorted keys from `from` on, as many as there is room for. Tables that the slice before has held count for nothing:
 * that are no more than one of each L0 entry and run, which a single key may need too. Throws `UnsupportedError`.
 */
export function planSlice(
  view: StoredView,
  tables: Pick<TableStore, "memoryToOpen">,
  keys: readonly Uint8Array[],
  from: number,
  { seqMax, bytesMax, isHeld, hiddenBelow }: PlanSliceOptions,
): KeySlice {
  const ssts: SstInfo[] = [];
  /** For each of them, what is not yet counted of its index and filter. */
  const partsLeft = new Map<Ulid, number>();
  let bytes = 0;
  let end = from;
  for (; end < keys.length; end++) {
    const countBefore = ssts.length;
    let added = 0;
    const key = keys[end]!;
    const candidates = candidatesForKey(view, key, seqMax, { hiddenBelow: hiddenBelow(key) });
    for (const { info } of candidates) {
      let left = partsLeft.get(info.id);
      if (left === undefined) {
        const { opened, parts } = tables.memoryToOpen(info);
        ssts.push(info);
        if (!isHeld(info.id)) added += opened;
        left = parts;
      }
      // Each key may load another part.
      const part = Math.min(left, partitionBytes);
      if (part > 0 || !partsLeft.has(info.id)) partsLeft.set(info.id, left - part);
      added += part;
    }
    // A key that adds nothing comes along also where the first one alone takes more than there is.
    if (end > from && added > 0 && bytes + added > bytesMax) {
      ssts.length = countBefore;
      break;
    }
    bytes += added;
  }
  return { end, ssts };
}
