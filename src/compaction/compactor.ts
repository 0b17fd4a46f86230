/**
 * `CompactorRole`: what a process does for compaction: a coordinator with workers of its own, or only workers; and when they look for
 * something to do. It sets no timer while there is nothing to wait for, unless it polls.
 */
import { throwIfAborted, withSignal } from "../common/abort.js";
import type { Clock, Timer } from "../common/clock.js";
import {
  ClosedError,
  type CorruptionError,
  InternalError,
  InvalidArgumentError,
  MoraineError,
  StoreError,
} from "../common/errors.js";
import type { KeyBounds } from "../common/key-range.js";
import type { Random } from "../common/random.js";
import type { CompactionJob } from "../format/compactions.js";
import type { Manifest } from "../format/manifest.js";
import type { StoredManifest } from "../manifest/stored-manifest.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { CompactionsStore } from "./compactions-store.js";
import { Coordinator, type Round, type RoundOptions } from "./coordinator.js";
import type { CompactionTotals } from "./coordinator-options.js";
import type { BuildSettings, JobRunner } from "./job.js";
import type { JobOutcome, JobRunOptions } from "./job-run.js";
import { LocalWorkers } from "./local-workers.js";
import { KeptRunLists, type SharedRunLists } from "./run-list-reads.js";
import { StoreTime } from "./store-time.js";
import { StoredCompactions } from "./stored-compactions.js";
import type { CompactionStrategy } from "./strategy.js";
import type { WorkSource } from "./work-source.js";
import { Worker } from "./worker.js";

/** As long as the longest wait between the attempts of one request: what the store refuses is asked for no more often. */
const retryDelayMs = 5000;

export interface CompactorRoleOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Its requests should give way to others. */
  readonly store: ObjectStore;
  /** May be shared with the writer of this process. */
  readonly storedManifest: StoredManifest;
  /** Short lists come from there. Default: read from `store`, and kept, as long ones are. */
  readonly lists?: SharedRunLists | undefined;
  /** Carries out jobs; closed with the role. */
  readonly runner: JobRunner;
  readonly build: BuildSettings;
  /** The runner has a compaction filter. Default: none. */
  readonly filters?: boolean | undefined;
  /** Of this process, for people. */
  readonly name: string;
  /** Undefined: no coordinator, only workers, which take jobs that others plan. */
  readonly coordinator?: CoordinatorSettings | undefined;
  /** Jobs that this process carries out at once; 0: it only plans and commits. Default 1. */
  readonly localJobsMax?: number | undefined;
  /** As in `StoredManifestOptions`. */
  readonly retentionMs: number;
  /**
   * From `start` on it looks for work at once and when this says, as in a process of its own. Default: only when it is poked, and while jobs of
   * other processes are under way; workers then only in `runOnce`.
   */
  readonly source?: WorkSource | undefined;
  /** The manifest of each of its commits, in the tick in which it is known: so that a writer adopts it. */
  readonly onCommitted?: ((manifest: Manifest) => void) | undefined;
  /** A job has failed for good, such as for damaged input: of this process, or one that it coordinates. Others go on. */
  readonly onJobFailed?: ((job: CompactionJob, error: Error) => void) | undefined;
  /** The list of a run cannot be read: it stays as it is, and others are compacted. Called once for each. */
  readonly onDamagedList?: ((error: CorruptionError) => void) | undefined;
  /** It has stopped for good, other than by `close`. A fence does not stop it: it stands by. */
  readonly onFailed?: ((error: MoraineError) => void) | undefined;
}

export interface CoordinatorSettings {
  readonly strategy: CompactionStrategy;
  /** Data bytes after which an output is cut. */
  readonly sstBytesMax: number;
  /** L0 entries from which on a coordinator that stands by takes over. */
  readonly l0SoftMax: number;
  /** `"at-once"`: a process of its own. `"lazily"`: beside a writer, only when there is work that nobody else does. */
  readonly claims: "at-once" | "lazily";
  /** That of the writer beside which it is; 0: a process of its own, which says when it leaves. */
  readonly writerEpoch: number;
  /** Jobs planned at once for workers of other processes. Default 0. */
  readonly remoteJobsMax?: number | undefined;
  /** Whether jobs may be planned that change what reads see, as far as this process knows: nothing is open. Default: they may. */
  readonly mayRewrite?: (() => boolean) | undefined;
}

