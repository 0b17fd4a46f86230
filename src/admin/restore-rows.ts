/**
 * What the write-ahead log of a durable checkpoint holds: read before anything is claimed, and then stored as L0 entries. Rows become SSTs;
 * loads are there already.
 */
import type { Clock } from "../common/clock.js";
import { CorruptionError } from "../common/errors.js";
import type { Ulid, UlidFactory } from "../common/ids.js";
import { buildSst } from "../flush/build-sst.js";
import type { Checkpoint, L0Entry, Manifest } from "../format/manifest.js";
import type { SstBuilderOptions } from "../format/sst-builder.js";
import { MemTable } from "../memtable/mem-table.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { ObjectPaths } from "../object-store/paths.js";
import { writeSst } from "../sst/sst-writer.js";
import { readWalObject } from "../wal/close-log.js";
import { type Replayed, ReplayedRows } from "../wal/replayed-rows.js";

const readsInFlight = 8;

export interface RowsOptions {
  readonly walStore: ObjectStore;
  readonly databaseId: Ulid;
  readonly checkpoint: Pick<Checkpoint, "wal">;
  /** Of the manifest that the checkpoint names: what is at or below it is in there. */
  readonly pinned: Pick<Manifest, "lastL0Seq">;
  readonly memTableBytes: number;
  readonly signal?: AbortSignal | undefined;
}

/** Oldest first. Throws `CorruptionError` where an object is missing or damaged. */
export async function readRows(options: RowsOptions): Promise<readonly Replayed[]> {
  const { walStore: store, databaseId, checkpoint, pinned, memTableBytes, signal } = options;
  const rows = new ReplayedRows({ lastL0Seq: pinned.lastL0Seq, memTableBytes });
  for (const { epoch, fromId, toId } of checkpoint.wal) {
    for (let first = fromId; first < toId; first += readsInFlight) {
      const ids = Array.from(
        { length: Math.min(readsInFlight, toId - first) },
        (_, i) => first + i,
      );
      const read = (id: number) => readWalObject({ store, databaseId, epoch, signal }, id);
      const objects = await Promise.all(ids.map(read));
      for (const [i, object] of objects.entries()) {
        const path = ObjectPaths.wal(epoch, ids[i]!);
        if (object === undefined) {
          throw new CorruptionError(path, "it is missing, and a checkpoint names it");
        }
        if (object.fence)
          throw new CorruptionError(path, "a checkpoint names it, and it is a fence");
        rows.apply(object);
      }
    }
  }
  if (rows.active.isEmpty) return rows.queue;
  rows.active.freeze();
  return [...rows.queue, rows.active];
}

export interface StoreRowsOptions {
  readonly store: ObjectStore;
  /** Of whoever names the SSTs: above its floors. */
  readonly ids: UlidFactory;
  readonly sst: Omit<SstBuilderOptions, "id">;
  readonly clock: Clock;
  /** Called after each SST that is stored. */
  readonly onStored?: (() => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One PUT for each table. Merges are stored as they are: nothing is folded. */
export async function storeRows(
  rows: readonly Replayed[],
  options: StoreRowsOptions,
): Promise<readonly L0Entry[]> {
  const { store, ids, sst, clock, onStored, signal = new AbortController().signal } = options;
  const entries: L0Entry[] = [];
  for (const queued of rows) {
    signal.throwIfAborted();
    if (!(queued instanceof MemTable)) {
      entries.push(...queued);
      continue;
    }
    const id = ids.next();
    const { chunks, info } = await buildSst(queued, { ...sst, id }, clock, signal);
    await writeSst(store, ObjectPaths.sst(id), chunks, { signal });
    entries.push({ ssts: [info], seq: 0 });
    onStored?.();
  }
  return entries;
}
