/** Starting a reader: puts the parts of a `DbReader` together around the newest manifest. */
import type { Clock } from "../common/clock.js";
import {
  CorruptionError,
  InvalidArgumentError,
  NotFoundError,
  UnsupportedError,
} from "../common/errors.js";
import { seqMax } from "../common/row.js";
import type { Manifest } from "../format/manifest.js";
import type { ManifestStore } from "../manifest/manifest-store.js";
import { type Instant, StoredManifest } from "../manifest/stored-manifest.js";
import { MemTable } from "../memtable/mem-table.js";
import type { GivenOperators } from "../merge/given-operators.js";
import { ObjectPaths } from "../object-store/paths.js";
import { engine, type ReadEngine } from "../read/engine.js";
import { WalFollower } from "../wal/wal-follower.js";
import { applyObject } from "./apply-object.js";
import { Caches } from "./caches.js";
import { ChangeFeeds, type FeedHandle } from "./change-feeds.js";
import { DbState } from "./db-state.js";
import type { CheckedOptions } from "./open-options.js";
import type { Settings } from "./settings.js";
import { Snapshots } from "./snapshots.js";
import { repinWal, type WalPlace } from "./wal-place.js";
import { type WrappedStore, wrapStore } from "./wrap-store.js";

export interface ReaderParts {
  engine: ReadEngine;
  /** Undefined at a checkpoint. */
  openFeeds: ((handle: FollowedHandle) => ChangeFeeds) | undefined;
  stored: StoredManifest;
  /** Undefined at a checkpoint: there is nothing to follow. */
  follower: WalFollower | undefined;
  state: DbState;
  snapshots: Snapshots;
  clock: Clock;
  settings: Settings;
  wrapped: WrappedStore;
  caches: Caches;
  mergeOperators: GivenOperators;
  pollIntervalMs: number;
  applyObject: typeof applyObject;
  /** Throws when this reader was not told where the manifest's WAL is. */
  requireReadable: (manifest: Manifest) => void;
  closeStore: () => void;
}

/** What change feeds need of a reader that follows. */
export type FollowedHandle = Omit<FeedHandle, "store" | "manifests" | "positionAfter" | "seqMax">;

export interface StartOptions {
  readonly newest: Manifest;
  /** When the search for it began. */
  readonly searchedAt: Instant;
  readonly manifests: ManifestStore;
  readonly wrapped: WrappedStore;
  /** What the reader was told of the WAL's place. */
  readonly walPlace: WalPlace | undefined;
  readonly options: CheckedOptions;
  readonly pollIntervalMs: number;
  readonly checkpoint: string | undefined;
  readonly closeStore: () => void;
}

export async function startReader(start: StartOptions): Promise<ReaderParts> {
  const { newest, searchedAt, manifests, wrapped, walPlace, options, checkpoint } = start;
  const { settings, clock, random, signal } = options;
  const { store } = wrapped;
  requireReadable(newest, walPlace);
  const caches = new Caches(store, newest.databaseId, options);
  const stored = new StoredManifest(manifests, newest, {
    ...{ clock, random, retentionMs: settings.manifestRetentionMs, searchedAt },
  });
  const manifest =
    checkpoint === undefined ? newest : await checkpointed(manifests, newest, checkpoint, signal);
  const state = new DbState(manifest, new MemTable());
  const walStore = walPlace?.open ? wrapStore(walPlace.open, options, wrapped.counts).store : store;
  const follower = checkpoint === undefined ? new WalFollower(walStore, newest) : undefined;
  return {
    ...{ engine, stored, follower, state, clock, settings, wrapped, caches, applyObject },
    snapshots: new Snapshots(),
    mergeOperators: options.mergeOperators,
    openFeeds:
      follower &&
      ((handle) =>
        new ChangeFeeds({
          ...{ ...handle, store: walStore, manifests },
          positionAfter: (seq) => (seq < handle.readView().seq ? undefined : handle.end()),
          // Others may have seen more than this reader has.
          seqMax: () => seqMax,
        })),
    pollIntervalMs: start.pollIntervalMs,
    requireReadable: (later) => requireReadable(later, walPlace),
    closeStore: start.closeStore,
  };
}

/** The manifest that a checkpoint, given by id or name, pins. */
async function checkpointed(
  manifests: ManifestStore,
  newest: Manifest,
  wanted: string,
  signal: AbortSignal | undefined,
): Promise<Manifest> {
  const checkpoint =
    newest.checkpoints.find((candidate) => candidate.id === wanted) ??
    newest.checkpoints.find((candidate) => candidate.name === wanted);
  if (checkpoint === undefined) {
    const names = newest.checkpoints.map((candidate) => `"${candidate.name || candidate.id}"`);
    throw new NotFoundError(
      `There is no checkpoint "${wanted}". ${names.length === 0 ? "The database has none." : `There are ${names.slice(0, 10).join(", ")}.`}`,
    );
  }
  const number = checkpoint.manifestNumber;
  if (number === newest.number) return newest;
  const found = await manifests.get(number, signal);
  if (found === undefined) {
    throw new CorruptionError(
      ObjectPaths.manifest(number),
      `it is missing, and checkpoint "${wanted}" names it`,
    );
  }
  return found.manifest;
}

function requireReadable(manifest: Manifest, walPlace: WalPlace | undefined): void {
  if (manifest.pinned.encryption !== 0) {
    throw new UnsupportedError(
      `The database is encrypted (mode ${manifest.pinned.encryption}), which this version of Moraine does not know. Use a later version.`,
    );
  }
  // A reader changes nothing: it has to be given the place that is pinned.
  if (repinWal(manifest, walPlace) !== manifest.pinned) {
    throw new InvalidArgumentError(
      'The write-ahead log of this database is in another place than this reader was told. Leave "wal" out, or give the place that it has.',
    );
  }
}
