/**
 * `getMany`: many point reads of one view.
 *
 *  1. What memory decides is answered, key by key.
 *  2. For the other keys, each once, all tables that are not open are opened at the same time: for as many keys as there is room for,
 *     which is nearly always all of them.
 *     Before that the lists of long runs are read, as far as the keys need them.
 *  3. Then they are looked up at the same time, each in the newest table first, so that an older table is only asked for what
 *     the newer ones do not have. Blocks that are wanted together are fetched together: see block-ranges.ts.
 */
import { type Bytes, compareBytes, copyBytes } from "../common/bytes.js";
import type { Ulid } from "../common/ids.js";
import { RowKind, RowRef } from "../common/row.js";
import type { GivenOperators } from "../merge/given-operators.js";
import { Lookup } from "../sst/lookup.js";
import type { TableStore } from "../sst/table-store.js";
import { knownCover } from "./cover.js";
import type { DbView } from "./db-view.js";
import { fetchRow, resolveRow, tryGetRow } from "./get.js";
import { fetchMerged, tryGetMerged } from "./get-merged.js";
import { HeldTables } from "./held-tables.js";
import { planSlice } from "./key-slice.js";
import { listedViewOf } from "./listed-runs.js";

export interface GetManyOptions {
  readonly seqMax: number;
  /** ms since 1970 */
  readonly now: () => number;
  readonly signal?: AbortSignal | undefined;
  /** Merge operators that the handle has; undefined: none. */
  readonly operators?: GivenOperators | undefined;
  /** Memory of the tables that may be opened at the same time; default 64 MiB. */
  readonly tableBytesMax?: number | undefined;
}

/** How many keys may wait for requests at the same time: with a block of 4 KiB for each, 8 MiB. */
const keysInFlightMax = 2048;

/**
 * A call holds its tables also where the cache has no room for them, and all that it may need at once would be all indexes and filters
 * of a database. So much takes as long to arrive as a request or two, so that more at once would gain little, whatever the cache: it is
 * the tables of some GB of data.
 */
const tableBytesMaxDefault = 64 * 1024 * 1024;

/**
 * The values of `keys` in their order, each a copy of its own; undefined where there is none. The keys must stay as they are
 * until the promise settles. Rejects as `fetchRow` does, with the first failure.
 */
export async function getMany(
  view: DbView,
  tables: TableStore,
  keys: readonly Uint8Array[],
  options: GetManyOptions,
): Promise<(Bytes | undefined)[]> {
  const { seqMax, now } = options;
  const values = new Array<Bytes | undefined>(keys.length).fill(undefined);
  const pending: PendingKey[] = [];
  const row = new RowRef();
  const merging = { ...options, take: copyValue };
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i]!;
    const lookup = tryGetRow(view, tables, key, seqMax, row);
    if (lookup === Lookup.pending) pending.push({ key, place: i });
    else if (lookup === Lookup.hit && row.kind !== RowKind.merge) values[i] = resolveRow(row, now);
    else if (lookup === Lookup.hit) {
      // What is merged into a key may lie deeper than its newest version.
      const merged = tryGetMerged(view, tables, key, merging);
      if (merged === undefined) pending.push({ key, place: i });
      else values[i] = merged.taken;
    }
  }
  if (pending.length > 0) {
    // In key order equal keys are neighbours, and keys of one block follow each other.
    pending.sort((a, b) => compareBytes(a.key, b.key));
    /** Where in `pending` the distinct keys begin. */
    const firsts = [...pending.keys()].filter(
      (i) => i === 0 || compareBytes(pending[i - 1]!.key, pending[i]!.key) !== 0,
    );
    const distinct = firsts.map((first) => pending[first]!.key);
    await fetchAll(view, tables, distinct, options, (i, value) => {
      const end = firsts[i + 1] ?? pending.length;
      values[pending[firsts[i]!]!.place] = value;
      for (let j = firsts[i]! + 1; j < end; j++) {
        values[pending[j]!.place] = value && copyBytes(value);
      }
    });
  }
  return values;
}

const copyValue = (row: RowRef): Bytes => copyBytes(row.valueBytes, row.valueStart, row.valueEnd);

/** A key that memory does not decide. */
interface PendingKey {
  readonly key: Uint8Array;
  /** Its place among those that were asked for. */
  readonly place: number;
}

/** Looks up keys that take requests; they are distinct and in order. */
async function fetchAll(
  view: DbView,
  tables: TableStore,
  keys: readonly Uint8Array[],
  options: GetManyOptions,
  onValue: (keyIndex: number, value: Bytes | undefined) => void,
): Promise<void> {
  const { seqMax, now, signal, tableBytesMax: bytesMax = tableBytesMaxDefault } = options;
  const merging = { ...options, take: copyValue };
  // Tables of a slice are open before its lookups begin, so that those begin in the same turn and share their requests.
  const held = new HeldTables(tables, signal);
  const isHeld = (id: Ulid): boolean => held.has(id);
  const hiddenBelow = (key: Uint8Array): number => knownCover(listed, tables, key, seqMax);
  let next = 0;
  let end = 0;
  /** With what the lists of long runs name for the keys before `listedEnd`. */
  let listed = view;
  let listedEnd = 0;
  let failed = false;
  const work = async (): Promise<void> => {
    const row = new RowRef();
    while (next < end && !failed) {
      const i = next++;
      const found = await fetchRow(listed, held, keys[i]!, seqMax, row, signal);
      if (!found) continue;
      if (row.kind !== RowKind.merge) onValue(i, resolveRow(row, now));
      else onValue(i, await fetchMerged(listed, held, keys[i]!, merging, signal));
    }
  };
  try {
    while (end < keys.length) {
      if (end === listedEnd) {
        const known = await listedViewOf(view, tables.runLists, keys, end, signal);
        listed = known.view;
        listedEnd = known.end;
      }
      const within = listedEnd < keys.length ? keys.slice(0, listedEnd) : keys;
      const options = { seqMax, bytesMax, isHeld, hiddenBelow };
      const slice = planSlice(listed, tables, within, end, options);
      await held.hold(slice.ssts);
      end = slice.end;
      const workers = Math.min(keysInFlightMax, end - next);
      await Promise.all(Array.from({ length: workers }, work));
    }
  } finally {
    failed = true;
  }
}
