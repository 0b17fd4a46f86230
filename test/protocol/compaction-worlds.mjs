// The worlds of compaction jobs, of collection that shortens its lists, and of snapshots beside them: as worlds.mjs.

import { firstManifest, freezeContent } from "./state.mjs";

/** Snapshots of the writer and of a reader, beside compaction and collection of versions of one key. */
export const snapshots = {
  processes: ["W0", "C0", "G0", "S0"],
  writes: { W0: 3 },
  withoutWal: true,
  withoutRetired: true,
  flush: true,
  jobsMax: 2,
  collectorPasses: 2,
  snapshots: { S0: { of: "W0" } },
};

/**
 * L0 and runs as they are, each SST with the next bit of `W0`; D0 is open with epoch 1, and there are no jobs. There is
 * no writer, so that the compactor's floor alone keeps the sweep away.
 */
export const stored = (l0Count, runCount) => (state) => {
  const ids = Array.from({ length: runCount + l0Count }, (_, index) => (index + 1) * 10);
  for (const [bit, id] of ids.entries()) {
    state.ssts[id] = 1 << bit;
    state.truth.seqs[bit] = bit + 1;
    state.truth.acknowledged |= 1 << bit;
  }
  const manifest = freezeContent({
    ...firstManifest,
    l0: ids.slice(runCount),
    runs: ids
      .slice(0, runCount)
      .reverse()
      .map((id) => [id]),
    lastId: ids.length,
    lastL0Seq: ids.length,
    compactorEpoch: 1,
    compactorFloor: ids.length,
  });
  const jobs = freezeContent({ token: "init", compactorEpoch: 1, jobs: [], createdAt: 0 });
  state.manifests[1] = manifest;
  state.jobStates[1] = jobs;
  state.truth.jobStates = { newest: 1, history: { 1: "init" } };
  const { D0 } = state.processes;
  Object.assign(D0, { step: "open", compactorEpoch: 1, knownNumber: 1, known: manifest });
  Object.assign(D0.jobs, { knownNumber: 1, known: jobs });
};

/** D0 is open beside W0, and nothing is stored. */
export const withoutJobs = (state) => {
  const known = state.manifests[1];
  const jobs = freezeContent({ token: "init", compactorEpoch: 0, jobs: [], createdAt: 0 });
  state.jobStates[1] = jobs;
  state.truth.jobStates = { newest: 1, history: { 1: "init" } };
  Object.assign(state.processes.D0, { step: "open", knownNumber: 1, known });
  Object.assign(state.processes.D0.jobs, { knownNumber: 1, known: jobs });
};

/** The same with a job that is done, over the only entry of L0: it is yet to be published. */
const withDoneJob = (state) => {
  stored(1, 2)(state);
  const job = { id: 4, l0: [30], runs: [], claim: "E90", outputs: [57], isDone: true };
  state.ssts[57] = state.ssts[30];
  const known = freezeContent({ ...state.jobStates[1], jobs: [job] });
  state.jobStates[1] = known;
  Object.assign(state.processes.D0.jobs, { known });
  state.processes.D0.lastMinted = 4;
};

/** The same over all that there is, with an expired checkpoint of the manifest, which its reader may refresh. */
export const withCheckpoint = (expires) => (state) => {
  withDoneJob(state);
  const [done] = state.jobStates[1].jobs;
  const job = { ...done, runs: [[20], [10]] };
  for (const id of [10, 20]) state.ssts[57] |= state.ssts[id];
  const known = freezeContent({ ...state.jobStates[1], jobs: [job] });
  const checkpoints = expires === undefined ? [] : [{ id: "K0", number: 1, refreshed: 1, expires }];
  state.manifests[1] = freezeContent({ ...state.manifests[1], checkpoints });
  state.jobStates[1] = known;
  Object.assign(state.processes.D0.jobs, { known });
  state.processes.D0.known = state.manifests[1];
  if (expires === false) state.truth.pins.K0 = 1;
  state.truth.wereNamed = [10, 20, 30];
};

export const collecting = {
  processes: ["D0", "K0", "G0", "G1"],
  plans: { D0: 0 },
  keeperScripts: { K0: ["refresh"] },
  takesOff: ["G0", "G1"],
  collectorPasses: 2,
  mintsRunIds: true,
  faults: { lost: 1 },
  prepare: withCheckpoint(true),
};

/** A pinned reader has refreshed its checkpoint, by manifest 2, longer ago than manifests are kept. */
export const refreshed = {
  ...collecting,
  keeperScripts: { K0: [] },
  deletesManifests: true,
  takesOff: ["G0"],
  processes: ["D0", "K0", "G0"],
  faults: { deletion: 2 },
  prepare: (state) => {
    withCheckpoint(false)(state);
    const [first] = state.manifests[1].checkpoints;
    for (const number of [2, 3]) {
      const token = `h${number}`;
      const checkpoints = [{ ...first, refreshed: 2 }];
      state.manifests[number] = freezeContent({ ...state.manifests[1], token, checkpoints });
      state.truth.history[number] = token;
      state.storedAt[number] = 0;
    }
    state.truth.newest = 3;
    state.now = 2;
    Object.assign(state.processes.D0, { knownNumber: 3, known: state.manifests[3] });
  },
};

export const listing = {
  processes: ["D0", "G0", "G1", "G2"],
  plans: { D0: 0 },
  takesOff: ["G0", "G1"],
  movesLists: true,
  sweep: "floors",
  mintsRunIds: true,
  faults: { raise: 1 },
  prepare: withCheckpoint(),
};

