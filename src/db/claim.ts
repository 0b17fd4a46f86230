/** Claiming a database for writing: find or make it, take the next epoch, close and replay the logs that are left. */
import type { Clock } from "../common/clock.js";
import { CorruptionError, ExistsError, NotFoundError, UnsupportedError } from "../common/errors.js";
import { UlidFactory } from "../common/ids.js";
import type { Random } from "../common/random.js";
import {
  type L0Entry,
  type Manifest,
  type PinnedSettings,
  WalLocation,
} from "../format/manifest.js";
import type { WalObject } from "../format/wal-object.js";
import { createAgain } from "../manifest/destroy-transition.js";
import { findNewest } from "../manifest/find-newest.js";
import { ManifestStore } from "../manifest/manifest-store.js";
import { instantOf, StoredManifest } from "../manifest/stored-manifest.js";
import { claimWriter, emptyManifest, firstWalId } from "../manifest/transitions.js";
import { type GivenOperators, requireAllGiven } from "../merge/given-operators.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { ObjectPaths } from "../object-store/paths.js";
import { probeConditionalCreate } from "../object-store/probe.js";
import { type ClosedLog, closeLog } from "../wal/close-log.js";
import { replayLog } from "../wal/replay.js";
import { ReplayedRows } from "../wal/replayed-rows.js";
import { WalIndex } from "../wal/wal-index.js";
import type { Settings } from "./settings.js";
import { repinWal, type WalPlace } from "./wal-place.js";

export type CreateMode = "if-missing" | "never" | "must";

export interface ClaimOptions {
  store: ObjectStore;
  /** Where logs are read and closed: the same store, or the WAL's own. */
  walStore: ObjectStore;
  /** What the handle asks for; undefined: what is pinned. */
  walPlace: WalPlace | undefined;
  clock: Clock;
  random: Random;
  settings: Settings;
  /** Undefined: nothing is folded through this claim, so that none has to be given. */
  mergeOperators: GivenOperators | undefined;
  /** Is given what older logs hold, object after object, instead of `replayed`. Default: it is kept there, in MemTables. */
  onReplayed?: ((object: WalObject) => void) | undefined;
  create: CreateMode;
  signal: AbortSignal | undefined;
  /** What the location is called in messages. */
  place: string;
}

export interface Claim {
  readonly stored: StoredManifest;
  readonly ids: UlidFactory;
  readonly epoch: number;
  /** What older logs hold and L0 does not. */
  readonly replayed: ReplayedRows;
  /** The last seq that was ever given, lost ones included. */
  readonly lastSeq: number;
  /** The last seq of what was found. */
  readonly foundSeq: number;
  readonly index: WalIndex;
  readonly logEnds: ReadonlyMap<number, number>;
}

const pinned: PinnedSettings = {
  walLocation: WalLocation.store,
  walStoreId: "",
  walPath: "",
  mergeOperators: [],
  encryption: 0,
};

export async function claimDatabase(options: ClaimOptions): Promise<Claim> {
  const { clock, random, settings, signal } = options;
  const manifests = new ManifestStore(options.store);
  const ids = new UlidFactory(clock, random);
  const searchedAt = instantOf(clock);
  const base = await findOrMake(manifests, ids, options);
  const isProved = base.pinned.walLocation === WalLocation.other && !base.destroyed;
  if (options.walStore !== options.store && !isProved) {
    // The first handle that puts a log there: writers would destroy each other on a store that ignores conditions.
    await probeConditionalCreate(options.walStore, random, { signal });
  }
  const stored = new StoredManifest(manifests, base, {
    ...{ clock, random, searchedAt },
    retentionMs: settings.manifestRetentionMs,
  });
  const claim = claimWriter({
    putsInFlight: settings.walPutsInFlight,
    mergeOperators: [...(options.mergeOperators?.keys() ?? [])],
    repin: (newest) => repinWal(newest, options.walPlace),
  });
  const manifest = await stored.commit(
    (newest) => {
      requireUsable(newest, options);
      if (!newest.destroyed) return claim(newest);
      const again = repinWal({ ...newest, number: 0, pinned }, options.walPlace);
      return claim(createAgain(newest, again));
    },
    { signal },
  );
  raiseAboveAll(ids, manifest);
  const epoch = manifest.writerEpoch;
  const older = await replayOlderLogs(stored, epoch, options);
  for (const queued of older.replayed.queue) {
    if (Array.isArray(queued)) raiseAboveEntries(ids, queued);
  }
  return { stored, ids, epoch, ...older };
}

