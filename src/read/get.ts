/**
 * Point reads: the newest version of one key.
 *
 *  1. Rows in memory, newest table first. They are newer than anything stored, so a hit decides, unless a bulk load came
 *     after it that the manifest does not name yet.
 *  2. Of the SSTs, those whose key range in the manifest holds the key, newest first, as far as no request is needed.
 *  3. Where one is: all tables that are not open are opened at the same time, then they are asked in order.
 *
 * 1 and 2 are `tryGetRow`, which allocates nothing; 3 is `fetchRow`, which begins again.
 */
import { type Bytes, copyBytes } from "../common/bytes.js";
import type { RowRef } from "../common/row.js";
import { hashKey } from "../format/key-hash.js";
import type { SstInfo } from "../format/manifest.js";
import { isVisible } from "../iterator/visible-row.js";
import { Lookup } from "../sst/lookup.js";
import type { TableStore } from "../sst/table-store.js";
import {
  type Candidate,
  candidatesForKey,
  newestLoadSeq,
  sstHolding,
  sstsOf,
} from "./candidates.js";
import type { DbView } from "./db-view.js";

/**
 * Puts the newest version of `key` with seq <= `seqMax` into `row`, whatever its kind, if no request is needed to know it. The
 * value in `row` is a view that stays valid. `pending` means that `fetchRow` has to be asked. Throws `CorruptionError`.
 */
export function tryGetRow(
  view: DbView,
  tables: TableStore,
  key: Uint8Array,
  seqMax: number,
  row: RowRef,
): Lookup {
  const inMemory = getInMemory(view, key, seqMax, row);
  const { loads, manifest } = view;
  const loadsAbove = inMemory ? row.seq : 0;
  if (inMemory && loadsAbove > newestLoadSeq(view)) return Lookup.hit;
  const keyHash = hashKey(key);
  for (let i = loads.length - 1; i >= 0; i--) {
    const { seq, ssts } = loads[i]!;
    if (seq > seqMax || seq <= loadsAbove) continue;
    const lookup = tryGetIn(ssts, seq, tables, key, keyHash, seqMax, row);
    if (lookup !== Lookup.miss) return lookup;
  }
  if (inMemory) {
    // Asking the loads may have changed the row.
    getInMemory(view, key, seqMax, row);
    return Lookup.hit;
  }
  const { l0, runs } = manifest;
  for (let i = l0.length - 1; i >= 0; i--) {
    const { seq, ssts } = l0[i]!;
    if (seq > seqMax) continue;
    const lookup = tryGetIn(ssts, seq, tables, key, keyHash, seqMax, row);
    if (lookup !== Lookup.miss) return lookup;
  }
  for (const run of runs) {
    const lookup = tryGetIn(sstsOf(run, key), 0, tables, key, keyHash, seqMax, row);
    if (lookup !== Lookup.miss) return lookup;
  }
  return Lookup.miss;
}

/** Asks the one SST of a sequence that can hold the key, without waiting. */
function tryGetIn(
  ssts: readonly SstInfo[],
  entrySeq: number,
  tables: TableStore,
  key: Uint8Array,
  keyHash: number,
  seqMax: number,
  row: RowRef,
): Lookup {
  const info = sstHolding(ssts, key);
  if (info === undefined || (entrySeq === 0 && info.minSeq > seqMax)) return Lookup.miss;
  const table = tables.getIfOpen(info);
  if (table === undefined) return Lookup.pending;
  const lookup = table.tryGet(key, keyHash, entrySeq === 0 ? seqMax : newest, row);
  if (lookup === Lookup.hit && entrySeq !== 0) row.seq = entrySeq;
  return lookup;
}

/**
 * `tryGetRow` that makes the requests it needs; false is a miss. Until it settles, `key` must stay as it is and `row` belongs to
 * this read. Rejects with `signal.reason`, `CorruptionError` or a `StoreError`.
 */
export async function fetchRow(
  view: DbView,
  tables: Pick<TableStore, "open">,
  key: Uint8Array,
  seqMax: number,
  row: RowRef,
  signal?: AbortSignal,
): Promise<boolean> {
  const inMemory = getInMemory(view, key, seqMax, row);
  const candidates = candidatesForKey(view, key, seqMax, inMemory ? row.seq : 0);
  const keyHash = hashKey(key);
  const opened = await Promise.all(candidates.map(({ info }) => tables.open(info, signal)));
  for (const [i, candidate] of candidates.entries()) {
    const found = await opened[i]!.get(key, keyHash, rowSeqMax(candidate, seqMax), row, signal);
    if (!found) continue;
    if (candidate.entrySeq !== 0) row.seq = candidate.entrySeq;
    return true;
  }
  return inMemory && getInMemory(view, key, seqMax, row);
}

/** The answer of `tryGetRow`, or that of `fetchRow` where it takes a request. */
export async function getRow(
  view: DbView,
  tables: TableStore,
  key: Uint8Array,
  seqMax: number,
  row: RowRef,
  signal?: AbortSignal,
): Promise<boolean> {
  const lookup = tryGetRow(view, tables, key, seqMax, row);
  if (lookup !== Lookup.pending) return lookup === Lookup.hit;
  return fetchRow(view, tables, key, seqMax, row, signal);
}

/**
 * The value that a row gives its key, as a private copy; undefined for a delete and for a row that has expired. `now` answers in
 * ms since 1970. Throws `UnsupportedError` for a merge row.
 */
export function resolveRow(row: RowRef, now: () => number): Bytes | undefined {
  return isVisible(row, now) ? copyBytes(row.valueBytes, row.valueStart, row.valueEnd) : undefined;
}

const newest = Number.MAX_SAFE_INTEGER;

function getInMemory(view: DbView, key: Uint8Array, seqMax: number, row: RowRef): boolean {
  for (const table of view.tables) {
    if (table.rowCount > 0 && table.get(key, seqMax, row)) return true;
  }
  return false;
}

/** Rows whose seq stands in the L0 entry have been let in by it. */
function rowSeqMax(candidate: Candidate, seqMax: number): number {
  return candidate.entrySeq === 0 ? seqMax : newest;
}
