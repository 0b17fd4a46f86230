/** The options of a handle that say how it compacts: by which strategy, with which filter, and whether by itself. */
import { describeType } from "../common/bytes.js";
import { InvalidArgumentError } from "../common/errors.js";
import { checkOptions, requireFunction, requireOneOf } from "../common/options.js";
import type { Entry } from "../common/row.js";

export type StrategyName = "size-tiered" | "leveled" | "fifo";

/** The name of a strategy, or `{ strategy }` with options of its own. */
export type StrategyOption = StrategyName | { readonly strategy: StrategyName };

/** false: this handle compacts nothing; compactors in other processes may. */
export type CompactionOption = StrategyOption | false;

/**
 * Asked for the newest value of a key as it is merged: `"keep"` it, `"drop"` it as if it had been deleted, or put another in its place, which keeps
 * its seq and its times. A pure function, which may be asked again and for values that nobody reads any more; it sees no merges that have not been folded.
 * What it throws fails the compaction. It is not asked while a snapshot or a transaction is open.
 */
export type CompactionFilter = (
  entry: Entry,
) => "keep" | "drop" | { readonly value: Uint8Array | string };

/** What was asked for, with its defaults; undefined: nothing is compacted. */
export interface CheckedStrategy {
  readonly strategy: StrategyName;
}

const strategyNames: readonly StrategyName[] = ["size-tiered", "leveled", "fifo"];

/** Throws `InvalidArgumentError`. */
export function toStrategy(option: StrategyOption | undefined, name: string): CheckedStrategy {
  if (option === undefined) return { strategy: "size-tiered" };
  if (typeof option === "string") {
    requireOneOf(option, name, strategyNames);
    return { strategy: option };
  }
  if (typeof option !== "object" || option === null) {
    throw new InvalidArgumentError(
      `"${name}" must be the name of a strategy or { strategy }, not ${describeType(option)}.`,
    );
  }
  checkOptions(option, ["strategy"], `"${name}"`);
  if (option.strategy === undefined) {
    throw new InvalidArgumentError(`"${name}.strategy" is missing.`);
  }
  requireOneOf(option.strategy, `${name}.strategy`, strategyNames);
  return { strategy: option.strategy };
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
}

export const compactionOptionNames = ["compaction", "compactionFilter", "background"] as const;

export interface CheckedCompaction {
  readonly strategy: CheckedStrategy | undefined;
  readonly filter: CompactionFilter | undefined;
  readonly background: boolean;
}

/** Throws `InvalidArgumentError`. */
export function toCompaction(options: CompactionOptions): CheckedCompaction {
  const { compaction, compactionFilter: filter, background = true } = options;
  requireFunction(filter, "compactionFilter");
  if (typeof background !== "boolean") {
    throw new InvalidArgumentError(
      `"background" must be true or false, not ${describeType(background)}.`,
    );
  }
  if (compaction !== false) {
    return { strategy: toStrategy(compaction, "compaction"), filter, background };
  }
  if (filter !== undefined) {
    throw new InvalidArgumentError(
      '"compactionFilter" would never be asked with "compaction": false. Leave one of them out.',
    );
  }
  return { strategy: undefined, filter, background };
}
