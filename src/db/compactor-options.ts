/** Options of `Compactor.open`, checked before anything is opened. */
import { type Clock, systemClock } from "../common/clock.js";
import { InvalidArgumentError } from "../common/errors.js";
import {
  checkOptions,
  requireBoolean,
  requireFunction,
  requireInteger,
  requireOneOf,
  requireSignal,
} from "../common/options.js";
import { type Random, systemRandom } from "../common/random.js";
import type { CompactionFilter } from "../compaction/compaction-filter.js";
import type { WorkSource } from "../compaction/work-source.js";
import { type FilterName, filterNames } from "../format/filter-name.js";
import { type PrefixExtractor, requirePrefixExtractor } from "../format/prefix-extractor.js";
import { toGivenOperators } from "../merge/given-operators.js";
import type { MergeOperator } from "../merge/merge-operator.js";
import {
  type CheckedCompaction,
  type CheckedStrategy,
  requireHeeded,
  type StrategyOption,
  toModuleUrl,
  toStrategy,
} from "./compaction-option.js";
import {
  type CompressionByLevel,
  type CompressionChoice,
  toCompression,
} from "./compression-option.js";
import type { CheckedOptions } from "./open-options.js";
import {
  type CompactorSettingsOptions,
  compactorSettingNames,
  settingNames,
  toCompactorSettings,
} from "./settings.js";

export interface CompactorOptions extends CompactorSettingsOptions {
  /**
   * true: carries out the jobs that a coordinator plans, in another process, and plans none. Default: false, it plans, commits, and carries out jobs
   * itself.
   */
  worker?: boolean | undefined;
  /** By default `"size-tiered"`. A worker has none. */
  strategy?: StrategyOption | undefined;
  /** Jobs that are planned at once for workers of other processes: 0 to 64. Default 0: it works alone. */
  workerJobsMax?: number | undefined;
  /**
   * URL of a module that exports `mergeOperators`, `compactionFilter`, `prefixExtractor`, or some of them: threads import it too. Functions may also be passed
   * themselves; then jobs run in slices of the main thread. Without a merge operator, operands stay as they are.
   */
  functions?: string | URL | undefined;
  mergeOperators?: { readonly [name: string]: MergeOperator } | undefined;
  compactionFilter?: CompactionFilter | undefined;
  prefixExtractor?: PrefixExtractor | undefined;
  /** As of `Db.open`, for what is compacted. */
  filter?: FilterName | undefined;
  compression?: CompressionChoice | undefined;
  /** Says when `run` looks for work. Default: the store is polled every second, every ten after a while without work. */
  source?: WorkSource | undefined;
  /** Of this process, as `moraine inspect` shows who has a job. Default: `"compactor"`. */
  name?: string | undefined;
  /** Time, for tests. Default: the system's. */
  clock?: Clock | undefined;
  /** Randomness, for tests. Default: the system's. */
  random?: Random | undefined;
  signal?: AbortSignal | undefined;
}

export interface CheckedCompactorOptions
  extends Pick<
    CheckedOptions,
    "settings" | "clock" | "random" | "signal" | "prefixExtractor" | "mergeOperators" | "filter"
  > {
  readonly compaction: CheckedCompaction;
  readonly compression: CompressionByLevel;
  /** Undefined: a worker. */
  readonly strategy: CheckedStrategy | undefined;
  readonly workerJobsMax: number;
  readonly source: WorkSource | undefined;
  readonly name: string;
}

const names = [
  "worker",
  "strategy",
  "workerJobsMax",
  "functions",
  "mergeOperators",
  "compactionFilter",
  "prefixExtractor",
  "filter",
  "compression",
  "source",
  "name",
  "clock",
  "random",
  "signal",
] as const;

export function checkCompactorOptions(
  options: CompactorOptions | undefined = {},
): CheckedCompactorOptions {
  checkOptions(options, [...names, ...compactorSettingNames], "Compactor.open", {
    names: settingNames,
    what: "Db.open",
  });
  const { worker = false, workerJobsMax = 0, name = "compactor", source } = options;
  requireBoolean(options.worker, "worker");
  requireInteger(workerJobsMax, "workerJobsMax", 0, 64);
  requireFunction(options.compactionFilter, "compactionFilter");
  requirePrefixExtractor(options.prefixExtractor);
  requireOneOf(options.filter, "filter", filterNames);
  requireSignal(options.signal);
  if (typeof name !== "string" || name.length < 1 || name.length > 200) {
    throw new InvalidArgumentError('"name" must be a string of 1 to 200 characters.');
  }
  if (source !== undefined && typeof source?.next !== "function") {
    throw new InvalidArgumentError('"source" must be an object with a function "next".');
  }
  for (const name of ["strategy", "workerJobsMax"] as const) {
    if (!worker || options[name] === undefined) continue;
    throw new InvalidArgumentError(`A worker plans nothing: leave "${name}" out.`);
  }
  const strategy = worker ? undefined : toStrategy(options.strategy, "strategy");
  requireHeeded(options, strategy);
  return {
    settings: toCompactorSettings(options),
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
    signal: options.signal,
    prefixExtractor: options.prefixExtractor,
    mergeOperators: toGivenOperators(options.mergeOperators),
    filter: options.filter,
    compression: toCompression(options.compression),
    compaction: {
      strategy,
      filter: options.compactionFilter,
      background: true,
      functions: toModuleUrl(options.functions),
    },
    ...{ strategy, workerJobsMax, source, name },
  };
}
