/** Transitions of the state of compactions: each changes what it says, and nothing when it comes again. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  addJobs,
  claimJob,
  claimState,
  emptyCompactions,
  failJob,
  finishJob,
  reclaimJob,
  recordProgress,
  releaseJob,
  removeJobs,
  type StateTransition,
} from "../../../src/compaction/job-transitions.js";
import { checkStateStep } from "../../../src/compaction/state-invariants.js";
import {
  type CompactionJob,
  type Compactions,
  type JobRange,
  JobStatus,
} from "../../../src/format/compactions.js";
import { databaseId, sstOf, ulid } from "../manifest/manifests.js";

const jobOf = (number: number, over: Partial<CompactionJob> = {}): CompactionJob => ({
  ...{ id: ulid(100 * number), reason: "", level: 0, retainSeq: 1, expiredAt: 0, isBottom: false },
  ...{ inputs: { l0: [], runs: [{ id: ulid(number), ssts: [] }] }, sstBytesMax: 1 },
  ...{
    rewrites: false,
    writerEpoch: 0,
    status: JobStatus.open,
    claim: "",
    worker: "",
    signNumber: 0,
  },
  ...{ attempts: 0, failure: "", ranges: [], ...over },
});

const rangesOf = (job: number, outputs: number, done = false): readonly JobRange[] => [
  {
    ...{ start: new Uint8Array(0), end: new Uint8Array(0), endless: true },
    ...{ resumeAt: new Uint8Array(0), done },
    outputs: Array.from({ length: outputs }, (_, i) => sstOf(100 * job + 1 + i, 1, 1)),
  },
];

const step = (state: Compactions, transition: StateTransition): Compactions => {
  const changed = transition(state);
  if (changed === state) return state;
  const next = { ...changed, number: state.number + 1 };
  checkStateStep(state, next);
  return next;
};

const empty = emptyCompactions(databaseId);

test("a job is added, claimed, recorded, finished and removed, each once", () => {
  const claim = ulid(7);
  const life: [StateTransition, Partial<CompactionJob> | undefined][] = [
    [addJobs([jobOf(1)]), { status: JobStatus.open, claim: "", attempts: 0 }],
    [claimJob(ulid(100), claim, "w"), { claim, worker: "w", attempts: 1, signNumber: 2 }],
    [recordProgress(ulid(100), claim, rangesOf(1, 1), 2), { signNumber: 3 }],
    [finishJob(ulid(100), claim, rangesOf(1, 2, true)), { status: JobStatus.done, claim: "" }],
    [removeJobs([ulid(100)]), undefined],
  ];
  let state = empty;
  for (const [transition, expected] of life) {
    state = step(state, transition);
    if (expected === undefined) expect(state.jobs).toEqual([]);
    else expect(state.jobs[0]).toMatchObject(expected);
    expect(transition(state)).toBe(state.number === 5 || state.jobs.length > 0 ? state : undefined);
  }
  expect(state.number).toBe(5);
});

test("who has no claim changes nothing", () => {
  const state = step(empty, addJobs([jobOf(1, { claim: ulid(7), attempts: 1 })]));
  expect(state.jobs[0]!.signNumber).toBe(1);
  const other = ulid(8);
  const id = ulid(100);
  const transitions = [
    claimJob(id, other, "w"),
    recordProgress(id, other, rangesOf(1, 1), 9),
    finishJob(id, other, rangesOf(1, 1, true)),
    failJob(id, other, "no"),
    releaseJob(id, other, rangesOf(1, 1)),
    reclaimJob(id, other, 1),
    reclaimJob(id, ulid(7), 0),
  ];
  for (const transition of transitions) expect(transition(state)).toBe(state);
});

test("what was reached stays when a job is given back or taken back", () => {
  const claim = ulid(7);
  let state = step(empty, addJobs([jobOf(1, { claim, attempts: 1 })]));
  state = step(state, recordProgress(ulid(100), claim, rangesOf(1, 2), 1));
  const taken = step(state, reclaimJob(ulid(100), claim, 2));
  expect(taken.jobs[0]).toMatchObject({ claim: "", ranges: rangesOf(1, 2), attempts: 1 });
  const given = step(state, releaseJob(ulid(100), claim, rangesOf(1, 3)));
  expect(given.jobs[0]).toMatchObject({ claim: "", ranges: rangesOf(1, 3) });
});

test("jobs that could not be committed beside each other are not both there", () => {
  const l0 = (number: number) => jobOf(number, { inputs: { l0: [ulid(number)], runs: [] } });
  let state = step(empty, addJobs([jobOf(1), l0(2)]));
  state = step(state, addJobs([{ ...jobOf(1), id: ulid(900) }, l0(3), jobOf(4)]));
  expect(state.jobs.map(({ id }) => id)).toEqual([ulid(100), ulid(200), ulid(400)]);
});

test("a new coordinator's epoch comes once, and what had failed may be tried again", () => {
  let state = step(empty, addJobs([jobOf(1, { claim: ulid(7), attempts: 1 }), jobOf(2)]));
  state = step(state, failJob(ulid(100), ulid(7), "damaged"));
  expect(state.jobs[0]).toMatchObject({ status: JobStatus.failed, failure: "damaged", claim: "" });
  const next = step(state, claimState(3));
  expect([next.compactorEpoch, next.jobs.length]).toEqual([3, 1]);
  expect(claimState(3)(next)).toBe(next);
  expect(claimState(2)(next)).toBe(next);
});

test("workers and a coordinator in any order: a job is done by whoever has it, and by nobody else", () => {
  const claims = [ulid(7), ulid(8), ulid(9)];
  const actions = fc.record({
    kind: fc.nat(5),
    job: fc.integer({ min: 1, max: 3 }),
    who: fc.nat(2),
  });
  void fc.assert(
    fc.property(fc.array(actions, { maxLength: 30 }), (history) => {
      let state = step(empty, addJobs([jobOf(1), jobOf(2), jobOf(3)]));
      const owner = new Map<number, number>();
      const ended = new Set<number>();
      for (const { kind, job, who } of history) {
        const id = ulid(100 * job);
        const claim = claims[who]!;
        const isOwn = owner.get(job) === who;
        if (kind === 0) {
          state = step(state, claimJob(id, claim, `w${who}`));
          if (!ended.has(job) && !owner.has(job)) owner.set(job, who);
        } else if (kind === 1) {
          state = step(state, recordProgress(id, claim, rangesOf(job, 1), state.number));
        } else if (kind === 2) {
          state = step(state, finishJob(id, claim, rangesOf(job, 1, true)));
          if (isOwn) ended.add(job);
          if (isOwn) owner.delete(job);
        } else if (kind === 3) {
          state = step(state, releaseJob(id, claim, rangesOf(job, 1)));
          if (isOwn) owner.delete(job);
        } else if (kind === 4) {
          const sign = state.jobs.find((other) => other.id === id)!.signNumber;
          state = step(state, reclaimJob(id, claim, sign));
          if (isOwn) owner.delete(job);
        }
        for (const { id: known, claim: has, status } of state.jobs) {
          const number = Number(known.slice(2)) / 100;
          const holder = owner.get(number);
          expect(has).toBe(holder === undefined ? "" : claims[holder]);
          expect(status === JobStatus.done).toBe(ended.has(number));
        }
      }
    }),
    { numRuns: 200 },
  );
});

test.each<[string, (state: Compactions) => Compactions]>([
  ["an epoch that falls", (state) => ({ ...state, compactorEpoch: 0 })],
  ["a job that stands there twice", (state) => ({ ...state, jobs: [jobOf(1), jobOf(1)] })],
  [
    "a done job with a claim",
    (state) => ({ ...state, jobs: [jobOf(1, { status: 2, claim: ulid(7) })] }),
  ],
  [
    "a done job with something left",
    (state) => ({ ...state, jobs: [jobOf(1, { status: 2, ranges: rangesOf(1, 1) })] }),
  ],
  ["a failed job without a word", (state) => ({ ...state, jobs: [jobOf(1, { status: 3 })] })],
  [
    "an output below its job",
    (state) => ({
      ...state,
      jobs: [
        jobOf(2, {
          ranges: rangesOf(1, 1),
          inputs: { l0: [], runs: [{ id: ulid(2), ssts: [ulid(3)] }] },
        }),
      ],
    }),
  ],
])("the check before a commit refuses %s", (_, wrong) => {
  const state = { ...empty, number: 3, compactorEpoch: 2 };
  expect(() => checkStateStep(state, { ...state, number: 4 })).not.toThrow();
  expect(() => checkStateStep(state, { ...wrong(state), number: 4 })).toThrow(
    expect.objectContaining({ kind: "internal" }),
  );
});
