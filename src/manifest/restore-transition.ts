/**
 * `restoreState`: the one commit of a restore. What a checkpoint names becomes the newest state, and the state that it replaces becomes a
 * checkpoint, with the logs above its L0 up to their fences, so that nothing acknowledged is lost.
 */
import { assert } from "../common/assert.js";
import { ExistsError, NotFoundError } from "../common/errors.js";
import type { Ulid } from "../common/ids.js";
import {
  type Checkpoint,
  CheckpointPurpose,
  Feature,
  type L0Entry,
  type Manifest,
  RetiredKind,
  type RetiredObjects,
  type SortedRun,
  type SstInfo,
  type WalRange,
} from "../format/manifest.js";
import { liveCheckpoints } from "./checkpoint-expiry.js";
import { isList } from "./gc-transitions.js";
import { plainCheckpoint } from "./plain-checkpoint.js";
import { retireWal } from "./retired-wal.js";
import { firstWalId, type Transition } from "./transitions.js";

/** What a state names, with the lists of its runs. */
export interface NamedObjects {
  readonly ssts: ReadonlySet<Ulid>;
  /** Runs whose list is an object of its own. */
  readonly lists: ReadonlySet<Ulid>;
}

export interface Restoration {
  readonly epoch: number;
  readonly compactorEpoch: number;
  /** As it is listed. */
  readonly checkpoint: Pick<Checkpoint, "id" | "manifestNumber">;
  /** The restored state: the checkpoint's own L0 entries, and behind them what its logs hold. */
  readonly l0: readonly L0Entry[];
  readonly runs: readonly SortedRun[];
  readonly requiredFeatures: readonly number[];
  /** Databases whose objects it names. */
  readonly owners: ReadonlySet<Ulid>;
  readonly named: NamedObjects;
  /** What the replaced state names. Nobody changes it once both epochs are claimed. */
  readonly replaced: NamedObjects;
  /** SSTs of loads that the replaced logs name, by the seq of the load. */
  readonly replacedLoads: ReadonlyMap<Ulid, number>;
  /** For each older log of the chain, the id of its first fence. */
  readonly logEnds: ReadonlyMap<number, number>;
  /** The last seq of what was found, and the last that was ever given. */
  readonly foundSeq: number;
  readonly lastSeq: number;
  /** The ids that were minted are named now, or given up. */
  readonly writerFloor: Ulid;
  /** The checkpoint of the replaced state. */
  readonly keepAs: Pick<Checkpoint, "id" | "name" | "ttlMs" | "createdAt">;
  /** Lists of retired objects that are known to hold nothing of what is restored. */
  readonly otherLists: ReadonlySet<Ulid>;
}

/** A list of retired objects has come that may hold what is restored: it has to be read, and the commit tried again. */
export class UnknownListError extends Error {}

/**
 * Throws `NotFoundError` where the checkpoint is gone, `ExistsError` where the name is taken. The restored state takes one seq, which no row has:
 * whoever has followed the changes up to the last one is behind it, and cannot go on as if nothing had happened.
 */
export function restoreState(restoration: Restoration): Transition {
  return (manifest) => {
    const { epoch, compactorEpoch, keepAs, named, replaced, otherLists } = restoration;
    if (manifest.checkpoints.some(({ id }) => id === keepAs.id)) return manifest;
    assert(manifest.writerEpoch === epoch, "a restore holds the writer's epoch");
    assert(manifest.compactorEpoch === compactorEpoch, "a restore holds the compactor's epoch");
    const isReplaced = ({ ssts }: { ssts: readonly SstInfo[] }): boolean =>
      ssts.every(({ id }) => replaced.ssts.has(id));
    assert(
      manifest.l0.every(isReplaced) && manifest.runs.every(isReplaced),
      "nobody else has changed L0 or the runs",
    );
    requireRestorable(manifest, restoration);
    requireFreeName(manifest, keepAs.name);
    const isUnknown = (entry: RetiredObjects): boolean =>
      isList(entry) && entry.ids.some((id) => !otherLists.has(id));
    if (manifest.retired.some(isUnknown)) throw new UnknownListError();
    const number = manifest.number + 1;
    const wal = replacedWal(manifest, restoration);
    const loads = [...restoration.replacedLoads]
      .filter(([, seq]) => seq > manifest.lastL0Seq)
      .map(([id]) => id);
    const seq = Math.max(manifest.lastSeq, restoration.lastSeq) + 1;
    const kept: Checkpoint = {
      ...{ ...plainCheckpoint, ...keepAs, wal, loads },
      ...{ manifestNumber: manifest.number, refreshedNumber: number },
      seq: Math.max(manifest.lastL0Seq, restoration.foundSeq),
      purpose: CheckpointPurpose.replaced,
    };
    return {
      ...manifest,
      l0: restoration.l0,
      runs: restoration.runs,
      requiredFeatures: featuresOf(manifest, restoration),
      ...{ lastSeq: seq, lastL0Seq: seq, compactedSeq: seq, rewrittenNumber: number },
      ...{ snapshotSeq: 0, walChain: [], walStart: { epoch, id: 1 }, compactorLeft: true },
      checkpoints: [...manifest.checkpoints, kept],
      retired: retiredAfter(manifest, restoration, loads, wal, named),
      writerFloor:
        restoration.writerFloor > manifest.writerFloor
          ? restoration.writerFloor
          : manifest.writerFloor,
    };
  };
}

