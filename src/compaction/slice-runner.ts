/** `SliceRunner`: carries out jobs on the thread that it is on, in slices of a few ms, so that it can call functions of the user. */
import type { Clock } from "../common/clock.js";
import { ClosedError } from "../common/errors.js";
import type { Random } from "../common/random.js";
import type { JobRange } from "../format/compactions.js";
import type { PrefixExtractor } from "../format/prefix-extractor.js";
import type { GivenOperators } from "../merge/given-operators.js";
import { MergeOperators } from "../merge/merge-operators.js";
import type { ObjectStore } from "../object-store/object-store.js";
import type { CompactionFilter } from "./compaction-filter.js";
import type { JobEvents, JobRunner, JobTask } from "./job.js";
import type { Throttle } from "./job-context.js";
import { mergeJob } from "./merge-job.js";
import { turnByTurn } from "./turn-by-turn.js";

export interface SliceRunnerOptions {
  /** Where inputs are read and outputs stored, all as background requests; what fails for a while is tried again by the store itself. */
  readonly store: ObjectStore;
  readonly clock: Clock;
  /** For the ids of outputs. */
  readonly random: Random;
  /** As in the manifest: a row's operator id is the index of the name plus 1. Default: none. */
  readonly operatorNames?: readonly string[] | undefined;
  /** Those that are at hand; merges of others stay as they are. Default: none. */
  readonly operators?: GivenOperators | undefined;
  /** Asked in jobs that say so: `CompactionJob.rewrites`. Default: none. */
  readonly filter?: CompactionFilter | undefined;
  /** Puts the prefixes of keys into the filters of outputs, too. Default: none. */
  readonly prefixExtractor?: PrefixExtractor | undefined;
  /** How many ranges of one job are merged at once. Default 2. */
  readonly rangesInFlight?: number | undefined;
  /** Default: none. */
  readonly throttle?: Throttle | undefined;
}

export class SliceRunner implements JobRunner {
  readonly #options: SliceRunnerOptions;
  /** Of all jobs and ranges: together they take no more of the event loop than one. */
  readonly #clock: Clock;
  readonly #closed = new AbortController();
  readonly #running = new Set<Promise<unknown>>();

  constructor(options: SliceRunnerOptions) {
    this.#options = options;
    this.#clock = turnByTurn(options.clock);
  }

  /** An operator that fails leaves the rows as they are; a filter that does fails the job with a `CompactionFilterError`. */
  run(task: JobTask, events: JobEvents, signal: AbortSignal): Promise<readonly JobRange[]> {
    const { store, random, operatorNames = [], operators, filter } = this.#options;
    const { prefixExtractor, rangesInFlight = 2, throttle } = this.#options;
    const running = mergeJob(task, events, AbortSignal.any([signal, this.#closed.signal]), {
      ...{ store, clock: this.#clock, random, filter, prefixExtractor, rangesInFlight, throttle },
      operators: operators === undefined ? undefined : new MergeOperators(operatorNames, operators),
    });
    this.#running.add(running);
    const forget = (): boolean => this.#running.delete(running);
    running.then(forget, forget);
    return running;
  }

  /** Jobs that are under way reject with `ClosedError`; resolves when nothing of them is. */
  async close(): Promise<void> {
    this.#closed.abort(new ClosedError("The compactor was closed."));
    await Promise.allSettled(this.#running);
  }
}
