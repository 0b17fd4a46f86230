/**
 * `destroy`: the end of a database. Both epochs are claimed and every log is closed, so that nobody goes on; then one commit says that the
 * database is destroyed and names nothing; then its objects are deleted. What has to outlive it stays: the last manifest and its hint, the fences,
 * and the newest state of compactions. Cut off at any moment, the next call goes on from there.
 */
import { CorruptionError, InvalidArgumentError, NotFoundError } from "../common/errors.js";
import { checkOptions, requireBoolean, requireFunction, requireSignal } from "../common/options.js";
import { CompactionsStore } from "../compaction/compactions-store.js";
import { giveUpJobs } from "../compaction/job-transitions.js";
import { StoredCompactions } from "../compaction/stored-compactions.js";
import type { Manifest } from "../format/manifest.js";
import { releaseExternals } from "../gc/release-externals.js";
import { claimCompactor } from "../manifest/compaction-transitions.js";
import { destroyDatabase } from "../manifest/destroy-transition.js";
import type { CommitOptions } from "../manifest/stored-manifest.js";
import { claimWriter, firstWalId } from "../manifest/transitions.js";
import {
  ObjectPaths,
  parseRetiredListPath,
  parseRunPath,
  parseSstPath,
} from "../object-store/paths.js";
import { closeLog } from "../wal/close-log.js";
import { replayLog } from "../wal/replay.js";
import type { AdminContext } from "./context.js";
import { askHolders, refuseClones } from "./destroy-clones.js";
import {
  type DeletedObjects,
  type DestroyProgress,
  deleteObjects,
  type KeptObjects,
} from "./destroy-objects.js";
import { storeAt } from "./neighbour.js";

export interface DestroyOptions {
  /** The id of the database, or its path in the store: so that nothing is destroyed by a slip. */
  confirm: string;
  /**
   * Also where clones that hold checkpoints of it are not found, and where a database that it holds something of is not found: they are gone. A clone
   * that is only out of sight loses its data; one that is found still refuses. Default: false.
   */
  force?: boolean | undefined;
  /** What is deleted stays so; another call goes on. */
  signal?: AbortSignal | undefined;
  /** Called after each request that has deleted objects. */
  onProgress?: ((progress: DestroyProgress) => void) | undefined;
}

export interface DestroyResult {
  readonly databaseId: string;
  /** The last manifest, which says that the database is destroyed. */
  readonly manifestNumber: number;
  readonly deleted: DeletedObjects;
  /** What stays for good, or until it is a day old: another call after that deletes it. */
  readonly kept: KeptObjects;
  /** Names of objects at the path that are none of this database, at most 100, and how many there are. They stay. */
  readonly foreign: readonly string[];
  readonly foreignCount: number;
  /**
   * Paths of databases that this one, a clone, has objects of and that were not found: they may keep these for it. Call again where they can be reached,
   * or with `force` when they are gone.
   */
  readonly notReleased: readonly string[];
}

export async function destroy(
  context: AdminContext,
  given: DestroyOptions,
): Promise<DestroyResult> {
  checkOptions(given, ["confirm", "force", "signal", "onProgress"], "destroy");
  const { confirm, force, signal, onProgress } = given ?? {};
  requireSignal(signal);
  requireFunction(onProgress, "onProgress");
  requireBoolean(force, "force");
  const { stored, options } = context;
  signal?.throwIfAborted();
  const newest = await stored.refresh({ signal });
  requireConfirmation(context, newest, confirm);
  if (!newest.destroyed) await end(context, newest, { force, signal });
  const last = stored.current;
  await putHint(context, signal);
  const found = await deleteObjects(context, last, { signal, onProgress });
  const { clock, random, settings } = options;
  const notReleased: string[] = [];
  await releaseExternals(stored, {
    ...{ force, onNotFound: (path: string) => notReleased.push(path) },
    at: (path) => storeAt(context, path).store,
    ...{ clock, random, retentionMs: settings.manifestRetentionMs, signal },
  });
  if (stored.current !== last) await putHint(context, signal);
  const { databaseId, number: manifestNumber } = stored.current;
  return { databaseId, manifestNumber, ...found, notReleased };
}

