/**
 * `restore`: a checkpoint becomes the newest state of the database, in one commit.
 *
 * All that can be found out beforehand is, before anything is claimed: a restore that cannot be done fences nobody. Then the writer's epoch is
 * claimed and every older log is closed and read, as any writer does. What the checkpoint's log holds is stored as L0; then the compactor's epoch
 * is claimed, all jobs are given up (R58), and the commit follows. Cut off before it, the database is what it was; after it, it is restored.
 */
import {
  CorruptionError,
  FencedError,
  InvalidArgumentError,
  NotFoundError,
  UnsupportedError,
} from "../common/errors.js";
import type { Ulid } from "../common/ids.js";
import { checkOptions, requireFunction, requireInteger, requireSignal } from "../common/options.js";
import { requireCheckpointName } from "../db/checkpoint-options.js";
import { type Claim, claimDatabase } from "../db/claim.js";
import { HintWriter } from "../db/hint-writer.js";
import { repinWal } from "../db/wal-place.js";
import type { Checkpoint, Manifest } from "../format/manifest.js";
import { walParts } from "../format/wal-parts.js";
import { type CheckpointInfo, toCheckpointInfo } from "../manifest/checkpoint-info.js";
import { requireCheckpoint } from "../manifest/checkpoint-transitions.js";
import { requireFreeName, requireRestorable } from "../manifest/restore-transition.js";
import { ObjectPaths } from "../object-store/paths.js";
import type { Replayed } from "../wal/replayed-rows.js";
import type { AdminContext } from "./context.js";
import { commitRestore, nothingRestored, type RestorationToCommit } from "./restore-commit.js";
import { type NamedState, namedState } from "./restore-named.js";
import { readRows, storeRows } from "./restore-rows.js";
import { walStoreOf } from "./wal-store-of.js";

export interface RestoreOptions {
  /** Of the checkpoint that keeps the replaced state: 1 to 256 characters, unique among the checkpoints that are listed. Default: none. */
  name?: string | undefined;
  /** How long the replaced state is kept, in ms, from 1; default: until its checkpoint is expired. */
  ttlMs?: number | undefined;
  /** Before the commit it leaves the database as it is, but for its epoch; after that the restore is done. */
  signal?: AbortSignal | undefined;
  /** Called after each step, and after each SST that is stored. */
  onProgress?: ((progress: RestoreProgress) => void) | undefined;
}

export interface RestoreProgress {
  readonly step: "reading" | "claiming" | "storing" | "committing";
  /** SSTs that are made of the checkpoint's log, and how many of them are stored. */
  readonly sstsStored: number;
  readonly sstsTotal: number;
}

export interface RestoreResult {
  /** What keeps the state that was replaced, with all that was acknowledged. */
  readonly checkpoint: CheckpointInfo;
  /** The restore's own: a reader that has come to it sees the restored state. No write ever had it or will. */
  readonly seq: number;
  readonly manifestNumber: number;
}

/** What is known of the checkpoint before anything is claimed. */
interface Prepared {
  readonly checkpoint: Checkpoint;
  readonly pinned: Manifest;
  readonly named: NamedState;
  readonly rows: readonly Replayed[];
}

