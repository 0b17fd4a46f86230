/**
 * How other databases leave a manifest: an entry is marked first, then the checkpoint that it holds there is dropped, then the entry goes. So at
 * every moment either the entry tells of the checkpoint, or there is none.
 */
import type { Ulid } from "../common/ids.js";
import type { ExternalDatabase } from "../format/manifest.js";
import type { Transition } from "./transitions.js";

/**
 * Nothing may name objects of these entries any more, told apart by their checkpoints: whoever would name them again has to look. Own copies, of an
 * entry without a path, need no checkpoint and stay.
 */
export function markLeaving(checkpointIds: Iterable<Ulid>): Transition {
  const leaving = new Set(checkpointIds);
  const isNew = ({ path, checkpointId, isLeaving }: ExternalDatabase): boolean =>
    path !== "" && !isLeaving && leaving.has(checkpointId);
  return (manifest) =>
    manifest.externals.some(isNew)
      ? {
          ...manifest,
          externals: manifest.externals.map((entry) =>
            isNew(entry) ? { ...entry, isLeaving: true } : entry,
          ),
        }
      : manifest;
}

/** Takes these off, of those that are marked. */
export function removeExternals(checkpointIds: Iterable<Ulid>): Transition {
  const gone = new Set(checkpointIds);
  return (manifest) => {
    const externals = manifest.externals.filter(
      ({ checkpointId, isLeaving }) => !isLeaving || !gone.has(checkpointId),
    );
    return externals.length === manifest.externals.length ? manifest : { ...manifest, externals };
  };
}
