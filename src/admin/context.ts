/** `AdminContext`: what every operation of an administrator works with: the database's place, its store, and the newest manifest known. */
import type { UlidFactory } from "../common/ids.js";
import type { OpenLocation } from "../db/location.js";
import type { WalPlace } from "../db/wal-place.js";
import type { WrappedStore } from "../db/wrap-store.js";
import type { ManifestStore } from "../manifest/manifest-store.js";
import type { StoredManifest } from "../manifest/stored-manifest.js";
import type { ObjectStore } from "../object-store/object-store.js";
import type { CheckedAdminOptions } from "./admin-options.js";

export interface AdminContext {
  readonly place: OpenLocation;
  readonly wrapped: WrappedStore;
  /** At the database's path; `wrapped.store`. */
  readonly store: ObjectStore;
  /** Where its logs are: the same store, or the one that the options gave. */
  readonly walStore: ObjectStore;
  /** What the options said of the WAL's place. */
  readonly walPlace: WalPlace | undefined;
  readonly manifests: ManifestStore;
  /** Refresh it before anything is decided: another process may have committed since. */
  readonly stored: StoredManifest;
  /** Raised above every id that the manifest knew when it was opened. */
  readonly ids: UlidFactory;
  readonly options: CheckedAdminOptions;
  /** What the location is called in messages. */
  readonly name: string;
}
