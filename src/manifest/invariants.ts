/** What must hold of every manifest and of every step from one to the next; checked before a commit is sent. */
import { assert } from "../common/assert.js";
import {
  CheckpointPurpose,
  Feature,
  type Manifest,
  RetiredKind,
  runSstsInManifestMax,
  type SortedRun,
  type SstInfo,
} from "../format/manifest.js";
import { areInOrder } from "./run-order.js";
import { comparePositions } from "./transitions.js";

/** Throws `InternalError` when `next` may not follow `previous`. */
export function checkStep(previous: Manifest, next: Manifest): void {
  assert(next.number === previous.number + 1, "manifest numbers are consecutive");
  assert(next.databaseId === previous.databaseId, "a manifest keeps its database id");
  assert(next.writerEpoch >= previous.writerEpoch, "writer epochs never fall");
  assert(next.compactorEpoch >= previous.compactorEpoch, "compactor epochs never fall");
  assert(next.lastSeq >= previous.lastSeq, "the last seq never falls");
  assert(next.lastL0Seq >= previous.lastL0Seq, "the last L0 seq never falls");
  assert(
    comparePositions(next.walStart, previous.walStart) >= 0,
    "the start of replay never goes back",
  );
  assert(next.writerFloor >= previous.writerFloor, "the writer's floor never falls");
  assert(next.compactorFloor >= previous.compactorFloor, "the compactor's floor never falls");
  assert(next.compactedSeq >= previous.compactedSeq, "the compacted seq never falls");
  assert(next.rewrittenNumber >= previous.rewrittenNumber, "what was rewritten stays so");
  assert(next.firstNumber >= previous.firstNumber, "deleted manifests never come back");
  assert(next.destroyed || !previous.destroyed || isEmpty(next), "a database is made anew empty");
  assert(
    previous.destroyed ||
      previous.pinned.mergeOperators.every((name, i) => next.pinned.mergeOperators[i] === name),
    "merge operators keep their ids",
  );
  checkNamed(previous, next);
  checkManifest(next);
}

/**
 * What a sweep may have deleted is not named: every sweep so far went by floors that were not above these. A restore names what was retired: a
 * checkpoint that is listed has held it. SSTs of runs may come from a list that is not here: who commits them looks at them
 * (compaction-transitions.ts).
 */
function checkNamed(previous: Manifest, next: Manifest): void {
  const { writerFloor, compactorFloor } = previous;
  const swept = writerFloor < compactorFloor ? writerFloor : compactorFloor;
  const known = new Set(namedObjects(previous));
  const held = isRestore(previous, next) ? retiredObjects(previous) : new Set<string>();
  const retired = held.size > 0 ? retiredObjects(next) : held;
  for (const id of namedObjects(next)) {
    assert(id > swept || known.has(id) || held.has(id), "what is new is above the lower floor");
    assert(!retired.has(id), "what a restore names is not retired");
  }
}

/** It keeps the state that it replaces, which is the newest until then, in a checkpoint. */
function isRestore(previous: Manifest, next: Manifest): boolean {
  const known = new Set(previous.checkpoints.map(({ id }) => id));
  return next.checkpoints.some(
    ({ id, purpose, manifestNumber }) =>
      purpose === CheckpointPurpose.replaced &&
      manifestNumber === previous.number &&
      !known.has(id),
  );
}

function retiredObjects({ retired }: Manifest): Set<string> {
  const objects = retired.filter(
    ({ kind }) => kind === RetiredKind.sst || kind === RetiredKind.run,
  );
  return new Set(objects.flatMap(({ ids }) => ids));
}

function isEmpty({ l0, runs, checkpoints, walChain, walStart, writerEpoch }: Manifest): boolean {
  const isNamed = l0.length > 0 || runs.length > 0 || checkpoints.length > 0;
  return (
    !isNamed && walStart.epoch === writerEpoch && walChain.every((log) => log.epoch === writerEpoch)
  );
}

