/**
 * `mergeJob`: one job from its inputs to stored outputs.
 *
 * The range deletes of all inputs are read, the keys are cut into ranges unless somebody has done that before, and some ranges are merged
 * at once. The first failure ends all of them; what is stored by then has been reported, and is where whoever resumes the job goes on.
 */
import type { Clock } from "../common/clock.js";
import type { FragmentedTombstones } from "../common/fragmented-tombstones.js";
import { UlidFactory } from "../common/ids.js";
import type { Random } from "../common/random.js";
import { TimeSlice } from "../common/time-slice.js";
import type { JobRange } from "../format/compactions.js";
import type { PrefixExtractor } from "../format/prefix-extractor.js";
import type { MergeOperators } from "../merge/merge-operators.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { BlockCache } from "../sst/block-cache.js";
import { TableStore } from "../sst/table-store.js";
import type { CompactionFilter } from "./compaction-filter.js";
import type { JobEvents, JobTask } from "./job.js";
import type { JobContext, Throttle } from "./job-context.js";
import { loneStretches } from "./lone-stretches.js";
import { planRanges } from "./plan-ranges.js";
import { RetainedRangeDeletes } from "./retained-range-deletes.js";
import { runRange } from "./run-range.js";

export interface MergeJobOptions {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  /** Undefined: merges stay as they are. */
  readonly operators: MergeOperators | undefined;
  readonly filter: CompactionFilter | undefined;
  readonly prefixExtractor: PrefixExtractor | undefined;
  /** How many ranges are merged at once. */
  readonly rangesInFlight: number;
  readonly throttle: Throttle | undefined;
}

/** Bytes of the indexes, filters and range deletes of inputs that are kept while they are read. */
const openTablesBytes = 64 * 1024 * 1024;

/** As `JobRunner.run`. */
export async function mergeJob(
  task: JobTask,
  events: JobEvents,
  signal: AbortSignal,
  options: MergeJobOptions,
): Promise<readonly JobRange[]> {
  const { store, clock, random } = options;
  signal.throwIfAborted();
  const stop = new AbortController();
  const ids = new UlidFactory(clock, random);
  ids.raiseAbove(task.job.id);
  for (const { outputs } of task.job.ranges) for (const { id } of outputs) ids.raiseAbove(id);
  const tables = new TableStore({
    ...{ store, databaseId: task.databaseId, background: true },
    cache: new BlockCache(openTablesBytes),
  });
  try {
    const rangeDeletes = await readRangeDeletes(task, tables, clock, signal);
    const filter = task.job.rewrites ? options.filter : undefined;
    const context: JobContext = {
      ...{ task, store, clock, ids, tables, rangeDeletes, filter },
      // A filter is asked about every row.
      stretches: filter === undefined ? loneStretches(task, rangeDeletes.all) : [],
      signal: AbortSignal.any([signal, stop.signal]),
      operators: options.operators,
      prefixExtractor: options.prefixExtractor,
      throttle: options.throttle,
    };
    const ranges = [...(task.job.ranges.length > 0 ? task.job.ranges : await planRanges(context))];
    events.progress([...ranges]);
    await runAll(context, ranges, options.rangesInFlight, events, stop);
    return ranges;
  } finally {
    tables.close();
  }
}

async function runAll(
  context: JobContext,
  ranges: JobRange[],
  inFlightMax: number,
  events: JobEvents,
  stop: AbortController,
): Promise<void> {
  const waiting = [...ranges.keys()].filter((i) => !ranges[i]!.done);
  const work = async (): Promise<void> => {
    for (let i = waiting.shift(); i !== undefined; i = waiting.shift()) {
      const index = i;
      await runRange(context, ranges[index]!, (range) => {
        ranges[index] = range;
        events.progress([...ranges]);
      });
    }
  };
  let failure: { readonly error: unknown } | undefined;
  const workers = Array.from({ length: inFlightMax }, () =>
    work().catch((error: unknown) => {
      failure ??= { error };
      stop.abort(error);
    }),
  );
  // No output may be stored once the job has been given back.
  await Promise.all(workers);
  if (failure !== undefined) throw failure.error;
}

async function readRangeDeletes(
  { sources, job }: JobTask,
  tables: TableStore,
  clock: Clock,
  signal: AbortSignal,
): Promise<RetainedRangeDeletes> {
  const found: FragmentedTombstones[] = [];
  for (const { ssts } of sources) {
    for (const info of ssts) {
      if (info.rangeDeletes.length === 0) continue;
      found.push(tables.rangeDeletesOf(info) ?? (await tables.loadRangeDeletes(info, signal)));
    }
  }
  const slice = new TimeSlice(clock);
  const steps = RetainedRangeDeletes.of(found, job);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (slice.isOver) await slice.giveTurn();
    signal.throwIfAborted();
  }
}
