/**
 * Pure transitions of the state of compactions. As those of manifests: each says what changes, so that it can be applied again to a newer
 * state; what is there already is no change, and then the same state is returned.
 *
 * Workers change only jobs that have their claim. The rest is for the coordinator, whose epoch every one of its commits brings along.
 */
import type { Ulid } from "../common/ids.js";
import {
  type CompactionJob,
  type Compactions,
  type JobRange,
  JobStatus,
} from "../format/compactions.js";
import { noUlid } from "../format/manifest.js";
import { areAtOdds } from "./plan-job.js";

/** A change of the state; number, time and token are filled in by the commit. */
export type StateTransition = (state: Compactions) => Compactions;

/** The base of the first state. */
export function emptyCompactions(databaseId: Ulid): Compactions {
  return {
    ...{ number: 0, databaseId, createdAt: 0, token: new Uint8Array(0) },
    ...{ compactorEpoch: 0, jobs: [] },
  };
}

/** One after another, as one change. */
export function allOf(transitions: readonly StateTransition[]): StateTransition {
  return (state) => transitions.reduce((changed, transition) => transition(changed), state);
}

/** The state belongs to the coordinator of this epoch: no older one commits any more. What had failed is forgotten, and may be tried again. */
export function claimState(epoch: number): StateTransition {
  return (state) => {
    if (state.compactorEpoch >= epoch) return state;
    const jobs = state.jobs.filter(({ status }) => status !== JobStatus.failed);
    return { ...state, compactorEpoch: epoch, jobs };
  };
}

/** The state belongs to this epoch and has no jobs: what they have built is named by nobody, now or later. */
export function giveUpJobs(epoch: number): StateTransition {
  return (state) =>
    state.compactorEpoch >= epoch ? state : { ...state, compactorEpoch: epoch, jobs: [] };
}

/** Those that could not be committed beside a job that is there are left out. */
export function addJobs(added: readonly CompactionJob[]): StateTransition {
  return (state) => {
    const fresh = added.filter(
      ({ inputs }) => !state.jobs.some((job) => areAtOdds(job.inputs, inputs)),
    );
    if (fresh.length === 0) return state;
    const stamped = fresh.map((job) =>
      job.claim === noUlid ? job : { ...job, signNumber: state.number + 1 },
    );
    return { ...state, jobs: [...state.jobs, ...stamped] };
  };
}

/** The job is `worker`'s, if nobody has it. `writerEpoch` as in the job. */
export function claimJob(id: Ulid, claim: Ulid, worker: string, writerEpoch = 0): StateTransition {
  return changeJob(id, (job, number) => {
    if (job.status !== JobStatus.open || job.claim !== noUlid) return job;
    const attempts = job.attempts + 1;
    return { ...job, claim, worker, writerEpoch, attempts, signNumber: number };
  });
}

/** How far the worker has come; that it says so is its sign of life: one later than the state numbered `since`. */
export function recordProgress(
  id: Ulid,
  claim: Ulid,
  ranges: readonly JobRange[],
  since: number,
): StateTransition {
  return changeClaimed(id, claim, (job, number) =>
    job.signNumber > since ? job : { ...job, ranges, signNumber: number },
  );
}

/** All ranges are done. */
export function finishJob(id: Ulid, claim: Ulid, ranges: readonly JobRange[]): StateTransition {
  return changeClaimed(id, claim, (job, number) => ({
    ...{ ...job, ranges, signNumber: number },
    ...{ status: JobStatus.done, claim: noUlid },
  }));
}

/** It can not be done: what it reads is damaged, or a function of the user failed. Its inputs stay busy. */
export function failJob(id: Ulid, claim: Ulid, failure: string): StateTransition {
  return changeClaimed(id, claim, (job, number) => ({
    ...{ ...job, failure: failure === "" ? "unknown" : failure, signNumber: number },
    ...{ status: JobStatus.failed, claim: noUlid },
  }));
}

/** The worker gives it back, with what it has reached; another goes on from there. */
export function releaseJob(id: Ulid, claim: Ulid, ranges: readonly JobRange[]): StateTransition {
  return changeClaimed(id, claim, (job) => ({ ...job, ranges, claim: noUlid }));
}

/** Takes the job from a worker that has not been heard of since `signNumber`. What it has recorded stays. */
export function reclaimJob(id: Ulid, claim: Ulid, signNumber: number): StateTransition {
  return changeClaimed(id, claim, (job) =>
    job.signNumber === signNumber ? { ...job, claim: noUlid } : job,
  );
}

/** They are committed, or given up: nothing of theirs is named from now on that is not named already. */
export function removeJobs(ids: readonly Ulid[]): StateTransition {
  return (state) => {
    const jobs = state.jobs.filter(({ id }) => !ids.includes(id));
    return jobs.length === state.jobs.length ? state : { ...state, jobs };
  };
}

/** A new number that says nothing new: an object whose time is the store's now. */
export const touchState: StateTransition = (state) => ({ ...state });

export function findJob(state: Compactions, id: Ulid): CompactionJob | undefined {
  return state.jobs.find((job) => job.id === id);
}

/** The job, as long as the claim is on it. */
export function claimedJob(state: Compactions, id: Ulid, claim: Ulid): CompactionJob | undefined {
  const job = findJob(state, id);
  return job !== undefined && job.claim === claim ? job : undefined;
}

type JobChange = (job: CompactionJob, number: number) => CompactionJob;

/** `number` is that of the state which the commit makes. */
function changeJob(id: Ulid, change: JobChange): StateTransition {
  return (state) => {
    const index = state.jobs.findIndex((job) => job.id === id);
    if (index < 0) return state;
    const job = change(state.jobs[index]!, state.number + 1);
    return job === state.jobs[index] ? state : { ...state, jobs: state.jobs.with(index, job) };
  };
}

function changeClaimed(id: Ulid, claim: Ulid, change: JobChange): StateTransition {
  return changeJob(id, (job, number) => (job.claim === claim ? change(job, number) : job));
}
