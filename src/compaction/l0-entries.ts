/** Which entries of L0 a job takes. Pure. */
import { type L0Entry, runSstsInManifestMax } from "../format/manifest.js";

export function bytesOf(all: readonly { readonly size: number }[]): number {
  return all.reduce((sum, { size }) => sum + size, 0);
}

export function entriesBytes(entries: readonly L0Entry[]): number {
  return entries.reduce((sum, { ssts }) => sum + bytesOf(ssts), 0);
}

/** True from `trigger` entries on; and where one is long, since the manifest names all its SSTs until it is in a run. */
export function isL0Due(l0: readonly L0Entry[], trigger: number): boolean {
  return l0.length >= trigger || l0.some(({ ssts }) => ssts.length > runSstsInManifestMax);
}

/**
 * The oldest entries, at most so many, up to a load that is larger than all others together; or that load alone: on its way it is merged with as
 * little as can be, and costs no byte where it lies apart.
 */
export function oldestEntries(l0: readonly L0Entry[], most: number): readonly L0Entry[] {
  const entries = l0.slice(0, most);
  const bytes = entriesBytes(entries);
  const large = entries.findIndex(
    (entry) =>
      isLoad(entry) &&
      (entry.ssts.length > runSstsInManifestMax || 2 * bytesOf(entry.ssts) > bytes),
  );
  return large < 0 ? entries : entries.slice(0, Math.max(1, large));
}

export const isLoad = ({ ssts }: L0Entry): boolean => ssts.length > 1;
