/**
 * Finding the newest manifest: the hint, then the numbers after it until one is absent (probe-newest.ts). Numbers are contiguous
 * above any manifest that is younger than half of the retention, because none of them may have been deleted yet; from an
 * older one a listing decides (docs/protocol.md).
 */
import type { Clock } from "../common/clock.js";
import { CorruptionError, InvalidArgumentError } from "../common/errors.js";
import type { Manifest } from "../format/manifest.js";
import { ObjectPaths } from "../object-store/paths.js";
import type { ManifestStore } from "./manifest-store.js";
import { probeNewest } from "./probe-newest.js";

const clockSkewMaxMs = 60 * 60 * 1000;

interface FindOptions {
  clock: Clock;
  retentionMs: number;
  signal?: AbortSignal | undefined;
}

/** The newest manifest, or undefined when there is no database at the path. */
export async function findNewest(
  manifests: ManifestStore,
  options: FindOptions,
): Promise<Manifest | undefined> {
  const recent = await findRecent(manifests, options);
  return recent && probeNewest(manifests.series, recent, options.signal);
}

/**
 * A manifest from which the newest is found by looking at the numbers after it; undefined when there is no database at the path. One GET while
 * the hint is young.
 */
export async function findRecent(
  manifests: ManifestStore,
  options: FindOptions,
): Promise<Manifest | undefined> {
  const { clock, retentionMs, signal } = options;
  const hint = await manifests.getHint(signal);
  if (hint === undefined) {
    const names = await manifests.someObjects(signal);
    if (names.length === 0) return undefined;
    return listNewest(manifests, names, signal);
  }
  const ageMs = clock.now() - hint.createdAt;
  // A hint from the future was written by a clock that cannot be relied on, so its age says nothing.
  if (ageMs <= retentionMs / 2 && ageMs >= -clockSkewMaxMs) return hint;
  return listNewest(manifests, [ObjectPaths.manifestHint], signal);
}

/** The highest number listed is the database, or was a moment ago; `found` are names of objects at the path, for the message. */
async function listNewest(
  manifests: ManifestStore,
  found: readonly string[],
  signal: AbortSignal | undefined,
): Promise<Manifest> {
  for (;;) {
    const number = await manifests.highestNumber(0, signal);
    if (number === undefined) throw noManifest(found);
    const newest = await manifests.get(number, signal);
    // The newest is only gone when newer ones have come and it was collected meanwhile: look again.
    if (newest !== undefined) return newest.manifest;
  }
}

function noManifest(found: readonly string[]): Error {
  const listed = found.map((name) => `"${name}"`).join(", ");
  const ours = found.find((name) => /^(manifest|sst|wal|runs|blob|compactions)\//.test(name));
  if (ours !== undefined) {
    return new CorruptionError(
      ours,
      "there is data of a database here but no manifest. Restore the manifests, or use an empty path",
    );
  }
  return new InvalidArgumentError(
    `The path holds something that is not a Moraine database (${listed}). Use an empty path.`,
  );
}
