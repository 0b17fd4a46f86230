/** `JobThread`: the inside of a compaction thread: runs the jobs that the main thread sends, and tells how far they have come. */
import type { MessagePort } from "node:worker_threads";
import type { SstInfo } from "../format/manifest.js";
import { packError } from "./crossing-errors.js";
import { joinTask, ProgressSender, type TaskHead } from "./crossing-task.js";
import type { JobRunner } from "./job.js";
import type { FromJobs, ToJobs } from "./job-messages.js";

interface Job {
  readonly head: TaskHead;
  readonly ssts: SstInfo[];
  readonly sstCount: number;
  readonly controller: AbortController;
}

export class JobThread {
  readonly #port: Pick<MessagePort, "postMessage">;
  readonly #runner: JobRunner;
  readonly #jobs = new Map<number, Job>();

  constructor(port: Pick<MessagePort, "postMessage">, runner: JobRunner) {
    this.#port = port;
    this.#runner = runner;
  }

  take(message: ToJobs): void {
    const { id } = message;
    if (message.type === "job") {
      const { head } = message;
      const sstCount = head.sstCounts.reduce((sum, count) => sum + count, 0);
      const job = { head, ssts: [], sstCount, controller: new AbortController() };
      this.#jobs.set(id, job);
      this.#beginIfWhole(id, job);
      return;
    }
    const job = this.#jobs.get(id);
    if (job === undefined) return;
    if (message.type === "abort") {
      const hasBegun = job.ssts.length === job.sstCount;
      job.controller.abort(new Error("The job was aborted."));
      // The rest of its SSTs is not coming.
      if (!hasBegun) this.#fail(id, job.controller.signal.reason);
    } else {
      job.ssts.push(...message.ssts);
      this.#beginIfWhole(id, job);
    }
  }

  #beginIfWhole(id: number, job: Job): void {
    if (job.ssts.length === job.sstCount) void this.#run(id, job);
  }

  /** Never rejects. */
  async #run(id: number, { head, ssts, controller }: Job): Promise<void> {
    const task = joinTask(head, ssts);
    const sender = new ProgressSender(task.job.ranges);
    try {
      const progress = (ranges: typeof task.job.ranges): void => {
        const change = sender.changeTo(ranges);
        if (change !== undefined) this.#post({ type: "progress", id, change });
      };
      const ranges = await this.#runner.run(task, { progress }, controller.signal);
      this.#jobs.delete(id);
      this.#post({ type: "done", id, change: sender.changeTo(ranges) });
    } catch (error) {
      this.#fail(id, error);
    }
  }

  #fail(id: number, error: unknown): void {
    this.#jobs.delete(id);
    this.#post({ type: "failed", id, error: packError(error) });
  }

  #post(message: FromJobs): void {
    this.#port.postMessage(message);
  }
}
