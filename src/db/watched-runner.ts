/** `WatchedRunner`: a runner that keeps to the budget of a round. */
import { CorruptionError, messageOf } from "../common/errors.js";
import type { JobEvents, JobRunner, JobTask } from "../compaction/job.js";
import type { JobRange } from "../format/compactions.js";
import type { RoundBudget } from "./round-budget.js";

/**
 * A job that could not be carried out: it is left alone until the database is opened again. Or the list of a run's SSTs that cannot be read: the run
 * stays as it is until it can. Others go on.
 */
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
    const { runner } = this.#options;
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
    const done = await runner.run(task, { progress }, signal);
    this.budget?.progressed();
    return done;
  }

  failureOf(error: Error): CompactionFailure {
    const object = error instanceof CorruptionError ? error.object : undefined;
    return { object, message: messageOf(error), failedAt: Math.floor(this.#options.now()) };
  }

  close(): Promise<void> {
    return this.#options.runner.close();
  }
}
