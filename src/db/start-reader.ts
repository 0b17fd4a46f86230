/** Starting a reader: puts the parts of a `DbReader` together around the newest manifest. */
import type { Clock } from "../common/clock.js";
import { InvalidArgumentError, NotFoundError, UnsupportedError } from "../common/errors.js";
import { seqMax } from "../common/row.js";
import type { Manifest } from "../format/manifest.js";
import type { ManifestStore } from "../manifest/manifest-store.js";
import { type Instant, StoredManifest } from "../manifest/stored-manifest.js";
import { MemTable } from "../memtable/mem-table.js";
import type { GivenOperators } from "../merge/given-operators.js";
import { engine, type ReadEngine } from "../read/engine.js";
import { WalFollower } from "../wal/wal-follower.js";
import { Caches } from "./caches.js";
import { ChangeFeeds, type FeedHandle } from "./change-feeds.js";
import { DbState } from "./db-state.js";
import { Following, type FollowingHandle } from "./following.js";
import type { ViewSource } from "./read-view.js";
import type { CheckedReaderOptions } from "./reader-options.js";
import { ReaderPin } from "./reader-pin.js";
import type { Settings } from "./settings.js";
import { Snapshots } from "./snapshots.js";
import { standAt } from "./standing-state.js";
import { repinWal, type WalPlace } from "./wal-place.js";
import { type WrappedStore, wrapStore } from "./wrap-store.js";

export interface ReaderParts {
  engine: ReadEngine;
  /** Undefined where no log is followed. */
  openFeeds: ((handle: FollowedHandle) => ChangeFeeds) | undefined;
  /** Undefined for a reader that stands still. */
  follow: ((handle: FollowingHandle) => Following) | undefined;
  /** What is seen before anything is followed. */
  seq: number;
  state: DbState;
  /** What reads of a reader that stands still go on with. */
  newer: ViewSource | undefined;
  pin: ReaderPin | undefined;
  snapshots: Snapshots;
  clock: Clock;
  settings: Settings;
  wrapped: WrappedStore;
  caches: Caches;
  mergeOperators: GivenOperators;
  pollIntervalMs: number;
  closeStore: () => void;
}

/** What change feeds need of a reader that follows. */
export type FollowedHandle = Omit<FeedHandle, "store" | "manifests" | "positionAfter" | "seqMax">;

export interface StartOptions {
  /** For a reader that stands still the newest manifest; for others one from which that is found. */
  readonly found: Manifest;
  /** When the search for it began. */
  readonly searchedAt: Instant;
  readonly manifests: ManifestStore;
  readonly wrapped: WrappedStore;
  /** What the reader was told of the WAL's place. */
  readonly walPlace: WalPlace | undefined;
  readonly options: CheckedReaderOptions;
  readonly closeStore: () => void;
}

export async function startReader(start: StartOptions): Promise<ReaderParts> {
  const { found, searchedAt, manifests, wrapped, options, closeStore } = start;
  const { settings, clock, random, standing, signal } = options;
  requireReadable(found, start);
  const stored = new StoredManifest(manifests, found, {
    ...{ clock, random, retentionMs: settings.manifestRetentionMs, searchedAt },
  });
  const pin = options.pin
    ? new ReaderPin({ stored, clock, random, ttlMs: options.pinTtlMs })
    : undefined;
  const caches = new Caches(wrapped.store, found.databaseId, options);
  const common = {
    ...{ engine, pin, clock, settings, wrapped, caches, closeStore },
    ...{ snapshots: new Snapshots(), mergeOperators: options.mergeOperators },
    pollIntervalMs: options.pollIntervalMs,
  };
  try {
    if (standing === undefined) return { ...common, ...(await follow(start, stored, pin)) };
    const { memTableBytes } = settings;
    const walStore = walStoreOf(start);
    const { state, seq, newer } = await standAt(standing, {
      ...{ stored, store: wrapped.store, walStore, pin, memTableBytes, signal },
    });
    return { ...common, state, seq, newer, follow: undefined, openFeeds: undefined };
  } catch (error) {
    await pin?.release();
    throw error;
  }
}

/** Nothing is looked for but what it takes to pin the newest state: the reader's first look finds the rest. */
async function follow(
  start: StartOptions,
  stored: StoredManifest,
  pin: ReaderPin | undefined,
): Promise<Pick<ReaderParts, "state" | "seq" | "newer" | "follow" | "openFeeds">> {
  const { manifests, options } = start;
  const { signal, tail, settings } = options;
  let manifest = start.found;
  if (pin !== undefined) {
    await stored.refresh({ signal });
    requireReadable(stored.current, start);
    manifest = await pin.take([], signal);
    pin.standsAt(manifest);
  }
  const state = new DbState(manifest, new MemTable());
  const walStore = walStoreOf(start);
  const follower = tail ? new WalFollower(walStore, manifest) : undefined;
  return {
    ...{ state, seq: manifest.lastL0Seq, newer: undefined },
    follow: (handle) => {
      const following = new Following(
        {
          ...{ stored, state, follower, pin, memTableBytes: settings.memTableBytes },
          requireReadable: (later) => requireReadable(later, start),
        },
        handle,
      );
      if (pin !== undefined) pin.onLost = () => handle.lookAgain();
      return following;
    },
    openFeeds:
      follower &&
      ((handle) =>
        new ChangeFeeds({
          ...{ ...handle, store: walStore, manifests },
          positionAfter: (seq) => (seq < handle.readView().seq ? undefined : handle.end()),
          // Others may have seen more than this reader has.
          seqMax: () => seqMax,
        })),
  };
}

function walStoreOf({ walPlace, wrapped, options }: StartOptions): WrappedStore["store"] {
  return walPlace?.open ? wrapStore(walPlace.open, options, wrapped.counts).store : wrapped.store;
}

function requireReadable(manifest: Manifest, { walPlace, options }: StartOptions): void {
  if (manifest.destroyed) {
    throw new NotFoundError("The database was destroyed.");
  }
  if (manifest.pinned.encryption !== 0) {
    throw new UnsupportedError(
      `The database is encrypted (mode ${manifest.pinned.encryption}), which this version of Moraine does not know. Use a later version.`,
    );
  }
  // Who reads no log need not be told where it is.
  if (!options.tail && walPlace === undefined) return;
  // A reader changes nothing: it has to be given the place that is pinned.
  if (repinWal(manifest, walPlace) !== manifest.pinned) {
    throw new InvalidArgumentError(
      'The write-ahead log of this database is in another place than this reader was told. Leave "wal" out, or give the place that it has.',
    );
  }
}