function requireConfirmation(
  { place, name }: AdminContext,
  { databaseId }: Manifest,
  confirm: unknown,
): void {
  const { path } = place.namespace;
  const names = [databaseId, path, `/${path}`, ...(place.path === "" ? [] : [place.path])];
  if (names.some((name) => name === confirm)) return;
  throw new InvalidArgumentError(
    `Destroying the database at ${name} deletes all of it. Say which one you mean: "confirm" must be its id, "${databaseId}", or its path, "${path}".`,
  );
}

/** Up to the commit after which there is no database any more. */
async function end(
  context: AdminContext,
  newest: Manifest,
  { force, signal }: Pick<DestroyOptions, "force" | "signal">,
): Promise<void> {
  const { stored, store, options, ids } = context;
  const holders = await askHolders(context, newest, signal);
  refuseClones(newest, holders, force);
  const claimed = await stored.commit(
    (manifest) => {
      if (manifest.destroyed) throw new NotFoundError("The database was destroyed meanwhile.");
      refuseClones(manifest, holders, force);
      // The one fence that a log needs which nobody writes to.
      return claimCompactor(0)(claimWriter({ putsInFlight: 1 })(manifest));
    },
    { signal },
  );
  const { writerEpoch: epoch, compactorEpoch, databaseId } = claimed;
  const roles: CommitOptions = { epoch, compactorEpoch, signal };
  const lastSeq = await closeLogs(context, claimed, roles);
  const { clock, random, settings } = options;
  const jobs = new StoredCompactions(new CompactionsStore(store, databaseId), {
    ...{ clock, random, retentionMs: settings.manifestRetentionMs },
  });
  await despiteDamage(() =>
    jobs.commit(giveUpJobs(compactorEpoch), { epoch: compactorEpoch, signal }),
  );
  for (const prefix of [ObjectPaths.sstPrefix, ObjectPaths.runPrefix, ObjectPaths.retiredPrefix]) {
    for await (const { key } of store.list({ prefix, signal })) {
      const id = parseSstPath(key) ?? parseRunPath(key) ?? parseRetiredListPath(key);
      if (id !== undefined) ids.raiseAbove(id);
    }
  }
  const floor = ids.next();
  const check = (manifest: Manifest): void => refuseClones(manifest, holders, force);
  await stored.commit(destroyDatabase({ lastSeq, floor, check }), roles);
}

/** Gives the last seq that is found. A damaged log is no reason to keep the database: then it is the last that the manifest knows. */
async function closeLogs(
  { walStore: store, stored, options }: AdminContext,
  claimed: Manifest,
  roles: CommitOptions,
): Promise<number> {
  const { databaseId, walChain, writerEpoch: closerEpoch } = claimed;
  const { signal } = roles;
  let lastSeq = claimed.lastSeq;
  for (const { epoch, putsInFlight } of walChain) {
    if (epoch === closerEpoch) continue;
    await despiteDamage(async () => {
      const fromId = firstWalId(claimed, epoch);
      const about = { store, databaseId, random: options.random, signal, closerEpoch };
      const log = await closeLog({ ...about, epoch, fromId, putsInFlight });
      if (log === undefined) return;
      const apply = (object: { lastSeq: number }): void => {
        lastSeq = Math.max(lastSeq, object.lastSeq);
      };
      await replayLog({ store, databaseId, log, signal, apply });
    });
  }
  await stored.refresh(roles);
  return lastSeq;
}

async function despiteDamage(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error;
  }
}

/** Put again by each call: its store time is what the ages of other objects are measured by. */
async function putHint(
  { stored, manifests }: AdminContext,
  signal: AbortSignal | undefined,
): Promise<void> {
  const bytes = stored.ownBytes ?? (await manifests.get(stored.current.number, signal))?.bytes;
  if (bytes !== undefined) await manifests.putHint(bytes, signal);
}
