/** Opening a database for administration: finds the newest manifest, and writes nothing. */
import { NotFoundError } from "../common/errors.js";
import { UlidFactory } from "../common/ids.js";
import { raiseAboveAll } from "../db/claim.js";
import { describeLocation, type Location, openLocation } from "../db/location.js";
import { openWalPlace, repinWal, type WalPlace } from "../db/wal-place.js";
import { wrapStore } from "../db/wrap-store.js";
import { findNewest } from "../manifest/find-newest.js";
import { ManifestStore } from "../manifest/manifest-store.js";
import { instantOf, StoredManifest } from "../manifest/stored-manifest.js";
import { type AdminOptions, checkAdminOptions } from "./admin-options.js";
import type { AdminContext } from "./context.js";

export async function openContext(
  location: Location,
  given: AdminOptions | undefined,
): Promise<AdminContext> {
  const options = checkAdminOptions(given, "Admin.open");
  const { settings, clock, random, signal } = options;
  const place = await openLocation(location);
  let walPlace: WalPlace | undefined;
  try {
    walPlace = await openWalPlace(given?.wal, place);
    const wrapped = wrapStore(place, options);
    const { store } = wrapped;
    const manifests = new ManifestStore(store);
    const searchedAt = instantOf(clock);
    const retentionMs = settings.manifestRetentionMs;
    const name = describeLocation(location);
    const newest = await findNewest(manifests, { clock, retentionMs, signal });
    if (newest === undefined) throw new NotFoundError(`There is no database at ${name}.`);
    repinWal(newest, walPlace);
    const stored = new StoredManifest(manifests, newest, {
      ...{ clock, random, retentionMs, searchedAt },
    });
    const ids = new UlidFactory(clock, random);
    raiseAboveAll(ids, newest);
    const walStore = walPlace?.open
      ? wrapStore(walPlace.open, options, wrapped.counts).store
      : store;
    return {
      ...{ place, wrapped, store, walStore, walPlace, manifests, stored, ids, options, name },
    };
  } catch (error) {
    place.close();
    walPlace?.open?.close();
    throw error;
  }
}
