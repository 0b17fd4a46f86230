/**
 * `LocalWorkers`: carry out jobs in the process of the coordinator, which claims for them as it plans, and commits what they finish without a
 * commit of their own.
 */
import { type Ulid, UlidFactory } from "../common/ids.js";
import type { Random } from "../common/random.js";
import type { CompactionJob } from "../format/compactions.js";
import { type JobOutcome, type JobRunOptions, runJob } from "./job-run.js";

export interface LocalWorkersOptions extends JobRunOptions {
  readonly random: Random;
  /** For people. */
  readonly name: string;
  readonly jobsMax: number;
  /** A job has ended. */
  readonly onOutcome: (job: CompactionJob, outcome: JobOutcome) => void;
}

interface LocalJob {
  readonly job: CompactionJob;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
  outcome: JobOutcome | undefined;
}

export class LocalWorkers {
  readonly name: string;
  readonly #options: LocalWorkersOptions;
  readonly #ids: UlidFactory;
  readonly #jobs = new Map<Ulid, LocalJob>();
  /** No job is taken for now. */
  #isPaused = false;

  constructor(options: LocalWorkersOptions) {
    this.name = options.name;
    this.#options = options;
    this.#ids = new UlidFactory(options.clock, options.random);
  }

  get jobsMax(): number {
    return this.#options.jobsMax;
  }

  /** How many more jobs it would take. */
  get free(): number {
    return this.#isPaused ? 0 : Math.max(0, this.jobsMax - this.runningCount);
  }

  get runningCount(): number {
    let count = 0;
    for (const { outcome } of this.#jobs.values()) if (outcome === undefined) count++;
    return count;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
  }

  newClaim(): Ulid {
    return this.#ids.next();
  }

  /** Whether it has the job, running or ended. */
  has({ id, claim }: CompactionJob): boolean {
    return this.#jobs.get(id)?.job.claim === claim;
  }

  /** What has ended and is not settled. */
  outcomes(): { readonly job: CompactionJob; readonly outcome: JobOutcome }[] {
    return [...this.#jobs.values()].flatMap(({ job, outcome }) =>
      outcome === undefined ? [] : [{ job, outcome }],
    );
  }

  /** Begins a job whose claim is stored. */
  start(job: CompactionJob): void {
    if (this.has(job)) return;
    const stop = new AbortController();
    const ended = runJob(this.#options, job, stop.signal).then((outcome) => {
      local.outcome = outcome;
      // One that was given up has nothing to tell.
      if (this.#jobs.get(job.id) === local) this.#options.onOutcome(job, outcome);
    });
    const local: LocalJob = { job, stop, ended, outcome: undefined };
    this.#jobs.set(job.id, local);
  }

  /** Its outcome is stored, or nobody needs it: if it is still running, it stops. */
  settle(id: Ulid, reason?: Error): void {
    const local = this.#jobs.get(id);
    this.#jobs.delete(id);
    if (local?.outcome === undefined) local?.stop.abort(reason ?? new Error("given up"));
  }

  /** All jobs stop; resolves when they have, with outcomes to be stored. */
  async stop(reason: unknown): Promise<void> {
    this.pause();
    const jobs = [...this.#jobs.values()];
    for (const { stop, outcome } of jobs) if (outcome === undefined) stop.abort(reason);
    await Promise.all(jobs.map(({ ended }) => ended));
  }

  /** Resolves when one more job has ended, or at once when none runs. */
  async oneEnded(): Promise<void> {
    const running = [...this.#jobs.values()].filter(({ outcome }) => outcome === undefined);
    if (running.length > 0) await Promise.race(running.map(({ ended }) => ended));
  }
}
