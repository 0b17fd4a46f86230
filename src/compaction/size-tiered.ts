/**
 * The size-tiered strategy: few sorted runs, each older one larger. What L0 has gathered becomes the newest run; as many runs of about one size become one;
 * and when what is newer than the oldest run has grown to a share of it, all become one. The first costs each byte one write, the second one for each tier, the
 * third the inverse of the share; no byte moves for any other reason.
 *
 * L0 is merged into the oldest run at once where it is a good part of the whole. Where it is not, that merge takes long, and L0 must not wait
 * for it: it is then done with runs only, beside jobs that empty L0.
 */
import type { CompactionInputs } from "../format/compactions.js";
import type { L0Entry, Manifest, SortedRun } from "../format/manifest.js";
import { BusyInputs } from "./busy-inputs.js";
import { garbageBytes } from "./garbage.js";
import { bytesOf, entriesBytes, isL0Due, isLoad, oldestEntries } from "./l0-entries.js";
import type { CompactionPick, CompactionStrategy } from "./strategy.js";
import {
  type StrategyOptions,
  type StrategyOptionTable,
  toStrategyOptions,
} from "./strategy-options.js";

export type SizeTieredOptionName =
  | "l0Trigger"
  | "fanInMin"
  | "fanInMax"
  | "sizeRatio"
  | "spaceAmplificationMax"
  | "earlyBytesMin"
  | "runsMax";

export type SizeTieredOptions = StrategyOptions<SizeTieredOptionName>;

export const sizeTieredTable: StrategyOptionTable<SizeTieredOptionName> = {
  l0Trigger: {
    default: 4,
    min: 1,
    max: 1000,
    reason: "So many entries of L0 become a run: fewer for cheaper reads, more for fewer bytes.",
  },
  fanInMin: {
    default: 10,
    min: 2,
    max: 64,
    reason:
      "So many runs of about one size become one: fewer for cheaper reads, more for fewer bytes.",
  },
  fanInMax: {
    default: 16,
    min: 2,
    max: 64,
    reason:
      "Entries of L0, and runs, that one job takes at most, but for a merge of all: each is read ahead of.",
  },
  sizeRatio: {
    default: 2,
    min: 1,
    max: 100,
    real: true,
    reason:
      "Runs are of about one size up to this ratio, and L0 takes along runs that are so many times smaller.",
  },
  spaceAmplificationMax: {
    default: 1.35,
    min: 1.05,
    max: Number.POSITIVE_INFINITY,
    real: true,
    reason:
      "All runs become one when they and L0 have so many times the bytes of the oldest. 1.35 costs each byte 2 to 3 writes, and leaves room for what arrives meanwhile. Infinity: never.",
  },
  earlyBytesMin: {
    default: 16 * 1024 * 1024,
    min: 0,
    max: Number.POSITIVE_INFINITY,
    real: true,
    reason:
      "L0 of so many bytes is merged with all runs before it has l0Trigger entries, if that is due for the space it takes.",
  },
  runsMax: {
    default: 12,
    min: 1,
    max: 1000,
    reason:
      "Of more runs, neighbours become one, those of the fewest bytes: a scan reads all of them.",
  },
};

/** L0 is merged with all runs when it is at least this part of them: that keeps it waiting for no more than a few flushes. */
const l0ShareMin = 0.18;

/** Throws `InvalidArgumentError`. */
export function sizeTiered(given: SizeTieredOptions = {}): CompactionStrategy {
  const options = toStrategyOptions(sizeTieredTable, given, 'the strategy "size-tiered"');
  return {
    name: "size-tiered",
    pick(manifest, running, now) {
      const round = new Round(options, manifest, running, now);
      return round.picks();
    },
  };
}

type Options = Readonly<Record<SizeTieredOptionName, number>>;

/** One look at a manifest. */
class Round {
  readonly #options: Options;
  readonly #manifest: Manifest;
  readonly #now: number;
  readonly #picks: CompactionPick[] = [];
  readonly #running: readonly CompactionInputs[];
  #busy: BusyInputs;

  constructor(
    options: Options,
    manifest: Manifest,
    running: readonly CompactionInputs[],
    now: number,
  ) {
    this.#options = options;
    this.#manifest = manifest;
    this.#running = running;
    this.#now = now;
    this.#busy = new BusyInputs(running);
  }

  picks(): readonly CompactionPick[] {
    if (!this.#busy.hasL0) this.#pickL0();
    this.#pickAllRuns();
    this.#pickTiers();
    this.#pickFewestBytes();
    return this.#picks;
  }

  #add(reason: string, l0: readonly L0Entry[], runs: readonly SortedRun[]): void {
    const inputs = {
      l0: l0.map(({ ssts }) => ssts[0]!.id),
      runs: runs.map(({ id }) => ({ id, ssts: [] })),
    };
    this.#picks.push({ inputs, level: 0, drops: false, reason: `size-tiered: ${reason}` });
    this.#busy = new BusyInputs([...this.#running, ...this.#picks.map((pick) => pick.inputs)]);
  }

