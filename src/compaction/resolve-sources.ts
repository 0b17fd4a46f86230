/** `resolveSources`: the SSTs that the inputs of a job stand for, in a manifest. */
import type { Ulid } from "../common/ids.js";
import type { CompactionInputs, RunInput } from "../format/compactions.js";
import type { Manifest, SortedRun, SstInfo } from "../format/manifest.js";
import type { JobSource } from "./job.js";

/** The lists of runs by their ids, as far as they stand in objects of their own. */
export type LoadedRunLists = ReadonlyMap<Ulid, readonly SstInfo[]>;

/**
 * Newest first. Undefined when an input is not there: the manifest has gone on without it, or its list is not among `lists`. L0 entries
 * need not be the oldest ones, which is for whoever commits to see to.
 */
export function resolveSources(
  manifest: Manifest,
  lists: LoadedRunLists,
  inputs: CompactionInputs,
): readonly JobSource[] | undefined {
  const sources: JobSource[] = [];
  for (const id of [...inputs.l0].reverse()) {
    const entry = manifest.l0.find(({ ssts }) => ssts[0]?.id === id);
    if (entry === undefined) return undefined;
    sources.push(entry);
  }
  for (const input of inputs.runs) {
    const run = manifest.runs.find(({ id }) => id === input.id);
    const ssts = run && sstsOf(run, lists, input);
    if (ssts === undefined) return undefined;
    sources.push({ ssts, seq: 0 });
  }
  return sources;
}

function sstsOf(
  run: SortedRun,
  lists: LoadedRunLists,
  input: RunInput,
): readonly SstInfo[] | undefined {
  const all = run.listBytes === 0 ? run.ssts : lists.get(run.id);
  if (all === undefined || input.ssts.length === 0) return all;
  const wanted = new Set(input.ssts);
  const found = all.filter(({ id }) => wanted.has(id));
  return found.length === wanted.size ? found : undefined;
}
