/** `replayRanges`: exactly the objects of the log that a checkpoint names, in their order. */
import { CorruptionError } from "../common/errors.js";
import type { Ulid } from "../common/ids.js";
import type { WalRange } from "../format/manifest.js";
import type { WalObject } from "../format/wal-object.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { ObjectPaths } from "../object-store/paths.js";
import { readWalObject } from "./close-log.js";

const readsInFlight = 8;

export interface ReplayRangesOptions {
  /** Where the log is. */
  readonly store: ObjectStore;
  readonly databaseId: Ulid;
  readonly ranges: readonly WalRange[];
  /** What names them, for messages. */
  readonly named: string;
  readonly apply: (object: WalObject) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Rejects with `CorruptionError` where one is missing, or is no record. */
export async function replayRanges(options: ReplayRangesOptions): Promise<void> {
  const { ranges, apply } = options;
  const reads: Promise<WalObject>[] = [];
  for (const { epoch, fromId, toId } of ranges) {
    for (let id = fromId; id < toId; id++) {
      const read = readRecord(options, epoch, id);
      // Those behind one that fails fail unseen.
      read.catch(() => undefined);
      reads.push(read);
      if (reads.length === readsInFlight) apply(await reads.shift()!);
    }
  }
  for (const read of reads) apply(await read);
}

async function readRecord(
  { store, databaseId, named, signal }: ReplayRangesOptions,
  epoch: number,
  id: number,
): Promise<WalObject> {
  const object = await readWalObject({ store, databaseId, epoch, signal }, id);
  const path = ObjectPaths.wal(epoch, id);
  if (object === undefined) throw new CorruptionError(path, `it is missing, and ${named} names it`);
  if (object.fence) throw new CorruptionError(path, `it ends its log, and ${named} names it`);
  return object;
}