function* namedObjects({ l0, runs }: Manifest): Generator<string> {
  for (const { ssts } of l0) for (const { id } of ssts) yield id;
  for (const { id, listBytes } of runs) if (listBytes > 0) yield id;
}

/** Throws `InternalError` when the manifest contradicts itself. */
export function checkManifest(manifest: Manifest): void {
  assert(manifest.compactedSeq <= manifest.lastL0Seq, "only what is in L0 is compacted");
  assert(manifest.rewrittenNumber <= manifest.number, "nothing is rewritten before its time");
  assert(manifest.firstNumber <= manifest.number, "the newest manifest is not deleted");
  assert(manifest.lastL0Seq <= manifest.lastSeq, "L0 holds no seq that was not given");
  const { mergeOperators } = manifest.pinned;
  assert(new Set(mergeOperators).size === mergeOperators.length, "a merge operator has one id");
  assert(
    mergeOperators.length === 0 || manifest.requiredFeatures.includes(Feature.mergeRows),
    "merge rows are a required feature",
  );
  let epoch = manifest.walStart.epoch - 1;
  for (const log of manifest.walChain) {
    assert(log.epoch > epoch, "the WAL chain ascends from where replay starts");
    assert(log.putsInFlight >= 1, "a log has at least one PUT in flight");
    epoch = log.epoch;
  }
  assert(epoch <= manifest.writerEpoch, "no log is newer than the writer's epoch");
  let lastSeq = 0;
  const knowsRangeDeletes = manifest.requiredFeatures.includes(Feature.rangeDeletes);
  const ids = new Set<string>();
  for (const entry of manifest.l0) {
    assert(entry.ssts.length > 0, "an L0 entry names an SST");
    for (const sst of entry.ssts) {
      assert(!ids.has(sst.id), "an SST is named once");
      ids.add(sst.id);
      checkSst(sst, knowsRangeDeletes);
    }
    const minSeq = entry.seq > 0 ? entry.seq : Math.min(...entry.ssts.map((sst) => sst.minSeq));
    const maxSeq = entry.seq > 0 ? entry.seq : Math.max(...entry.ssts.map((sst) => sst.maxSeq));
    assert(minSeq > lastSeq, "L0 is in seq order");
    assert(maxSeq <= manifest.lastL0Seq, "L0 holds no seq above its last");
    lastSeq = maxSeq;
  }
  let level = 0;
  for (const run of manifest.runs) {
    assert(!ids.has(run.id), "a run is named once");
    ids.add(run.id);
    checkRun(run);
    for (const sst of run.ssts) {
      assert(!ids.has(sst.id), "an SST is named once");
      ids.add(sst.id);
      checkSst(sst, knowsRangeDeletes);
      assert(sst.maxSeq <= manifest.lastL0Seq, "runs hold no seq above the last of L0");
    }
    if (run.level === 0) continue;
    assert(run.level >= level, "levels ascend from the newest run to the oldest");
    level = run.level;
  }
  for (const checkpoint of manifest.checkpoints) {
    assert(checkpoint.manifestNumber <= manifest.number, "a checkpoint names what exists");
  }
}

function checkRun(run: SortedRun): void {
  const { ssts, listBytes, sstCount } = run;
  if (listBytes > 0) {
    assert(ssts.length === 0, "a run's list stands in one place");
    assert(sstCount > runSstsInManifestMax, "only long lists have an object of their own");
    return;
  }
  assert(ssts.length > 0 && ssts.length === sstCount, "a run has SSTs, and says how many");
  assert(sstCount <= runSstsInManifestMax, "long lists have an object of their own");
  for (let i = 1; i < ssts.length; i++) {
    assert(areInOrder(ssts[i - 1]!, ssts[i]!), "the SSTs of a run are in key order and apart");
  }
}

function checkSst(sst: SstInfo, knowsRangeDeletes: boolean): void {
  const hasRangeDeletes = sst.rangeDeletes.length > 0;
  assert(sst.rowCount > 0 || hasRangeDeletes, "an SST has rows or range deletes");
  assert(!hasRangeDeletes || knowsRangeDeletes, "range deletes are a required feature");
}
