// The scenarios: each a world in which the protocol holds (clean), or one in which a rule is left out and the checker
// must find what the rule is there for (planted). docs/protocol.md names each of them at the rules that it supports.

import { compactionScenarios } from "./compaction-scenarios.mjs";
import { pointsScenarios } from "./points/scenarios.mjs";
import { clean, planted } from "./scenario.mjs";
import * as worlds from "./worlds.mjs";

const { twoWriters, threeWriters, flushing, threeFlushing, compacting, withoutWal } = worlds;
const {
  loading,
  openersOnly,
  sleeper,
  twoSleepers,
  checkpoints,
  durableCheckpoints,
  restoring,
  sweeping,
  reading,
  closing,
} = worlds;

/** @type {{ id: string, title: string, kind: "clean" | "planted", config: object }[]} */
export const scenarios = [
  clean(
    "wal-two-writers",
    "two writers, 3 PUTs in flight, a lost reply, a late request",
    twoWriters,
  ),
  clean("wal-crash", "a writer dies with requests in flight", {
    ...twoWriters,
    faults: { crash: 1, lost: 1 },
    putsInFlight: 2,
  }),
  clean("wal-non-durable-writes", "non-durable writes, then durable ones", {
    ...twoWriters,
    nonDurableWrites: true,
    putsInFlight: 2,
    faults: { late: 1 },
  }),
  clean("wal-three-writers", "three writers, an opener dies anywhere", threeWriters),
  clean("flush-and-collect", "flush, retired list and collector, grace 0", flushing),
  clean("flush-three-writers", "a superseded opener replays late", threeFlushing),
  clean("compactor-and-collector", "writer, compactor and collector", compacting),
  clean("without-wal", "no WAL: two writers and a compactor", withoutWal),
  clean("manifest-history", "manifests are deleted after the retention", openersOnly),
  clean("sleeper-and-stray", "a sleeper, a hint put late, 2 and 3 gone", sleeper([], 2)),
  clean("sleeper-and-pinned", "a sleeper, a hint put late, 2 pinned, 3 gone", sleeper([2], 2)),
  clean("two-sleepers", "two sleepers leave strays for each other", twoSleepers([])),
  clean("two-sleepers-and-pinned", "the same with 2 pinned", twoSleepers([2])),
  clean("checkpoints", "add, drop and copy against compaction and collection", checkpoints),
  clean("durable-checkpoint", "it names WAL objects and the loads in them", durableCheckpoints),
  clean("restore", "a restore takes its objects off the retired list", restoring),
  clean("sweep-by-floors", "the orphan sweep below the floors of a manifest", sweeping),
  clean("sweep-by-floors-with-load", "the same with a load", {
    ...sweeping,
    loads: { W0: 1 },
    writes: { W0: 2 },
  }),
  clean("reader-follows", "a reader follows two writers", reading),
  clean("load-and-successor", "a load, its successor dies or not, the sweep", {
    ...loading,
    writes: { W0: 1, W1: 1 },
    faults: { crash: 1 },
  }),
  clean("load-and-lost-replies", "a load among lost replies and late requests", {
    ...loading,
    flushesMax: 1,
    shortBatches: false,
    faults: { lost: 1, late: 1 },
  }),
  clean("load-three-writers", "a load that a second successor replays again", {
    ...loading,
    processes: ["W0", "W1", "W2", "G0"],
    flushesMax: 1,
    shortBatches: false,
  }),
  clean("load-by-both-writers", "a load replayed beside one of the successor's own", {
    ...loading,
    loads: { W0: 1, W1: 1 },
  }),
  clean("load-given-up", "a load may be given up before it takes its seq, and begun again", {
    ...loading,
    loads: { W0: 2 },
    loadsGivenUp: true,
    faults: { crash: 1 },
  }),
  clean("load-non-durable", "a load's record waits in the buffer", {
    ...loading,
    writes: { W0: 2, W1: 0 },
    nonDurableWrites: true,
  }),
  clean("load-and-compactor", "a load, its successor, compaction, collector and sweep", {
    ...loading,
    processes: ["W0", "W1", "C0", "G0", "G1"],
    collectors: ["G0"],
    flushesMax: 1,
    shortBatches: false,
  }),
  clean("load-without-wal", "no WAL: a load is durable with its commit", {
    ...loading,
    processes: ["W0", "W1", "C0", "G0"],
    loads: { W0: 1, W1: 1 },
    withoutWal: true,
    withoutRetired: true,
    faults: { late: 1 },
  }),
  clean("load-and-reader", "a reader follows a load's record", {
    ...loading,
    processes: ["W0", "W1", "R", "G0"],
    flushesMax: 1,
    shortBatches: false,
  }),
  clean("second-fence", "a second fence past the first is harmless: replay stops at the first", {
    ...threeWriters,
    ignoresFoundFences: true,
  }),
  clean("no-wal-gate", "tables retired before their WAL objects: no promise of the model breaks", {
    ...flushing,
    withoutWalGate: true,
  }),
  clean("fence-409", "a 409 to a fence repeats the same id", {
    ...twoWriters,
    faults: { conflict: 1 },
  }),
  clean("parallel-fences", "fences placed several at once, answered in any order", {
    ...twoWriters,
    putsInFlight: 2,
    fencesInParallel: 3,
  }),
  clean("parallel-fences-three-writers", "the same, while an opener dies anywhere", {
    ...threeWriters,
    fencesInParallel: 2,
  }),
  clean("clean-close", "a clean close, its commit lost or late, and the next writer", closing),
  clean("clean-close-compactor", "a clean close in conflict with a compactor", {
    ...closing,
    processes: ["W0", "W1", "C0", "G0"],
    writes: { W0: 1, W1: 0 },
    faults: { late: 1 },
  }),
  clean("sweep-claim-leaves-floor", "a claim leaves the floor; two writers and the sweep", {
    ...sweeping,
    processes: ["W0", "W1", "G0"],
    writes: { W0: 2, W1: 1 },
    claimLeavesFloor: true,
  }),

  // Finding the newest manifest.
  planted("stale-hint-trusted", "the hint is taken for the newest manifest", sleeper([])),
  planted(
    "age-of-last-manifest",
    "the age of a probe is that of the manifest at its end",
    sleeper([]),
    {
      probeAge: "last-manifest",
    },
  ),
  planted(
    "age-of-hint-object",
    "the age of a probe is the store time of the hint",
    sleeper([], 2),
    {
      probeAge: "hint-object",
    },
  ),
  planted("retention-floor-violated", "manifests are deleted before the retention", openersOnly),
  planted(
    "hint-before-confirmation",
    "the hint is put before the commit is confirmed",
    sleeper([]),
  ),

  // Committing.
  planted("manifest-overwritten", "the store ignores the condition of a create", threeWriters),
  planted("own-token-ignored", "what exists is never taken for the own write", twoWriters),
  planted(
    "no-listing-after-sleep",
    "a create is believed however long the writer slept",
    sleeper([]),
  ),
  planted(
    "exists-renews-the-age",
    "an `exists` proves that the number is the newest",
    sleeper([2]),
  ),
  planted("stray-renews-the-age", "a stray's creation time is taken for news", twoSleepers([]), {
    confirmsOldNews: false,
    polls: false,
  }),
  planted("absence-renews-the-age", "an absent n + 1 proves n the newest", twoSleepers([])),
  planted("only-own-reply-confirmed", "an outcome learned by GET is not confirmed", sleeper([])),
  planted("unknown-commit-cleaned-up", "the SSTs of an unknown commit are deleted", flushing, {
    faults: { late: 1 },
  }),
  planted("epoch-computed-beforehand", "the epoch is computed before the commit", withoutWal, {
    processes: ["W0", "W1", "W2"],
    writes: { W1: 1, W2: 1 },
    faults: {},
  }),
  planted("newer-epoch-ignored", "a writer commits on top of a newer epoch", withoutWal),
  planted("stale-l0-list", "a compactor puts back the L0 list that it read", compacting),

  // Fencing.
  planted("no-fence", "older logs are not closed", twoWriters),
  planted("fence-below-replay-start", "the first free id is counted from 0", flushing),
  planted("conflict-taken-for-exists", "a 409 is read as `exists`", twoWriters, {
    planted: ["conflict-taken-for-exists", "missing-id-is-the-end"],
    faults: { conflict: 1 },
  }),
  planted("replay-past-a-fence", "replay goes on behind the first fence", threeWriters, {
    ignoresFoundFences: true,
    writes: { W0: 2 },
  }),
  planted("own-fence-ends-the-log", "the own fence ends the log, not the first", threeWriters, {
    planted: ["own-fence-ends-the-log", "replay-past-a-fence"],
    fencesInParallel: 2,
    writes: { W0: 2 },
  }),
  planted("first-answered-fence-ends-the-log", "lower ids are not waited for", twoWriters, {
    planted: ["first-answered-fence-ends-the-log", "missing-id-is-the-end"],
    putsInFlight: 2,
    fencesInParallel: 3,
  }),
  planted("fences-deleted", "the collector deletes fences", flushing),
  planted("missing-id-is-the-end", "a missing WAL object is read as the end", threeFlushing, {
    lastLook: false,
  }),
  planted("no-last-look", "open resolves without a last look at the manifest", threeFlushing, {
    lastLook: false,
  }),

  // The WAL.
  planted("group-grows-on-retry", "a PUT is repeated with other bytes", flushing, {
    nonDurableWrites: true,
    writes: { W0: 2 },
  }),
  planted("durable-overtakes-non-durable", "a group leaves older writes behind", twoWriters, {
    nonDurableWrites: true,
    putsInFlight: 2,
  }),
  planted("acknowledged-out-of-order", "groups are acknowledged as they are stored", twoWriters),
  planted("taken-id-skipped", "a writer whose id is taken goes on with the next", twoWriters),
  planted("close-taken-for-lost", "a writer goes on after an unknown close", closing),
  planted("close-sent-before-its-puts-are-done", "a close acknowledges after it was sent", closing),

  // Flush and load.
  planted("retired-out-of-order", "a younger table is retired first", withoutWal, {
    processes: ["W0", "W1"],
  }),
  planted("load-seq-first", "a load takes its seq before its SST is stored", loading, {
    writes: { W0: 2 },
  }),
  planted("load-record-before-its-sst", "a load's record may precede its SST", loading),
  planted("load-acknowledged-at-once", "a load does not wait for its record", loading),
  planted("load-record-not-replayed", "replay passes over the records of loads", loading),
  planted("replayed-load-not-skipped", "replay takes a load that L0 has had", loading, {
    processes: ["W0", "W1", "C0", "G0"],
    collectors: ["G0"],
    writes: { W0: 0, W1: 0 },
    nonDurableWrites: true,
    shortBatches: false,
  }),
  planted("l0-in-id-order", "L0 is in the order of ids, which a load mints early", loading),

  // Readers, collection and checkpoints.
  planted("reader-skips-a-gap", "a reader reads on behind a missing id", reading),
  planted("sweep-by-age", "the sweep deletes what nothing names yet", sweeping),
  planted("sweep-jobs-then-manifest", "the sweep reads jobs, then the manifest", sweeping, {
    sweep: "jobs-manifest",
  }),
  planted("sweep-manifest-then-jobs", "the sweep reads the manifest, then jobs", sweeping, {
    sweep: "manifest-jobs",
  }),
  planted(
    "sweep-sandwich",
    "the sweep reads manifest, jobs, manifest; a commit is given up",
    sweeping,
    {
      sweep: "manifest-jobs-manifest",
      compactorGivesUp: true,
      faults: { late: 1 },
    },
  ),
  planted("sweep-against-load", "the sweep goes by the highest id that is named", sweeping, {
    processes: ["W0", "G0"],
    sweep: "manifest-jobs-manifest",
    loads: { W0: 1 },
    writes: { W0: 2 },
  }),
  planted("floor-past-a-pending-load", "a flush raises the floor past a load's SST", loading),
  planted("floor-past-a-replayed-load", "a successor does so before it names the load", loading),
  planted("claim-raises-the-floor", "a claim raises the floor to the highest named id", loading, {
    claimLeavesFloor: false,
  }),
  planted("checkpoints-joined-by-id", "a stale list of checkpoints is joined in", checkpoints),
  planted(
    "checkpoint-on-an-old-number",
    "a checkpoint is attached to an old manifest",
    checkpoints,
    {
      keeperScripts: { K0: ["addToOldNumber"], K1: [] },
    },
  ),
  planted("expired-checkpoint-ignored", "a listed checkpoint does not protect", checkpoints),
  planted("checkpointed-wal-collected", "a checkpoint's WAL objects go", durableCheckpoints),
  planted("checkpointed-load-collected", "the SST of a load in them goes", durableCheckpoints),
  planted("restore-leaves-the-retired-list", "a restore only puts its objects back", restoring),
  ...compactionScenarios,
  ...pointsScenarios,
];
