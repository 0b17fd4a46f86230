/** `moveLongRetired`: a retired list that has grown long moves into an object of its own, so that manifests stay small. */
import type { Ulid, UlidFactory } from "../common/ids.js";
import { type Manifest, RetiredKind, type RetiredObjects } from "../format/manifest.js";
import { encodeRetiredList } from "../format/retired-list-codec.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { ObjectPaths } from "../object-store/paths.js";
import { moveRetiredToList } from "./gc-transitions.js";
import type { Transition } from "./transitions.js";

/** Ids of retired SSTs, runs and blobs that stand in the manifest itself: some 15 KiB. */
export const retiredIdsInManifestMax = 512;

/** What may be in a list object. WAL ranges stay in the manifest: change feeds read them there. */
export function isListable({ kind }: RetiredObjects): boolean {
  return kind === RetiredKind.sst || kind === RetiredKind.run || kind === RetiredKind.blob;
}

/** The entries that would move, or none while the list is short. Pure. */
export function longRetired(manifest: Manifest): readonly RetiredObjects[] {
  const entries = manifest.retired.filter(isListable);
  const count = entries.reduce((sum, entry) => sum + entry.ids.length, 0);
  return count > retiredIdsInManifestMax ? entries : [];
}

/**
 * Does nothing while the list is short. Otherwise: one PUT of the list, and the caller's commit. Gives the manifest that is the newest
 * then. No role has to be held: the transition refuses an id that a sweep may have deleted, and then the next call tries again.
 */
export async function moveLongRetired(options: {
  readonly manifest: Manifest;
  readonly store: ObjectStore;
  /** The id of the list is above all that move, and above the floors. */
  readonly ids: UlidFactory;
  readonly commit: (transition: Transition) => Promise<Manifest>;
  readonly signal?: AbortSignal | undefined;
}): Promise<Manifest> {
  const { manifest, store, ids, signal } = options;
  const moved = longRetired(manifest);
  if (moved.length === 0) return manifest;
  ids.raiseAbove(manifest.writerFloor);
  ids.raiseAbove(manifest.compactorFloor);
  for (const entry of moved) for (const id of entry.ids) ids.raiseAbove(id);
  const list: Ulid = ids.next();
  const path = ObjectPaths.retiredList(list);
  const request = { signal, background: true };
  await store.put(path, encodeRetiredList(manifest.databaseId, list, moved), request);
  const newest = await options.commit(moveRetiredToList(list, moved));
  // The outcome is known: a list that this manifest does not name never will be named.
  const isNamed = newest.retired.some((entry) => entry.ids.includes(list));
  if (!isNamed) await store.delete([path], request);
  return newest;
}
