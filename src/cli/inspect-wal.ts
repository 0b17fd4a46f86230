/** What `moraine inspect` says of the write-ahead log: objects listed for each log of the chain, and read when asked for. */
import { OperationKind } from "../common/row.js";
import type { Manifest } from "../format/manifest.js";
import { storedChanges } from "../format/wal-changes.js";
import type { WalObject } from "../format/wal-object.js";
import { walParts } from "../format/wal-parts.js";
import { firstWalId } from "../manifest/transitions.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { ObjectPaths, parseWalPath } from "../object-store/paths.js";
import { readWalObject } from "../wal/close-log.js";

export interface WalLogInspection {
  readonly epoch: number;
  readonly putsInFlight: number;
  /** Where replay of this log starts. */
  readonly fromId: number;
  /** Objects from there on, fences among them. */
  readonly objectCount: number;
  readonly bytes: number;
  /** The last id listed; undefined when there is none. */
  readonly lastId: number | undefined;
  /** What the objects hold; undefined when they were not read. */
  readonly content: WalLogContent | undefined;
}

interface WalLogContent {
  readonly groupCount: number;
  /** Batches and bulk loads in them. */
  readonly recordCount: number;
  /** Bulk loads among the records. */
  readonly loadCount: number;
  /** SSTs that they name. */
  readonly loadSstCount: number;
  /** Range deletes among the operations of batches. */
  readonly rangeDeleteCount: number;
  /** 0 when there are none. */
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** The first fence, which ends the log; undefined while the log is open. */
  readonly fence: { readonly id: number; readonly closerEpoch: number } | undefined;
  /** The first id that is missing below others; undefined when there is no gap. A write on its way leaves one for a moment. */
  readonly missingId: number | undefined;
  /** Objects above the fence, or above the gap: they count for nothing, or not yet. */
  readonly ignoredCount: number;
}

const readsInFlight = 8;

export function inspectWal(
  store: ObjectStore,
  manifest: Manifest,
  options: { read: boolean; signal: AbortSignal },
): Promise<WalLogInspection[]> {
  return Promise.all(
    manifest.walChain.map(async ({ epoch, putsInFlight }) => {
      const fromId = firstWalId(manifest, epoch);
      const { ids, bytes } = await listLog(store, epoch, fromId, options.signal);
      const { databaseId } = manifest;
      const content = options.read
        ? await readLog({ store, databaseId, epoch, signal: options.signal }, fromId, ids)
        : undefined;
      const objectCount = ids.length;
      return { epoch, putsInFlight, fromId, objectCount, bytes, lastId: ids.at(-1), content };
    }),
  );
}

async function listLog(
  store: ObjectStore,
  epoch: number,
  fromId: number,
  signal: AbortSignal,
): Promise<{ ids: number[]; bytes: number }> {
  const ids: number[] = [];
  let bytes = 0;
  const after = ObjectPaths.wal(epoch, fromId - 1);
  for await (const { key, size } of store.list({
    prefix: ObjectPaths.walPrefix(epoch),
    after,
    signal,
  })) {
    const id = parseWalPath(key)?.id;
    if (id === undefined || id < fromId) continue;
    ids.push(id);
    bytes += size;
  }
  return { ids: ids.sort((a, b) => a - b), bytes };
}

async function readLog(
  log: Omit<Parameters<typeof readWalObject>[0], "signal"> & { signal: AbortSignal },
  fromId: number,
  ids: readonly number[],
): Promise<WalLogContent> {
  let [groupCount, recordCount, firstSeq, lastSeq] = [0, 0, 0, 0];
  let [loadCount, loadSstCount, rangeDeleteCount] = [0, 0, 0];
  let fence: WalLogContent["fence"];
  let missingId: number | undefined;
  let next = fromId;
  for (let at = 0; at < ids.length && fence === undefined && missingId === undefined; ) {
    const wave = ids.slice(at, at + readsInFlight);
    const objects: (WalObject | undefined)[] = await Promise.all(
      wave.map((id) => readWalObject(log, id)),
    );
    for (const [i, object] of objects.entries()) {
      // An object that was listed may be gone: it has been flushed and collected meanwhile.
      if (object === undefined || wave[i] !== next) {
        missingId = next;
        break;
      }
      next++;
      if (object.fence) {
        fence = { id: object.id, closerEpoch: object.closerEpoch };
        break;
      }
      groupCount++;
      recordCount += object.recordCount;
      const path = ObjectPaths.wal(object.epoch, object.id);
      for (const { operations } of storedChanges(object, path, 0)) {
        rangeDeleteCount += operations.filter(
          ({ kind }) => kind === OperationKind.rangeDelete,
        ).length;
      }
      for (const { loaded } of walParts(object, path)) {
        if (loaded === undefined) continue;
        loadCount++;
        for (const { ssts } of loaded) loadSstCount += ssts.length;
      }
      firstSeq ||= object.firstSeq;
      lastSeq = object.lastSeq;
    }
    at += wave.length;
  }
  const ignoredCount = ids.filter((id) => id >= next).length;
  return {
    ...{ groupCount, recordCount, loadCount, loadSstCount, rangeDeleteCount },
    ...{ firstSeq, lastSeq, fence, missingId, ignoredCount },
  };
}
