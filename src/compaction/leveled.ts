/**
 * The leveled strategy: levels 1 to n of one run each, every one a multiple of the one above. L0 goes to level 1, and what a level has above
 * its target goes to the next one, some SSTs at a time with those that lie beneath them. A key is in few places and little space is lost; each byte is written
 * several times for each level.
 *
 * The deepest level says how large the others are to be, so that what they replace in it stays a ninth of all. When it has outgrown its
 * place it goes one level down as it is.
 */
import type { CompactionInputs, RunInput } from "../format/compactions.js";
import type { L0Entry, Manifest, SortedRun, SstInfo } from "../format/manifest.js";
import { BusyInputs } from "./busy-inputs.js";
import { hullOfSsts, meeting } from "./key-slot.js";
import { bytesOf, isL0Due, oldestEntries } from "./l0-entries.js";
import { bestWindow } from "./level-window.js";
import type { CompactionPick, CompactionStrategy } from "./strategy.js";
import {
  type StrategyOptions,
  type StrategyOptionTable,
  toStrategyOptions,
} from "./strategy-options.js";

export type LeveledOptionName =
  | "l0Trigger"
  | "fanInMax"
  | "level1Bytes"
  | "multiplier"
  | "levelsMax"
  | "jobBytesMax";

export type LeveledOptions = StrategyOptions<LeveledOptionName>;

const MiB = 1024 * 1024;

export const leveledTable: StrategyOptionTable<LeveledOptionName> = {
  l0Trigger: {
    default: 4,
    min: 1,
    max: 1000,
    reason: "So many entries of L0 go to level 1: fewer for cheaper reads, more for fewer bytes.",
  },
  fanInMax: {
    default: 16,
    min: 2,
    max: 64,
    reason: "Entries of L0 that one job takes at most: each is read ahead of.",
  },
  level1Bytes: {
    default: 256 * MiB,
    min: 4 * 1024,
    max: Number.POSITIVE_INFINITY,
    real: true,
    reason:
      "Level 1 has no more, each level below a multiple of it: a few times what L0 brings at once.",
  },
  multiplier: {
    default: 10,
    min: 2,
    max: 100,
    real: true,
    reason:
      "How many times larger each level is than the one above: more for fewer levels, each of which costs more bytes.",
  },
  levelsMax: {
    default: 7,
    min: 1,
    max: 32,
    reason:
      "The deepest level there is; it has no upper bound. 7 hold 256 TB with the other defaults.",
  },
  jobBytesMax: {
    default: 512 * MiB,
    min: 4 * 1024,
    max: Number.POSITIVE_INFINITY,
    real: true,
    reason:
      "About what one job takes of two levels, at least one SST of the upper one with all beneath it.",
  },
};

/** Throws `InvalidArgumentError`. */
export function leveled(given: LeveledOptions = {}): CompactionStrategy {
  const options = toStrategyOptions(leveledTable, given, 'the strategy "leveled"');
  return {
    name: "leveled",
    pick: (manifest, running) => new Round(options, manifest, running).picks(),
  };
}

type Options = Readonly<Record<LeveledOptionName, number>>;

/** One look at a manifest. */
class Round {
  readonly #options: Options;
  readonly #manifest: Manifest;
  readonly #running: readonly CompactionInputs[];
  readonly #picks: CompactionPick[] = [];

  constructor(options: Options, manifest: Manifest, running: readonly CompactionInputs[]) {
    this.#options = options;
    this.#manifest = manifest;
    this.#running = running;
  }

  picks(): readonly CompactionPick[] {
    const { runs } = this.#manifest;
    this.#pickL0();
    const from = firstOutOfOrder(runs);
    if (from < runs.length) this.#pickIntoOrder(from);
    else this.#pickLevels();
    return this.#picks;
  }

