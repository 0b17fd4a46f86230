/** `pickAll`: the one job of a compaction that was asked for, of everything or of a range of keys. */
import type { KeyBounds } from "../common/key-range.js";
import type { CompactionInputs, RunInput } from "../format/compactions.js";
import type { Manifest } from "../format/manifest.js";
import { BusyInputs } from "./busy-inputs.js";
import {
  hullOf,
  hullOfSsts,
  type KeySlot,
  meeting,
  slotOf,
  slotOfBounds,
  slotsMeet,
} from "./key-slot.js";
import type { CompactionPick } from "./strategy.js";

/**
 * All of L0 and of the runs, or what of them has a say in a range: L0 up to the newest entry that does, and the SSTs of runs that do, or that lie beneath
 * keys of what is taken. Their place is that of the oldest of them. Undefined when there is nothing, and when a running job has some of it: try again once it is done. As
 * for `CompactionStrategy.pick`, runs come with `ssts` filled in; of one without, all
 * that its first and last key span counts.
 */
export function pickAll(
  manifest: Manifest,
  running: readonly CompactionInputs[],
  bounds?: KeyBounds | undefined,
): CompactionPick | undefined {
  const inputs = bounds === undefined ? allOf(manifest) : within(manifest, slotOfBounds(bounds));
  if (inputs.l0.length + inputs.runs.length === 0 || isBusy(inputs, running)) {
    return undefined;
  }
  const oldest = inputs.runs.at(-1)?.id;
  const level = manifest.runs.find(({ id }) => id === oldest)?.level ?? 0;
  const reason =
    bounds === undefined ? "compaction on request" : "compaction of a range on request";
  return { inputs, level, drops: false, reason };
}

function allOf({ l0, runs }: Manifest): CompactionInputs {
  return {
    l0: l0.map(({ ssts }) => ssts[0]!.id),
    runs: runs.map(({ id }) => ({ id, ssts: [] })),
  };
}

function within(manifest: Manifest, range: KeySlot): CompactionInputs {
  const newest = manifest.l0.findLastIndex(({ ssts }) =>
    ssts.some((sst) => slotsMeet(slotOf(sst), range)),
  );
  const l0 = manifest.l0.slice(0, newest + 1);
  let hull = hullOfSsts(l0.flatMap(({ ssts }) => ssts));
  hull = hull === undefined ? range : hullOf(hull, range);
  const runs: RunInput[] = [];
  for (const run of manifest.runs) {
    const { id, ssts } = run;
    if (ssts.length === 0) {
      const slot = slotOf(run);
      if (!slotsMeet(slot, hull)) continue;
      hull = hullOf(hull, slot);
      runs.push({ id, ssts: [] });
      continue;
    }
    const { from, to } = meeting(ssts, hull);
    if (from === to) continue;
    const taken = ssts.slice(from, to);
    // Rows of what is taken may lie beyond the range. They come to lie where the oldest run is, so all versions beneath them have to come along.
    for (const sst of taken) hull = hullOf(hull, slotOf(sst));
    runs.push({ id, ssts: taken.length === ssts.length ? [] : taken.map((sst) => sst.id) });
  }
  return { l0: l0.map(({ ssts }) => ssts[0]!.id), runs };
}

function isBusy(inputs: CompactionInputs, running: readonly CompactionInputs[]): boolean {
  const busy = new BusyInputs(running);
  if (inputs.l0.length > 0 && busy.hasL0) return true;
  return inputs.runs.some(({ id, ssts }) =>
    ssts.length === 0 ? busy.hasSomeOf(id) : ssts.some((sst) => busy.hasSst(id, sst)),
  );
}
