// The scenarios of points in time: as ../scenarios.mjs.

import { clean, planted } from "../scenario.mjs";
import * as base from "../worlds.mjs";
import * as worlds from "./worlds.mjs";

export const pointsScenarios = [
  clean(
    "clone",
    "a clone while its parent compacts, collects and drops the checkpoint",
    worlds.cloning,
  ),
  clean("clone-twice", "two attempts for one target, of which one may die", worlds.cloningTwice),
  clean("clone-of-a-clone", "beside compaction and release in the first", worlds.cloningTheClone),
  clean(
    "clone-of-a-detached-clone",
    "the first clone detaches meanwhile",
    worlds.cloningTheDetached,
  ),
  clean("release", "a clone gives its parent up, beside a restore", worlds.releasing),
  clean(
    "detach",
    "beside a checkpoint, a restore, compaction and both collectors",
    worlds.detaching,
  ),
  clean("detach-twice", "two detach, of which one may die", worlds.detachingTwice),
  clean(
    "detach-in-vain",
    "what it copied is compacted, collected and swept meanwhile",
    worlds.detachingInVain,
  ),
  clean("detach-unchecked", "without a look at what is named by then: nothing new can be", {
    ...worlds.detaching,
    planted: ["detached-as-it-was-read"],
  }),
  clean(
    "release-of-one-owner",
    "a clone of two owners at one path gives one up",
    worlds.releasingOneOfTwo,
  ),
  clean("destroy", "parent and clone, interrupted, and a second life", worlds.destroying),
  clean(
    "destroy-the-cloned",
    "a parent is destroyed while a clone begins",
    worlds.destroyingTheCloned,
  ),

  planted("pin-after-the-first-manifest", "a clone pins its parent too late", worlds.cloning),
  planted(
    "owners-not-pinned",
    "a clone of a clone pins its parent alone",
    worlds.cloningTheDetached,
  ),
  planted(
    "owner-found-in-the-old-manifest",
    "the checkpoint's manifest says where an owner lies",
    worlds.cloningTheDetached,
  ),
  planted(
    "pin-of-the-parent-shared",
    "one pin for two owners at one path",
    worlds.releasingOneOfTwo,
  ),
  planted("released-by-the-newest-alone", "checkpoints are not looked at", worlds.releasing),
  planted("removed-before-its-pin", "the entry goes before the pin", worlds.releasing),
  planted("deleted-in-the-parent", "a clone deletes what it retired of others", worlds.releasing),
  planted("checkpoints-not-copied", "a detach copies what the newest names", worlds.detaching),
  planted("pins-forgotten", "a detach removes the old entries at once", worlds.detaching),
  planted(
    "copies-not-announced",
    "a detach that dies has told nobody of its copies",
    worlds.detachingInVain,
  ),
  planted(
    "routes-of-an-old-manifest",
    "a checkpoint's manifest says where objects lie",
    worlds.detaching,
  ),
  planted(
    "restore-takes-old-places",
    "a restore takes the places of the checkpoint",
    worlds.detaching,
  ),
  planted("destroyed-while-held", "a parent is destroyed under its clone", worlds.destroying),
  planted("deleted-as-it-was-listed", "no look between listing and deleting", worlds.destroying),

  clean(
    "restore-under-a-writer",
    "fences, then one commit that keeps what it replaces",
    base.restoringLive,
  ),
  clean("restore-with-loads", "the same with a load and the sweep", base.restoringLoads),
  clean(
    "restore-and-collector",
    "beside compaction, collection and a drop",
    base.restoringCollected,
  ),
  clean("restore-and-writers", "a writer opens meanwhile or afterwards", base.restoringAndOpening),
  planted("restored-before-the-fences", "a restore does not close the logs", base.restoringLive, {
    planted: ["no-fence"],
  }),
  planted(
    "replaced-without-its-wal",
    "of what is replaced the manifest is kept",
    base.restoringLive,
  ),
  planted(
    "replaced-without-its-loads",
    "loads that only its log names are not",
    base.restoringLoads,
  ),
  planted(
    "replaced-on-the-number-of-the-commit",
    "the replaced state is attached to the restore's own number",
    base.restoringLive,
  ),
  planted(
    "restore-gives-seqs-again",
    "the next writer goes on from the checkpoint's seq",
    base.restoringAndOpening,
  ),

  clean(
    "export-claims",
    "three exporters, claims taken over, one fails, sleepers wake",
    worlds.exporting,
  ),
  clean("export-fails", "a failed export leaves nothing", worlds.exportingAlone),
  clean("export-more", "an incremental export beside a sweep of its target", worlds.exportingMore),
  planted("claim-not-looked-at", "an exporter does not look before its manifest", worlds.exporting),
  planted("target-listed-before-the-claim", "what is there was listed too early", worlds.exporting),
  planted("left-behind-deleted-at-once", "a take-over begins with a clean-up", worlds.exporting),
  planted(
    "deleted-long-after-the-look",
    "a failed exporter pauses before it deletes",
    worlds.exporting,
  ),
  planted("older-claims-left", "a clean-up takes its own claim alone", worlds.exporting),
  planted("export-with-floors", "an export has the floors of its source", worlds.exportingMore),
  clean(
    "export-family",
    "an incremental export begins while the first is tidying up",
    worlds.exportingFamily,
  ),
  planted(
    "tidied-under-a-later-claim",
    "who has finished does not look at claims",
    worlds.exportingFamily,
  ),
  planted(
    "finished-before-its-claim",
    "another's end is not looked for after the claim",
    worlds.exportingAlone,
  ),

  clean(
    "feed-and-named-logs",
    "records behind a named one go: a feed goes on or ends",
    worlds.feeding,
  ),
  clean("feed-of-three-writers", "the same, and the checkpoint is dropped", worlds.feedingOfThree),
  clean("checkpoint-of-logs", "made without a writer, beside two of them", worlds.namingLogs),
  clean(
    "expiry-of-bases",
    "expiry beside new children, a refresh and an end by hand",
    worlds.expiring,
  ),
  planted("remnants-taken-for-a-log", "what is left before a gap stays a log", worlds.feeding),
  planted("gap-between-logs-passed", "a feed takes the next log for the next", worlds.feeding),
  planted(
    "listed-past-an-open-log",
    "the next log is listed before a fence was seen",
    worlds.namingLogs,
  ),
  planted(
    "wal-named-as-it-was-listed",
    "what to name is decided before the commit",
    worlds.namingLogs,
  ),
  planted("bases-dropped", "a base ends like any other", worlds.expiring),
  planted(
    "cascade-of-one-step",
    "with its child only a base goes, not the base's",
    worlds.expiring,
  ),
  planted("cascade-computed-beforehand", "what goes is decided before the commit", worlds.expiring),
];
