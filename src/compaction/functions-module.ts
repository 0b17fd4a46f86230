/** The user functions that a compaction needs, from a module: functions cannot cross into a thread, which therefore imports them itself. */
import { describeType } from "../common/bytes.js";
import { InvalidArgumentError, messageOf } from "../common/errors.js";
import { requireFunction } from "../common/options.js";
import { type PrefixExtractor, requirePrefixExtractor } from "../format/prefix-extractor.js";
import { type GivenOperators, toGivenOperators } from "../merge/given-operators.js";
import type { CompactionFilter } from "./compaction-filter.js";

/** As `SliceRunner` takes them. */
export interface JobFunctions {
  readonly operators: GivenOperators;
  readonly filter: CompactionFilter | undefined;
  readonly prefixExtractor: PrefixExtractor | undefined;
}

const names = ["mergeOperators", "compactionFilter", "prefixExtractor"] as const;

/**
 * Imports the module at an absolute URL and takes its exports `mergeOperators`, `compactionFilter` and `prefixExtractor`, each as `Db.open` takes
 * it. Rejects with `InvalidArgumentError` when it does not load, has none of them, or has one that is no such thing.
 */
export async function loadFunctions(url: string): Promise<JobFunctions> {
  const exported = await importModule(url);
  if (!names.some((name) => exported[name] !== undefined)) {
    throw new InvalidArgumentError(
      `The module of "functions", ${url}, exports none of ${names.join(", ")}.`,
    );
  }
  const { mergeOperators, compactionFilter, prefixExtractor } = exported;
  try {
    requireFunction(compactionFilter, "compactionFilter");
    requirePrefixExtractor(prefixExtractor);
    return {
      operators: toGivenOperators(mergeOperators),
      filter: compactionFilter as CompactionFilter | undefined,
      prefixExtractor: prefixExtractor as PrefixExtractor | undefined,
    };
  } catch (cause) {
    throw new InvalidArgumentError(`The module of "functions", ${url}: ${messageOf(cause)}`, {
      cause,
    });
  }
}

async function importModule(url: string): Promise<Record<string, unknown>> {
  if (typeof url !== "string" || !URL.canParse(url)) {
    throw new InvalidArgumentError(
      `"functions" must be the URL of a module, not ${typeof url === "string" ? `"${url}"` : describeType(url)}.`,
    );
  }
  try {
    // Only the user knows what this is: nothing for a bundler.
    return await import(/* webpackIgnore: true */ /* @vite-ignore */ url);
  } catch (cause) {
    throw new InvalidArgumentError(
      `The module of "functions", ${url}, cannot be loaded: ${messageOf(cause)}`,
      { cause },
    );
  }
}
