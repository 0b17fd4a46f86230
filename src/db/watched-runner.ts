/** `WatchedRunner`: a runner that keeps to the budget of a round, and tells which jobs have failed. */
import { CorruptionError, messageOf, StoreError } from "../common/errors.js";
import type { JobEvents, JobRunner, JobTask } from "../compaction/job.js";
import type { CompactionJob, JobRange } from "../format/compactions.js";
import type { RoundBudget } from "./round-budget.js";

/** A job that could not be carried out. It is left alone until the database is opened again; others go on. */
export interface CompactionFailure {
  /** The damaged object, where it was one. */
  readonly object: string | undefined;
  readonly message: string;
  /** ms since 1970, by the clock of this process */
  readonly failedAt: number;
}

export interface WatchedRunnerOptions {
  readonly runner: JobRunner;
  readonly now: () => number;
  readonly onFailed: (job: CompactionJob, failure: CompactionFailure) => void;
}

const countOutputs = (ranges: readonly JobRange[]): number =>
  ranges.reduce((sum, { outputs }) => sum + outputs.length, 0);

export class WatchedRunner implements JobRunner {
  readonly #options: WatchedRunnerOptions;
  /** Of the round that is under way. */
  budget: RoundBudget | undefined;

  constructor(options: WatchedRunnerOptions) {
    this.#options = options;
  }

  async run(task: JobTask, events: JobEvents, signal: AbortSignal): Promise<readonly JobRange[]> {
    const { runner, now, onFailed } = this.#options;
    this.budget?.check();
    signal.throwIfAborted();
    let outputCount = countOutputs(task.job.ranges);
    const progress = (ranges: readonly JobRange[]): void => {
      events.progress(ranges);
      const count = countOutputs(ranges);
      if (count <= outputCount) return;
      outputCount = count;
      this.budget?.progressed();
      // What is all stored is committed, whatever the budget: it would be the first thing of the next round.
      if (!ranges.every(({ done }) => done)) this.budget?.check();
    };
    try {
      const done = await runner.run(task, { progress }, signal);
      this.budget?.progressed();
      return done;
    } catch (error) {
      const isFailure = !signal.aborted && !(error instanceof StoreError);
      if (isFailure) {
        const object = error instanceof CorruptionError ? error.object : undefined;
        onFailed(task.job, { object, message: messageOf(error), failedAt: Math.floor(now()) });
      }
      throw error;
    }
  }

  close(): Promise<void> {
    return this.#options.runner.close();
  }
}
