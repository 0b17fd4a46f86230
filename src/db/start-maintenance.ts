/** What `Maintenance` loads when there is something to do: the compactor and the collector of a writer's handle, and their rounds. */
import { withSignal } from "../common/abort.js";
import type { Clock } from "../common/clock.js";
import type { MoraineError } from "../common/errors.js";
import { ulidTime } from "../common/ids.js";
import type { Random } from "../common/random.js";
import type { CollectionResult, FreedObjects } from "../gc/collection-result.js";
import { Collector } from "../gc/collector.js";
import { Sweep } from "../gc/sweep.js";
import type { SweptObjects } from "../gc/sweep-result.js";
import type { StoredManifest } from "../manifest/stored-manifest.js";
import type { Transition } from "../manifest/transitions.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { observed } from "../object-store/observed.js";
import { backgroundStore } from "./background-store.js";
import type { MaintainOptions, MaintenanceReport } from "./maintain-options.js";
import { BudgetSpent, RoundBudget } from "./round-budget.js";
import {
  type CompactionParts,
  type StartedCompaction,
  startCompaction,
} from "./start-compaction.js";
import type { CompactionFailure } from "./watched-runner.js";

export interface MaintenanceParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly store: ObjectStore;
  /** Where the log is. */
  readonly walStore: ObjectStore;
  /** As of `WrappedStore`. */
  readonly at: (path: string) => ObjectStore;
  readonly gcGraceMs: number;
  readonly retentionMs: number;
  /** What the location is called in messages. */
  readonly place: string;
  /** Undefined where the handle compacts nothing. */
  readonly compaction: Omit<CompactionParts, "onJobFailed" | "onFailed" | "ended"> | undefined;
  /** Compaction has stopped, until the database is opened again. */
  readonly onFailed: (error: MoraineError) => void;
  /** A pass has committed something. */
  readonly onCollected: () => void;
  /** The writer's. */
  readonly storedManifest: StoredManifest;
}

const failuresKept = 10;

export class StartedMaintenance {
  readonly compaction: StartedCompaction | undefined;
  readonly #parts: MaintenanceParts;
  readonly #collector: Collector;
  readonly #sweep: Sweep;
  readonly #ended = new AbortController();
  /** One round after another. */
  #turn: Promise<unknown> = Promise.resolve();
  #collecting: Promise<unknown> = Promise.resolve();
  #budget: RoundBudget | undefined;
  #failures: readonly CompactionFailure[] = [];
  #isStuck = false;

