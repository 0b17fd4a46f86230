/** What `moraine inspect` says of compactions under way: the newest state of jobs, found by listing. */
import {
  type CompactionJob,
  type Compactions,
  JobStatus,
  type RunInput,
} from "../format/compactions.js";
import { decodeCompactions } from "../format/compactions-codec.js";
import { noUlid } from "../format/manifest.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { ObjectPaths, parseCompactionsPath } from "../object-store/paths.js";

/** Undefined where nothing has ever been compacted. */
export async function inspectCompactions(
  store: ObjectStore,
  signal: AbortSignal,
): Promise<Compactions | undefined> {
  for (;;) {
    let highest = 0;
    for await (const { key } of store.list({ prefix: ObjectPaths.compactionsPrefix, signal })) {
      highest = Math.max(highest, parseCompactionsPath(key) ?? 0);
    }
    if (highest === 0) return undefined;
    const path = ObjectPaths.compactions(highest);
    const object = await store.get(path, { signal });
    // It is only gone when newer ones have come: look again.
    if (object !== undefined) return decodeCompactions(object.bytes, path, highest);
  }
}

export function jobStatusName(job: CompactionJob): string {
  if (job.status === JobStatus.failed) return "failed";
  if (job.status === JobStatus.done) return "done";
  return job.claim === noUlid ? "waiting" : "running";
}

export function outputBytes({ ranges }: CompactionJob): number {
  let bytes = 0;
  for (const range of ranges) for (const { size } of range.outputs) bytes += size;
  return bytes;
}

/** `"4 L0, run 01…"`, for people. */
export function inputsOf({ inputs }: CompactionJob): string {
  const l0 = inputs.l0.length > 0 ? [`${inputs.l0.length} of L0`] : [];
  return [...l0, ...inputs.runs.map(runText)].join(", ");
}

const runText = ({ id, ssts }: RunInput): string =>
  ssts.length === 0 ? `run ${id}` : `${ssts.length} SSTs of run ${id}`;
