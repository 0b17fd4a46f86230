/** Ids above all that a manifest knows: so that no clock that is behind brings a new object below a floor. */
import type { UlidFactory } from "../common/ids.js";
import type { Manifest } from "../format/manifest.js";

/** SSTs of runs count as far as they stand in the manifest. */
export function raiseAboveKnown(ids: UlidFactory, manifest: Manifest): void {
  ids.raiseAbove(manifest.writerFloor);
  ids.raiseAbove(manifest.compactorFloor);
  for (const entry of manifest.retired) for (const id of entry.ids) ids.raiseAbove(id);
  for (const { ssts } of manifest.l0) for (const { id } of ssts) ids.raiseAbove(id);
  for (const run of manifest.runs) {
    ids.raiseAbove(run.id);
    for (const { id } of run.ssts) ids.raiseAbove(id);
  }
  for (const { id } of manifest.checkpoints) ids.raiseAbove(id);
}
