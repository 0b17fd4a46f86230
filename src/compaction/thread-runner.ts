/**
 * `ThreadRunner`: carries out jobs in worker threads, so that a merge does not hold up the event loop. A thread is started with the first job and
 * ended when there has been none for a while; it has no store, and its requests come back to this thread.
 *
 * Where threads cannot be had (an application bundled into one file, sources that run from TypeScript) jobs run in slices of this thread. So
 * does the rest of a job whose thread has died.
 */
import { type Clock, systemClock, type Timer } from "../common/clock.js";
import { ClosedError, InternalError, messageOf } from "../common/errors.js";
import { type Random, systemRandom } from "../common/random.js";
import type { JobRange } from "../format/compactions.js";
import type { JobEvents, JobRunner, JobTask } from "./job.js";
import {
  StartedThread,
  ThreadEnded,
  ThreadNotStarted,
  type ThreadOptions,
} from "./started-thread.js";

export interface ThreadRunnerOptions extends ThreadOptions {
  /** Makes what runs jobs where there is no thread, when it is needed. */
  readonly slices: () => JobRunner;
  /** How many threads there may be: 1 to 8. A job has one of them, which jobs may share. */
  readonly threads: number;
  /** ms without a job after which a thread is ended. Default 30,000. */
  readonly idleMs?: number | undefined;
}

/**
 * Whether a handle's jobs may run in threads: a thread has the system's clock and randomness, and no function of the handle's. Where this is
 * false, use slices: so a manual clock and a seed decide all that happens, and a user's functions are called.
 */
export function mayRunInThreads(handle: {
  readonly clock: Clock;
  readonly random: Random;
  /** Some job needs a function that was passed to the handle, not by a module. */
  readonly needsFunctions: boolean;
}): boolean {
  return handle.clock === systemClock && handle.random === systemRandom && !handle.needsFunctions;
}

export class ThreadRunner implements JobRunner {
  readonly #places: Place[];
  readonly #newSlices: () => JobRunner;
  #slices: JobRunner | undefined;
  #mode: "thread" | "slices" = "thread";
  #closed: Promise<void> | undefined;

  constructor(options: ThreadRunnerOptions) {
    this.#places = Array.from({ length: options.threads }, () => new Place(options));
    this.#newSlices = options.slices;
  }

  /** Where the next job runs: in slices once a thread could not be started. */
  get mode(): "thread" | "slices" {
    return this.#mode;
  }

  /** How many threads there are now. @internal For tests. */
  get threadCount(): number {
    return this.#places.filter(({ hasThread }) => hasThread).length;
  }

  async run(task: JobTask, events: JobEvents, signal: AbortSignal): Promise<readonly JobRange[]> {
    this.#checkOpen();
    if (this.#mode === "slices") return this.#runInSlices(task, events, signal);
    const place = this.#places.reduce((a, b) => (b.jobCount < a.jobCount ? b : a));
    let reached = task.job.ranges;
    const progress = (ranges: readonly JobRange[]): void => {
      reached = ranges;
      events.progress(ranges);
    };
    try {
      return await place.run(task, { progress }, signal);
    } catch (error) {
      const hasDied = error instanceof ThreadEnded;
      if (!hasDied && !(error instanceof ThreadNotStarted)) throw error;
      this.#checkOpen();
      signal.throwIfAborted();
      if (!hasDied) this.#mode = "slices";
      else if (error.isOutOfMemory) {
        // Here it would take the whole process with it.
        throw new InternalError(`Job ${task.job.id} ran out of memory: ${messageOf(error.cause)}`, {
          cause: error,
        });
      }
      const rest = { ...task, job: { ...task.job, ranges: reached } };
      return this.#runInSlices(rest, events, signal);
    }
  }

  /** Jobs under way reject with `ClosedError`. Resolves when nothing of them is left. Twice is harmless. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await Promise.all(this.#places.map((place) => place.end()));
    await this.#slices?.close();
  }

  #runInSlices(
    task: JobTask,
    events: JobEvents,
    signal: AbortSignal,
  ): ReturnType<JobRunner["run"]> {
    this.#slices ??= this.#newSlices();
    return this.#slices.run(task, events, signal);
  }

  #checkOpen(): void {
    if (this.#closed !== undefined) throw new ClosedError("The compaction threads are closed.");
  }
}

/** Where there may be a thread. */
class Place {
  readonly #options: ThreadRunnerOptions;
  #thread: StartedThread | undefined;
  #jobCount = 0;
  #idle: Timer | undefined;

  constructor(options: ThreadRunnerOptions) {
    this.#options = options;
  }

  get jobCount(): number {
    return this.#jobCount;
  }

  get hasThread(): boolean {
    return this.#thread !== undefined && !this.#thread.hasEnded;
  }

  async run(task: JobTask, events: JobEvents, signal: AbortSignal): Promise<readonly JobRange[]> {
    this.#jobCount++;
    this.#idle?.cancel();
    try {
      if (!this.hasThread) this.#thread = new StartedThread(this.#options);
      return await this.#thread!.run(task, events, signal);
    } finally {
      this.#jobCount--;
      const { clock, idleMs = 30_000 } = this.#options;
      if (this.#jobCount === 0 && this.#thread !== undefined) {
        this.#idle = clock.after(idleMs, () => void this.end(), { idle: true });
      }
    }
  }

  /** The next job starts a thread anew. */
  async end(): Promise<void> {
    this.#idle?.cancel();
    const ending = this.#thread;
    this.#thread = undefined;
    await ending?.end();
  }
}
