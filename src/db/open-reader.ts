/** Opening for reading: checks the options, finds the newest state, and puts together what a `DbReader` shows of it. */
import { NotFoundError } from "../common/errors.js";
import { lazy } from "../common/lazy.js";
import { findNewest, findRecent } from "../manifest/find-newest.js";
import { ManifestStore } from "../manifest/manifest-store.js";
import { instantOf } from "../manifest/stored-manifest.js";
import { type Location, type OpenLocation, openLocation } from "./location.js";
import {
  type CheckedReaderOptions,
  checkReaderOptions,
  type ReaderOptions,
} from "./reader-options.js";
import type { ReaderParts } from "./start-reader.js";
import { openWalPlace, type WalPlace } from "./wal-place.js";
import { wrapStore } from "./wrap-store.js";

const starter = lazy(() => import("./start-reader.js"));

export async function openReader(
  location: Location,
  options: ReaderOptions | undefined,
): Promise<ReaderParts> {
  const checked = checkReaderOptions(options);
  const place = await openLocation(location);
  let walPlace: WalPlace | undefined;
  try {
    walPlace = await openWalPlace(options?.wal, place);
    checked.signal?.throwIfAborted();
    return await find(place, walPlace, checked);
  } catch (error) {
    place.close();
    walPlace?.open?.close();
    throw error;
  }
}

async function find(
  place: OpenLocation,
  walPlace: WalPlace | undefined,
  options: CheckedReaderOptions,
): Promise<ReaderParts> {
  const { settings, clock, signal } = options;
  const wrapped = wrapStore(place, options);
  const manifests = new ManifestStore(wrapped.store);
  const searchedAt = instantOf(clock);
  const retentionMs = settings.manifestRetentionMs;
  // One that follows looks for the newest once it has read the log: what that has lost meanwhile is in a manifest that is found after it.
  const find = options.standing === undefined ? findRecent : findNewest;
  const finding = find(manifests, { clock, retentionMs, signal });
  // Loaded while the store answers the first request.
  const [found, { startReader }] = await Promise.all([finding, starter()]);
  if (found === undefined || found.destroyed) {
    throw new NotFoundError(
      `There is no database at "${place.path || place.store.id}". A reader makes none: open it with Db.open first.`,
    );
  }
  const closeStore = (): void => {
    place.close();
    walPlace?.open?.close();
  };
  return startReader({
    ...{ found, searchedAt, manifests, wrapped, walPlace, options, closeStore },
  });
}
