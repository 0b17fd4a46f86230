/**
 * Logs: what replay would read is there without a gap up to its fence, and so is what checkpoints name. Deep, every object is read, and what it
 * says of itself and of others compared; quick, the listing has to do.
 */
import type { L0Entry, WalRange } from "../format/manifest.js";
import { decodeWalObject, type WalObject } from "../format/wal-object.js";
import { walParts } from "../format/wal-parts.js";
import { fenceBytes } from "../gc/ownership.js";
import { eachOf } from "../gc/pinned-states.js";
import { firstWalId } from "../manifest/transitions.js";
import type { ObjectStore, StoredObject } from "../object-store/object-store.js";
import { ObjectPaths } from "../object-store/paths.js";
import type { AdminContext } from "./context.js";
import type { Findings } from "./verify-findings.js";
import type { Names } from "./verify-names.js";

/** Sizes by id, by epoch, as they were listed after the manifest was read. */
export type ListedLogs = ReadonlyMap<number, ReadonlyMap<number, number>>;

/** What is said of an object: without having read it, only whether it may be a fence. */
interface SeenObject {
  readonly fence: boolean;
  readonly object: WalObject | undefined;
}

/** Gives the loads that replay would find, whose SSTs nothing else may name. */
export async function checkLogs(
  context: AdminContext,
  { newest }: Names,
  listed: ListedLogs,
  findings: Findings,
  deep: boolean,
  signal: AbortSignal | undefined,
): Promise<readonly L0Entry[]> {
  const seen = new Map<string, SeenObject>();
  const gone = new Set<string>();
  const { store, walStore } = context;
  // A log that has moved leaves what checkpoints name of it where it was.
  const stores = walStore === store ? [store] : [walStore, store];
  const objects = [...listed].flatMap(([epoch, ids]) =>
    [...ids].map(([id, size]) => ({ epoch, id, size })),
  );
  await eachOf(objects, async ({ epoch, id, size }) => {
    const path = ObjectPaths.wal(epoch, id);
    if (!deep) {
      seen.set(path, { fence: size <= fenceBytes, object: undefined });
      return;
    }
    const found = await getFrom(stores, path, signal);
    // A collector is at work; what must not go is missing.
    if (found === undefined) {
      gone.add(path);
      return;
    }
    findings.checked(found.bytes.length);
    const object = await findings.guard(path, () => {
      const decoded = decodeWalObject(found.bytes, path, newest.databaseId, { epoch, id });
      if (!decoded.fence) walParts(decoded, path);
      return decoded;
    });
    if (object !== undefined) seen.set(path, { fence: object.fence, object });
  });
  const isThere = (epoch: number, id: number): boolean =>
    listed.get(epoch)?.has(id) === true && !gone.has(ObjectPaths.wal(epoch, id));
  for (const { wal } of newest.checkpoints) {
    for (const range of wal) checkRange(range, isThere, seen, findings);
  }
  let lastSeq = 0;
  const loads: L0Entry[] = [];
  for (const { epoch, putsInFlight } of newest.walChain) {
    const ids = [...(listed.get(epoch)?.keys() ?? [])].sort((a, b) => a - b);
    const first = firstWalId(newest, epoch);
    const at = (id: number): SeenObject | undefined => seen.get(ObjectPaths.wal(epoch, id));
    const fence = ids.find((id) => id >= first && at(id)?.fence === true);
    const lastRecord = ids.findLast((id) => at(id)?.fence !== true) ?? 0;
    const acknowledged = at(lastRecord)?.object?.acknowledgedId ?? 0;
    // What is behind a gap may be on its way still, as far as one that is stored proves nothing else.
    const end = fence ?? Math.max(first, acknowledged + 1, lastRecord - putsInFlight + 1);
    for (let id = first; id < end; id++) {
      if (isThere(epoch, id)) continue;
      findings.add(ObjectPaths.wal(epoch, id), "missing", "it is below the end of its log");
    }
    for (const id of fence === undefined ? ids.filter((listedId) => listedId >= end) : []) {
      const path = ObjectPaths.wal(epoch, id);
      if (gone.has(path)) findings.add(path, "missing", "it was there, and replay reads it");
    }
    for (let id = first; isThere(epoch, id) && id !== fence; id++) {
      const object = at(id)?.object;
      if (object === undefined) continue;
      const path = ObjectPaths.wal(epoch, id);
      if (object.firstSeq <= lastSeq)
        findings.add(path, "contradiction", "its seqs are not above those before it");
      lastSeq = Math.max(lastSeq, object.lastSeq);
      for (const part of walParts(object, path)) {
        if (part.loaded !== undefined && part.lastSeq > newest.lastL0Seq)
          loads.push(...part.loaded);
      }
    }
  }
  return loads;
}

async function getFrom(
  stores: readonly ObjectStore[],
  path: string,
  signal: AbortSignal | undefined,
): Promise<StoredObject | undefined> {
  for (const store of stores) {
    const found = await store.get(path, { signal });
    if (found !== undefined) return found;
  }
  return undefined;
}

function checkRange(
  { epoch, fromId, toId }: WalRange,
  isThere: (epoch: number, id: number) => boolean,
  seen: ReadonlyMap<string, SeenObject>,
  findings: Findings,
): void {
  for (let id = fromId; id < toId; id++) {
    const path = ObjectPaths.wal(epoch, id);
    if (!isThere(epoch, id)) findings.add(path, "missing", "a checkpoint names it");
    else if (seen.get(path)?.fence === true) {
      findings.add(path, "contradiction", "a checkpoint names it, and it is a fence");
    }
  }
}