/** Throws unless the checkpoint is listed as it was read, and what it names of other databases is still held for this one. */
export function requireRestorable(
  manifest: Manifest,
  { checkpoint, owners }: Pick<Restoration, "checkpoint" | "owners">,
): void {
  const { id, manifestNumber } = checkpoint;
  const listed = liveCheckpoints(manifest).find((one) => one.id === id);
  if (listed === undefined || listed.manifestNumber !== manifestNumber) {
    throw new NotFoundError(`Checkpoint "${id}" has ended. Nothing was restored.`);
  }
  for (const owner of owners) {
    const held = manifest.externals.filter(({ databaseId }) => databaseId === owner);
    if (held.some(({ isLeaving }) => !isLeaving)) continue;
    throw new NotFoundError(
      `Checkpoint "${id}" needs objects of database ${owner}, which are not kept for this one any more.`,
    );
  }
}

export function requireFreeName(manifest: Manifest, name: string): void {
  if (name === "" || liveCheckpoints(manifest).every((other) => other.name !== name)) return;
  throw new ExistsError(
    `There is a checkpoint named "${name}" already. Use another name, or delete that one.`,
  );
}

/** What replay would read, log by log, up to the fences. The log of the restore itself has nothing. */
function replacedWal(manifest: Manifest, { epoch, logEnds }: Restoration): readonly WalRange[] {
  return manifest.walChain
    .filter((log) => log.epoch < epoch)
    .map((log) => {
      const toId = logEnds.get(log.epoch);
      assert(toId !== undefined, "every older log is closed");
      return { epoch: log.epoch, fromId: firstWalId(manifest, log.epoch), toId };
    })
    .filter(({ fromId, toId }) => fromId < toId);
}

function featuresOf(manifest: Manifest, restoration: Restoration): readonly number[] {
  const features = new Set([...manifest.requiredFeatures, ...restoration.requiredFeatures]);
  const ssts = restoration.l0.flatMap((entry) => entry.ssts);
  if (ssts.some(({ rangeDeletes }) => rangeDeletes.length > 0)) features.add(Feature.rangeDeletes);
  if (restoration.owners.size > 0) features.add(Feature.externals);
  return [...features];
}

/** What is named again comes off the list, and what is named no more comes onto it. */
function retiredAfter(
  manifest: Manifest,
  restoration: Restoration,
  loads: readonly Ulid[],
  wal: readonly WalRange[],
  named: NamedObjects,
): readonly RetiredObjects[] {
  const number = manifest.number + 1;
  let retired: readonly RetiredObjects[] = manifest.retired.flatMap((entry) => {
    const again = namedOf(entry.kind, named);
    if (again === undefined || !entry.ids.some((id) => again.has(id))) return [entry];
    const ids = entry.ids.filter((id) => !again.has(id));
    return ids.length === 0 ? [] : [{ ...entry, ids }];
  });
  const { replaced } = restoration;
  const gone = (kind: RetiredKind, before: Iterable<Ulid>): void => {
    const again = namedOf(kind, named)!;
    const ids = [...new Set(before)].filter((id) => !again.has(id));
    if (ids.length === 0) return;
    retired = [...retired, { kind, manifestNumber: number, ids, epoch: 0, fromId: 0, toId: 0 }];
  };
  gone(RetiredKind.sst, [...replaced.ssts, ...loads]);
  gone(RetiredKind.run, replaced.lists);
  for (const { epoch, fromId, toId } of wal) {
    retired = retireWal(retired, number, epoch, fromId, toId);
  }
  return retired;
}

function namedOf(kind: RetiredKind, named: NamedObjects): ReadonlySet<Ulid> | undefined {
  if (kind === RetiredKind.sst) return named.ssts;
  if (kind === RetiredKind.run) return named.lists;
  return undefined;
}
