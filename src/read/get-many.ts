/** `getMany`: many point reads of one view. Each distinct key is read once; opens and blocks are shared by the tables. */
import { type Bytes, compareBytes, copyBytes } from "../common/bytes.js";
import { RowRef } from "../common/row.js";
import type { TableStore } from "../sst/table-store.js";
import type { DbView } from "./db-view.js";
import { getRow, resolveRow } from "./get.js";

export interface GetManyOptions {
  readonly seqMax: number;
  /** ms since 1970 */
  readonly now: () => number;
  readonly signal?: AbortSignal | undefined;
}

/** How many keys may wait for requests at the same time. */
const keysInFlightMax = 256;

/**
 * The values of `keys` in their order, each a copy of its own; undefined where there is none. The keys must stay as they are
 * until the promise settles. Rejects as `getRow` does, with the first failure.
 */
export async function getMany(
  view: DbView,
  tables: TableStore,
  keys: readonly Uint8Array[],
  options: GetManyOptions,
): Promise<(Bytes | undefined)[]> {
  const { seqMax, now, signal } = options;
  const values = new Array<Bytes | undefined>(keys.length).fill(undefined);
  // In key order equal keys are neighbours, and keys of one block follow each other.
  const order = keys.map((_, i) => i).sort((a, b) => compareBytes(keys[a]!, keys[b]!));
  let next = 0;
  let failed = false;

  /** Reads one distinct key after the other; what needs no request does not wait. */
  const work = async (): Promise<void> => {
    const row = new RowRef();
    while (next < order.length && !failed) {
      const first = next;
      const key = keys[order[first]!]!;
      next++;
      while (next < order.length && compareBytes(keys[order[next]!]!, key) === 0) next++;
      const end = next;
      if (!(await getRow(view, tables, key, seqMax, row, signal))) continue;
      const value = resolveRow(row, now);
      for (let i = first; i < end; i++) {
        values[order[i]!] = i === first || value === undefined ? value : copyBytes(value);
      }
    }
  };
  const workers: Promise<void>[] = [];
  try {
    while (workers.length < keysInFlightMax && next < order.length) workers.push(work());
    await Promise.all(workers);
  } finally {
    failed = true;
  }
  return values;
}
