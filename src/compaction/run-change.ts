/**
 * `buildRunChange`: what a job that is done makes of the manifest. Its outputs, and what stays of runs that were taken in part, become
 * runs in the place of the inputs.
 *
 * Where outputs go among what stays: behind the rests that no newer input overlaps, and before those that no older one does. Where they lie apart
 * from the rest of a run of their level, the two are one run.
 */
import { assert } from "../common/assert.js";
import { type Bytes, compareBytes } from "../common/bytes.js";
import type { Ulid, UlidFactory } from "../common/ids.js";
import type { CompactionInputs } from "../format/compactions.js";
import {
  type Manifest,
  runSstsInManifestMax,
  type SortedRun,
  type SstInfo,
} from "../format/manifest.js";
import type { RunChange } from "../manifest/compaction-transitions.js";
import { areInOrder } from "../manifest/run-order.js";
import { buildSortedRun } from "../manifest/sorted-run.js";
import { type KeySlot, slotOf, slotsMeet } from "./key-slot.js";
import { hasInputs } from "./plan-job.js";

export interface BuiltChange {
  readonly change: Omit<RunChange, "floor">;
  /** Runs' own objects, which have to be stored first. */
  readonly lists: readonly { readonly id: Ulid; readonly bytes: Bytes }[];
  /** Bytes of the SSTs that were merged, and of those that were made; what was moved is in neither. */
  readonly inputBytes: number;
  readonly outputBytes: number;
  readonly movedSsts: number;
}

export interface ChangeOptions {
  /** With the lists of `runsNeeded`, as far as they can be read. */
  readonly manifest: Manifest;
  readonly inputs: CompactionInputs;
  readonly outputs: readonly SstInfo[];
  /** Of the run of the outputs, where its list stands in the manifest. */
  readonly id: Ulid;
  readonly level: number;
  readonly retainSeq: number;
  readonly rewrites: boolean;
  /** For other runs. */
  readonly ids: Pick<UlidFactory, "next">;
  /** Runs that other jobs take: they stay as they are. */
  readonly busyRuns?: ReadonlySet<Ulid> | undefined;
}

/**
 * Undefined when an input is not in the manifest, or when what lies between the inputs leaves no place for what was made of them, or is not known. A
 * run beneath that is not known stays as it is.
 */
export function buildRunChange(options: ChangeOptions): BuiltChange | undefined {
  const { manifest, inputs, outputs, level } = options;
  const taken = takenFrom(manifest, inputs);
  if (taken === undefined) return undefined;
  const { entries, runs } = taken;
  const place = placeOf(taken, outputs, level);
  if (place === undefined) return undefined;
  const build = (known: Ulid | undefined, ofLevel: number, ssts: readonly SstInfo[]): void => {
    checkOrder(ssts);
    // A list is put under an id of its own each time it is made: an older attempt may still be on its way, with another one.
    const id =
      known !== undefined && ssts.length <= runSstsInManifestMax ? known : options.ids.next();
    built.push(buildSortedRun(manifest.databaseId, { id, level: ofLevel }, ssts));
  };
  const built: ReturnType<typeof buildSortedRun>[] = [];
  const runsFrom = runs.map(({ run }) => run.id);
  const buildOutputs = (others: readonly SstInfo[]): void => {
    if (outputs.length > 0) build(options.id, level, inKeyOrder([...outputs, ...others]));
  };
  runs.forEach(({ run, ssts, rest }, i) => {
    const joins = i === place.index && place.joins;
    if (i === place.index) buildOutputs(joins ? rest : []);
    if (joins || rest.length === 0) return;
    if (ssts.length === 0) built.push({ run, list: undefined });
    else build(undefined, run.level, rest);
  });
  let beneath: SortedRun | undefined;
  if (place.index === runs.length) {
    beneath = joinedBeneath(options, taken);
    buildOutputs(beneath?.ssts ?? []);
    if (beneath !== undefined) runsFrom.push(beneath.id);
  }
  const stays = new Set(outputs.map(({ id }) => id));
  const sources = [...entries, ...runs.map((run) => run.ssts)].flat();
  const were = new Set(sources.map(({ id }) => id));
  const named = new Set(built.map(({ run }) => run.id));
  const gone = [...runs.map(({ run }) => run), ...(beneath === undefined ? [] : [beneath])].filter(
    ({ id }) => !named.has(id),
  );
  const lists = built.flatMap(({ run, list }) =>
    list === undefined ? [] : [{ id: run.id, bytes: list }],
  );
  const bytesOf = (ssts: readonly SstInfo[], but: ReadonlySet<Ulid>): number =>
    ssts.reduce((sum, { id, size }) => sum + (but.has(id) ? 0 : size), 0);
  return {
    inputBytes: bytesOf(sources, stays),
    outputBytes: bytesOf(outputs, were),
    movedSsts: outputs.filter(({ id }) => were.has(id)).length,
    change: {
      ...{ l0: inputs.l0, runsFrom, runsTo: built.map(({ run }) => run) },
      named: [...stays].filter((id) => !were.has(id)).concat(lists.map(({ id }) => id)),
      retiredSsts: [...were].filter((id) => !stays.has(id)),
      retiredRuns: gone.filter(({ listBytes }) => listBytes > 0).map(({ id }) => id),
      ...{ retainSeq: options.retainSeq, rewrites: options.rewrites },
    },
    lists,
  };
}

/** The runs whose SSTs say where the outputs go: from the first to the last input, and what the outputs may join. */
export function runsNeeded(
  manifest: Manifest,
  inputs: CompactionInputs,
  level: number,
): readonly SortedRun[] {
  if (!hasInputs(manifest, inputs)) return [];
  const { first, end } = spanOf(manifest, inputs);
  return manifest.runs.slice(first, level === 0 ? end : end + 1);
}

