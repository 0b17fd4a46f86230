/**
 * `Worker`: takes jobs that a coordinator of any process has planned, one at a time. It claims a job by a commit of the state, carries it out, and
 * says by another one what has become of it; the manifest it only reads.
 */
import { ClosedError, InternalError, MoraineError, StoreError } from "../common/errors.js";
import { UlidFactory } from "../common/ids.js";
import type { Random } from "../common/random.js";
import { type CompactionJob, type Compactions, JobStatus } from "../format/compactions.js";
import { noUlid } from "../format/manifest.js";
import { type JobOutcome, type JobRunOptions, runJob, StaleJob } from "./job-run.js";
import { claimedJob, claimJob } from "./job-transitions.js";
import { outcomeTransition } from "./outcome-transition.js";
import type { WorkSource } from "./work-source.js";

/** As long as the longest wait between the attempts of one request. */
const retryDelayMs = 5000;

export interface WorkerOptions extends JobRunOptions {
  readonly random: Random;
  /** For people. */
  readonly name: string;
  /** Default: it only looks in `runOnce`. */
  readonly source?: WorkSource | undefined;
  /** The runner has a compaction filter: jobs that are planned for one are taken too. Default: they are left. */
  readonly filters?: boolean | undefined;
  readonly onOutcome?: ((job: CompactionJob, outcome: JobOutcome) => void) | undefined;
  /** It has stopped for good, other than by `close`. */
  readonly onFailed?: ((error: MoraineError) => void) | undefined;
}

export class Worker {
  readonly #options: WorkerOptions;
  readonly #ids: UlidFactory;
  readonly #close = new AbortController();
  /** Jobs that had no inputs when it looked: the coordinator gives them up. */
  readonly #stale = new Set<string>();
  #running: Promise<void> | undefined;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#ids = new UlidFactory(options.clock, options.random);
  }

  /** Looks for jobs when its source says, until it is closed. */
  start(): void {
    const { source } = this.#options;
    if (source !== undefined) this.#running ??= this.#run(source);
  }

  /**
   * Looks once, and carries out a job if there is one for it; true when there was. Rejects with a `StoreError`, or with `signal.reason`: then the
   * job was given back, unless the store failed then too.
   */
  async runOnce(signal: AbortSignal): Promise<boolean> {
    const { compactions } = this.#options;
    let state = await compactions.refresh({ signal });
    for (const { id } of state.jobs.filter((job) => this.#isForIt(job))) {
      const claim = this.#ids.next();
      state = await this.#claim(id, claim, signal);
      const job = claimedJob(state, id, claim);
      // Another worker was faster.
      if (job === undefined) continue;
      await this.#carryOut(job, signal);
      return true;
    }
    return false;
  }

  /** Its job is given back. Resolves when it has stopped; may be called twice. */
  async close(): Promise<void> {
    this.#close.abort(new ClosedError("This compactor was closed."));
    await this.#running;
  }

  async #run(source: WorkSource): Promise<void> {
    const { clock, onFailed } = this.#options;
    const { signal } = this.#close;
    /** Since the source was last asked. */
    let hadWork = false;
    while (!signal.aborted) {
      try {
        if (await this.runOnce(signal)) {
          hadWork = true;
          continue;
        }
        await source.next(hadWork, signal);
        hadWork = false;
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof StoreError)) {
          onFailed?.(asMoraineError(error));
          return;
        }
        await clock.sleep(retryDelayMs, signal).catch(() => undefined);
      }
    }
  }

  #isForIt({ id, status, claim, rewrites }: CompactionJob): boolean {
    if (status !== JobStatus.open || claim !== noUlid || this.#stale.has(id)) return false;
    return !rewrites || this.#options.filters === true;
  }

  async #claim(id: string, claim: string, signal: AbortSignal): Promise<Compactions> {
    const { compactions, name } = this.#options;
    try {
      return await compactions.commit(claimJob(id, claim, name), { signal });
    } catch (error) {
      if (!(error instanceof StoreError) || signal.aborted) throw error;
      // Nobody would have the job until it is taken back, if the claim was stored all the same.
      const state = await compactions.settle({ signal });
      if (claimedJob(state, id, claim) === undefined) throw error;
      return state;
    }
  }

  async #carryOut(job: CompactionJob, signal: AbortSignal): Promise<void> {
    const { onOutcome } = this.#options;
    const outcome = await runJob(this.#options, job, signal);
    onOutcome?.(job, outcome);
    const transition = outcomeTransition(job.id, job.claim, outcome);
    if (transition === undefined) return;
    const isStale = outcome.kind === "released" && outcome.error instanceof StaleJob;
    if (isStale) this.#stale.add(job.id);
    await this.#tell(job, transition, signal);
    if (outcome.kind === "released" && !isStale) throw outcome.error;
  }

  /** Again and again until it is stored, or until the claim is gone: all the work is in it. */
  async #tell(
    job: CompactionJob,
    transition: (state: Compactions) => Compactions,
    signal: AbortSignal,
  ): Promise<void> {
    const { compactions, clock } = this.#options;
    for (;;) {
      try {
        await compactions.commit(transition);
        return;
      } catch (error) {
        if (!(error instanceof StoreError) || signal.aborted) throw error;
        await clock.sleep(retryDelayMs, signal);
        if (claimedJob(compactions.current, job.id, job.claim) === undefined) return;
      }
    }
  }
}

function asMoraineError(cause: unknown): MoraineError {
  if (cause instanceof MoraineError) return cause;
  return new InternalError("A compaction worker failed.", { cause });
}
