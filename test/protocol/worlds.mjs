// The worlds that scenarios start from: which processes there are, what they do, and which faults may happen.
//
// A config has these fields, all optional but `processes`:
// - processes: W* writers (W0 is open at the start), C* compactors that do all alone, D* coordinators (D0 is open) and E*
//   workers of compaction, G* collectors, K* keepers of checkpoints, R a reader
// - writes: how many writes each writer may accept; putsInFlight: WAL groups at once (2); nonDurableWrites
// - faults: how often each fault may happen. lost: applied, but the reply is lost. late: no reply, and it may be applied
//   at any later time. crash: a writer dies with its PUTs on their way. conflict: a 409 that changes nothing.
//   tick: half a manifest retention passes. deletion: the collector deletes an old manifest
// - loads: how many loads each writer may begin; loadsGivenUp: it may give them up before they take their seq;
//   shortBatches: a commit may retire only the front of the uploaded prefix
// - flush, flushesMax (3), loads, withoutWal, withoutWalGate, withoutRetired, closes
// - lastLook, fencesInParallel, ignoresFoundFences: how a writer opens
// - usesHint, probeAge ("start" | "last-manifest" | "hint-object"), ageRule, claimsOnly, deletesManifests
// - claimLeavesFloor: an epoch claim does not raise the floor of the writer
// - confirmsOldNews: a manifest of others that is found at an old age is confirmed by a listing; polls: n + 1 is read
//   before a commit
// - sweep ("floors" | "jobs-manifest" | "manifest-jobs" | "manifest-jobs-manifest"), collectorPasses (1), compactorGivesUp,
//   collectors: which of the G* collect what is retired when the others sweep
// - keeperScripts: what each keeper does, one commit after the other
// - restorers: which of the writers open to restore the checkpoint of K0
// - isWalked: too large to search, so that nearly all the time is for random walks
// - prepare: changes the first state
// - planted: the rules that are left out

import { freezeContent } from "./state.mjs";

export const twoWriters = {
  processes: ["W0", "W1"],
  writes: { W0: 3, W1: 1 },
  putsInFlight: 3,
  faults: { lost: 1, late: 1 },
  lastLook: true,
};

export const threeWriters = {
  processes: ["W0", "W1", "W2"],
  writes: { W0: 2, W1: 1, W2: 0 },
  faults: { late: 1 },
  lastLook: true,
};

export const flushing = {
  processes: ["W0", "W1", "G0"],
  writes: { W0: 2, W1: 1 },
  flush: true,
  faults: { lost: 1 },
  lastLook: true,
};

export const threeFlushing = {
  processes: ["W0", "W1", "W2", "G0"],
  writes: { W0: 1, W1: 0, W2: 0 },
  putsInFlight: 1,
  flush: true,
  lastLook: true,
};

export const compacting = {
  processes: ["W0", "C0", "G0"],
  writes: { W0: 2 },
  flush: true,
  faults: { lost: 1 },
  lastLook: true,
};

export const withoutWal = {
  processes: ["W0", "W1", "C0"],
  writes: { W0: 2, W1: 1 },
  withoutWal: true,
  withoutRetired: true,
  flush: true,
  faults: { lost: 1, late: 1 },
};

/** A load beside writes, its successor, and the sweep by the floor of the writers. */
export const loading = {
  processes: ["W0", "W1", "G0"],
  writes: { W0: 1, W1: 0 },
  loads: { W0: 1 },
  putsInFlight: 1,
  flush: true,
  flushesMax: 2,
  sweep: "floors",
  claimLeavesFloor: true,
  shortBatches: true,
  lastLook: true,
};

export const openersOnly = {
  processes: ["W1", "W2", "W3"],
  usesHint: true,
  claimsOnly: true,
  deletesManifests: true,
  ageRule: true,
  probeAge: "start",
  faults: { late: 1, tick: 3, deletion: 2 },
};

/**
 * History 1 to 4, a retention later: 2 and 3 are deleted but for `kept` (pinned by a checkpoint), the hint is at 1,
 * and W1 slept with 1 in its hand. `hintStoredAt` 2 is a hint that was put late.
 */
