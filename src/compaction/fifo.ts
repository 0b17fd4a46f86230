/**
 * The FIFO strategy, for what is of use for a while: the oldest goes as it is when there is too much of it, or when it has been there too long. Rows go whatever they
 * are, and reads at every seq see it; so nothing goes while a snapshot or transaction is open. Else only L0 and runs are kept few, by merging
 * neighbours, which costs nothing where their keys lie apart, as those of a time series do.
 *
 * How old an SST is say its id, as its rows were written no later than that was minted, and the time at which it was stored: the clock that mints ids
 * may be hours behind. A merge makes them look younger, by no more than what it takes: an eighth of the bytes or of the time at most.
 */
import { InvalidArgumentError } from "../common/errors.js";
import { type Ulid, ulidTime } from "../common/ids.js";
import type { CompactionInputs, RunInput } from "../format/compactions.js";
import type { L0Entry, Manifest, SortedRun, SstInfo } from "../format/manifest.js";
import { BusyInputs } from "./busy-inputs.js";
import { bytesOf, entriesBytes, isL0Due, oldestEntries } from "./l0-entries.js";
import { mayRewrite } from "./plan-job.js";
import type { CompactionPick, CompactionStrategy } from "./strategy.js";
import {
  type StrategyOptions,
  type StrategyOptionTable,
  toStrategyOptions,
} from "./strategy-options.js";

export type FifoOptionName = "l0Trigger" | "fanInMin" | "fanInMax" | "bytesMax" | "ttlMs";

export type FifoOptions = StrategyOptions<FifoOptionName>;

export const fifoTable: StrategyOptionTable<FifoOptionName> = {
  l0Trigger: {
    default: 4,
    min: 1,
    max: 1000,
    reason: "So many entries of L0 become a run.",
  },
  fanInMin: {
    default: 4,
    min: 2,
    max: 64,
    reason: "So many runs of about one size become one, up to an eighth of what is kept.",
  },
  fanInMax: {
    default: 16,
    min: 2,
    max: 64,
    reason: "Entries of L0, or runs, that one job takes at most: each is read ahead of.",
  },
  bytesMax: {
    default: Number.POSITIVE_INFINITY,
    min: 4 * 1024,
    max: Number.POSITIVE_INFINITY,
    real: true,
    reason: "The oldest SSTs go while L0 and the runs have more. Infinity: only by time.",
  },
  ttlMs: {
    default: Number.POSITIVE_INFINITY,
    min: 1000,
    max: Number.POSITIVE_INFINITY,
    real: true,
    reason:
      "The oldest SSTs go when all of their rows were written longer ago. Infinity: only by size.",
  },
};

/** What is merged stays below this part of what is kept, so that it ages, and goes, in so many parts at least. */
const mergedShareMax = 1 / 8;
/** Runs of about one size are so up to this ratio. */
const sizeRatio = 2;

/** Throws `InvalidArgumentError`. */
export function fifo(given: FifoOptions): CompactionStrategy {
  const what = 'the strategy "fifo"';
  const options = toStrategyOptions(fifoTable, given, what);
  if (options.bytesMax === Number.POSITIVE_INFINITY && options.ttlMs === options.bytesMax) {
    throw new InvalidArgumentError(
      `${what} needs "bytesMax" or "ttlMs": without them it would keep everything and merge hardly anything.`,
    );
  }
  const { fanInMin, fanInMax } = options;
  if (fanInMin > fanInMax) {
    throw new InvalidArgumentError(
      `"fanInMin" of ${what} is ${fanInMin}, and a job takes ${fanInMax} runs at most: no runs would ever be merged. Give it a lower "fanInMin", or a "fanInMax" as high.`,
    );
  }
  return {
    name: "fifo",
    pick(manifest, running, now, storedAt = () => 0) {
      const timeOf = (id: Ulid): number => Math.max(ulidTime(id), storedAt(id));
      const isOld = ({ id }: SstInfo): boolean => timeOf(id) + options.ttlMs < now;
      const drop = dropOf(options, manifest, running, isOld);
      const jobs = drop === undefined ? running : [...running, drop.inputs];
      return [...(drop === undefined ? [] : [drop]), ...mergesOf(options, manifest, jobs)];
    },
  };
}

type Options = Readonly<Record<FifoOptionName, number>>;

/** What a drop has taken so far, and which of it for its age alone. */
interface Gone {
  bytes: number;
  readonly aged: SstInfo[];
}

