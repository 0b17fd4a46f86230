/**
 * Point reads: the newest version of one key.
 *
 *  1. Rows and range deletes in memory, newest table first. They are newer than anything stored, so a hit decides, unless a bulk
 *     load came after it that the manifest does not name yet.
 *  2. Of the SSTs, those whose key range in the manifest holds the key, newest first, as far as no request is needed.
 *  3. Where one is: all tables that are not open are opened at the same time, then they are asked in order. What the lists of long runs
 *     name for the key is known one round later.
 *
 * 1 and 2 are `tryGetRow`, which allocates nothing; 3 is `fetchRow`, which begins again.
 */
import { type Bytes, copyBytes } from "../common/bytes.js";
import type { RowRef } from "../common/row.js";
import { hashKey } from "../format/key-hash.js";
import type { Manifest, SstInfo } from "../format/manifest.js";
import { isVisible } from "../iterator/visible-row.js";
import { Lookup } from "../sst/lookup.js";
import type { PartOfRun } from "../sst/run-lists.js";
import { candidatesForKey, mayHaveRows, newestLoadSeq, sstHolding, sstsOf } from "./candidates.js";
import { coverInMemory, fetchCover, raiseCover, storedCover, unknownCover } from "./cover.js";
import type { DbView } from "./db-view.js";
import { HeldTables, type ReadTables } from "./held-tables.js";
import { hasListed, listedIfLoaded, listedView, unlistedView } from "./listed-runs.js";
import { storedRangeDeletes } from "./stored-range-deletes.js";

/**
 * Puts the newest version of `key` with seq <= `seqMax` into `row`, whatever its kind, if no request is needed to know it; a version that a
 * range delete hides is a miss. The value in `row` is a view that stays valid. `pending` means that `fetchRow` has to be asked. Throws
 * `CorruptionError`.
 */
export function tryGetRow(
  view: DbView,
  tables: ReadTables,
  key: Uint8Array,
  seqMax: number,
  row: RowRef,
): Lookup {
  const { loads, manifest } = view;
  let inMemory = false;
  let cover = 0;
  for (const table of view.tables) {
    const { rangeDeletes } = table;
    if (rangeDeletes !== undefined) {
      const seq = rangeDeletes.coverSeq(key, 0, key.length, seqMax);
      if (seq > cover) cover = seq;
    }
    inMemory = table.rowCount > 0 && table.get(key, seqMax, row);
    // What is in older tables is older than either.
    if (inMemory || cover > 0) break;
  }
  const isSeen = inMemory && row.seq >= cover;
  const loadsAbove = isSeen ? row.seq : cover;
  if (loadsAbove > newestLoadSeq(view)) return isSeen ? Lookup.hit : Lookup.miss;
  const keyHash = hashKey(key);
  for (let i = loads.length - 1; i >= 0; i--) {
    const { seq, ssts } = loads[i]!;
    if (seq > seqMax || seq <= loadsAbove) continue;
    const lookup = tryGetIn(ssts, seq, tables, key, keyHash, seqMax, 0, row);
    if (lookup !== Lookup.miss) return lookup;
  }
  if (loadsAbove > 0) {
    if (!isSeen) return Lookup.miss;
    // Asking the loads may have changed the row.
    getInMemory(view, key, seqMax, row);
    return Lookup.hit;
  }
  return tryGetStored(manifest, tables, key, keyHash, seqMax, row);
}

/**
 * Newest first: range deletes of an L0 entry or run hide rows of its own and of older ones, never of newer ones, so that those behind the
 * row need not be asked.
 */
function tryGetStored(
  manifest: Manifest,
  tables: ReadTables,
  key: Uint8Array,
  keyHash: number,
  seqMax: number,
  row: RowRef,
): Lookup {
  const { l0, runs } = manifest;
  const rangeDeletes =
    manifest.requiredFeatures.length === 0 ? undefined : storedRangeDeletes(manifest);
  let cover = 0;
  let lookup: Lookup = Lookup.miss;
  for (let i = l0.length - 1; i >= 0 && lookup === Lookup.miss; i--) {
    if (rangeDeletes !== undefined) {
      cover = raiseCover(cover, rangeDeletes.l0[i]!, tables, key, seqMax);
      if (cover === unknownCover) return Lookup.pending;
    }
    const { seq, ssts } = l0[i]!;
    if (seq <= seqMax) lookup = tryGetIn(ssts, seq, tables, key, keyHash, seqMax, cover, row);
  }
  for (let i = 0; i < runs.length && lookup === Lookup.miss; i++) {
    const run = runs[i]!;
    let listed: PartOfRun | undefined;
    if (run.listBytes !== 0) {
      listed = listedIfLoaded(run, tables.runLists, key);
      if (listed === undefined) return Lookup.pending;
    }
    if (rangeDeletes !== undefined) {
      const holders = listed === undefined ? rangeDeletes.runs[i]! : listed.holders;
      cover = raiseCover(cover, holders, tables, key, seqMax);
      if (cover === unknownCover) return Lookup.pending;
    }
    const ssts = listed === undefined ? sstsOf(run, key) : listed.ssts;
    lookup = tryGetIn(ssts, 0, tables, key, keyHash, seqMax, cover, row);
  }
  return lookup === Lookup.hit && row.seq < cover ? Lookup.miss : lookup;
}