export async function restore(
  context: AdminContext,
  idOrName: string,
  given: RestoreOptions | undefined,
): Promise<RestoreResult> {
  checkOptions(given, ["name", "ttlMs", "signal", "onProgress"], "restore");
  const { ttlMs = 0, signal, onProgress } = given ?? {};
  requireCheckpointName(idOrName, "checkpoint");
  const { name = "" } = given ?? {};
  if (given?.name !== undefined) requireCheckpointName(name, "name");
  requireInteger(given?.ttlMs, "ttlMs", 1, Number.MAX_SAFE_INTEGER);
  requireSignal(signal);
  requireFunction(onProgress, "onProgress");
  const { options, store } = context;
  const report = (step: RestoreProgress["step"], sstsStored = 0, sstsTotal = 0): void =>
    onProgress?.({ step, sstsStored, sstsTotal });
  signal?.throwIfAborted();
  report("reading");
  const prepared = await prepare(context, idOrName, name, signal);
  report("claiming");
  const loads = new Map<Ulid, number>();
  const claim = await claimForRestore(context, loads, signal).catch((error: unknown) => {
    throw error instanceof FencedError ? nothingRestored("writer", error) : error;
  });
  const { stored, epoch, ids, logEnds, foundSeq, lastSeq } = claim;
  for (const id of loads.keys()) ids.raiseAbove(id);
  const tables = prepared.rows.filter((queued) => !Array.isArray(queued)).length;
  let sstsStored = 0;
  const onStored = (): void => report("storing", ++sstsStored, tables);
  report("storing", 0, tables);
  const { blockBytes, filterBitsPerKey, unfilteredSstBytesMax } = options.settings;
  const { databaseId } = stored.current;
  const stores = { store, ids, clock: options.clock, onStored, signal };
  const sst = { databaseId, blockBytes, filterBitsPerKey, unfilteredSstBytesMax };
  const entries = await storeRows(prepared.rows, { ...stores, sst });
  report("committing", tables, tables);
  const { checkpoint, pinned } = prepared;
  const l0 = [...pinned.l0, ...entries];
  const named = {
    ...prepared.named,
    ssts: new Set([
      ...prepared.named.ssts,
      ...entries.flatMap((entry) => entry.ssts.map(({ id }) => id)),
    ]),
  };
  const createdAt = Math.floor(options.clock.now());
  const keepAs = { id: ids.next(), name, ttlMs, createdAt };
  const { runs, requiredFeatures } = pinned;
  const restoration: RestorationToCommit = {
    ...{ epoch, checkpoint, l0, runs, requiredFeatures, named },
    owners: prepared.named.owners,
    ...{ replacedLoads: loads, logEnds, foundSeq, lastSeq, writerFloor: keepAs.id, keepAs },
  };
  const manifest = await commitRestore(context, claim, restoration, signal);
  const hint = new HintWriter(stored, options.clock);
  await hint.finish();
  await context.stored.refresh({ signal }).catch(() => undefined);
  return {
    checkpoint: toCheckpointInfo(manifest.checkpoints.find(({ id }) => id === keepAs.id)!),
    ...{ seq: manifest.lastSeq, manifestNumber: manifest.number },
  };
}

async function prepare(
  context: AdminContext,
  idOrName: string,
  name: string,
  signal: AbortSignal | undefined,
): Promise<Prepared> {
  const { stored, store, walPlace, manifests, options } = context;
  const newest = await stored.refresh({ signal });
  if (newest.destroyed) throw new NotFoundError(`The database at ${context.name} was destroyed.`);
  if (newest.pinned.encryption !== 0) {
    throw new UnsupportedError(
      `The database at ${context.name} is encrypted (mode ${newest.pinned.encryption}), which this version of Moraine does not know. Use a later version.`,
    );
  }
  if (repinWal(newest, walPlace) !== newest.pinned) {
    throw new InvalidArgumentError(
      'The write-ahead log of this database is in another place than this handle was told. Leave "wal" out, or give the place that it has.',
    );
  }
  const checkpoint = requireCheckpoint(newest, idOrName);
  requireFreeName(newest, name);
  const { manifestNumber } = checkpoint;
  const found =
    manifestNumber === newest.number
      ? newest
      : (await manifests.get(manifestNumber, signal))?.manifest;
  if (found === undefined) {
    throw new CorruptionError(
      ObjectPaths.manifest(manifestNumber),
      `it is missing, and checkpoint "${idOrName}" names it`,
    );
  }
  const named = await namedState(store, found, signal);
  requireRestorable(newest, { checkpoint, owners: named.owners });
  const { databaseId } = newest;
  const { memTableBytes } = options.settings;
  const rows = await readRows({
    walStore: walStoreOf(context, found),
    ...{ databaseId, checkpoint, pinned: found, memTableBytes, signal },
  });
  return { checkpoint, pinned: found, named, rows };
}

/** As a writer does; of what the logs hold only the loads are of interest, by their SSTs. */
function claimForRestore(
  { store, walStore, walPlace, options, name }: AdminContext,
  loads: Map<Ulid, number>,
  signal: AbortSignal | undefined,
): Promise<Claim> {
  const { clock, random, settings } = options;
  return claimDatabase({
    ...{ store, walStore, walPlace, clock, random, settings, signal, place: name },
    ...{ create: "never", mergeOperators: undefined },
    onReplayed: (object) => {
      for (const part of walParts(object, ObjectPaths.wal(object.epoch, object.id))) {
        for (const entry of part.loaded ?? []) {
          for (const { id } of entry.ssts) loads.set(id, entry.seq);
        }
      }
    },
  });
}