/** What goes: from the oldest run on whole ones, then some SSTs of the next, or, where no run is left, the oldest entries of L0. */
function dropOf(
  { bytesMax }: Options,
  manifest: Manifest,
  running: readonly CompactionInputs[],
  isOld: (sst: SstInfo) => boolean,
): CompactionPick | undefined {
  const { l0, runs } = manifest;
  let excess = bytesOf(runs) + entriesBytes(l0) - bytesMax;
  if (!mayRewrite(manifest)) return undefined;
  const busy = new BusyInputs(running);
  const gone: Gone = { bytes: 0, aged: [] };
  /** Counts it, if it goes. */
  const goes = (sst: SstInfo): boolean => {
    if (excess <= 0 && !isOld(sst)) return false;
    if (excess <= 0) gone.aged.push(sst);
    excess -= sst.size;
    gone.bytes += sst.size;
    return true;
  };
  const inputs: RunInput[] = [];
  let isAll = true;
  for (const run of [...runs].reverse()) {
    if (busy.hasSomeOf(run.id)) return pickOf(inputs, [], gone);
    const ofRun = new Set(byAge(run.ssts).filter(goes));
    isAll = ofRun.size === run.ssts.length;
    const ssts = isAll ? [] : run.ssts.filter((sst) => ofRun.has(sst)).map(({ id }) => id);
    if (ofRun.size > 0) inputs.unshift({ id: run.id, ssts });
    if (!isAll) break;
  }
  if (!isAll || busy.hasL0) return pickOf(inputs, [], gone);
  const kept = l0.findIndex(({ ssts }) => {
    const isDue = excess > 0 || ssts.every(isOld);
    if (isDue) for (const sst of ssts) goes(sst);
    return !isDue;
  });
  return pickOf(inputs, kept < 0 ? l0 : l0.slice(0, kept), gone);
}

function byAge(ssts: readonly SstInfo[]): SstInfo[] {
  return [...ssts].sort((a, b) => (a.id < b.id ? -1 : 1));
}

function pickOf(
  runs: readonly RunInput[],
  l0: readonly L0Entry[],
  { bytes, aged }: Gone,
): CompactionPick | undefined {
  if (runs.length + l0.length === 0) return undefined;
  const inputs = { l0: l0.map(({ ssts }) => ssts[0]!.id), runs };
  return { inputs, level: 0, drops: true, aged, reason: `fifo: the oldest ${bytes} bytes go` };
}

function mergesOf(
  options: Options,
  { l0, runs }: Manifest,
  running: readonly CompactionInputs[],
): readonly CompactionPick[] {
  const { l0Trigger, fanInMin, fanInMax } = options;
  const busy = new BusyInputs(running);
  const picks: CompactionPick[] = [];
  const add = (reason: string, ofL0: readonly L0Entry[], ofRuns: readonly SortedRun[]): void => {
    const inputs = {
      l0: ofL0.map(({ ssts }) => ssts[0]!.id),
      runs: ofRuns.map(({ id }) => ({ id, ssts: [] })),
    };
    picks.push({ inputs, level: 0, drops: false, reason: `fifo: ${reason}` });
  };
  if (!busy.hasL0 && isL0Due(l0, l0Trigger)) {
    const entries = oldestEntries(l0, fanInMax);
    add(`${entries.length} L0 entries`, entries, []);
  }
  for (let start = 0; start < runs.length; ) {
    let end = start;
    let bytes = 0;
    for (; end < runs.length && end - start < fanInMax; end++) {
      const run = runs[end]!;
      const isAlike = end === start || run.size <= (sizeRatio * bytes) / (end - start);
      if (!isAlike || busy.hasSomeOf(run.id)) break;
      if (!mayBeOne(options, runs.slice(start, end + 1))) break;
      bytes += run.size;
    }
    const isDue = end - start >= fanInMin;
    if (isDue) add(`${end - start} runs of about one size`, [], runs.slice(start, end));
    start = isDue ? end : start + 1;
  }
  return picks;
}

/** Whether runs are a small part of what is kept, by bytes and by the time in which they were written. */
function mayBeOne({ bytesMax, ttlMs }: Options, runs: readonly SortedRun[]): boolean {
  if (bytesOf(runs) > mergedShareMax * bytesMax) return false;
  if (ttlMs === Number.POSITIVE_INFINITY) return true;
  const times = runs.flatMap(({ ssts }) => ssts.map(({ id }) => ulidTime(id)));
  const latest = times.reduce((a, b) => Math.max(a, b));
  return latest - times.reduce((a, b) => Math.min(a, b)) <= mergedShareMax * ttlMs;
}
