// The compactor: it merges the whole of L0 and the run into a new run. It knows the writer only through the manifest.

import { addCommit } from "./commit.mjs";
import { indexOf, mintedNumber, plants } from "./state.mjs";

const sstNames = (ids) => ids.map((id) => `sst/${id}`);

export function addCompactor(role) {
  const { config, name, self, add } = role;
  if (self.step === "idle" && self.jobCount < (role.config.jobsMax ?? 1)) addPick(role);
  if (self.step === "register") {
    add(`registers its job, start ${self.jobStart}`, (next, process) => {
      next.jobs[name] = process.jobStart;
      process.step = "merge";
    });
  }
  if (self.step === "merge") {
    add(`merges and uploads ${self.output}`, (next, process) => {
      const inputs = [...process.l0Inputs, ...process.runInputs];
      if (inputs.some((id) => next.ssts[id] === undefined)) {
        finish(name, next, process);
        return;
      }
      const value = inputs.reduce((all, id) => all | next.ssts[id], 0);
      next.ssts[process.output] = config.snapshots ? retained(next, process, value) : value;
      next.truth.dropped |= value & ~next.ssts[process.output];
      if (process.filters) next.truth.filtered |= value & ~next.ssts[process.output];
      process.step = "commit";
    });
  }
  if (self.step === "commit") addPublish(role, config);
}

function finish(name, next, process) {
  process.step = "idle";
  delete next.jobs[name];
}

/** Of the versions at or below `retainSeq` only the newest, or none where a filter drops it. */
function retained({ truth }, { retainSeq, filters }, value) {
  const isOld = (bit) => (value >> bit) & 1 && truth.seqs[bit] <= retainSeq;
  const old = Object.keys(truth.seqs).filter(isOld);
  old.sort((one, other) => truth.seqs[one] - truth.seqs[other]);
  if (!filters) old.pop();
  return old.reduce((kept, bit) => kept & ~(1 << bit), value);
}

function addPick({ config, name, state, add }) {
  const { newest } = state.truth;
  const { l0 } = state.manifests[newest];
  if (!l0.length) return;
  add(`reads manifest ${newest}, picks L0 ${l0}, mints its output`, (next, process) => {
    const manifest = next.manifests[newest];
    process.knownNumber = newest;
    process.known = manifest;
    process.newestSince = next.now;
    process.l0Inputs = [...manifest.l0];
    process.runInputs = [...manifest.runs];
    process.jobStart = Math.max(manifest.lastId, manifest.compactorFloor) + 1;
    process.output = process.jobStart * 10 + 5 + indexOf(name);
    process.jobCount++;
    const { snapshotSeq, lastL0Seq } = manifest;
    const isNeeded = snapshotSeq && !plants(config, "snapshot-seq-ignored");
    process.retainSeq = isNeeded ? Math.min(snapshotSeq, lastL0Seq) : lastL0Seq;
    process.filters = Boolean(config.filters && !snapshotSeq);
    process.step = config.sweep && config.sweep !== "floors" ? "register" : "merge";
  });
}

function addPublish(role, config) {
  const { name, state, self, add } = role;
  const end = (next, process) => finish(name, next, process);
  addCommit(role, {
    transition: (manifest, process) => replaceInputs(config, manifest, process),
    onWin: end,
    onFenced: end,
    onInapplicable: end,
  });
  if (config.compactorGivesUp && !self.outcomeUnknown && state.inFlight.length) {
    add("gives its job up", end);
  }
}

/** The removal of exactly its inputs, only if they are still there. */
function replaceInputs(config, manifest, process) {
  const { l0Inputs, runInputs, output, retainSeq, filters, knownNumber } = process;
  const { l0, runs, retired } = manifest;
  if (plants(config, "stale-l0-list")) {
    return { ...manifest, l0: [], runs: [output], retired: [...retired, ...sstNames(l0)] };
  }
  const isThere =
    `${l0.slice(0, l0Inputs.length)}` === `${l0Inputs}` && `${runs}` === `${runInputs}`;
  if (!isThere) return null;
  return {
    ...manifest,
    l0: l0.slice(l0Inputs.length),
    runs: [output],
    retired: [...retired, ...sstNames(l0Inputs), ...sstNames(runInputs)],
    lastId: Math.max(manifest.lastId, mintedNumber(output)),
    compactorFloor: mintedNumber(output),
    ...(config.snapshots && {
      compactedSeq: Math.max(manifest.compactedSeq, retainSeq),
      rewrittenNumber: filters ? knownNumber + 1 : manifest.rewrittenNumber,
    }),
  };
}
