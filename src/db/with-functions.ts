/** The option `functions`: what the module exports is what the handle was opened with. */
import { InvalidArgumentError } from "../common/errors.js";
import { loadFunctions } from "../compaction/functions-module.js";
import type { CheckedCompaction } from "./compaction-option.js";
import type { CheckedOptions } from "./open-options.js";

/**
 * With the functions of the module that `functions` names in the place of those that were not passed. Rejects with `InvalidArgumentError`, also
 * for a function that comes both ways: which of them counts would depend on where a compaction runs.
 */
export async function withFunctions<
  Checked extends Pick<CheckedOptions, "mergeOperators" | "prefixExtractor"> & {
    readonly compaction: CheckedCompaction;
  },
>(checked: Checked): Promise<Checked> {
  const { functions, filter } = checked.compaction;
  if (functions === undefined) return checked;
  const both = [
    checked.mergeOperators.size > 0 && "mergeOperators",
    checked.prefixExtractor !== undefined && "prefixExtractor",
    filter !== undefined && "compactionFilter",
  ].find((name) => name !== false);
  if (both !== undefined) {
    throw new InvalidArgumentError(
      `Give "${both}" or "functions", not both: what the module exports is used by the handle too.`,
    );
  }
  const loaded = await loadFunctions(functions);
  return {
    ...checked,
    mergeOperators: loaded.operators,
    prefixExtractor: loaded.prefixExtractor,
    compaction: { ...checked.compaction, filter: loaded.filter },
  };
}
