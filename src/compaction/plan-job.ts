/** `planJob`: a strategy's pick as a job that stands in the state, with all that decides its result. */
import type { Ulid } from "../common/ids.js";
import { type CompactionInputs, type CompactionJob, JobStatus } from "../format/compactions.js";
import { type Manifest, noUlid } from "../format/manifest.js";
import type { CompactionPick } from "./strategy.js";

export interface PlanOptions {
  readonly id: Ulid;
  /** ms since 1970 by the store's clock, never ahead of it. */
  readonly expiredAt: number;
  readonly isBottom: boolean;
  /** Data bytes. */
  readonly sstBytesMax: number;
  /** Whether a filter is to be asked, if it may be. */
  readonly filters: boolean;
  /** Of the first worker; `noUlid`: it is for whoever comes. */
  readonly claim: Ulid;
  readonly worker: string;
  /** As in the job. */
  readonly writerEpoch: number;
}

export function planJob(
  manifest: Manifest,
  pick: CompactionPick,
  options: PlanOptions,
): CompactionJob {
  const { id, expiredAt, isBottom, sstBytesMax, filters, claim, worker, writerEpoch } = options;
  return {
    ...{ id, reason: pick.reason, inputs: pick.inputs, level: pick.level },
    ...{ retainSeq: retainSeqOf(manifest), expiredAt, isBottom, sstBytesMax },
    rewrites: filters && mayRewrite(manifest),
    ...{ status: JobStatus.open, claim, worker, signNumber: 0, writerEpoch },
    ...{ attempts: claim === noUlid ? 0 : 1, failure: "", ranges: [] },
  };
}

/** Whoever opens something later than this manifest reads at its last L0 seq or above, and what was open before is in `snapshotSeq`. */
export function retainSeqOf({ snapshotSeq, lastL0Seq }: Manifest): number {
  return snapshotSeq === 0 ? lastL0Seq : Math.min(snapshotSeq, lastL0Seq);
}

/** Whether reads may see something else than before: nothing was open when the writer last added to L0, as far as a process of its own can know. */
export function mayRewrite({ snapshotSeq }: Manifest): boolean {
  return snapshotSeq === 0;
}

/** Whether all inputs are where they have to be: entries the oldest of L0, runs in their order. Asks for no list. */
export function hasInputs(manifest: Manifest, { l0, runs }: CompactionInputs): boolean {
  if (l0.some((id, i) => manifest.l0[i]?.ssts[0]?.id !== id)) return false;
  let last = -1;
  return runs.every(({ id }) => {
    last = manifest.runs.findIndex((run, i) => i > last && run.id === id);
    return last >= 0;
  });
}

/** Whether the two could not both be committed: they share an entry or a run, or both take the oldest of L0. */
export function areAtOdds(a: CompactionInputs, b: CompactionInputs): boolean {
  if (a.l0.length > 0 && b.l0.length > 0) return true;
  return a.runs.some(({ id }) => b.runs.some((run) => run.id === id));
}
