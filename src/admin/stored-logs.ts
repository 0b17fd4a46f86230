/** `readStoredLogs`: what the logs of a database hold that L0 does not, with or without a writer that goes on adding to them. */
import { InvalidArgumentError } from "../common/errors.js";
import { repinWal } from "../db/wal-place.js";
import type { L0Entry, Manifest, WalPosition } from "../format/manifest.js";
import type { WalObject } from "../format/wal-object.js";
import { walParts } from "../format/wal-parts.js";
import type { StoredLogs } from "../manifest/checkpoint-content.js";
import { comparePositions, firstWalId } from "../manifest/transitions.js";
import { ObjectPaths } from "../object-store/paths.js";
import { readWalObject } from "../wal/close-log.js";
import type { AdminContext } from "./context.js";

/** More at once than a writer has in flight, so that reading catches up with it. */
const readsInFlight = 16;

/**
 * Everything that was durable when this was called, unless L0 has it, and perhaps more. Reads each object that replay would read, up to the
 * first that is not there. `InvalidArgumentError` where the logs are on a store that the handle was not opened with.
 */
export async function readStoredLogs(
  context: AdminContext,
  signal: AbortSignal | undefined,
): Promise<StoredLogs> {
  const { stored, walPlace } = context;
  let manifest = await stored.refresh(signal && { signal });
  for (;;) {
    if (repinWal(manifest, walPlace) !== manifest.pinned) {
      throw new InvalidArgumentError(
        'The write-ahead log of this database is in another place than this handle was told. Leave "wal" out, or give the place that it has.',
      );
    }
    const logs = await readLogs(context, manifest, signal);
    const newest = await stored.refresh(signal && { signal });
    // Replay still begins at or before the object that was absent, so it is not gone: it was not there yet.
    if (comparePositions(newest.walStart, logs.end) <= 0) return logs;
    manifest = newest;
  }
}

async function readLogs(
  { walStore: store }: AdminContext,
  manifest: Manifest,
  signal: AbortSignal | undefined,
): Promise<StoredLogs & { readonly end: WalPosition }> {
  const { databaseId, walStart, walChain } = manifest;
  const ends = new Map<number, number>();
  const loads: L0Entry[] = [];
  let lastSeq = 0;
  let end = walStart;
  for (const { epoch, putsInFlight } of walChain) {
    const count = Math.max(readsInFlight, 2 * putsInFlight);
    let id = firstWalId(manifest, epoch);
    let fence: WalObject | undefined;
    let isOver = false;
    while (!isOver && fence === undefined) {
      const ids = Array.from({ length: count }, (_, i) => id + i);
      const objects = await Promise.all(
        ids.map((each) => readWalObject({ store, databaseId, epoch, signal }, each)),
      );
      for (const object of objects) {
        isOver = object === undefined;
        if (object?.fence) fence = object;
        if (object === undefined || object.fence) break;
        lastSeq = object.lastSeq;
        for (const { loaded } of walParts(object, ObjectPaths.wal(epoch, object.id))) {
          if (loaded !== undefined) loads.push(...loaded);
        }
        id++;
      }
    }
    ends.set(epoch, id);
    end = { epoch, id };
    // What follows the first object that is absent is not a part of any state, whatever else is there.
    if (fence === undefined) break;
  }
  return { ends, loads, lastSeq, end };
}
