/** The public names of `moraine/gc`: collection in a process of its own, such as a nightly job. Nothing here loads a cloud SDK. */
import { type Clock, systemClock } from "../common/clock.js";
import { InvalidArgumentError } from "../common/errors.js";
import {
  asOfNow,
  checkOptions,
  requireBoolean,
  requireInteger,
  requireSignal,
} from "../common/options.js";
import { type Random, systemRandom } from "../common/random.js";
import type { CollectionResult } from "../gc/collection-result.js";
import { Collector } from "../gc/collector.js";
import { Sweep } from "../gc/sweep.js";
import type { SweepResult } from "../gc/sweep-result.js";
import { findNewest } from "../manifest/find-newest.js";
import { ManifestStore } from "../manifest/manifest-store.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { describeLocation, type Location, type OpenLocation, openLocation } from "./location.js";
import {
  type Settings,
  type StoreSettingName,
  settingsTable,
  storeSettingNames,
  toReaderSettings,
} from "./settings.js";
import { openWalPlace, type WalOption } from "./wal-place.js";
import { wrapStore } from "./wrap-store.js";

export type { FreedObjects } from "../gc/collection-result.js";
export type { SweepResult, SweptObjects } from "../gc/sweep-result.js";
export type { Location } from "./location.js";
export type { WalOption } from "./wal-place.js";

export type StoreSettingsOptions = { [name in StoreSettingName]?: number | undefined };

export interface CollectOptions extends StoreSettingsOptions {
  /** Says what would be deleted, and deletes nothing. Default: false. */
  dryRun?: boolean | undefined;
  /**
   * How long what is no longer needed is kept, in ms by the store's clock, for readers of other processes that hold no checkpoint. From 0, default 1 h
   * as `gcGraceMs`, at most `manifestRetentionMs`.
   */
  graceMs?: number | undefined;
  /** Looks for orphans too: objects that were uploaded and never became a part of the database. It lists everything. Default: false. */
  sweep?: boolean | undefined;
  /** Where the log is, when that is a store of its own: as of `Db.open`. Without it, a log elsewhere is left as it is. */
  wal?: WalOption | undefined;
  /** Time, for tests. Default: the system's. */
  clock?: Clock | undefined;
  /** Randomness, for tests. Default: the system's. */
  random?: Random | undefined;
  /** What has been deleted by then stays deleted; the next collection goes on. */
  signal?: AbortSignal | undefined;
}

export interface CollectReport extends CollectionResult {
  /** What `sweep` has found. */
  readonly sweep: SweepResult | undefined;
}

const names = ["dryRun", "graceMs", "sweep", "wal", "clock", "random", "signal"] as const;

/**
 * Deletes what no manifest and no checkpoint needs any more, old manifests among it, and drops checkpoints that have expired. Safe beside writers, readers,
 * compactors, and other collections. `NotFoundError` when there is no database.
 */
export async function collect(location: Location, given?: CollectOptions): Promise<CollectReport> {
  const options = checked(asOfNow(given) ?? {});
  const { clock, random, graceMs, dryRun, signal, settings } = options;
  const place = await openLocation(asOfNow(location));
  let walPlace: OpenLocation | undefined;
  try {
    walPlace = (await openWalPlace(options.wal, place))?.open;
    const { store, at } = wrapStore(place, options);
    if (walPlace !== undefined) await requirePinned(walPlace, store, options);
    const collecting = {
      ...{ store, at, clock, random, retentionMs: settings.manifestRetentionMs },
      walStore: walPlace && wrapStore(walPlace, options).store,
      place: describeLocation(location),
    };
    const collected = await new Collector(collecting).runOnce({ graceMs, dryRun, signal });
    const sweep = options.sweep
      ? await new Sweep(collecting).runOnce({ dryRun, signal })
      : undefined;
    const requests = collected.requests + (sweep?.requests ?? 0);
    return { ...collected, sweep, requests, isDone: collected.isDone && (sweep?.isDone ?? true) };
  } finally {
    walPlace?.close();
    place.close();
  }
}

type Checked = Pick<CollectOptions, "wal" | "signal"> & {
  readonly dryRun: boolean;
  readonly sweep: boolean;
  readonly graceMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: Settings;
};

function checked(options: CollectOptions): Checked {
  checkOptions(options, [...names, ...storeSettingNames], "collect");
  const { dryRun = false, sweep = false, wal, signal } = options;
  requireBoolean(dryRun, "dryRun");
  requireBoolean(sweep, "sweep");
  requireSignal(signal);
  const { requestsInFlight, storeDeadlineMs, manifestRetentionMs } = options;
  const settings = toReaderSettings({ requestsInFlight, storeDeadlineMs, manifestRetentionMs });
  const { graceMs = settingsTable.gcGraceMs.default } = options;
  requireInteger(graceMs, "graceMs", 0, settings.manifestRetentionMs);
  const { clock = systemClock, random = systemRandom } = options;
  return { dryRun, sweep, wal, signal, graceMs, clock, random, settings };
}

/** Objects of another log, below the same names, are none of this database's. */
async function requirePinned(
  walPlace: OpenLocation,
  store: ObjectStore,
  { clock, signal, settings }: Checked,
): Promise<void> {
  const retentionMs = settings.manifestRetentionMs;
  const newest = await findNewest(new ManifestStore(store), { clock, retentionMs, signal });
  const { walStoreId, walPath } = newest?.pinned ?? { walStoreId: "", walPath: "" };
  if (newest === undefined || (walStoreId === walPlace.store.id && walPath === walPlace.path)) {
    return;
  }
  throw new InvalidArgumentError(
    `The log of this database is ${walStoreId === "" ? "not on a store of its own" : `on the store ${walStoreId} at "${walPath}"`}, not where "wal" says.`,
  );
}
