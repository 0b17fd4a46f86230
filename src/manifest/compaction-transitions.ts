/** Transitions of the compactor: its epoch, and runs in the place of what they were made of. */
import type { Ulid } from "../common/ids.js";
import {
  type L0Entry,
  type Manifest,
  RetiredKind,
  type RetiredObjects,
  type SortedRun,
} from "../format/manifest.js";
import type { Transition } from "./transitions.js";

/** What one commit of a compactor changes. Inputs are named exactly: a manifest in which one of them is missing is not changed. */
export interface RunChange {
  /** L0 entries, each by the id of its first SST: the oldest ones, oldest first. */
  readonly l0: readonly Ulid[];
  /** Runs one after another, newest first; may be empty. */
  readonly runsFrom: readonly Ulid[];
  /** What stands in their place; in place of none, the newest of all runs. Under new ids, but for what is in `runsFrom` and stays as it is. */
  readonly runsTo: readonly SortedRun[];
  /** SSTs and runs' own objects that were named nowhere before. */
  readonly named: readonly Ulid[];
  /** SSTs, and runs' own objects, that are no longer named. */
  readonly retiredSsts: readonly Ulid[];
  readonly retiredRuns: readonly Ulid[];
  /** As in the job. */
  readonly retainSeq: number;
  /** Reads at every seq may see something else than before. */
  readonly rewrites: boolean;
  /** The compactor will never again name an id at or below it that the manifest does not name by then. */
  readonly floor: Ulid;
}

/** An input is not in the manifest, or an output may have been swept: nothing of the change can be committed, now or later. */
export class StaleInputsError extends Error {}

/** Takes the next compactor epoch. The writer does not notice. `writerEpoch` as in `Manifest.compactorWriterEpoch`. */
export function claimCompactor(writerEpoch: number): Transition {
  return (manifest) => ({
    ...{ ...manifest, compactorEpoch: manifest.compactorEpoch + 1 },
    ...{ compactorWriterEpoch: writerEpoch, compactorLeft: false },
    // What it makes is in no source: no export may add to this one any more.
    exports: [],
  });
}

/** Whoever holds the epoch closes: the next one need not wait for silence. */
export function leaveCompactor(epoch: number): Transition {
  return (manifest) =>
    manifest.compactorEpoch !== epoch || manifest.compactorLeft
      ? manifest
      : { ...manifest, compactorLeft: true };
}

/** Nobody compacts, for all that the manifest says: nobody ever did, or they have closed, or their writer has been superseded. */
export function isCompactorFree(manifest: Manifest): boolean {
  const { compactorEpoch, compactorLeft, compactorWriterEpoch, writerEpoch } = manifest;
  return (
    compactorEpoch === 0 ||
    compactorLeft ||
    (compactorWriterEpoch > 0 && compactorWriterEpoch < writerEpoch)
  );
}

/** Puts runs in the place of what they were made of. Throws `StaleInputsError` where that is not there. */
export function applyCompaction(change: RunChange): Transition {
  return (manifest) => {
    if (wasApplied(manifest, change)) return manifest;
    const { l0, runsFrom, runsTo } = change;
    l0.forEach((id, i) => {
      require(firstIdOf(manifest.l0[i]) === id, `L0 entry ${id} is not among the oldest`);
    });
    // Nothing may come between L0 entries and what they are merged with.
    const from =
      l0.length > 0 || runsFrom.length === 0
        ? 0
        : manifest.runs.findIndex(({ id }) => id === runsFrom[0]);
    require(from >= 0, `run ${runsFrom[0]} is gone`);
    runsFrom.forEach((id, i) => {
      require(manifest.runs[from + i]?.id === id, `run ${id} is not where it was`);
    });
    const swept = lesser(manifest.writerFloor, manifest.compactorFloor);
    for (const id of change.named) require(id > swept, `object ${id} is below the floors`);
    const number = manifest.number + 1;
    return {
      ...manifest,
      l0: manifest.l0.slice(l0.length),
      runs: manifest.runs.toSpliced(from, runsFrom.length, ...runsTo.map(asNamed(manifest))),
      retired: [
        ...manifest.retired,
        ...retiredOf(RetiredKind.sst, number, change.retiredSsts),
        ...retiredOf(RetiredKind.run, number, change.retiredRuns),
      ],
      compactedSeq: Math.max(manifest.compactedSeq, change.retainSeq),
      rewrittenNumber: change.rewrites ? number : manifest.rewrittenNumber,
      compactorFloor: greater(manifest.compactorFloor, change.floor),
    };
  };
}

/** What it takes away is gone, and what it brings is there: ids of runs and of L0 entries are never used twice. */
function wasApplied(manifest: Manifest, { l0, runsFrom, runsTo }: RunChange): boolean {
  const runs = new Set(manifest.runs.map(({ id }) => id));
  const entries = new Set(manifest.l0.map(firstIdOf));
  const stay = new Set(runsTo.map(({ id }) => id).filter((id) => runsFrom.includes(id)));
  return (
    !l0.some((id) => entries.has(id)) &&
    !runsFrom.some((id) => runs.has(id) && !stay.has(id)) &&
    runsTo.every(({ id }) => runs.has(id) || stay.has(id))
  );
}

/** A run that stays is taken from the manifest. */
function asNamed(manifest: Manifest): (run: SortedRun) => SortedRun {
  return (run) => manifest.runs.find(({ id }) => id === run.id) ?? run;
}

function firstIdOf(entry: L0Entry | undefined): Ulid | undefined {
  return entry?.ssts[0]?.id;
}

function retiredOf(
  kind: RetiredKind,
  manifestNumber: number,
  ids: readonly Ulid[],
): readonly RetiredObjects[] {
  return ids.length === 0 ? [] : [{ kind, manifestNumber, ids, epoch: 0, fromId: 0, toId: 0 }];
}

function require(holds: boolean, otherwise: string): void {
  if (!holds) throw new StaleInputsError(`A compaction is of no more use: ${otherwise}.`);
}

const lesser = (a: Ulid, b: Ulid): Ulid => (a < b ? a : b);
const greater = (a: Ulid, b: Ulid): Ulid => (a > b ? a : b);