export const sleeper = (kept, hintStoredAt = 0) => ({
  ...openersOnly,
  processes: ["W1", "W2"],
  faults: { lost: 1, late: 1, tick: 1, deletion: 1 },
  prepare: (state) => {
    const first = state.manifests[1];
    state.now = 2;
    state.hint = { number: 1, manifest: first, storedAt: hintStoredAt };
    for (const number of [2, 3, 4]) {
      const token = `h${number}`;
      state.truth.history[number] = token;
      if (number !== 4 && !kept.includes(number)) continue;
      const checkpoints = number === 4 && kept.includes(2) ? [{ id: "pin", number: 2 }] : [];
      state.manifests[number] = freezeContent({
        ...first,
        token,
        writerEpoch: number,
        checkpoints,
      });
      state.storedAt[number] = 0;
    }
    state.truth.newest = 4;
    Object.assign(state.processes.W1, { step: "claim", knownNumber: 1, known: first });
  },
});

/** The same with W2 asleep too: what one of them finds may be the stray of the other. */
export const twoSleepers = (kept) => {
  const world = sleeper(kept, 2);
  return {
    ...world,
    confirmsOldNews: true,
    polls: true,
    prepare: (state) => {
      world.prepare(state);
      const known = state.manifests[1];
      Object.assign(state.processes.W2, { step: "claim", knownNumber: 1, known });
    },
  };
};

export const checkpoints = {
  processes: ["W0", "C0", "G0", "K0", "K1"],
  writes: { W0: 1 },
  putsInFlight: 1,
  flush: true,
  flushesMax: 1,
  keeperScripts: { K0: ["add", "drop"], K1: ["copy"] },
};

export const durableCheckpoints = {
  ...checkpoints,
  processes: ["W0", "C0", "G0", "K0"],
  loads: { W0: 1 },
  flushesMax: 2,
  lastLook: true,
  keeperScripts: { K0: ["addDurable"] },
};

export const restoring = {
  ...checkpoints,
  keeperScripts: { K0: ["add"], K1: ["restore", "drop"] },
};

/** W1 restores under W0, which is open and writes; of what W0 wrote some is in the log alone. */
export const restoringLive = {
  processes: ["W0", "W1", "G0", "K0"],
  writes: { W0: 2 },
  putsInFlight: 1,
  flush: true,
  flushesMax: 1,
  lastLook: true,
  restorers: ["W1"],
  keeperScripts: { K0: ["addDurable"] },
};

/** With a load, whose record may be in the log of the checkpoint or of what is replaced, and the sweep by floors. */
export const restoringLoads = {
  ...restoringLive,
  writes: { W0: 0 },
  loads: { W0: 1 },
  flushesMax: 2,
  sweep: "floors",
  claimLeavesFloor: true,
};

/** Beside compaction and a collector that is in the middle of deleting; the checkpoint may be dropped meanwhile. */
export const restoringCollected = {
  ...restoringLive,
  processes: ["W0", "W1", "C0", "G0", "K0"],
  writes: { W0: 1 },
  collectorPasses: 2,
  keeperScripts: { K0: ["addDurable", "drop"] },
};

/** A writer opens while another restores, or after it. */
export const restoringAndOpening = {
  ...restoringLive,
  processes: ["W0", "W1", "W2", "K0"],
  writes: { W0: 2, W2: 1 },
  flush: false,
};

export const sweeping = {
  processes: ["W0", "C0", "G0"],
  writes: { W0: 3 },
  putsInFlight: 1,
  withoutWal: true,
  withoutRetired: true,
  flush: true,
  sweep: "floors",
};

export const reading = {
  processes: ["W0", "W1", "R", "G0"],
  writes: { W0: 2, W1: 1 },
  flush: true,
  flushesMax: 1,
  lastLook: true,
};

export const closing = {
  processes: ["W0", "W1", "G0"],
  writes: { W0: 1, W1: 1 },
  putsInFlight: 1,
  flush: true,
  closes: true,
  faults: { lost: 1, late: 1 },
  lastLook: true,
};
