/** The options of a handle that say how it compacts: by which strategy, with which filter, and whether by itself. */
import { describeType } from "../common/bytes.js";
import { InvalidArgumentError } from "../common/errors.js";
import { requireFunction, requireOneOf } from "../common/options.js";
import type { CompactionFilter } from "../compaction/compaction-filter.js";
import type { FifoOptions } from "../compaction/fifo.js";
import type { LeveledOptions } from "../compaction/leveled.js";
import type { SizeTieredOptions } from "../compaction/size-tiered.js";
import type { SizeTieredSettingName } from "./settings.js";

export type StrategyName = "size-tiered" | "leveled" | "fifo";

/**
 * The name of a strategy, or `{ strategy }` with options of its own; `strategyTables` of `moraine/compactor` has them all. `"size-tiered"`: few runs, each
 * older one larger. `"leveled"`: the fewest places to look into and the least space, for more bytes written. `"fifo"`, which needs `bytesMax` or `ttlMs`:
 * the oldest goes.
 */
export type StrategyOption =
  | StrategyName
  | ({ readonly strategy: "size-tiered" } & Omit<
      SizeTieredOptions,
      "l0Trigger" | keyof typeof settingsOfSizeTiered
    >)
  | ({ readonly strategy: "leveled" } & Omit<LeveledOptions, "l0Trigger">)
  | ({ readonly strategy: "fifo" } & Omit<FifoOptions, "l0Trigger">);

/** false: this handle compacts nothing; compactors in other processes may. */
export type CompactionOption = StrategyOption | false;

/** What was asked for, with its defaults; undefined: nothing is compacted. */
export interface CheckedStrategy {
  readonly strategy: StrategyName;
  /** As they were given; `newStrategy` checks them. */
  readonly options: { readonly [name: string]: number | undefined };
}

const strategyNames: readonly StrategyName[] = ["size-tiered", "leveled", "fifo"];

/** Options of the strategy that are settings, under which name. */
export const settingsOfSizeTiered: Readonly<
  Record<"fanInMin" | "sizeRatio" | "spaceAmplificationMax", SizeTieredSettingName>
> = {
  fanInMin: "compactionFanIn",
  sizeRatio: "compactionSizeRatio",
  spaceAmplificationMax: "compactionSpaceAmplificationMax",
};

/** Throws `InvalidArgumentError`. */
export function toStrategy(option: StrategyOption | undefined, name: string): CheckedStrategy {
  if (option === undefined) return { strategy: "size-tiered", options: {} };
  if (typeof option === "string") {
    requireOneOf(option, name, strategyNames);
    return { strategy: option, options: {} };
  }
  if (typeof option !== "object" || option === null) {
    throw new InvalidArgumentError(
      `"${name}" must be the name of a strategy or { strategy }, not ${describeType(option)}.`,
    );
  }
  const { strategy, ...options } = option as { readonly strategy: StrategyName };
  if (strategy === undefined) {
    throw new InvalidArgumentError(`"${name}.strategy" is missing.`);
  }
  requireOneOf(strategy, `${name}.strategy`, strategyNames);
  const settings: { readonly [option: string]: string } = {
    l0Trigger: "compactionL0Trigger",
    ...(strategy === "size-tiered" && settingsOfSizeTiered),
  };
  for (const [option, setting] of Object.entries(settings)) {
    if (!(option in options)) continue;
    throw new InvalidArgumentError(
      `"${name}" has no option "${option}": that is the setting "${setting}".`,
    );
  }
  return { strategy, options };
}

/** Throws `InvalidArgumentError` for a setting that nobody would heed. `strategy` is undefined where nothing is planned. */
export function requireHeeded(
  given: { readonly [name in SizeTieredSettingName]?: number | undefined },
  strategy: CheckedStrategy | undefined,
): void {
  if (strategy?.strategy === "size-tiered") return;
  for (const name of Object.values(settingsOfSizeTiered)) {
    if (given[name] === undefined) continue;
    throw new InvalidArgumentError(
      `"${name}" is of the strategy "size-tiered", and this handle ${strategy === undefined ? "plans no compactions" : `has "${strategy.strategy}"`}. Leave it out.`,
    );
  }
}

export interface CompactionOptions {
  /** How what is stored is merged: by default `"size-tiered"`; false: not by this handle, not even by `compact()` or `maintain()`. */
  compaction?: CompactionOption | undefined;
  /** Drops or changes values as they are merged. Default: none. */
  compactionFilter?: CompactionFilter | undefined;
  /**
   * Whether the handle compacts and collects by itself, after commits that add to L0: true, the default, or false: only in `compact()` and
   * `maintain()`, as a function that is frozen between its events needs it.
   */
  background?: boolean | undefined;
  /**
   * URL of a module that exports `mergeOperators`, `compactionFilter`, `prefixExtractor`, or some of them, as these options take them and in their
   * place: compaction threads import it too. With functions that are passed themselves, which cannot cross into a thread, compactions run in slices
   * of the main thread. Default: none.
   */
  functions?: string | URL | undefined;
}

export const compactionOptionNames = [
  "compaction",
  "compactionFilter",
  "background",
  "functions",
] as const;

export interface CheckedCompaction {
  readonly strategy: CheckedStrategy | undefined;
  readonly filter: CompactionFilter | undefined;
  readonly background: boolean;
  /** Of the module that the handle's functions are from. */
  readonly functions: string | undefined;
}

/** Throws `InvalidArgumentError`. */
export function toCompaction(options: CompactionOptions): CheckedCompaction {
  const { compaction, compactionFilter: filter, background = true } = options;
  const functions = toModuleUrl(options.functions);
  requireFunction(filter, "compactionFilter");
  if (typeof background !== "boolean") {
    throw new InvalidArgumentError(
      `"background" must be true or false, not ${describeType(background)}.`,
    );
  }
  if (compaction !== false) {
    return { strategy: toStrategy(compaction, "compaction"), filter, background, functions };
  }
  if (filter !== undefined) {
    throw new InvalidArgumentError(
      '"compactionFilter" would never be asked with "compaction": false. Leave one of them out.',
    );
  }
  return { strategy: undefined, filter, background, functions };
}

/** The option `functions`. A path is none: relative to what? */
export function toModuleUrl(url: unknown): string | undefined {
  if (url === undefined) return undefined;
  const text = typeof url === "string" || url instanceof URL ? String(url) : undefined;
  if (text !== undefined && URL.canParse(text)) return text;
  throw new InvalidArgumentError(
    `"functions" must be the URL of a module, such as new URL("./functions.js", import.meta.url), not ${text === undefined ? describeType(url) : `"${text}"`}.`,
  );
}