/** The clock of the second coordinator is ahead, so that its ids pass all of the first. */
export const coordinating = {
  processes: ["D0", "D1", "E0", "G0"],
  plans: { D1: 0 },
  clocks: { D1: 7 },
  sweep: "floors",
  mintsRunIds: true,
  prepare: withDoneJob,
};

/** The same when the first was paused before it sent a job that it had planned, and the second has claimed the epoch. */
export const pausedWhilePlanning = {
  ...coordinating,
  prepare: (state) => {
    withDoneJob(state);
    const { D0, D1 } = state.processes;
    const job = { id: 6, l0: [], runs: [[20], [10]], claim: null, outputs: [], isDone: false };
    Object.assign(D0, { step: "plan", planCount: 1, lastMinted: 6, job: { ...job, expiredAt: 0 } });
    const known = freezeContent({ ...state.manifests[1], token: "D10", compactorEpoch: 2 });
    state.manifests[2] = known;
    state.truth.newest = 2;
    state.truth.history[2] = "D10";
    Object.assign(D1, { step: "find-jobs", compactorEpoch: 2, knownNumber: 2, known });
    D1.commitCount = 1;
  },
};

/** A done job that a successor may give up, and a floor that may be raised. */
export const givingUp = {
  ...coordinating,
  processes: ["D0", "D1", "G0"],
  plans: { D0: 0, D1: 0 },
  faults: { giveUp: 1, raise: 1, late: 1 },
};

/** A restore beside a job that is done, or over only a part of what is restored. */
export const restoringBesideJobs = {
  processes: ["D0", "D1", "K0", "G0"],
  plans: { D0: 0, D1: 0 },
  keeperScripts: { K0: ["claim", "emptyJobs", "restore", "dropReplaced"] },
  prepare: withCheckpoint(false),
};

/**
 * The coordinator slept with job state 1 in its hand, and was about to give the job up: 2 is deleted, and in 3 a worker
 * has the job.
 */
export const sleepingCoordinator = {
  processes: ["D0", "E0"],
  plans: { D0: 0 },
  ageRule: true,
  deletesJobStates: true,
  faults: { lost: 1, late: 1, tick: 1, deletion: 1 },
  prepare: (state) => {
    stored(1, 0)(state);
    const job = {
      id: 2,
      l0: [10],
      runs: [],
      claim: null,
      outputs: [],
      isDone: false,
      expiredAt: 0,
    };
    const at = (token, createdAt, claim) =>
      freezeContent({ token, compactorEpoch: 1, jobs: [{ ...job, claim }], createdAt });
    const known = at("init", 0, null);
    Object.assign(state.processes.D0, { step: "remove", job, newestSince: 0 });
    Object.assign(state.processes.D0.jobs, { knownNumber: 1, known });
    state.now = 2;
    state.jobStates = { 1: known, 3: at("h3", 1, "E90") };
    state.truth.jobStates = { newest: 3, history: { 1: "init", 2: "h2", 3: "h3" } };
  },
};

export const expiring = {
  processes: ["D0", "E0", "E1"],
  parts: 2,
  fanIn: 2,
  plans: { D0: 2 },
  faults: { tick: 2, reclaim: 1 },
  prepare: (state) => {
    stored(2, 0)(state);
    state.truth.expiresAt = { 0: 1, 1: 2 };
  },
};

/** A done job whose run has a list of its own. */
export const storingRunLists = {
  ...givingUp,
  storesRunLists: true,
  faults: { raise: 1, late: 1 },
};

export const workingBeside = {
  processes: ["D0", "E0", "G0"],
  claims: { E0: 2 },
  plans: { D0: 2 },
  sweep: "floors",
  mintsRunIds: true,
  faults: { lost: 1 },
  prepare: stored(1, 2),
};

export const working = {
  processes: ["D0", "E0", "E1", "G0"],
  parts: 2,
  faults: { reclaim: 1, late: 1 },
  prepare: stored(2, 0),
  fanIn: 2,
};

/** Several of each, with clocks apart, and all that can go wrong. */
export const manyWorking = {
  processes: ["D0", "D1", "D2", "E0", "E1", "E2", "G0", "G1", "G2", "K0"],
  isWalked: true,
  keeperScripts: { K0: ["refresh", "drop"] },
  takesOff: ["G1", "G2"],
  movesLists: true,
  sweep: "floors",
  collectorPasses: 4,
  mintsRunIds: true,
  plans: { D0: 3, D1: 3, D2: 3 },
  claims: { E0: 4, E1: 4, E2: 4 },
  parts: 2,
  moves: true,
  clocks: { E1: 40, D1: 25 },
  faults: { lost: 3, late: 3, reclaim: 3, giveUp: 2, raise: 3 },
  prepare: withCheckpoint(true),
};

export const manySnapshots = {
  ...snapshots,
  processes: ["W0", "W1", "C0", "C1", "G0", "S0", "S1", "S2", "S3"],
  isWalked: true,
  writes: { W0: 4, W1: 3 },
  flushesMax: 4,
  jobsMax: 4,
  collectorPasses: 6,
  lastLook: true,
  faults: { lost: 2, late: 2 },
  snapshots: {
    S0: { of: "W0" },
    S1: { of: "R" },
    S2: { of: "W0", isDurable: true },
    S3: { of: "W1" },
  },
};
