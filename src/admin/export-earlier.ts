/** What an incremental export adds to: the state that lies there, which stays as a checkpoint, and whether the new one can come after it. */
import { ExistsError } from "../common/errors.js";
import type { Ulid } from "../common/ids.js";
import {
  type L0Entry,
  type Manifest,
  noUlid,
  RetiredKind,
  type RetiredObjects,
} from "../format/manifest.js";
import { walParts } from "../format/wal-parts.js";
import { fenceBytes } from "../gc/ownership.js";
import { PinnedStates } from "../gc/pinned-states.js";
import { readRetiredLists } from "../gc/retired-lists.js";
import { durableContent, type StoredLogs } from "../manifest/checkpoint-content.js";
import type { ManifestStore } from "../manifest/manifest-store.js";
import { plainCheckpoint } from "../manifest/plain-checkpoint.js";
import { firstWalId } from "../manifest/transitions.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { ObjectPaths, parseWalPath } from "../object-store/paths.js";
import { readWalObject } from "../wal/close-log.js";
import type { AdminContext } from "./context.js";
import type { PlannedCopy } from "./copy-plan.js";
import { type EarlierExport, isApart, isLater } from "./export-manifest.js";
import { readLists } from "./export-source.js";
import type { TargetState } from "./export-target.js";
import { namedWal } from "./export-wal.js";

/** Throws `ExistsError` where what is planned names objects that a collector there may be deleting. */
export async function readEarlier(
  context: AdminContext,
  manifests: ManifestStore,
  newest: Manifest,
  plan: readonly PlannedCopy[],
  place: string,
  signal: AbortSignal | undefined,
): Promise<EarlierExport> {
  const { store } = manifests;
  const pinned = await new PinnedStates(manifests, context.options.clock).of(newest, signal);
  const given = await retiredObjects(store, newest, signal);
  const retired = idsOf(given);
  const again = plan.find(
    (copy) =>
      (copy.kind === "sst" && retired.has(copy.id) && !pinned.ssts.has(copy.id)) ||
      (copy.kind === "run" && retired.has(copy.run.id) && !pinned.runs.has(copy.run.id)),
  );
  if (again !== undefined) {
    throw new ExistsError(
      `${place} has given up "${again.key}", which this checkpoint names, and its collector may be deleting it. Export to an empty path.`,
    );
  }
  const lists = await readLists(store, newest, signal);
  const ssts = [...newest.l0, ...newest.runs].flatMap((part) => part.ssts);
  for (const listed of lists.values()) ssts.push(...listed);
  const content = durableContent(newest, await readLogs(store, newest, signal));
  const origin = newest.exports.at(-1)?.checkpointId ?? noUlid;
  const isTaken = origin === noUlid || newest.checkpoints.some(({ id }) => id === origin);
  return {
    manifest: newest,
    checkpoint: {
      ...plainCheckpoint,
      ...content,
      ...{ id: isTaken ? context.ids.next() : origin, name: "", manifestNumber: newest.number },
      ...{ createdAt: newest.createdAt, ttlMs: 0, refreshedNumber: newest.number + 1 },
    },
    ssts: new Set(ssts.map(({ id }) => id)),
    runs: new Set(lists.keys()),
    wal: namedWal(newest, content.wal, given),
  };
}

async function retiredObjects(
  store: ObjectStore,
  manifest: Manifest,
  signal: AbortSignal | undefined,
): Promise<readonly RetiredObjects[]> {
  const lists = await readRetiredLists(store, manifest, signal);
  return [...manifest.retired, ...[...lists.values()].flat()];
}

/** Of SSTs and of lists of runs. */
function idsOf(entries: readonly RetiredObjects[]): ReadonlySet<Ulid> {
  const isObject = ({ kind }: RetiredObjects): boolean =>
    kind === RetiredKind.sst || kind === RetiredKind.run;
  return new Set(entries.filter(isObject).flatMap(({ ids }) => ids));
}

/** Nobody writes there: each log ends where an object is absent, or at its fence. */
async function readLogs(
  store: ObjectStore,
  manifest: Manifest,
  signal: AbortSignal | undefined,
): Promise<StoredLogs> {
  const { databaseId } = manifest;
  const ends = new Map<number, number>();
  const loads: L0Entry[] = [];
  let lastSeq = manifest.lastL0Seq;
  for (const { epoch } of manifest.walChain) {
    let id = firstWalId(manifest, epoch);
    for (; ; id++) {
      const object = await readWalObject({ store, databaseId, epoch, signal }, id);
      if (object === undefined || object.fence) break;
      lastSeq = Math.max(lastSeq, object.lastSeq);
      for (const part of walParts(object, ObjectPaths.wal(epoch, id))) {
        if (part.loaded !== undefined) loads.push(...part.loaded);
      }
    }
    ends.set(epoch, id);
  }
  return { ends, lastSeq, loads };
}

/** Throws `ExistsError` where what lies there has gone another way than the source, as far as manifests tell. `manifest` is the source's own. */
export function requireSameHistory(
  { newest }: TargetState,
  manifest: Manifest,
  place: string,
): void {
  if (newest === undefined || !isApart(manifest, newest)) return;
  throw new ExistsError(
    `${place} holds another history of this database: since the state that both share, each has had writes that the other has not. Export to an empty path.`,
  );
}

/** Throws `ExistsError` where what lies there would follow the state that is exported: records of its logs that are not in it, or a later state. */
export function requireNothingLater(
  { newest, objects }: TargetState,
  manifest: Manifest,
  plan: readonly PlannedCopy[],
  place: string,
): void {
  if (newest !== undefined && !isLater(manifest, newest)) {
    throw new ExistsError(
      `${place} has a later state than this checkpoint. Export it to an empty path.`,
    );
  }
  const planned = new Set(plan.map(({ key }) => key));
  for (const [key, size] of objects) {
    const position = parseWalPath(key);
    if (position === undefined || planned.has(key)) continue;
    const { epoch, id } = position;
    const isRead =
      size > fenceBytes &&
      manifest.walChain.some((log) => log.epoch === epoch) &&
      id >= firstWalId(manifest, epoch);
    // The next writer's log has to be empty.
    if (!isRead && epoch <= manifest.writerEpoch) continue;
    throw new ExistsError(
      `${place} holds "${key}", which an export of a later state has left there. Export to an empty path.`,
    );
  }
}