  #pickL0(): void {
    const { l0Trigger, fanInMax } = this.#options;
    const { l0, runs } = this.#manifest;
    const isDue = l0.length >= l0Trigger;
    if (this.#isTimeForAll(l0.slice(0, fanInMax), isDue)) {
      this.#add("L0 and all runs, for the space they take", l0.slice(0, fanInMax), runs);
      return;
    }
    if (!isL0Due(l0, l0Trigger)) return;
    const entries = oldestEntries(l0, fanInMax);
    const taken = entries.length === 1 && isLoad(entries[0]!) ? [] : this.#smallRuns(entries);
    const count = taken.length === 0 ? "" : ` and ${taken.length} small runs`;
    this.#add(`${entries.length} L0 entries${count}`, entries, taken);
  }

  /** True when L0 has to be merged with all runs at once. */
  #isTimeForAll(l0: readonly L0Entry[], isDue: boolean): boolean {
    const { l0Trigger, spaceAmplificationMax, earlyBytesMin } = this.#options;
    const { runs } = this.#manifest;
    if (runs.length === 0 || l0.length === 0 || this.#isAnyBusy(runs)) return false;
    const l0Bytes = entriesBytes(l0);
    // Measured by what usually waits: while a long merge lets L0 grow, that is no reason for the next one.
    const usualBytes = Math.min(1, l0Trigger / l0.length) * l0Bytes;
    if (usualBytes < l0ShareMin * (bytesOf(runs) + l0Bytes)) return false;
    if (!isDue && l0Bytes < earlyBytesMin) return false;
    // A run of its own now, and the next one would be one too much: then at once, so that those bytes are written once.
    const expected = isDue ? l0Bytes : 0;
    return this.#exceeds(spaceAmplificationMax, l0, l0Bytes + expected);
  }

  /** True when the runs and so many bytes more have more than `ratio` times the bytes of the oldest run that are of use. */
  #exceeds(ratio: number, l0: readonly L0Entry[], more: number): boolean {
    const { runs } = this.#manifest;
    const oldest = runs.at(-1)!;
    const newer = [...l0, ...runs.slice(0, -1)].map(({ ssts }) => ssts);
    const garbage = garbageBytes(this.#manifest, oldest.ssts, newer, this.#now);
    return bytesOf(runs) - oldest.size + more + garbage > (ratio - 1) * oldest.size;
  }

  /** The newest runs that are so small beside what is merged anyway that they come along. */
  #smallRuns(entries: readonly L0Entry[]): readonly SortedRun[] {
    const { sizeRatio, fanInMax } = this.#options;
    const { runs } = this.#manifest;
    let bytes = entriesBytes(entries);
    let count = 0;
    while (count < runs.length && entries.length + count < fanInMax) {
      const { id, size } = runs[count]!;
      if (this.#busy.hasSomeOf(id) || size * sizeRatio > bytes) break;
      bytes += size;
      count++;
    }
    return runs.slice(0, count);
  }

  #pickAllRuns(): void {
    const { runs } = this.#manifest;
    if (runs.length === 0 || this.#isAnyBusy(runs)) return;
    if (!this.#exceeds(this.#options.spaceAmplificationMax, [], 0)) return;
    this.#add(`all ${runs.length} runs, for the space they take`, [], runs);
  }

  #pickTiers(): void {
    const { fanInMin } = this.#options;
    const { runs } = this.#manifest;
    for (let start = 0; start < runs.length; ) {
      const alike = this.#alikeFrom(start);
      if (alike.length >= fanInMin) this.#add(`${alike.length} runs of about one size`, [], alike);
      start += alike.length >= fanInMin ? alike.length : 1;
    }
  }

  #alikeFrom(start: number): readonly SortedRun[] {
    const { sizeRatio, fanInMax } = this.#options;
    const { runs } = this.#manifest;
    let bytes = 0;
    let end = start;
    for (; end < runs.length && end - start < fanInMax; end++) {
      const { id, size } = runs[end]!;
      const isAlike = end === start || size <= (sizeRatio * bytes) / (end - start);
      if (!isAlike || this.#busy.hasSomeOf(id)) break;
      bytes += size;
    }
    return runs.slice(start, end);
  }

  #pickFewestBytes(): void {
    const { runsMax, fanInMax } = this.#options;
    const { runs } = this.#manifest;
    const jobs = [...this.#running, ...this.#picks.map(({ inputs }) => inputs)];
    const fewer = jobs.reduce((sum, job) => sum + Math.max(0, job.runs.length - 1), 0);
    const tooMany = runs.length - fewer - runsMax;
    if (tooMany <= 0) return;
    const width = Math.min(tooMany + 1, fanInMax);
    let best: readonly SortedRun[] | undefined;
    for (let start = 0; start + width <= runs.length; start++) {
      const neighbours = runs.slice(start, start + width);
      if (this.#isAnyBusy(neighbours)) continue;
      if (best === undefined || bytesOf(neighbours) < bytesOf(best)) best = neighbours;
    }
    if (best !== undefined) this.#add(`${runs.length} runs are too many`, [], best);
  }

  #isAnyBusy(runs: readonly SortedRun[]): boolean {
    return runs.some(({ id }) => this.#busy.hasSomeOf(id));
  }
}
