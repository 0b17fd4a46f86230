/** Replaying a closed log: its records in order, read in parallel, up to the first fence. */
import type { Ulid } from "../common/ids.js";
import type { WalObject } from "../format/wal-object.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { type ClosedLog, readWalObject } from "./close-log.js";

const readsInFlight = 8;

export interface ReplayOptions {
  store: ObjectStore;
  databaseId: Ulid;
  log: ClosedLog;
  signal?: AbortSignal | undefined;
  /** Called in id order, once the object before has been dealt with. */
  apply: (object: WalObject) => void | Promise<void>;
}

/**
 * Gives the id of the log's first fence, or undefined when an object below it is missing: that is never the end of a log,
 * but a newer writer that took over, or damage.
 */
export async function replayLog(options: ReplayOptions): Promise<number | undefined> {
  const { log } = options;
  const reads = new Map<number, Promise<WalObject | undefined>>();
  const read = (id: number): Promise<WalObject | undefined> => {
    const known = log.objects.get(id);
    if (known !== undefined) return Promise.resolve(known);
    const promise = readWalObject({ ...options, epoch: log.epoch }, id);
    promise.catch(() => undefined);
    return promise;
  };
  let ahead = log.fromId;
  for (let id = log.fromId; id < log.endId; id++) {
    for (; ahead < log.endId && ahead < id + readsInFlight; ahead++) reads.set(ahead, read(ahead));
    const object = await reads.get(id)!;
    reads.delete(id);
    if (object === undefined) return undefined;
    if (object.fence) return id;
    await options.apply(object);
  }
  return log.endId;
}
