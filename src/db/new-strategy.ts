/** The strategies by their names, with the options that a handle was given. */
import { pickAll } from "../compaction/pick-all.js";
import { sizeTiered } from "../compaction/size-tiered.js";
import type { CompactionStrategy } from "../compaction/strategy.js";
import type { CheckedStrategy } from "./compaction-option.js";
import type { Settings } from "./settings.js";

export { pickAll };

/** Throws `InvalidArgumentError`. */
export function newStrategy(
  { strategy, options }: CheckedStrategy,
  settings: Pick<Settings, "compactionL0Trigger">,
): CompactionStrategy {
  const { compactionL0Trigger: l0Trigger } = settings;
  switch (strategy) {
    case "size-tiered":
      return sizeTiered({ ...options, l0Trigger });
    case "leveled":
      return sizeTiered({ ...options, l0Trigger });
    case "fifo":
      return sizeTiered({ ...options, l0Trigger });
  }
}
