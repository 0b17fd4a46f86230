// A worker of compaction: it claims a job in the states of jobs, uploads one output after the other and records each.
// It never touches the manifest, and stops when its claim is no longer on the job.

import { addCommit } from "./commit.mjs";
import { jobStates, takeNewest } from "./series.mjs";
import { indexOf, plants, sstsOf } from "./state.mjs";

function stop(_next, process) {
  process.step = "idle";
  process.claim = null;
  process.output = 0;
  Object.assign(process.jobs, { known: null, knownNumber: 0 });
}

export function addExecutor(role) {
  switch (role.self.step) {
    case "idle":
      addChoices(role);
      return;
    case "claim":
      addClaim(role);
      return;
    case "work":
      addWork(role);
      return;
    case "record":
      addRecord(role);
  }
}

function addChoices({ config, name, state, self, add }) {
  if (self.claimCount >= (config.claims?.[name] ?? 1)) return;
  const { newest } = state.truth.jobStates;
  for (const { id, claim, isDone } of state.jobStates[newest].jobs) {
    if (claim || isDone) continue;
    add(`reads job state ${newest}, wants job ${id}`, (next, process) => {
      takeNewest(jobStates, next, process);
      process.jobId = id;
      process.claim = name + process.claimCount++;
      process.step = "claim";
    });
  }
}

const jobOf = ({ jobs }, jobId) => jobs.find(({ id }) => id === jobId);

const withJob = (known, job) => ({
  ...known,
  jobs: known.jobs.map((each) => (each.id === job.id ? job : each)),
});

function addClaim(role) {
  addCommit(role, {
    series: jobStates,
    transition: (known, { jobId, claim }) => {
      const job = jobOf(known, jobId);
      return job && !job.claim && !job.isDone ? withJob(known, { ...job, claim }) : null;
    },
    onWin: (_next, process) => {
      process.step = "work";
      process.part = jobOf(process.jobs.known, process.jobId).outputs.length;
    },
    onInapplicable: stop,
  });
}

/** The rows of the inputs whose keys are in this part: an output depends on the inputs and on where it starts alone. */
function merged({ parts = 1 }, state, job, part) {
  let value = 0;
  for (const id of sstsOf(job)) value |= state.ssts[id];
  let rows = 0;
  for (let bit = 0; value >> bit; bit++) {
    const isExpired = state.truth.expiresAt[bit] <= job.expiredAt;
    if (bit % parts === part && !isExpired) rows |= value & (1 << bit);
  }
  return rows;
}

function addWork({ config, name, self, state, add }) {
  const job = jobOf(self.jobs.known, self.jobId);
  if (sstsOf(job).some((id) => state.ssts[id] === undefined)) {
    add("finds an input gone", stop);
    return;
  }
  const mint = (process) => {
    const { clocks } = config;
    const jobId = plants(config, "output-id-by-own-clock") ? 0 : Math.floor(job.id);
    process.lastMinted = Math.max(process.lastMinted, jobId, clocks?.[name] ?? 0) + 1;
    process.output = process.lastMinted * 10 + 7 + indexOf(name);
  };
  add(`merges part ${self.part} of job ${job.id} and uploads it`, (next, process) => {
    mint(process);
    next.ssts[process.output] = merged(config, next, job, process.part);
    process.step = "record";
  });
  if (plants(config, "output-recorded-before-it-is-stored")) {
    add(`begins to upload part ${self.part} of job ${job.id}`, (_next, process) => {
      mint(process);
      process.step = "record";
    });
  }
  const [only, second] = sstsOf(job);
  if (config.moves && !second && self.part === 0) {
    add(`moves sst ${only} as it is`, (_next, process) => {
      process.output = only;
      process.step = "record";
    });
  }
}

function addRecord(role) {
  const { config } = role;
  const { parts = 1 } = config;
  addCommit(role, {
    series: jobStates,
    transition: (known, { jobId, claim, output, part }) => {
      const job = jobOf(known, jobId);
      if (!job) return null;
      if (job.claim !== claim && !plants(config, "record-without-the-claim")) return null;
      const isDone = part === parts - 1 || sstsOf(job).includes(output);
      return withJob(known, { ...job, outputs: [...job.outputs, output], isDone });
    },
    onWin: (_next, process) => {
      process.output = 0;
      process.part++;
      const job = jobOf(process.jobs.known, process.jobId);
      if (job.isDone) stop(_next, process);
      else process.step = "work";
    },
    onInapplicable: stop,
  });
}
