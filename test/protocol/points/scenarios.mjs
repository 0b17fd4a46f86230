// The scenarios of points in time: as ../scenarios.mjs.

import { clean, planted } from "../scenario.mjs";
import * as writers from "../worlds.mjs";
import * as clones from "./clone-worlds.mjs";
import * as exports from "./export-worlds.mjs";
import * as logs from "./log-worlds.mjs";

export const pointsScenarios = [
  clean(
    "clone",
    "a clone while its parent compacts, collects and drops the checkpoint",
    clones.cloning,
  ),
  clean("clone-twice", "two attempts for one target, of which one may die", clones.cloningTwice),
  clean("clone-of-a-clone", "beside compaction and release in the first", clones.cloningTheClone),
  clean(
    "clone-of-a-detached-clone",
    "the first clone detaches meanwhile",
    clones.cloningTheDetached,
  ),
  clean("release", "a clone gives its parent up, beside a restore", clones.releasing),
  clean(
    "detach",
    "beside a checkpoint, a restore, compaction and both collectors",
    clones.detaching,
  ),
  clean("detach-twice", "two detach, of which one may die", clones.detachingTwice),
  clean(
    "detach-in-vain",
    "what it copied is compacted, collected and swept meanwhile",
    clones.detachingInVain,
  ),
  clean("detach-unchecked", "without a look at what is named by then: nothing new can be", {
    ...clones.detachingOnce,
    planted: ["detached-as-it-was-read"],
  }),
  clean(
    "release-of-one-owner",
    "a clone of two owners at one path gives one up",
    clones.releasingOneOfTwo,
  ),
  clean("destroy", "parent and clone, interrupted, and a second life", clones.destroying),
  clean(
    "destroy-the-cloned",
    "a parent is destroyed while a clone begins",
    clones.destroyingTheCloned,
  ),

  planted("pin-after-the-first-manifest", "a clone pins its parent too late", clones.cloning),
  planted(
    "owners-not-pinned",
    "a clone of a clone pins its parent alone",
    clones.cloningTheDetached,
  ),
  planted(
    "owner-found-in-the-old-manifest",
    "the checkpoint's manifest says where an owner lies",
    clones.cloningTheDetached,
  ),
  planted(
    "pin-of-the-parent-shared",
    "one pin for two owners at one path",
    clones.releasingOneOfTwo,
  ),
  planted("released-by-the-newest-alone", "checkpoints are not looked at", clones.releasing),
  planted("removed-before-its-pin", "the entry goes before the pin", clones.releasing),
  planted("deleted-in-the-parent", "a clone deletes what it retired of others", clones.releasing),
  planted("checkpoints-not-copied", "a detach copies what the newest names", clones.detaching),
  planted("pins-forgotten", "a detach removes the old entries at once", clones.detaching),
  planted(
    "announcement-removed",
    "a collector removes what a detach has announced",
    clones.detaching,
  ),
  planted(
    "copies-not-announced",
    "a detach that dies has told nobody of its copies",
    clones.detachingInVain,
  ),
  planted(
    "routes-of-an-old-manifest",
    "a checkpoint's manifest says where objects lie",
    clones.detaching,
  ),
  planted(
    "restore-takes-old-places",
    "a restore takes the places of the checkpoint",
    clones.detaching,
  ),
  planted("destroyed-while-held", "a parent is destroyed under its clone", clones.destroying),
  planted("deleted-as-it-was-listed", "no look between listing and deleting", clones.destroying),

  clean(
    "restore-under-a-writer",
    "fences, then one commit that keeps what it replaces",
    writers.restoringLive,
  ),
  clean("restore-with-loads", "the same with a load and the sweep", writers.restoringLoads),
  clean(
    "restore-and-collector",
    "beside compaction, collection and a drop",
    writers.restoringCollected,
  ),
  clean(
    "restore-and-writers",
    "a writer opens meanwhile or afterwards",
    writers.restoringAndOpening,
  ),
  planted(
    "restored-before-the-fences",
    "a restore does not close the logs",
    writers.restoringLive,
    {
      planted: ["no-fence"],
    },
  ),
  planted(
    "replaced-without-its-wal",
    "of what is replaced the manifest is kept",
    writers.restoringLive,
  ),
  planted(
    "replaced-without-its-loads",
    "loads that only its log names are not",
    writers.restoringLoads,
  ),
  planted(
    "replaced-on-the-number-of-the-commit",
    "the replaced state is attached to the restore's own number",
    writers.restoringLive,
  ),
  planted(
    "restore-gives-seqs-again",
    "the next writer goes on from the checkpoint's seq",
    writers.restoringAndOpening,
  ),

  clean(
    "export-claims",
    "three exporters, claims taken over, one fails, sleepers wake",
    exports.exporting,
  ),
  clean("export-fails", "a failed export leaves nothing", exports.exportingAlone),
  clean("export-more", "an incremental export beside a sweep of its target", exports.exportingMore),
  planted(
    "claim-not-looked-at",
    "an exporter does not look before its manifest",
    exports.exporting,
  ),
  planted(
    "target-listed-before-the-claim",
    "what is there was listed too early",
    exports.exporting,
  ),
  planted("left-behind-deleted-at-once", "a take-over begins with a clean-up", exports.exporting),
  planted(
    "deleted-long-after-the-look",
    "a failed exporter pauses before it deletes",
    exports.exporting,
  ),
  planted("older-claims-left", "a clean-up takes its own claim alone", exports.exporting),
  planted("export-with-floors", "an export has the floors of its source", exports.exportingMore),
  clean(
    "export-family",
    "an incremental export begins while the first is tidying up",
    exports.exportingFamily,
  ),
  planted(
    "tidied-under-a-later-claim",
    "who has finished does not look at claims",
    exports.exportingFamily,
  ),
  planted(
    "finished-before-its-claim",
    "another's end is not looked for after the claim",
    exports.exportingAlone,
  ),

  clean(
    "feed-and-named-logs",
    "records behind a named one go: a feed goes on or ends",
    logs.feeding,
  ),
  clean("feed-of-three-writers", "the same, and the checkpoint is dropped", logs.feedingOfThree),
  clean(
    "reader-of-three-writers",
    "a reader follows them, behind a collector",
    logs.followingThree,
  ),
  clean("reader-and-opener", "one of them only opens", logs.followingAnOpener),
  clean("checkpoint-of-logs", "made without a writer, beside two of them", logs.namingLogs),
  clean(
    "expiry-of-bases",
    "expiry beside new children, a refresh and an end by hand",
    logs.expiring,
  ),
  planted("remnants-taken-for-a-log", "what is left before a gap stays a log", logs.feeding),
  planted("gap-between-logs-passed", "a feed takes the next log for the next", logs.feeding),
  planted(
    "any-fence-is-the-end",
    "a fence where a record was collected ends its log",
    logs.feedingOfThree,
  ),
  planted(
    "reader-leaps-from-a-fence",
    "a reader takes what is behind any fence for the next",
    logs.followingAnOpener,
  ),
  planted(
    "listed-past-an-open-log",
    "the next log is listed before a fence was seen",
    logs.namingLogs,
  ),
  planted(
    "wal-named-as-it-was-listed",
    "what to name is decided before the commit",
    logs.namingLogs,
  ),
  planted("bases-dropped", "a base ends like any other", logs.expiring),
  planted("cascade-of-one-step", "with its child only a base goes, not the base's", logs.expiring),
  planted("cascade-computed-beforehand", "what goes is decided before the commit", logs.expiring),
  clean(
    "export-and-collection",
    "the source drops the checkpoint and collects",
    exports.exportingCollected,
  ),
  planted("pin-of-another-state", "the exporter pins the newest state", exports.exportingCollected),
];