export interface CompactionStats {
  readonly jobsRunning: number;
  readonly jobsDone: number;
  readonly jobsFailed: number;
  /** Bytes of the SSTs that were merged, and of those that were made; what was moved is in neither. */
  readonly inputBytes: number;
  readonly outputBytes: number;
  /** SSTs that changed their place without being written. */
  readonly movedSsts: number;
}

export interface RunOnceOptions {
  readonly signal?: AbortSignal | undefined;
  /** Takes the epoch when there is something to do, whoever has it. Default false. */
  readonly claims?: boolean | undefined;
}

export class CompactorRole {
  readonly #options: CompactorRoleOptions;
  readonly #coordinator: Coordinator | undefined;
  readonly #local: LocalWorkers | undefined;
  readonly #workers: readonly Worker[];
  readonly #workerTotals: CompactionTotals = {
    ...{ committedJobs: 0, failedJobs: 0, inputBytes: 0, outputBytes: 0, movedSsts: 0 },
  };
  readonly #close = new AbortController();
  /** Rounds are one at a time. */
  #turn: Promise<unknown> = Promise.resolve();
  #isPoked = false;
  #isLooking = false;
  #looking: Promise<void> = Promise.resolve();
  #polling: Promise<void> | undefined;
  #timer: Timer | undefined;
  #closing: Promise<void> | undefined;
  /** Why it has stopped for good: whoever asks for something is told at once. */
  #failure: MoraineError | undefined;
  /** Why a job of this process was given back last. */
  #jobError: StoreError | undefined;

  constructor(options: CompactorRoleOptions) {
    this.#options = options;
    const { clock, random, store, storedManifest, coordinator: settings, source, name } = options;
    const { localJobsMax = 1, filters, retentionMs } = options;
    const { databaseId } = storedManifest.current;
    const storeTime = new StoreTime(clock);
    const states = new CompactionsStore(store, databaseId, storeTime);
    const compactions = new StoredCompactions(states, { clock, random, retentionMs });
    const lists = new KeptRunLists(store, databaseId, { clock, shared: options.lists });
    const { runner, build } = options;
    const run: JobRunOptions = { clock, storedManifest, compactions, lists, runner, build };
    if (settings === undefined) {
      const { onFailed } = options;
      const onOutcome = this.#countOutcome;
      const worker = { ...run, random, name, source, filters, onOutcome, onFailed };
      this.#workers = Array.from({ length: localJobsMax }, () => new Worker(worker));
      return;
    }
    this.#workers = [];
    const onOutcome = this.#localJobEnded;
    this.#local = new LocalWorkers({ ...run, random, name, jobsMax: localJobsMax, onOutcome });
    const { remoteJobsMax = 0, ...others } = settings;
    const shared = { clock, random, store, storedManifest, compactions, storeTime, lists, filters };
    this.#coordinator = new Coordinator({
      ...{ ...others, ...shared, jobsMax: localJobsMax + remoteJobsMax, local: this.#local },
      ...{ onJobFailed: options.onJobFailed, onCommitted: options.onCommitted },
      onDamagedList: options.onDamagedList,
    });
  }

  get stats(): CompactionStats {
    const totals = this.#coordinator?.totals ?? this.#workerTotals;
    return {
      jobsRunning: this.#local?.runningCount ?? 0,
      ...{ jobsDone: totals.committedJobs, jobsFailed: totals.failedJobs },
      ...{ inputBytes: totals.inputBytes, outputBytes: totals.outputBytes },
      movedSsts: totals.movedSsts,
    };
  }

  /** Begins to look for work by itself, if it has a source. May be called twice. */
  start(): void {
    const { source } = this.#options;
    for (const worker of this.#workers) worker.start();
    if (this.#coordinator === undefined || source === undefined) return;
    if (!this.#close.signal.aborted) this.#polling ??= this.#poll(source);
  }

  /** L0 or the runs have changed: looks, soon, whether there is something to do. Costs no request when there is not. */
  poke(): void {
    if (this.#coordinator === undefined || this.#hasStopped) return;
    this.#isPoked = true;
    if (this.#isLooking) return;
    this.#isLooking = true;
    this.#looking = this.#look();
  }

  /**
   * Looks and does what is due, until nothing is: jobs that it plans or finds are carried out and committed. Gives how many were. Rejects with
   * a `StoreError`, a `ClosedError`, what it has stopped with for good, or `signal.reason`; jobs of this process are then given back with what
   * was reached.
   */
  async runOnce({ signal, claims }: RunOnceOptions = {}): Promise<number> {
    this.#requireRunning(signal);
    if (this.#coordinator === undefined) return this.#workOnce(signal ?? this.#close.signal);
    const { totals } = this.#coordinator;
    const before = totals.committedJobs;
    this.#jobError = undefined;
    try {
      for (let refresh = true; ; refresh = false) {
        const round = await this.#round({ signal, refresh, claims });
        if (this.#jobError !== undefined) throw this.#jobError;
        if (this.#failure !== undefined) throw this.#failure;
        if (round.lookAgainMs === 0 && round.leads) continue;
        if (this.#local!.runningCount === 0) return totals.committedJobs - before;
        await withSignal(this.#local!.oneEnded(), signal);
      }
    } catch (error) {
      if (signal?.aborted) await this.#giveBack(signal.reason);
      throw error;
    }
  }

  /**
   * Merges all that L0 and the runs hold of the range, or of every key, by jobs that are planned from now on. Resolves when it is committed.
   * Rejects with the failure of its job, a `StoreError`, a `FencedError` when another compactor has taken over, a `ClosedError`, what it has
   * stopped with for good, or `signal.reason`; it may go on all the same, and the database is as sound as before.
   */
  async compact(bounds?: KeyBounds, signal?: AbortSignal): Promise<void> {
    this.#requireRunning(signal);
    if (this.#coordinator === undefined) {
      throw new InvalidArgumentError("This compactor only works: a coordinator plans its jobs.");
    }
    const { requests } = this.#coordinator;
    const request = requests.add(bounds);
    this.poke();
    try {
      await withSignal(request.done.promise, signal);
    } finally {
      requests.forget(request);
    }
  }

  get #hasStopped(): boolean {
    return this.#close.signal.aborted || this.#failure !== undefined;
  }

  #requireRunning(signal: AbortSignal | undefined): void {
    throwIfAborted(this.#close.signal);
    throwIfAborted(signal);
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Jobs stop and are given back; the runner is closed. May be called twice. */
  close(): Promise<void> {
    this.#closing ??= this.#shutDown();
    return this.#closing;
  }

  async #shutDown(): Promise<void> {
    const closed = new ClosedError("This compactor was closed.");
    this.#close.abort(closed);
    this.#timer?.cancel();
    this.#coordinator?.requests.rejectAll(closed);
    await Promise.all(this.#workers.map((worker) => worker.close()));
    await this.#giveBack(closed);
    await Promise.all([this.#looking, this.#polling]);
    await this.#turn;
    await this.#leave();
    await this.#options.runner.close();
  }

  /** What it has claimed goes back, and so does the epoch; beside a writer whoever comes next has a newer one anyway. If the store fails, the next one waits for silence. */
  async #leave(): Promise<void> {
    try {
      await this.#coordinator?.release();
      if (this.#options.coordinator?.writerEpoch === 0) await this.#coordinator!.leave();
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
    }
  }

  /** What was reached is written down, once: if the store fails, others take the jobs from what they find. */
  async #giveBack(reason: unknown): Promise<void> {
    const local = this.#local;
    if (local === undefined) return;
    await local.stop(reason);
    try {
      if (local.outcomes().length > 0) await this.#inTurn({ refresh: false });
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
    } finally {
      if (!this.#hasStopped) local.resume();
    }
  }

  async #workOnce(signal: AbortSignal): Promise<number> {
    let count = 0;
    while (await this.#workers[0]!.runOnce(signal)) count++;
    return count;
  }

  async #look(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#close;
    while (this.#isPoked && !this.#hasStopped) {
      this.#isPoked = false;
      try {
        await this.#round({ signal, refresh: false });
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof StoreError)) return this.#failed(error);
        this.#coordinator!.requests.rejectAll(error);
        await clock.sleep(retryDelayMs, signal).catch(() => undefined);
        this.#isPoked = true;
      }
    }
    // In the same tick as the look at it, or a poke in between would be lost.
    this.#isLooking = false;
  }

  async #poll(source: WorkSource): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#close;
    while (!this.#hasStopped) {
      try {
        const { hasNews } = await this.#round({ signal, refresh: true });
        await source.next(hasNews, signal);
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof StoreError)) return this.#failed(error);
        this.#coordinator!.requests.rejectAll(error);
        await clock.sleep(retryDelayMs, signal).catch(() => undefined);
      }
    }
  }

  /** One round, and a look later on where that may bring something. */
  async #round(options: RoundOptions): Promise<Round> {
    const round = await this.#inTurn(options);
    this.#timer?.cancel();
    this.#timer = undefined;
    const { lookAgainMs } = round;
    if (lookAgainMs === 0) this.poke();
    else if (lookAgainMs !== undefined && !this.#hasStopped) {
      // Whoever waits for a compaction waits for jobs of other processes, too: then nothing else may keep this one alive.
      const idle = this.#coordinator!.requests.count === 0;
      this.#timer = this.#options.clock.after(lookAgainMs, () => this.poke(), { idle });
    }
    return round;
  }

  #inTurn(options: RoundOptions): Promise<Round> {
    const run = this.#turn.then(() => this.#coordinator!.runOnce(options));
    this.#turn = run.catch(() => undefined);
    return run;
  }

  #failed(cause: unknown): void {
    if (this.#failure !== undefined) return;
    const error =
      cause instanceof MoraineError
        ? cause
        : new InternalError("A compaction could not go on.", { cause });
    this.#failure = error;
    this.#timer?.cancel();
    this.#coordinator?.requests.rejectAll(error);
    this.#local?.pause();
    this.#options.onFailed?.(error);
  }

  readonly #localJobEnded = (job: CompactionJob, outcome: JobOutcome): void => {
    if (outcome.kind === "failed") this.#options.onJobFailed?.(job, outcome.error);
    if (outcome.kind === "released" && outcome.error instanceof StoreError) {
      this.#jobError = outcome.error;
      this.#coordinator!.requests.rejectAll(outcome.error);
      this.#rest();
    }
    this.poke();
  };

  /** What has just failed is not tried again at once. */
  #rest(): void {
    const local = this.#local!;
    local.pause();
    this.#options.clock.after(
      retryDelayMs,
      () => {
        if (this.#hasStopped) return;
        local.resume();
        this.poke();
      },
      { idle: true },
    );
  }

  readonly #countOutcome = (job: CompactionJob, outcome: JobOutcome): void => {
    const totals = this.#workerTotals;
    if (outcome.kind === "failed") {
      totals.failedJobs++;
      this.#options.onJobFailed?.(job, outcome.error);
    }
    if (outcome.kind !== "done") return;
    totals.committedJobs++;
    for (const { id, size } of outcome.ranges.flatMap(({ outputs }) => outputs)) {
      // Inputs are older than their job.
      if (id > job.id) totals.outputBytes += size;
      else totals.movedSsts++;
    }
  };
}