/** Whether what a job makes of its inputs has a place: then every output lies within the slots of its inputs. */
export function havePlace(manifest: Manifest, inputs: CompactionInputs): boolean {
  const taken = takenFrom(manifest, inputs);
  return taken !== undefined && placeOf(taken, [], 0) !== undefined;
}

/** All that a job's inputs are, newest first; of runs what is taken and what stays. */
interface Taken {
  readonly entries: readonly (readonly SstInfo[])[];
  readonly runs: readonly TakenRun[];
}

interface TakenRun {
  readonly run: SortedRun;
  readonly ssts: readonly SstInfo[];
  readonly rest: readonly SstInfo[];
}

/** Runs between the inputs are among them, with nothing taken. */
function takenFrom(manifest: Manifest, inputs: CompactionInputs): Taken | undefined {
  if (!hasInputs(manifest, inputs)) return undefined;
  const entries = manifest.l0.slice(0, inputs.l0.length).map(({ ssts }) => ssts);
  const { first, end } = spanOf(manifest, inputs);
  const runs: TakenRun[] = [];
  for (const run of manifest.runs.slice(first, end)) {
    if (run.ssts.length !== run.sstCount) return undefined;
    const input = inputs.runs.find(({ id }) => id === run.id);
    const wanted = new Set(input?.ssts);
    const isTaken = ({ id }: SstInfo): boolean =>
      input !== undefined && (wanted.size === 0 || wanted.has(id));
    const ssts = run.ssts.filter(isTaken);
    if (wanted.size > 0 && ssts.length !== wanted.size) return undefined;
    runs.push({ run, ssts, rest: run.ssts.filter((sst) => !isTaken(sst)) });
  }
  return { entries: entries.reverse(), runs };
}

/** The runs from the first to the last input. */
function spanOf(
  { runs: all }: Manifest,
  { l0, runs }: CompactionInputs,
): {
  readonly first: number;
  readonly end: number;
} {
  const indexes = runs.map(({ id }) => all.findIndex((run) => run.id === id));
  return { first: l0.length > 0 ? 0 : (indexes[0] ?? 0), end: (indexes.at(-1) ?? -1) + 1 };
}

interface Place {
  /** Before what stays of this run; behind all of them. */
  readonly index: number;
  /** It is one run with that. */
  readonly joins: boolean;
}

/** The last place there is, or the last rest that the outputs can join. */
function placeOf(
  { entries, runs }: Taken,
  outputs: readonly SstInfo[],
  level: number,
): Place | undefined {
  const slots = [...entries, ...runs.map(({ ssts }) => ssts)].map((ssts) => ssts.map(slotOf));
  const own = (i: number): number => entries.length + i;
  const mayPrecede: boolean[] = [];
  const mayFollow: boolean[] = [];
  runs.forEach(({ rest }, i) => {
    const stays = rest.map(slotOf);
    mayPrecede.push(!slots.slice(0, own(i)).some((newer) => anyOverlap(newer, stays)));
    mayFollow.push(!slots.slice(own(i) + 1).some((older) => anyOverlap(older, stays)));
  });
  const isPlace = (index: number): boolean =>
    mayPrecede.slice(0, index).every(Boolean) && mayFollow.slice(index).every(Boolean);
  const made = outputs.map(slotOf);
  for (let i = runs.length - 1; i >= 0 && outputs.length > 0; i--) {
    const { rest, run } = runs[i]!;
    if (rest.length === 0 || run.level !== level || anyOverlap(made, rest.map(slotOf))) continue;
    if (isPlace(i) || isPlace(i + 1)) return { index: i, joins: true };
  }
  for (let i = runs.length; i >= 0; i--) if (isPlace(i)) return { index: i, joins: false };
  return undefined;
}

/** The run right beneath the inputs, where a level has one and the outputs lie apart from all of it: as when SSTs move down a level. */
function joinedBeneath(options: ChangeOptions, taken: Taken): SortedRun | undefined {
  const { manifest, outputs, level, busyRuns } = options;
  const last = taken.runs.at(-1)?.run;
  const beneath = manifest.runs[last === undefined ? 0 : manifest.runs.indexOf(last) + 1];
  if (level === 0 || beneath?.level !== level || busyRuns?.has(beneath.id)) return undefined;
  if (beneath.ssts.length !== beneath.sstCount) return undefined;
  if (outputs.length === 0 || anyOverlap(outputs.map(slotOf), beneath.ssts.map(slotOf))) {
    return undefined;
  }
  return beneath;
}

function anyOverlap(some: readonly KeySlot[], others: readonly KeySlot[]): boolean {
  const [a, b] = [some, others].map((slots) =>
    slots.toSorted((one, other) => compareBytes(one.start, other.start)),
  ) as [KeySlot[], KeySlot[]];
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    if (slotsMeet(a[i]!, b[j]!)) return true;
    // They do not meet, so what begins first ends before all that is left of the others.
    if (compareBytes(a[i]!.start, b[j]!.start) < 0) i++;
    else j++;
  }
  return false;
}

function inKeyOrder(ssts: readonly SstInfo[]): readonly SstInfo[] {
  return ssts.toSorted((a, b) => compareBytes(a.firstKey, b.firstKey));
}

function checkOrder(ssts: readonly SstInfo[]): void {
  for (let i = 1; i < ssts.length; i++) {
    assert(areInOrder(ssts[i - 1]!, ssts[i]!), "the SSTs of a run are in key order and apart");
  }
}
