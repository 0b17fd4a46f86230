// The coordinator of compaction: it claims the compactor's epoch, in the manifest and then in the states of jobs, plans
// jobs, takes them from workers that it thinks dead, publishes what is done in the manifest and then removes the job.

import { addCommit, isSuperseded } from "./commit.mjs";
import { addPublish, addRunList, floorAfter, isPublishable } from "./publication.mjs";
import { jobStates, manifests, takeNewest } from "./series.mjs";
import { indexOf, mintedNumber, plants, sstsOf } from "./state.mjs";

function end(_next, process) {
  process.step = "open";
  process.job = null;
}

function becomeFenced(_next, process) {
  process.step = "fenced";
  process.job = null;
}

const ends = { end, becomeFenced };

export function addCoordinator(role) {
  const { config, self, add } = role;
  switch (self.step) {
    case "idle":
      add(`reads manifest ${role.state.truth.newest}`, (next, process) => {
        takeNewest(manifests, next, process);
        process.step = "claim";
      });
      return;
    case "claim":
      addCommit(role, {
        transition: (manifest) => ({ ...manifest, compactorEpoch: manifest.compactorEpoch + 1 }),
        onWin: (_next, process) => {
          process.compactorEpoch = process.known.compactorEpoch;
          process.step = "find-jobs";
        },
      });
      return;
    case "find-jobs":
      add("lists the job states", (next, process) => {
        const { compactorEpoch } = takeNewest(jobStates, next, process);
        if (compactorEpoch > process.compactorEpoch) becomeFenced(next, process);
        else process.step = plants(config, "job-states-not-claimed") ? "open" : "claim-jobs";
      });
      return;
    case "claim-jobs":
      addJobsCommit(role, (known) => known);
      return;
    case "open":
      addChoices(role);
      return;
    case "plan":
      addJobsCommit(role, (known, { job }) =>
        known.jobs.some((other) => overlaps(other, job)) && !plants(config, "jobs-over-one-input")
          ? null
          : { ...known, jobs: [...known.jobs, job] },
      );
      return;
    case "reclaim":
      addJobsCommit(role, (known, { job }) => {
        const isThere = known.jobs.some(({ id, claim }) => id === job.id && claim === job.claim);
        const free = (each) => (each.id === job.id ? { ...each, claim: null } : each);
        return isThere ? { ...known, jobs: known.jobs.map(free) } : null;
      });
      return;
    case "remove":
      addJobsCommit(role, (known, { job }) =>
        known.jobs.some(({ id }) => id === job.id)
          ? { ...known, jobs: known.jobs.filter(({ id }) => id !== job.id) }
          : null,
      );
      return;
    case "store-list":
      addRunList(role, ends);
      return;
    case "publish":
      addPublish(role, ends);
      return;
    case "raise":
      addCommit(role, {
        transition: (manifest, process) => ({
          ...manifest,
          ...floorAfter(config, manifest, process),
        }),
        onWin: end,
        onFenced: becomeFenced,
      });
  }
}

/** A commit to the states of jobs, which says whose they are. */
function addJobsCommit(role, change) {
  addCommit(role, {
    series: jobStates,
    transition: (known, process, state) => {
      const changed = change(known, process, state);
      return changed && { ...changed, compactorEpoch: process.compactorEpoch };
    },
    onWin: end,
    onFenced: becomeFenced,
    onInapplicable: end,
  });
}

const inputsOf = ({ l0, runs }) => [...l0, ...runs.flat()];

const overlaps = (one, other) => inputsOf(one).some((id) => inputsOf(other).includes(id));

/** The inputs that the strategy may pick: the oldest of L0 as a run of its own, or all runs as one. */
function picksOf(config, { l0, runs }) {
  if (config.picksAll) return l0.length ? [{ l0: l0.slice(0, config.fanIn ?? 1), runs }] : [];
  const picks = [];
  if (l0.length) picks.push({ l0: l0.slice(0, config.fanIn ?? 1), runs: [] });
  if (runs.length > 1) picks.push({ l0: [], runs });
  return picks;
}

