/**
 * Point reads: the newest version of one key.
 *
 *  1. Rows in memory, newest table first. They are newer than anything stored, so a hit decides, unless a bulk load came
 *     after it that the manifest does not name yet.
 *  2. Of the SSTs, those whose key range in the manifest holds the key, newest first, as far as no request is needed.
 *  3. For the rest: all tables that are not open are opened at the same time, then they are asked in order.
 */
import { type Bytes, copyBytes } from "../common/bytes.js";
import type { RowRef } from "../common/row.js";
import { hashKey } from "../format/key-hash.js";
import { isVisible } from "../iterator/visible-row.js";
import { Lookup } from "../sst/table.js";
import type { TableStore } from "../sst/table-store.js";
import { type Candidate, candidatesForKey, newestLoadSeq } from "./candidates.js";
import type { DbView } from "./db-view.js";

/**
 * Puts the newest version of `key` with seq <= `seqMax` into `row`, whatever its kind. Answers true for a hit, at once when no
 * request is needed, otherwise as a promise; until that settles, `key` must stay as it is and `row` belongs to this read.
 * The value in `row` is a view that stays valid. Rejects with `signal.reason`, `CorruptionError` or a `StoreError`.
 */
export function tryGetRow(
  view: DbView,
  tables: TableStore,
  key: Uint8Array,
  seqMax: number,
  row: RowRef,
  signal?: AbortSignal,
): boolean | Promise<boolean> {
  const inMemory = getInMemory(view, key, seqMax, row);
  if (inMemory && row.seq > newestLoadSeq(view)) return true;
  const candidates = candidatesForKey(view, key, seqMax, inMemory ? row.seq : 0);
  if (candidates.length === 0) return inMemory;
  const keyHash = hashKey(key);
  for (let i = 0; i < candidates.length; i++) {
    const candidate = candidates[i]!;
    const table = tables.getIfOpen(candidate.info);
    const lookup = table?.tryGet(key, keyHash, rowSeqMax(candidate, seqMax), row) ?? Lookup.pending;
    if (lookup === Lookup.pending) {
      const rest = i === 0 ? candidates : candidates.slice(i);
      const stored = getStored(rest, tables, key, keyHash, seqMax, row, signal);
      return inMemory
        ? stored.then((found) => found || getInMemory(view, key, seqMax, row))
        : stored;
    }
    if (lookup === Lookup.hit) return hit(candidate, row);
  }
  // Asking the tables may have changed the row.
  return inMemory && getInMemory(view, key, seqMax, row);
}

function getInMemory(view: DbView, key: Uint8Array, seqMax: number, row: RowRef): boolean {
  for (const table of view.tables) {
    if (table.rowCount > 0 && table.get(key, seqMax, row)) return true;
  }
  return false;
}

/** `tryGetRow` that is always a promise, also for what it throws. */
export async function getRow(
  view: DbView,
  tables: TableStore,
  key: Uint8Array,
  seqMax: number,
  row: RowRef,
  signal?: AbortSignal,
): Promise<boolean> {
  return tryGetRow(view, tables, key, seqMax, row, signal);
}

/**
 * The value that a row gives its key, as a private copy; undefined for a delete and for a row that has expired. `now` answers in
 * ms since 1970. Throws `UnsupportedError` for a merge row.
 */
export function resolveRow(row: RowRef, now: () => number): Bytes | undefined {
  return isVisible(row, now) ? copyBytes(row.valueBytes, row.valueStart, row.valueEnd) : undefined;
}

async function getStored(
  candidates: readonly Candidate[],
  tables: TableStore,
  key: Uint8Array,
  keyHash: number,
  seqMax: number,
  row: RowRef,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const opened = await Promise.all(candidates.map(({ info }) => tables.open(info, signal)));
  for (let i = 0; i < candidates.length; i++) {
    const candidate = candidates[i]!;
    const found = await opened[i]!.get(key, keyHash, rowSeqMax(candidate, seqMax), row, signal);
    if (found) return hit(candidate, row);
  }
  return false;
}

/** Rows whose seq stands in the L0 entry have been let in by it. */
function rowSeqMax(candidate: Candidate, seqMax: number): number {
  return candidate.entrySeq === 0 ? seqMax : Number.MAX_SAFE_INTEGER;
}

function hit(candidate: Candidate, row: RowRef): true {
  if (candidate.entrySeq !== 0) row.seq = candidate.entrySeq;
  return true;
}
