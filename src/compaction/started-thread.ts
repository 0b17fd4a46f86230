/** `StartedThread`: one compaction thread as the main thread sees it: started, given jobs, and ended. */
import { MessageChannel, Worker } from "node:worker_threads";
import { throwIfAborted, whenAborted, withSignal } from "../common/abort.js";
import type { Clock, Timer } from "../common/clock.js";
import { type Deferred, deferred } from "../common/deferred.js";
import type { JobRange } from "../format/compactions.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { unpackError } from "./crossing-errors.js";
import { applyChange, splitTask, sstsPerMessage, withOwnKeys } from "./crossing-task.js";
import type { JobEvents, JobTask } from "./job.js";
import { type FromJobs, type ThreadData, type ToJobs, threadProduct } from "./job-messages.js";
import { StoreBridge } from "./store-bridge.js";

export interface ThreadOptions {
  /** Makes the requests of the jobs. */
  readonly store: ObjectStore;
  readonly clock: Clock;
  /** URL of a module of user functions; see `loadFunctions`. */
  readonly functions: string | undefined;
  /** The names of the database's merge operators, as its manifest has them now: a row's operator id is the index of the name plus 1. */
  readonly operatorNames: () => readonly string[];
  /** How many ranges of a job are merged at once. Default: as in `SliceRunnerOptions`. */
  readonly rangesInFlight?: number | undefined;
  /** The thread's file, where it is not beside this one. */
  readonly threadUrl?: URL | undefined;
}

/** ms. Where a thread does not come up by then, as with a module that waits for ever, there is none. */
const startMsMax = 30_000;
/** ms. A job looks at its signal every few ms; a function of the user's that takes longer loses the thread. */
const abortMsMax = 10_000;

/** There is no thread to be had. */
export class ThreadNotStarted extends Error {}

/** The thread has ended while it had a job. */
export class ThreadEnded extends Error {
  get isOutOfMemory(): boolean {
    return (this.cause as { code?: unknown } | undefined)?.code === "ERR_WORKER_OUT_OF_MEMORY";
  }
}

interface Job {
  ranges: readonly JobRange[];
  readonly events: JobEvents;
  readonly result: Deferred<readonly JobRange[]>;
}

export class StartedThread {
  readonly #clock: Clock;
  readonly #operatorNames: () => readonly string[];
  readonly #worker: Worker;
  readonly #bridge: StoreBridge;
  readonly #jobs = new Map<number, Job>();
  readonly #late: Timer;
  readonly #ready = deferred();
  readonly #ended = deferred();
  #lastId = 0;
  /** What it died of. */
  #error: unknown;
  #hasEnded = false;

  /** Throws `ThreadNotStarted` when it can be seen at once that there is none. */
  constructor(options: ThreadOptions) {
    const { store, clock, functions, threadUrl, rangesInFlight } = options;
    this.#clock = clock;
    this.#operatorNames = options.operatorNames;
    const { port1, port2 } = new MessageChannel();
    const workerData: ThreadData = {
      ...{ storePort: port2, storeId: store.id },
      ...{ functions, rangesInFlight },
    };
    const settings = { name: "moraine-compaction", workerData, transferList: [port2] };
    this.#bridge = new StoreBridge(port1, store, clock);
    try {
      this.#worker =
        threadUrl === undefined
          ? // Written out, so that bundlers see it.
            new Worker(new URL("./compaction-thread.js", import.meta.url), settings)
          : new Worker(threadUrl, settings);
    } catch (cause) {
      void this.#bridge.close();
      throw new ThreadNotStarted("The compaction thread cannot be made.", { cause });
    }
    this.#late = clock.after(startMsMax, () => this.#giveUp(`in ${startMsMax} ms`), { idle: true });
    this.#worker.on("message", (message: FromJobs) => this.#take(message));
    this.#worker.on("error", (error) => {
      this.#error = error;
    });
    this.#worker.on("exit", (code) => this.#onExit(code));
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /**
   * As `JobRunner.run`, and keeps the process alive meanwhile. Rejects with `ThreadNotStarted` or `ThreadEnded` when there is no thread for it, and
   * with `InvalidArgumentError` when the user functions cannot be had.
   */
  async run(task: JobTask, events: JobEvents, signal: AbortSignal): Promise<readonly JobRange[]> {
    throwIfAborted(signal);
    await withSignal(this.#ready.promise, signal);
    if (this.#hasEnded) throw new ThreadEnded("The compaction thread has ended.");
    const id = ++this.#lastId;
    const result = deferred<readonly JobRange[]>();
    this.#jobs.set(id, { ranges: task.job.ranges, events, result });
    this.#worker.ref();
    let timer: Timer | undefined;
    const stopListening = whenAborted(signal, () => {
      this.#post({ type: "abort", id });
      timer = this.#clock.after(abortMsMax, () => void this.end());
    });
    try {
      await this.#send(id, task, signal);
      return await result.promise;
    } catch (error) {
      throwIfAborted(signal);
      throw error;
    } finally {
      stopListening();
      timer?.cancel();
      this.#jobs.delete(id);
      if (this.#jobs.size === 0) this.#worker.unref();
    }
  }

  /** Ends it at once, whatever it is doing. Resolves when it is gone, and nothing that it has asked for is under way. */
  end(): Promise<void> {
    void this.#worker.terminate();
    return this.#ended.promise;
  }

  async #send(id: number, task: JobTask, signal: AbortSignal): Promise<void> {
    const { head, ssts } = splitTask(task);
    this.#post({ type: "job", id, head, operatorNames: this.#operatorNames() });
    for (let from = 0; from < ssts.length && !signal.aborted; from += sstsPerMessage) {
      const some = ssts.slice(from, from + sstsPerMessage).map(withOwnKeys);
      this.#post({ type: "ssts", id, ssts: some });
      await new Promise<void>((resolve) => this.#clock.endOfTurn(resolve));
    }
  }

  #take(message: FromJobs): void {
    if (message.type === "ready") {
      if (message.product === threadProduct) this.#begin();
      return;
    }
    if (message.type === "refused") {
      this.#ready.reject(unpackError(message.error));
      void this.end();
      return;
    }
    const job = this.#jobs.get(message.id);
    if (job === undefined) return;
    if (message.type === "failed") {
      job.result.reject(unpackError(message.error));
      return;
    }
    job.ranges = applyChange(job.ranges, message.change);
    if (message.type === "done") job.result.resolve(job.ranges);
    else job.events.progress(job.ranges);
  }

  #begin(): void {
    this.#late.cancel();
    // Whoever waits for this keeps it alive again in the same turn.
    this.#worker.unref();
    this.#ready.resolve();
  }

  #giveUp(when: string): void {
    this.#ready.reject(new ThreadNotStarted(`The compaction thread was not ready ${when}.`));
    void this.end();
  }

  #onExit(code: number): void {
    this.#hasEnded = true;
    this.#late.cancel();
    const cause = this.#error;
    const what = `The compaction thread ended with exit code ${code}.`;
    this.#ready.reject(new ThreadNotStarted(what, { cause }));
    for (const { result } of this.#jobs.values()) result.reject(new ThreadEnded(what, { cause }));
    void this.#bridge.close().then(() => this.#ended.resolve());
  }

  #post(message: ToJobs): void {
    this.#worker.postMessage(message);
  }
}