function addChoices(role) {
  const { config, name, state, self, add } = role;
  for (const series of [manifests, jobStates]) {
    const { newest } = series.truthOf(state);
    if (newest === series.cursorOf(self).knownNumber) continue;
    add(`polls ${series.kind} ${newest}`, (next, process) => {
      const object = takeNewest(series, next, process);
      if (isSuperseded(name, process, object)) becomeFenced(next, process);
    });
  }
  const { jobs } = self.jobs.known;
  const turnTo = (step, job) => (_next, process) => {
    process.step = step;
    process.job = job;
  };
  for (const job of jobs) {
    if (job.claim && !job.isDone && state.faults.reclaim) {
      add(`takes job ${job.id} from ${job.claim}`, (next, process) => {
        next.faults.reclaim--;
        turnTo("reclaim", job)(next, process);
      });
    }
    if (!isPublishable(config, self.known, job)) {
      add(`finds job ${job.id} void`, turnTo("remove", job));
    } else if (job.isDone) {
      add(`finds job ${job.id} done`, (next, process) => {
        turnTo(config.storesRunLists ? "store-list" : "publish", job)(next, process);
        if (config.mintsRunIds) process.lastMinted = mintAbove(config, name, process);
      });
    }
    if (job.claim === name) {
      add(`builds job ${job.id} itself`, (next, process) => build(next, process, job));
    }
    if (state.faults.giveUp) {
      add(`gives job ${job.id} up`, (next, process) => {
        next.faults.giveUp--;
        turnTo("remove", job)(next, process);
      });
    }
  }
  if (state.faults.raise) {
    add("has something else to commit, mints an id for it", (next, process) => {
      next.faults.raise--;
      process.lastMinted = mintAbove(config, name, process);
      process.step = "raise";
    });
  }
  if (self.planCount >= (config.plans?.[name] ?? 1)) return;
  for (const pick of picksOf(config, self.known)) {
    if (jobs.some((job) => overlaps(job, pick))) continue;
    add(`plans a job over L0 ${pick.l0} and runs ${pick.runs.join(";")}`, (next, process) => {
      process.lastMinted = mintAbove(config, name, process);
      process.planCount++;
      process.step = "plan";
      const skew = plants(config, "expiry-by-own-clock") ? 3 : 0;
      const claim = config.claimsItself?.includes(name) ? name : null;
      process.job = {
        ...{ ...pick, claim, outputs: [], isDone: false },
        // Ids of two coordinators never meet.
        id: process.lastMinted + indexOf(name) / 10,
        expiredAt: next.now + skew,
      };
    });
  }
}

/** A worker of its own process has claimed the job as it was planned; what it builds is published without a record of it. */
function build(next, process, job) {
  if (sstsOf(job).some((id) => next.ssts[id] === undefined)) {
    process.job = job;
    process.step = "remove";
    return;
  }
  process.lastMinted = Math.floor(Math.max(process.lastMinted, job.id)) + 1;
  const output = process.lastMinted * 10 + 5;
  next.ssts[output] = sstsOf(job).reduce((value, id) => value | next.ssts[id], 0);
  process.job = { ...job, outputs: [output], isDone: true };
  process.step = "publish";
}

/** Above everything that the manifest and the jobs know, by the slowest clock allowed, or one that is ahead. */
function mintAbove({ clocks }, name, { known, jobs, lastMinted }) {
  const { lastId, compactorFloor } = known;
  const ids = jobs.known.jobs.flatMap(({ id, outputs }) => [id, ...outputs.map(mintedNumber)]);
  const bounds = [lastMinted, lastId, compactorFloor, clocks?.[name] ?? 0, ...ids];
  return Math.floor(Math.max(...bounds)) + 1;
}
