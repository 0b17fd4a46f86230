/** What must hold of every step from one state of compactions to the next; checked before a commit is sent. */
import { assert } from "../common/assert.js";
import { type CompactionJob, type Compactions, JobStatus } from "../format/compactions.js";
import { noUlid } from "../format/manifest.js";

/** Throws `InternalError` when `next` may not follow `previous`. */
export function checkStateStep(previous: Compactions, next: Compactions): void {
  assert(next.number === previous.number + 1, "state numbers are consecutive");
  assert(next.databaseId === previous.databaseId, "a state keeps its database id");
  assert(next.compactorEpoch >= previous.compactorEpoch, "compactor epochs never fall");
  const ids = new Set<string>();
  for (const job of next.jobs) {
    assert(!ids.has(job.id), "a job stands in the state once");
    ids.add(job.id);
    checkJob(job, next.number);
  }
}

function checkJob(job: CompactionJob, number: number): void {
  assert(job.status === JobStatus.open || job.claim === noUlid, "only an open job is claimed");
  assert(job.signNumber <= number, "a sign of life is not of the future");
  assert((job.failure === "") === (job.status !== JobStatus.failed), "what failed says why");
  const { ranges } = job;
  assert(
    job.status !== JobStatus.done || (ranges.length > 0 && ranges.every(({ done }) => done)),
    "a job is done when all its ranges are",
  );
  for (const { outputs } of ranges) {
    for (const { id } of outputs) {
      assert(id > job.id || isInput(job, id), "outputs are above their job, or inputs that moved");
    }
  }
}

/** Whether it may be an SST of the inputs: whole runs and entries are named by less than all their SSTs. */
function isInput({ inputs }: CompactionJob, id: string): boolean {
  return (
    inputs.l0.length > 0 || inputs.runs.some(({ ssts }) => ssts.length === 0 || ssts.includes(id))
  );
}
