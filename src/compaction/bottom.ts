/** `isBottomOf`: whether a job may drop the deletes and range deletes of its inputs, because they hide nothing that is not in it. */
import type { CompactionInputs } from "../format/compactions.js";
import type { Manifest, SstInfo } from "../format/manifest.js";
import { hullOf, type KeySlot, slotOf, slotsMeet } from "./key-slot.js";

/**
 * True when nothing older than an input lies beneath its keys, but other inputs. Never true by mistake; false also where inputs lie
 * on either side of the keys of something older. Of a run whose list is not filled in, all that its first and last key span counts.
 */
export function isBottomOf(manifest: Manifest, inputs: CompactionInputs): boolean {
  /** The keys of the inputs that are newer than what the walk has come to. */
  let above: KeySlot | undefined;
  const isHidden = (slot: KeySlot): boolean => above !== undefined && slotsMeet(above, slot);
  const add = (ssts: readonly SstInfo[]): void => {
    for (const sst of ssts) above = hullOf(above, slotOf(sst));
  };
  const l0 = new Set(inputs.l0);
  for (const { ssts } of [...manifest.l0].reverse()) {
    if (l0.has(ssts[0]?.id ?? "")) add(ssts);
    else if (ssts.some((sst) => isHidden(slotOf(sst)))) return false;
  }
  const taken = new Map(inputs.runs.map(({ id, ssts }) => [id, ssts]));
  for (const run of manifest.runs) {
    const ids = taken.get(run.id);
    if (ids?.length === 0) {
      above = hullOf(above, slotOf(run));
      add(run.ssts);
      continue;
    }
    if (run.ssts.length === 0) {
      if (ids !== undefined || isHidden(slotOf(run))) return false;
      continue;
    }
    const idSet = new Set(ids);
    // Against what is above the run, not against its own: they lie side by side.
    if (run.ssts.some((sst) => !idSet.has(sst.id) && isHidden(slotOf(sst)))) return false;
    if (ids !== undefined) add(run.ssts.filter(({ id }) => idSet.has(id)));
  }
  return true;
}
