/** `RunListReads`: where a compaction gets the SSTs of runs whose list stands in an object of its own. */
import type { Manifest, SortedRun, SstInfo } from "../format/manifest.js";

export interface RunListReads {
  /** All SSTs of the run, in key order: of the manifest, of a cache, or with a request. */
  all(run: SortedRun, signal?: AbortSignal | undefined): Promise<readonly SstInfo[]>;
}

/** The manifest with `ssts` filled in for each run. */
export async function withLists(
  manifest: Manifest,
  lists: RunListReads,
  signal?: AbortSignal | undefined,
): Promise<Manifest> {
  if (manifest.runs.every(({ listBytes }) => listBytes === 0)) return manifest;
  const runs = await Promise.all(
    manifest.runs.map(async (run) =>
      run.listBytes === 0 ? run : { ...run, ssts: await lists.all(run, signal) },
    ),
  );
  return { ...manifest, runs };
}
