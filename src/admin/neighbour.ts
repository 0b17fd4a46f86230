/** Another database of the same namespace, opened only to commit to its manifest: a clone's parent, or whose objects it names beside. */
import { type WrappedStore, wrapStore } from "../db/wrap-store.js";
import { findNewest } from "../manifest/find-newest.js";
import { ManifestStore } from "../manifest/manifest-store.js";
import { instantOf, StoredManifest } from "../manifest/stored-manifest.js";
import type { AdminContext } from "./context.js";

/** The store of the database at another path, with the limits, the retries and the counts of this handle. */
export function storeAt(
  { place, wrapped, options }: Pick<AdminContext, "place" | "wrapped" | "options">,
  path: string,
): WrappedStore {
  const { namespace } = place;
  const at = { ...place, store: namespace.at(path), path: "", namespace: { ...namespace, path } };
  return wrapStore(at, options, wrapped.counts);
}

/** Undefined where there is no database any more. */
export async function openNeighbour(
  context: Pick<AdminContext, "place" | "wrapped" | "options">,
  path: string,
  signal: AbortSignal | undefined,
): Promise<StoredManifest | undefined> {
  const { clock, random, settings } = context.options;
  const retentionMs = settings.manifestRetentionMs;
  const manifests = new ManifestStore(storeAt(context, path).store);
  const searchedAt = instantOf(clock);
  const newest = await findNewest(manifests, { clock, retentionMs, signal });
  return (
    newest && new StoredManifest(manifests, newest, { clock, random, retentionMs, searchedAt })
  );
}
