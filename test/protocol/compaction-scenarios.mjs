// The scenarios of compaction jobs, of collection that shortens its lists, and of snapshots beside them: as scenarios.mjs.

import * as worlds from "./compaction-worlds.mjs";
import { clean, planted } from "./scenario.mjs";
import { flushing, loading } from "./worlds.mjs";

const { coordinating, givingUp, working, workingBeside, expiring } = worlds;
const { snapshots, collecting, listing, restoringBesideJobs, sleepingCoordinator } = worlds;

export const compactionScenarios = [
  clean("jobs-two-coordinators", "a job of a coordinator that another replaces", coordinating),
  clean("jobs-two-workers", "a job that is taken from a worker, which comes back", working),
  clean("jobs-beside-each-other", "jobs of disjoint inputs, and the sweep", workingBeside),
  clean("snapshot-of-writer", "it reads the same through compactions and collection", snapshots),
  clean("snapshot-of-what-is-durable", "one that reads below what is being committed", {
    ...snapshots,
    faults: { lost: 1 },
    writes: { W0: 2 },
    snapshots: { S0: { of: "W0", isDurable: true } },
  }),
  clean("snapshot-with-log", "the same with a WAL, of both", {
    ...snapshots,
    withoutWal: false,
    putsInFlight: 1,
    writes: { W0: 2 },
    snapshots: { S0: { of: "W0", isDurable: true } },
  }),
  clean("snapshot-of-reader", "one without a pin is gone, or reads the same", {
    ...snapshots,
    snapshots: { S0: { of: "R" } },
  }),
  clean("snapshot-and-filter", "a filter ends snapshots, and changes none", {
    ...snapshots,
    filters: true,
  }),
  clean("taken-off-the-list", "an expired checkpoint, deletion, and what is taken off", collecting),
  clean(
    "list-of-retired",
    "retired entries move to an object, beside collector and sweep",
    listing,
  ),
  clean("list-of-retired-and-checkpoint", "the same while one of them is spared", {
    ...listing,
    processes: ["D0", "K0", "G0", "G1"],
    keeperScripts: { K0: ["refresh", "drop"] },
    faults: {},
    prepare: worlds.withCheckpoint(false),
  }),
  clean("sweep-of-logs", "records below the start of replay go, beside a new writer", {
    ...flushing,
    sweep: "wal",
    faults: {},
  }),
  clean("sweep-beside-all", "a load, jobs of two workers, collection and the sweep", {
    ...loading,
    processes: ["W0", "D0", "E0", "E1", "G0", "G1"],
    collectors: ["G0"],
    shortBatches: false,
    faults: { reclaim: 1, lost: 1 },
    plans: { D0: 2 },
    parts: 2,
    mintsRunIds: true,
    prepare: worlds.withoutJobs,
  }),
  clean("refresh-kept", "the manifest of a last refresh stays, old as it is", worlds.refreshed),
  clean("jobs-given-up", "a done job is given up while its publication may be late", givingUp),
  clean("jobs-below-the-floors", "without rules for floors: refused, and nothing is lost", {
    ...coordinating,
    planted: ["job-states-not-claimed", "floor-past-a-job"],
    refusesBelowFloors: true,
  }),
  clean("run-lists", "a run's own object, whose PUT may be late", worlds.storingRunLists),
  clean("jobs-over-one-input", "two jobs over one input are waste, and no more", {
    ...coordinating,
    planted: ["jobs-over-one-input"],
    plans: {},
    claims: { E0: 2 },
  }),
  clean("jobs-built-at-home", "a coordinator publishes what no state has recorded", {
    ...coordinating,
    claimsItself: ["D0"],
    faults: { reclaim: 1 },
  }),
  clean("jobs-lost-and-late", "two coordinators and a worker, a lost reply, a late request", {
    ...coordinating,
    processes: ["D0", "D1", "E0"],
    faults: { lost: 1, late: 1 },
  }),
  clean("jobs-skewed-clocks", "ids of a worker far ahead, of the coordinator behind", {
    ...workingBeside,
    clocks: { E0: 6 },
  }),
  clean("jobs-of-a-fast-clock", "ids of the old coordinator are far ahead of its successor's", {
    ...coordinating,
    clocks: { D0: 7 },
  }),
  clean("jobs-that-move", "a job of one input moves it as it is", {
    ...workingBeside,
    moves: true,
  }),
  clean("jobs-and-writer", "a writer flushes beside jobs and the sweep", {
    ...workingBeside,
    processes: ["W0", "D0", "E0", "G0"],
    withoutWal: true,
    withoutRetired: true,
    flush: true,
    writes: { W0: 2 },
    faults: {},
    prepare: worlds.withoutJobs,
  }),
  clean("jobs-expired-rows", "what a job drops has expired by the store's time", expiring),
  clean("jobs-sleeper", "a coordinator that slept gives a job up", sleepingCoordinator),
  clean("jobs-and-restore", "a restore gives all jobs up first", restoringBesideJobs),
  clean(
    "jobs-of-many",
    "three coordinators, workers and collectors, and all faults",
    worlds.manyWorking,
  ),
  clean(
    "snapshots-of-many",
    "of two writers and a reader, beside two compactors",
    worlds.manySnapshots,
  ),
  clean("snapshot-and-successor", "seqs that a successor gives again are not its own", {
    ...snapshots,
    processes: ["W0", "W1", "C0", "G0", "S0"],
    writes: { W0: 2, W1: 1 },
    flushesMax: 1,
    jobsMax: 1,
    collectorPasses: 1,
    lastLook: true,
  }),

  planted(
    "retired-in-a-later-commit",
    "a commit retires nothing, and its process dies",
    collecting,
  ),
  planted("refreshed-checkpoint-dropped", "an expired checkpoint is dropped by its id", collecting),
  planted(
    "sweep-off-the-chain",
    "a sweep deletes logs that its manifest has not in its chain",
    flushing,
    {
      sweep: "wal",
      faults: {},
    },
  ),
  planted("refresh-deleted", "it goes with its age, and the checkpoint with it", worlds.refreshed),
  planted("taken-off-before-it-is-deleted", "the list is shortened first", collecting),
  planted("list-below-the-floors", "a list is named whatever the floors are", listing),
  planted(
    "list-deleted-before-the-commit",
    "a list goes before what is left of it is back",
    listing,
    {
      processes: ["D0", "K0", "G0"],
      keeperScripts: { K0: ["drop"] },
      collectorPasses: 2,
      faults: {},
      prepare: worlds.withCheckpoint(false),
    },
  ),

  // Snapshots.
  planted("snapshot-seq-ignored", "a job keeps what a read at the last seq sees", snapshots),
  planted("durable-read-below-a-commit", "a commit names only what is open", snapshots, {
    faults: { lost: 1 },
    writes: { W0: 2 },
    snapshots: { S0: { of: "W0", isDurable: true } },
  }),
  planted("compacted-seq-ignored", "a reader goes on with any newer manifest", snapshots, {
    snapshots: { S0: { of: "R" } },
  }),
  planted(
    "gone-on-past-a-newer-writer",
    "an old writer's snapshot goes on with its successor",
    snapshots,
    {
      processes: ["W0", "W1", "C0", "G0", "S0"],
      writes: { W0: 2, W1: 1 },
      flushesMax: 1,
      jobsMax: 1,
      collectorPasses: 1,
      lastLook: true,
    },
  ),
  planted("rewritten-number-ignored", "a reader goes on past a filter", snapshots, {
    snapshots: { S0: { of: "R" } },
    filters: true,
  }),

  // Compaction jobs.
  planted(
    "job-states-not-claimed",
    "the epoch is claimed in the manifest alone",
    worlds.pausedWhilePlanning,
  ),
  planted("floor-past-a-job", "a floor is raised past a job under way", workingBeside),
  planted(
    "old-coordinator-publishes",
    "a coordinator publishes on top of a newer epoch",
    givingUp,
    {
      planted: ["newer-epoch-ignored"],
      faults: { giveUp: 1, raise: 1 },
    },
  ),
  planted(
    "inputs-not-looked-at",
    "a job is published whether its inputs are there or not",
    givingUp,
  ),
  planted(
    "job-state-believed-after-sleep",
    "a state is believed however long it slept",
    sleepingCoordinator,
    {
      planted: ["no-listing-after-sleep"],
    },
  ),
  planted(
    "restore-keeps-jobs",
    "a restore leaves jobs for the next coordinator",
    restoringBesideJobs,
    {
      keeperScripts: { K0: ["restore", "dropReplaced"] },
    },
  ),
  planted("expiry-by-own-clock", "rows expire by the clock of a coordinator", expiring),
  planted("checkpoint-judged-by-own-clock", "checkpoints expire by a collector's clock", {
    ...collecting,
    keeperScripts: { K0: [] },
    prepare: worlds.withCheckpoint(false),
  }),
  planted("run-list-under-the-jobs-id", "it is built again under one id", worlds.storingRunLists),
  planted("output-id-by-own-clock", "a worker mints by its clock alone, which is behind", {
    ...working,
    sweep: "floors",
    processes: ["D0", "E0", "G0"],
    faults: {},
  }),
  planted("record-without-the-claim", "a worker records for a job that was taken away", working),
  planted("output-recorded-before-it-is-stored", "an output is recorded first", working),
];
