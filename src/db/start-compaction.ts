/** What a handle compacts with, put together: the strategy, what carries out jobs, and the role that plans, claims and commits them. */
import type { Clock } from "../common/clock.js";
import type { MoraineError } from "../common/errors.js";
import type { Random } from "../common/random.js";
import type { CompactionFilter } from "../compaction/compaction-filter.js";
import { CompactorRole, type CompactorRoleOptions } from "../compaction/compactor.js";
import type { BuildSettings, JobRunner } from "../compaction/job.js";
import type { SharedRunLists } from "../compaction/run-list-reads.js";
import { SliceRunner } from "../compaction/slice-runner.js";
import { mayRunInThreads, ThreadRunner } from "../compaction/thread-runner.js";
import { Throttle, throttled } from "../compaction/throttle.js";
import type { CompactionJob } from "../format/compactions.js";
import type { Compression } from "../format/compression.js";
import type { FilterName } from "../format/filter-name.js";
import type { PrefixExtractor } from "../format/prefix-extractor.js";
import type { StoredManifest } from "../manifest/stored-manifest.js";
import type { GivenOperators } from "../merge/given-operators.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { observed } from "../object-store/observed.js";
import { backgroundStore } from "./background-store.js";
import type { CheckedStrategy } from "./compaction-option.js";
import { newStrategy } from "./new-strategy.js";
import type { RoundBudget } from "./round-budget.js";
import { type Settings, settingsTable } from "./settings.js";
import { type CompactionFailure, WatchedRunner } from "./watched-runner.js";

/** `"threads"` or `"slices"` of the main thread: where jobs run. */
export type CompactionMode = "threads" | "slices";

export interface CompactionParts {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: Settings;
  readonly storedManifest: StoredManifest;
  readonly lists: SharedRunLists;
  /** Undefined: it carries out what others plan, and plans nothing. */
  readonly strategy: CheckedStrategy | undefined;
  readonly compression: Compression | undefined;
  readonly filter: FilterName | undefined;
  readonly mergeOperators: GivenOperators;
  readonly prefixExtractor: PrefixExtractor | undefined;
  readonly compactionFilter: CompactionFilter | undefined;
  /** URL of the module that these functions are from. */
  readonly functions: string | undefined;
  readonly claims: "at-once" | "lazily";
  /** That of the writer; 0 in a process of its own. */
  readonly writerEpoch: number;
  /** Jobs planned at once for workers of other processes. */
  readonly remoteJobsMax: number;
  /** Of this process, for people. */
  readonly name: string;
  /** Nothing is open that sees what a filter changes, or that FIFO lets go. Default: as the manifest says. */
  readonly mayRewrite?: (() => boolean) | undefined;
  readonly source?: CompactorRoleOptions["source"];
  readonly onCommitted?: CompactorRoleOptions["onCommitted"];
  /** Without a job: the list of a run cannot be read, and nothing is planned for it. */
  readonly onJobFailed: (failure: CompactionFailure, job: CompactionJob | undefined) => void;
  /** It has stopped for good. */
  readonly onFailed: (error: MoraineError) => void;
  /** Ends every request. */
  readonly ended: AbortSignal;
}

export interface StartedCompaction {
  readonly role: CompactorRole;
  readonly mode: CompactionMode;
  /** What a round counts, and stops at; undefined outside of one. */
  budget: RoundBudget | undefined;
}

export function startCompaction(parts: CompactionParts): StartedCompaction {
  const { clock, random, settings, storedManifest, lists, strategy, name, ended } = parts;
  let budget: RoundBudget | undefined;
  const counted = observed(backgroundStore(parts.store, ended), (one) => budget?.add(one), clock);
  const runner = newRunner(parts, counted);
  const watched = new WatchedRunner({
    runner,
    now: () => clock.now(),
  });
  const { sstBytesMax, manifestRetentionMs: retentionMs } = settings;
  const { claims, writerEpoch, remoteJobsMax, mayRewrite, compactionFilter } = parts;
  // Where nobody is slowed down, somebody has to take over all the same.
  const l0SoftMax = Number.isFinite(settings.l0SoftMax)
    ? settings.l0SoftMax
    : settingsTable.l0SoftMax.default;
  const role = new CompactorRole({
    ...{ clock, random, storedManifest, lists, name, retentionMs },
    ...{ store: counted, runner: watched, build: buildSettings(parts) },
    filters: compactionFilter !== undefined,
    coordinator: strategy && {
      ...{ sstBytesMax, l0SoftMax, claims, writerEpoch, remoteJobsMax, mayRewrite },
      strategy: newStrategy(strategy, settings),
    },
    localJobsMax: Math.max(1, settings.compactionThreads),
    source: parts.source,
    onCommitted: parts.onCommitted,
    onJobFailed: (job, error) => parts.onJobFailed(watched.failureOf(error), job),
    onDamagedList: (error) => parts.onJobFailed(watched.failureOf(error), undefined),
    onFailed: parts.onFailed,
  });
  return {
    role,
    get mode() {
      return runner instanceof ThreadRunner && runner.mode === "thread" ? "threads" : "slices";
    },
    get budget() {
      return budget;
    },
    set budget(value) {
      budget = value;
      watched.budget = value;
    },
  };
}

function newRunner(parts: CompactionParts, store: ObjectStore): JobRunner {
  const { clock, random, settings, storedManifest, functions, prefixExtractor } = parts;
  const { compactionThreads: threads, compactionBytesPerSecond } = settings;
  const bounded = throttled(store, new Throttle(compactionBytesPerSecond, clock));
  const slices = (): JobRunner =>
    new SliceRunner({
      ...{ store: bounded, clock, random, prefixExtractor },
      // Writers may add some while this process runs.
      get operatorNames() {
        return storedManifest.current.pinned.mergeOperators;
      },
      operators: parts.mergeOperators,
      filter: parts.compactionFilter,
    });
  const hasFunctions =
    parts.mergeOperators.size > 0 ||
    prefixExtractor !== undefined ||
    parts.compactionFilter !== undefined;
  const needsFunctions = hasFunctions && functions === undefined;
  if (threads === 0 || !mayRunInThreads({ clock, random, needsFunctions })) return slices();
  const operatorNames = (): readonly string[] => storedManifest.current.pinned.mergeOperators;
  return new ThreadRunner({ store: bounded, clock, threads, functions, slices, operatorNames });
}

function buildSettings({ settings, filter, compression }: CompactionParts): BuildSettings {
  const { blockBytes, filterBitsPerKey, unfilteredSstBytesMax } = settings;
  return { blockBytes, filter, filterBitsPerKey, unfilteredSstBytesMax, compression };
}
