/**
 * `runJob`: carries out a job whose claim is stored, and says what has become of it. Meanwhile it writes down what is reached, which is the
 * sign of life too, and stops when the claim is gone.
 */
import { whenAborted } from "../common/abort.js";
import type { Clock } from "../common/clock.js";
import { ClosedError, CorruptionError, messageOf, StoreError } from "../common/errors.js";
import type { Ulid } from "../common/ids.js";
import type { CompactionJob, JobRange } from "../format/compactions.js";
import type { Manifest, SstInfo } from "../format/manifest.js";
import type { StoredManifest } from "../manifest/stored-manifest.js";
import type { BuildSettings, JobRunner, JobSource } from "./job.js";
import { claimedJob, recordProgress } from "./job-transitions.js";
import { hasInputs } from "./plan-job.js";
import { resolveSources } from "./resolve-sources.js";
import type { RunListReads } from "./run-list-reads.js";
import type { StoredCompactions } from "./stored-compactions.js";

/** What is reached is written down so often at most. */
const progressMs = 10_000;
/** A worker that has nothing to tell is heard of so often all the same: well within what makes it count as gone. */
const signMs = 20_000;

export interface JobRunOptions {
  readonly clock: Clock;
  readonly storedManifest: StoredManifest;
  readonly compactions: StoredCompactions;
  readonly lists: RunListReads;
  readonly runner: JobRunner;
  readonly build: BuildSettings;
}

/**
 * - `done`: with all ranges.
 * - `failed`: for good, as with damaged input.
 * - `released`: given back, with what was reached: the store failed, the work was stopped, or the inputs are gone.
 * - `lost`: somebody else has it, or it was given up.
 */
export type JobOutcome =
  | { readonly kind: "done"; readonly ranges: readonly JobRange[] }
  | { readonly kind: "failed"; readonly ranges: readonly JobRange[]; readonly error: Error }
  | { readonly kind: "released"; readonly ranges: readonly JobRange[]; readonly error: unknown }
  | { readonly kind: "lost" };

/** Why a run stops by itself. */
class ClaimGone extends Error {}

/** Never rejects. */
export async function runJob(
  options: JobRunOptions,
  job: CompactionJob,
  signal: AbortSignal,
): Promise<JobOutcome> {
  const stop = new AbortController();
  const stopListening = whenAborted(signal, (reason) => stop.abort(reason));
  if (signal.aborted) stop.abort(signal.reason);
  const record = new ProgressRecord(options, job, stop);
  try {
    const { manifest, sources } = await readSources(options, job, stop.signal);
    if (sources === undefined) {
      return { kind: "released", ranges: job.ranges, error: new StaleJob() };
    }
    record.start();
    const { databaseId } = manifest;
    const task = { job, databaseId, sources, build: options.build };
    const ranges = await options.runner.run(task, record, stop.signal);
    return { kind: "done", ranges };
  } catch (error) {
    if (stop.signal.reason instanceof ClaimGone) return { kind: "lost" };
    const { ranges } = record;
    const passing = signal.aborted ? error : await passingError(options, job, error);
    return passing === undefined
      ? {
          kind: "failed",
          ranges,
          error: error instanceof Error ? error : new Error(messageOf(error)),
        }
      : { kind: "released", ranges, error: passing };
  } finally {
    stopListening();
    await record.end();
  }
}

/** An input is no longer in the manifest: the coordinator will give the job up. */
export class StaleJob extends Error {}

async function readSources(
  { storedManifest, lists }: JobRunOptions,
  { inputs }: CompactionJob,
  signal: AbortSignal,
): Promise<{ manifest: Manifest; sources: readonly JobSource[] | undefined }> {
  let manifest = storedManifest.current;
  if (!hasInputs(manifest, inputs)) manifest = await storedManifest.refresh({ signal });
  lists.keepOnly?.(manifest.runs);
  const loaded = new Map<Ulid, readonly SstInfo[]>();
  for (const { id } of inputs.runs) {
    const run = manifest.runs.find((other) => other.id === id);
    if (run !== undefined && run.listBytes > 0) loaded.set(id, await lists.all(run, signal));
  }
  return { manifest, sources: resolveSources(manifest, loaded, inputs) };
}

/**
 * Why the job may go well another time, or elsewhere; undefined when it may not. What is missing is damage only as long as the newest
 * manifest names it.
 */
async function passingError(
  { storedManifest }: JobRunOptions,
  { inputs }: CompactionJob,
  error: unknown,
): Promise<unknown> {
  if (error instanceof StoreError || error instanceof ClosedError) return error;
  if (!(error instanceof CorruptionError)) return undefined;
  try {
    return hasInputs(await storedManifest.refresh(), inputs) ? undefined : new StaleJob();
  } catch (other) {
    return other instanceof StoreError ? other : undefined;
  }
}

/** What is reached, and when it was last written down. */
class ProgressRecord {
  readonly #options: JobRunOptions;
  readonly #job: CompactionJob;
  readonly #stop: AbortController;
  readonly #ended = new AbortController();
  #ranges: readonly JobRange[];
  #stored: readonly JobRange[];
  #running: Promise<void> = Promise.resolve();

  constructor(options: JobRunOptions, job: CompactionJob, stop: AbortController) {
    this.#options = options;
    this.#job = job;
    this.#stop = stop;
    this.#ranges = job.ranges;
    this.#stored = job.ranges;
  }

  get ranges(): readonly JobRange[] {
    return this.#ranges;
  }

  progress(ranges: readonly JobRange[]): void {
    this.#ranges = ranges;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Resolves when nothing more is written down. */
  async end(): Promise<void> {
    this.#ended.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    let signedAt = clock.monotonic();
    for (;;) {
      try {
        await clock.sleep(progressMs, this.#ended.signal);
      } catch {
        return;
      }
      const isDue = clock.monotonic() - signedAt >= signMs;
      if (this.#ranges === this.#stored && !isDue) continue;
      const startedAt = clock.monotonic();
      if (await this.#store(this.#ranges)) signedAt = startedAt;
    }
  }

  /** False when the store has failed: it is tried again with what is reached by then. */
  async #store(ranges: readonly JobRange[]): Promise<boolean> {
    const { id, claim } = this.#job;
    try {
      const { compactions } = this.#options;
      const transition = recordProgress(id, claim, ranges, compactions.current.number);
      // Not to be aborted: what ends the job is committed behind it.
      const state = await compactions.commit(transition);
      if (claimedJob(state, id, claim) === undefined) this.#stop.abort(new ClaimGone());
      this.#stored = ranges;
      return true;
    } catch (error) {
      if (!(error instanceof StoreError)) this.#stop.abort(error);
      return false;
    }
  }
}