/** The newest manifest, or the empty one that the first commit builds on. */
async function findOrMake(
  manifests: ManifestStore,
  ids: UlidFactory,
  options: ClaimOptions,
): Promise<Manifest> {
  const { clock, random, settings, create, signal, place, store } = options;
  const retentionMs = settings.manifestRetentionMs;
  const newest = await findNewest(manifests, { clock, retentionMs, signal });
  if (newest !== undefined) {
    requireUsable(newest, options);
    if (newest.destroyed) await probeConditionalCreate(store, random, { signal });
    return newest;
  }
  if (create === "never") {
    throw new NotFoundError(
      `There is no database at ${place}. Open with create: "if-missing" to make one.`,
    );
  }
  await probeConditionalCreate(store, random, { signal });
  return emptyManifest(ids.next(), pinned);
}

function requireUsable(manifest: Manifest, options: ClaimOptions): void {
  if (manifest.number === 0) return;
  if (manifest.destroyed) {
    if (options.create !== "never") return;
    throw new NotFoundError(
      `The database at ${options.place} was destroyed. Open with create: "if-missing" to make a new one there.`,
    );
  }
  if (options.create === "must") {
    throw new ExistsError(`There is a database at ${options.place} already.`);
  }
  // Before anything is sent: what is pinned and what is asked for must go together.
  repinWal(manifest, options.walPlace);
  if (options.mergeOperators !== undefined) {
    requireAllGiven(manifest.pinned.mergeOperators, options.mergeOperators);
  }
  if (manifest.pinned.encryption !== 0) {
    throw new UnsupportedError(
      `The database at ${options.place} is encrypted (mode ${manifest.pinned.encryption}), which this version of Moraine does not know. Use a later version.`,
    );
  }
}

async function replayOlderLogs(
  stored: StoredManifest,
  epoch: number,
  options: ClaimOptions,
): Promise<Pick<Claim, "replayed" | "lastSeq" | "foundSeq" | "index" | "logEnds">> {
  const { walStore: store, random, signal, settings } = options;
  const manifest = stored.current;
  const { databaseId } = manifest;
  const older = manifest.walChain.filter((log) => log.epoch < epoch);
  const closed = await Promise.all(
    older.map((log) =>
      closeLog({
        ...{ store, databaseId, random, signal, closerEpoch: epoch },
        ...{ epoch: log.epoch, putsInFlight: log.putsInFlight },
        fromId: firstWalId(manifest, log.epoch),
      }),
    ),
  );
  const replayed = new ReplayedRows({
    lastL0Seq: manifest.lastL0Seq,
    memTableBytes: settings.memTableBytes,
  });
  const index = new WalIndex();
  const logEnds = new Map<number, number>();
  let foundSeq = manifest.lastL0Seq;
  for (const [i, { epoch: logEpoch }] of older.entries()) {
    const log: ClosedLog | undefined = closed[i];
    const end = log && (await replayLog({ store, databaseId, log, signal, apply }));
    if (end === undefined) throw await missingWal(stored, epoch, logEpoch, signal);
    logEnds.set(logEpoch, end);
  }
  // A newer writer may have replayed and collected what was found missing, or is about to: it shows in the manifest.
  if (older.length > 0) await stored.refresh({ epoch, ...(signal && { signal }) });
  const lastSeq = Math.max(manifest.lastSeq, foundSeq);
  return { replayed, lastSeq, foundSeq, index, logEnds };

  function apply(object: WalObject): void {
    if (options.onReplayed === undefined) replayed.apply(object);
    else options.onReplayed(object);
    index.add(object, object.lastSeq);
    foundSeq = Math.max(foundSeq, object.lastSeq);
  }
}

/** A missing object is never the end of a log: a newer writer took over, which `refresh` reports, or it is damage. */
async function missingWal(
  stored: StoredManifest,
  epoch: number,
  logEpoch: number,
  signal: AbortSignal | undefined,
): Promise<Error> {
  await stored.refresh({ epoch, ...(signal && { signal }) });
  return new CorruptionError(
    ObjectPaths.walPrefix(logEpoch),
    "an object of this log is missing below its fence",
  );
}

/** Ids are minted above every id that the manifest knows, whatever the clock says. */
export function raiseAboveAll(ids: UlidFactory, manifest: Manifest): void {
  ids.raiseAbove(manifest.writerFloor);
  ids.raiseAbove(manifest.compactorFloor);
  for (const entry of manifest.retired) for (const id of entry.ids) ids.raiseAbove(id);
  raiseAboveEntries(ids, manifest.l0);
  for (const run of manifest.runs) {
    ids.raiseAbove(run.id);
    for (const sst of run.ssts) ids.raiseAbove(sst.id);
  }
  for (const checkpoint of manifest.checkpoints) ids.raiseAbove(checkpoint.id);
}

function raiseAboveEntries(ids: UlidFactory, entries: readonly L0Entry[]): void {
  for (const entry of entries) for (const sst of entry.ssts) ids.raiseAbove(sst.id);
}
