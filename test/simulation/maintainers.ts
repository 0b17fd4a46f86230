/** Who compacts and collects in a duel, beside its writers: coordinators, workers and collectors, each in a process of its own, with no grace. */
import { isMoraineError } from "../../src/common/errors.js";
import { randomBelow } from "../../src/common/random.js";
import { collect } from "../../src/db/collect.js";
import type { StrategyOption } from "../../src/db/compaction-option.js";
import { Compactor, type CompactorOptions } from "../../src/db/compactor.js";
import type { OpenOptions } from "../../src/db/open-options.js";
import type { DuelPlace } from "./duel-place.js";
import { plansOnly } from "./plans-only.js";
import type { SimulatedProcess } from "./simulated-process.js";

/** What each of them may be told when another one takes over, or when the store was away for a whole deadline. */
const expectedKinds: ReadonlySet<string> = new Set([
  ...["fenced", "closed", "unknown", "unavailable", "not-found"],
]);

/** FIFO drops what writers have written: it has tests of its own. */
const strategies: readonly StrategyOption[] = [
  "size-tiered",
  "leveled",
  { strategy: "size-tiered", fanInMax: 2 },
];

/** What has come about in a duel, so that a test sees that there was something to find. */
export interface MaintenanceCounts {
  jobs: number;
  passes: number;
  deleted: number;
  /** Snapshots that were read again, and those of readers whose objects were gone. */
  snapshots: number;
  gone: number;
}

export class Maintainers {
  readonly counts: MaintenanceCounts = { jobs: 0, passes: 0, deleted: 0, snapshots: 0, gone: 0 };
  readonly #place: Pick<DuelPlace, "forReader">;
  readonly #path: string;

  constructor(place: Pick<DuelPlace, "forReader">, path = "db") {
    this.#place = place;
    this.#path = path;
  }

  /** Options of a writer that compacts and collects by itself. */
  forWriter({ random }: SimulatedProcess): OpenOptions {
    return {
      background: randomBelow(random, 3) > 0,
      compaction: strategies[randomBelow(random, strategies.length)],
      compactionL0Trigger: 2,
      compactionThreads: 0,
      gcGraceMs: 0,
    };
  }

  /** Plans, commits, and carries out jobs, for itself or for workers. */
  async coordinate(process: SimulatedProcess): Promise<void> {
    const below = (limit: number): number => randomBelow(process.random, limit);
    await this.#lives(process, () => {
      const workerJobsMax = below(3);
      return {
        ...{ workerJobsMax, name: workerJobsMax === 2 ? plansOnly : "compactor" },
        ...{ strategy: strategies[below(strategies.length)], compactionL0Trigger: 2 },
      };
    });
  }

  /** Carries out what others plan. */
  work(process: SimulatedProcess): Promise<void> {
    return this.#lives(process, () => ({ worker: true }));
  }

  /** With a grace of nothing: what may go goes at once. */
  async collect(process: SimulatedProcess, rounds = 6): Promise<void> {
    const { store, clock, random } = process;
    for (let round = 0; round < rounds; round++) {
      await clock.sleep(randomBelow(random, 400));
      await expected(async () => {
        const report = await collect(
          { store, path: this.#path },
          {
            ...{ clock, random, graceMs: 0, sweep: randomBelow(random, 2) === 0 },
            wal: this.#place.forReader(process),
          },
        );
        this.counts.passes++;
        this.counts.deleted += report.deleted.ssts;
      });
    }
  }

  /** All that is stored becomes one run, and what that makes superfluous goes. In peace. */
  async settle(process: SimulatedProcess): Promise<void> {
    const { store, clock, random } = process;
    const compactor = await Compactor.open(
      { store, path: this.#path },
      { clock, random, compactionThreads: 0 },
    );
    await compactor.compact();
    await compactor.close();
    await this.collect(process, 2);
  }

  async #lives(process: SimulatedProcess, options: () => CompactorOptions): Promise<void> {
    const { store, clock, random } = process;
    for (let life = 0; life < 3; life++) {
      await clock.sleep(randomBelow(random, 300));
      await expected(async () => {
        const given = options();
        const { worker = false } = given;
        const compactor = await Compactor.open(
          { store, path: this.#path },
          { clock, random, compactionThreads: 0, ...given },
        );
        try {
          for (let round = 0; round < 4; round++) {
            await clock.sleep(randomBelow(random, 200));
            if (!worker && randomBelow(random, 6) === 0) {
              const abort = new AbortController();
              clock.after(2_000, () => abort.abort(new Error("long enough")));
              await compactor.compact(undefined, { signal: abort.signal }).catch((error) => {
                if (error !== abort.signal.reason) throw error;
              });
            } else this.counts.jobs += await compactor.runOnce();
          }
        } finally {
          await compactor.close();
        }
      });
    }
  }
}

async function expected(body: () => Promise<void>): Promise<void> {
  try {
    await body();
  } catch (error) {
    if (!isMoraineError(error) || !expectedKinds.has(error.kind)) throw error;
  }
}