  #add(reason: string, level: number, l0: readonly L0Entry[], runs: readonly RunInput[]): void {
    const inputs = { l0: l0.map(({ ssts }) => ssts[0]!.id), runs };
    this.#picks.push({ inputs, level, drops: false, reason: `leveled: ${reason}` });
  }

  #isBusy(run: SortedRun | undefined): boolean {
    if (run === undefined) return false;
    const { runs } = this.#manifest;
    const jobs = [...this.#running, ...this.#picks.map(({ inputs }) => inputs)];
    if (new BusyInputs(jobs).hasSomeOf(run.id)) return true;
    // Jobs that found nothing beneath their inputs do not name the level they go to.
    return jobs.some((job) => {
      if (job.l0.length + job.runs.length > 1 && job.runs.length > 0) return false;
      const above = runs.find(({ id }) => id === job.runs[0]?.id);
      return (above?.level ?? 0) + 1 === run.level;
    });
  }

  #pickL0(): void {
    const { l0, runs } = this.#manifest;
    const { l0Trigger, fanInMax } = this.#options;
    if (!isL0Due(l0, l0Trigger) || new BusyInputs(this.#running).hasL0) return;
    // On a level whose list cannot be read L0 becomes a run of its own: the two become one when it can.
    const first = runs[0]?.level === 1 && runs[0].ssts.length > 0 ? runs[0] : undefined;
    if (this.#isBusy(first)) return;
    const entries = oldestEntries(l0, fanInMax);
    const beneath =
      first &&
      inputBeneath(
        first,
        entries.flatMap(({ ssts }) => ssts),
      );
    this.#add(`${entries.length} L0 entries`, 1, entries, beneath ? [beneath] : []);
  }

  /**
   * Runs without a level, of another strategy or of a compaction of a range, become one between the levels around them, or go to the next one
   * where there is no place: what lies deeper stays as it is. Two runs of one level become one, with what is between them.
   */
  #pickIntoOrder(from: number): void {
    const { runs } = this.#manifest;
    const { level1Bytes, multiplier, levelsMax } = this.#options;
    const above = runs[from - 1]?.level ?? 0;
    const nextAt = runs.findIndex(({ level }, i) => i >= from && level > 0);
    const next = runs[nextAt];
    const isTwin = next?.level === above;
    const taken = isTwin
      ? runs.slice(from - 1, nextAt + 1)
      : runs.slice(from, next === undefined ? undefined : nextAt);
    const inputs = taken.map((run) => inputOf(run, run.ssts));
    const joined = !isTwin && next?.level === above + 1 ? next : undefined;
    if ([...taken, joined].some((run) => this.#isBusy(run))) return;
    let level = isTwin ? above : above + 1;
    if (joined !== undefined) {
      const ssts = taken.flatMap((run) => run.ssts);
      const beneath = inputBeneath(joined, ssts);
      if (beneath !== undefined) inputs.push(beneath);
    } else if (!isTwin) {
      const deepest = Math.min(levelsMax, next === undefined ? levelsMax : next.level - 1);
      const bytes = bytesOf(taken);
      while (level < deepest && bytes > level1Bytes * multiplier ** (level - 1)) level++;
    }
    this.#add(`${inputs.length} runs become a level`, level, [], inputs);
  }

  #pickLevels(): void {
    const { runs } = this.#manifest;
    const { level1Bytes, multiplier, levelsMax } = this.#options;
    const deepest = runs.at(-1);
    if (deepest === undefined) return;
    const isOutgrown =
      deepest.size > level1Bytes * multiplier ** (deepest.level - 1) && deepest.level < levelsMax;
    if (isOutgrown && !this.#isBusy(deepest)) {
      const inputs = [{ id: deepest.id, ssts: [] }];
      this.#add(`level ${deepest.level} goes one down`, deepest.level + 1, [], inputs);
    }
    const targetOf = ({ level }: SortedRun): number =>
      Math.min(
        deepest.size / multiplier ** (deepest.level - level),
        level1Bytes * multiplier ** (level - 1),
      );
    const scored = runs
      .slice(0, -1)
      .map((run) => ({ run, excess: run.size - targetOf(run), score: run.size / targetOf(run) }))
      .filter(({ excess }) => excess > 0)
      .sort((a, b) => b.score - a.score);
    for (const { run, excess } of scored) this.#pickFrom(run, excess);
  }

  #pickFrom(run: SortedRun, excess: number): void {
    const { runs, number } = this.#manifest;
    const next = runs[runs.indexOf(run) + 1]!;
    const beneath = next.level === run.level + 1 ? next : undefined;
    if (this.#isBusy(run) || this.#isBusy(beneath)) return;
    const limits = { excess, bytesMax: this.#options.jobBytesMax };
    const ssts = bestWindow(run.ssts, beneath?.ssts ?? [], limits, number);
    if (ssts.length === 0) return;
    const below = beneath && inputBeneath(beneath, ssts);
    const reason = `${ssts.length} of ${run.sstCount} SSTs of level ${run.level}`;
    this.#add(reason, run.level + 1, [], [inputOf(run, ssts), ...(below ? [below] : [])]);
  }
}

/** The first run that has no level, or not a deeper one than the run before. */
function firstOutOfOrder(runs: readonly SortedRun[]): number {
  const at = runs.findIndex(({ level }, i) => level <= (runs[i - 1]?.level ?? 0));
  return at < 0 ? runs.length : at;
}

function inputOf(run: SortedRun, ssts: readonly SstInfo[]): RunInput {
  return { id: run.id, ssts: ssts.length === run.ssts.length ? [] : ssts.map(({ id }) => id) };
}

/**
 * The SSTs of a run from the first to the last key of `above`: also those that lie in a gap there, which an output may span. Undefined when
 * there are none.
 */
function inputBeneath(run: SortedRun, above: readonly SstInfo[]): RunInput | undefined {
  const { from, to } = meeting(run.ssts, hullOfSsts(above)!);
  return from === to ? undefined : inputOf(run, run.ssts.slice(from, to));
}
