/**
 * `walToL0`: what the write-ahead log of a durable checkpoint holds, as L0 entries of a clone: rows become SSTs of its own, and what loads have
 * stored stays where it is. One MemTable after another, so that no more than one is in memory.
 */
import { emptyBytes } from "../common/bytes.js";
import { CorruptionError } from "../common/errors.js";
import type { Ulid } from "../common/ids.js";
import type { Checkpoint, L0Entry } from "../format/manifest.js";
import type { WalObject } from "../format/wal-object.js";
import { MemTable } from "../memtable/mem-table.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { ObjectPaths } from "../object-store/paths.js";
import { replayLog } from "../wal/replay.js";
import { ReplayedRows } from "../wal/replayed-rows.js";
import { memTableToClip } from "./clip-rows.js";
import type { KeySpan } from "./clip-span.js";
import { type ClipTarget, writeClipped } from "./clip-sst.js";

export interface WalToL0Options {
  readonly target: ClipTarget;
  readonly walStore: ObjectStore;
  /** Whose log it is. */
  readonly databaseId: Ulid;
  readonly checkpoint: Pick<Checkpoint, "wal">;
  /** Of the manifest that the checkpoint pins: what is at or below it is in there. */
  readonly lastL0Seq: number;
  /** Default: all keys. */
  readonly span: KeySpan | undefined;
  /** What the clone takes of what a load has stored, with its owner; undefined: nothing. */
  readonly takeLoad: (entry: L0Entry) => Promise<L0Entry | undefined>;
  readonly memTableBytes: number;
}

const everything: KeySpan = { start: emptyBytes, end: undefined };

/** Oldest first. Throws `CorruptionError` where an object is missing or damaged. */
export async function walToL0(options: WalToL0Options): Promise<readonly L0Entry[]> {
  const { target, walStore: store, databaseId, lastL0Seq, memTableBytes } = options;
  const { signal } = target;
  const rows = new ReplayedRows({ lastL0Seq, memTableBytes });
  const entries: L0Entry[] = [];
  const span = options.span ?? everything;
  const storeTable = async (table: MemTable): Promise<void> => {
    if (table.isEmpty) return;
    table.freeze();
    const info = await writeClipped(target, memTableToClip(table), span);
    if (info !== undefined) entries.push({ ssts: [info], seq: 0 });
  };
  const storeLoad = async (entry: L0Entry): Promise<void> => {
    const taken = await options.takeLoad(entry);
    if (taken !== undefined) entries.push(taken);
  };
  const apply = async (object: WalObject): Promise<void> => {
    rows.apply(object);
    for (const queued of rows.queue.splice(0)) {
      if (queued instanceof MemTable) await storeTable(queued);
      else for (const entry of queued) await storeLoad(entry);
    }
  };
  for (const { epoch, fromId, toId } of options.checkpoint.wal) {
    const log = { epoch, fromId, endId: toId, objects: new Map() };
    const end = await replayLog({ store, databaseId, log, signal, apply });
    if (end === toId) continue;
    throw new CorruptionError(
      end === undefined ? ObjectPaths.walPrefix(epoch) : ObjectPaths.wal(epoch, end),
      "an object of this log that a checkpoint names is missing, or is not what it was",
    );
  }
  await storeTable(rows.active);
  return entries;
}