/** Asks the one SST of a sequence that can hold the key, without waiting. */
function tryGetIn(
  ssts: readonly SstInfo[],
  entrySeq: number,
  tables: ReadTables,
  key: Uint8Array,
  keyHash: number,
  seqMax: number,
  hiddenBelow: number,
  row: RowRef,
): Lookup {
  const info = sstHolding(ssts, key);
  if (info === undefined || !mayHaveRows(info, entrySeq, seqMax, hiddenBelow)) return Lookup.miss;
  const table = tables.getIfOpen(info);
  if (table === undefined) return Lookup.pending;
  const rowSeq = entrySeq || info.seq;
  const lookup = table.tryGet(key, keyHash, rowSeq === 0 ? seqMax : newest, row);
  if (lookup === Lookup.hit && rowSeq !== 0) row.seq = rowSeq;
  return lookup;
}

/**
 * `tryGetRow` that makes the requests it needs; false is a miss. Until it settles, `key` must stay as it is and `row` belongs to
 * this read. Rejects with `signal.reason`, `CorruptionError` or a `StoreError`.
 */
export async function fetchRow(
  view: DbView,
  tables: ReadTables,
  key: Uint8Array,
  seqMax: number,
  row: RowRef,
  signal?: AbortSignal,
): Promise<boolean> {
  const inMemory = getInMemory(view, key, seqMax, row);
  const cover = coverInMemory(view, key, seqMax);
  const isSeen = inMemory && row.seq >= cover;
  const loadsAbove = isSeen ? row.seq : cover;
  if (loadsAbove === 0 && hasListed(view)) {
    return fetchListedRow(view, tables, key, seqMax, row, signal);
  }
  const unread: SstInfo[] = [];
  const floor = loadsAbove > 0 ? 0 : storedCover(view, tables, key, seqMax, unread);
  const candidates = candidatesForKey(view, key, seqMax, { loadsAbove, hiddenBelow: floor });
  const keyHash = hashKey(key);
  const covering =
    unread.length === 0 ? floor : fetchCover(floor, unread, tables, key, seqMax, signal);
  const opening = Promise.all(candidates.map(({ info }) => tables.open(info, signal)));
  const [opened, hiddenBelow] = await Promise.all([opening, covering]);
  for (const [i, { info, entrySeq }] of candidates.entries()) {
    if (!mayHaveRows(info, entrySeq, seqMax, hiddenBelow)) continue;
    // Rows whose seq stands in the L0 entry have been let in by it.
    const rowSeqMax = entrySeq === 0 ? seqMax : newest;
    if (!(await opened[i]!.get(key, keyHash, rowSeqMax, row, signal))) continue;
    if (entrySeq !== 0) row.seq = entrySeq;
    return row.seq >= hiddenBelow;
  }
  return isSeen && getInMemory(view, key, seqMax, row);
}

/** The lists of long runs are read at the same time as whatever they have no part in is opened. */
async function fetchListedRow(
  view: DbView,
  tables: ReadTables,
  key: Uint8Array,
  seqMax: number,
  row: RowRef,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const held = new HeldTables(tables, signal);
  const unlisted = unlistedView(view);
  const unread: SstInfo[] = [];
  const hiddenBelow = storedCover(unlisted, held, key, seqMax, unread);
  const candidates = candidatesForKey(unlisted, key, seqMax, { hiddenBelow });
  const [listed] = await Promise.all([
    listedView(view, tables.runLists, key, signal),
    held.hold(candidates.map(({ info }) => info)),
    ...unread.map((info) => held.loadRangeDeletes(info)),
  ]);
  return fetchRow(listed, held, key, seqMax, row, signal);
}

/** The answer of `tryGetRow`, or that of `fetchRow` where it takes a request. */
export async function getRow(
  view: DbView,
  tables: ReadTables,
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