  constructor(parts: MaintenanceParts) {
    this.#parts = parts;
    const { clock, random, retentionMs, place, compaction } = parts;
    const ended = this.#ended.signal;
    const counted = (store: ObjectStore): ObjectStore =>
      observed(backgroundStore(store, ended), (one) => this.#budget?.add(one), clock);
    const store = counted(parts.store);
    const walStore = parts.walStore === parts.store ? store : counted(parts.walStore);
    const collecting = { store, walStore, clock, random, retentionMs, place };
    this.#collector = new Collector({
      ...{ ...collecting, storedManifest: parts.storedManifest },
      at: (path) => counted(parts.at(path)),
    });
    this.#sweep = new Sweep(collecting);
    if (compaction === undefined) return;
    this.compaction = startCompaction({
      ...compaction,
      ended,
      onCommitted: (manifest) => {
        // Something has made room, or there was nothing to make room of.
        if (manifest.l0.length < compaction.settings.compactionL0Trigger) this.#isStuck = false;
        this.#budget?.add({ bytesGot: 0, bytesPut: 0 });
        compaction.onCommitted?.(manifest);
      },
      onJobFailed: (failure, job) => {
        this.#failures = [...this.#failures, failure].slice(-failuresKept);
        if (job !== undefined && job.inputs.l0.length > 0) this.#isStuck = true;
      },
      onFailed: (error) => {
        this.#isStuck = true;
        parts.onFailed(error);
      },
    });
  }

  /** The last ones, oldest first. */
  get failures(): readonly CompactionFailure[] {
    return this.#failures;
  }

  /** Nothing takes anything out of L0, until the database is opened again. */
  get isStuck(): boolean {
    return this.#isStuck;
  }

  get freed(): FreedObjects {
    return this.#collector.totals;
  }

  /** A pass of the collector. */
  async collect(
    budget?: { timeMs?: number | undefined; requests?: number | undefined },
    signal?: AbortSignal | undefined,
  ): Promise<CollectionResult> {
    const { gcGraceMs: graceMs } = this.#parts;
    const pass = this.#collector.runOnce({ graceMs, budget, signal });
    this.#collecting = pass.catch(() => undefined);
    const result = await pass;
    const { deleted, checkpointsDropped, databasesReleased } = result;
    if (countOf(deleted) > 0 || checkpointsDropped > 0 || databasesReleased > 0) {
      this.#parts.onCollected();
    }
    return result;
  }

  round(options: MaintainOptions): Promise<MaintenanceReport> {
    const run = this.#turn.then(() => this.#round(options));
    this.#turn = run.catch(() => undefined);
    return withSignal(run, options.signal);
  }

  async #round(options: MaintainOptions): Promise<MaintenanceReport> {
    const { clock } = this.#parts;
    const { signal } = options;
    signal?.throwIfAborted();
    const budget = new RoundBudget(options, clock);
    this.#budget = budget;
    if (this.compaction !== undefined) this.compaction.budget = budget;
    const jobsBefore = this.compaction?.role.stats.jobsDone ?? 0;
    try {
      let isDone = await this.#compactRound(budget, signal);
      const bytesCompacted = this.compaction === undefined ? 0 : budget.bytes;
      let objectsDeleted = 0;
      if (isDone) {
        const collected = await this.collect(budget.left, signal);
        objectsDeleted = countOf(collected.deleted);
        isDone = collected.isDone;
      }
      if (isDone && (options.sweep ?? this.#sweepIsDue)) {
        await this.#markSwept(budget, signal);
        const swept = await this.#sweep.runOnce({ budget: budget.left, signal });
        objectsDeleted += sweptCount(swept.deleted);
        // One that nobody has asked for is as good when it has seen a part of the orphans.
        isDone = swept.isDone || options.sweep !== true;
      }
      const jobsDone = this.compaction?.role.stats.jobsDone ?? 0;
      const { requests } = budget;
      return {
        compactions: jobsDone - jobsBefore,
        bytesCompacted,
        objectsDeleted,
        requests,
        isDone,
      };
    } finally {
      this.#budget = undefined;
      if (this.compaction !== undefined) this.compaction.budget = undefined;
    }
  }

  /**
   * Once a day, whichever handle it is: the manifest says when the last one was, and a new database's first day has nothing to sweep. A time to
   * come was told by a clock that was wrong.
   */
  get #sweepIsDue(): boolean {
    const { sweptAt, databaseId } = this.#parts.storedManifest.current;
    const last = sweptAt === 0 ? ulidTime(databaseId) : sweptAt;
    const days = dayOf(this.#parts.clock.now()) - dayOf(last);
    return days > 0 || days < -1;
  }

  /** Before the sweep: one that is killed, by the end of a function's time, is not begun again by each call of the day. */
  async #markSwept(budget: RoundBudget, signal: AbortSignal | undefined): Promise<void> {
    const { clock, storedManifest, onCollected } = this.#parts;
    const sweptAt = Math.floor(clock.now());
    const swept: Transition = (newest) => (newest.destroyed ? newest : { ...newest, sweptAt });
    await storedManifest.commit(swept, signal && { signal });
    budget.add({ bytesGot: 0, bytesPut: 0 });
    onCollected();
  }

  /** False when the budget ended it. */
  async #compactRound(budget: RoundBudget, signal: AbortSignal | undefined): Promise<boolean> {
    if (this.compaction === undefined) return true;
    const signals = signal === undefined ? [budget.signal] : [budget.signal, signal];
    try {
      await this.compaction.role.runOnce({ signal: AbortSignal.any(signals), claims: true });
      return true;
    } catch (error) {
      if (!(error instanceof BudgetSpent)) throw error;
      return false;
    }
  }

  async close(): Promise<void> {
    await this.compaction?.role.close();
    await this.#collecting;
  }

  end(error: MoraineError): void {
    this.#ended.abort(error);
    void this.compaction?.role.close().catch(() => undefined);
  }
}

const dayOf = (ms: number): number => Math.floor(ms / (24 * 3_600_000));

export function sweptCount({ bytes, ...counts }: SweptObjects): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

export function startMaintenance(parts: MaintenanceParts): StartedMaintenance {
  return new StartedMaintenance(parts);
}

export function countOf(freed: FreedObjects): number {
  return freed.ssts + freed.runs + freed.lists + freed.wal + freed.manifests;
}
