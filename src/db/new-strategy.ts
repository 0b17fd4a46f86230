/** The strategies by their names, with the options that a handle was given, and what each of them takes. */
import { type FifoOptionName, fifo, fifoTable } from "../compaction/fifo.js";
import { type LeveledOptionName, leveled, leveledTable } from "../compaction/leveled.js";
import {
  type SizeTieredOptionName,
  sizeTiered,
  sizeTieredTable,
} from "../compaction/size-tiered.js";
import type { CompactionStrategy } from "../compaction/strategy.js";
import type { StrategyOptionTable } from "../compaction/strategy-options.js";
import { type CheckedStrategy, settingsOfSizeTiered } from "./compaction-option.js";
import type { Settings, SizeTieredSettingName } from "./settings.js";

/**
 * Options of the strategies with default, bounds and reason. `l0Trigger` is the setting `compactionL0Trigger`, and for "size-tiered" `fanInMin`,
 * `sizeRatio` and `spaceAmplificationMax` are the settings `compactionFanIn`, `compactionSizeRatio` and `compactionSpaceAmplificationMax`.
 */
export const strategyTables: {
  readonly "size-tiered": StrategyOptionTable<SizeTieredOptionName>;
  readonly leveled: StrategyOptionTable<LeveledOptionName>;
  readonly fifo: StrategyOptionTable<FifoOptionName>;
} = { "size-tiered": sizeTieredTable, leveled: leveledTable, fifo: fifoTable };

/** Throws `InvalidArgumentError`. */
export function newStrategy(
  { strategy, options }: CheckedStrategy,
  settings: Pick<Settings, "compactionL0Trigger" | SizeTieredSettingName>,
): CompactionStrategy {
  const given: { readonly [name: string]: number | undefined } = {
    ...options,
    l0Trigger: settings.compactionL0Trigger,
  };
  if (strategy === "leveled") return leveled(given);
  if (strategy === "fifo") return fifo(given);
  const { fanInMin, sizeRatio, spaceAmplificationMax } = settingsOfSizeTiered;
  const fanIn = settings[fanInMin];
  return sizeTiered({
    ...given,
    ...{ fanInMin: fanIn, sizeRatio: settings[sizeRatio] },
    spaceAmplificationMax: settings[spaceAmplificationMax],
    // A job that may take fewer would never have enough of them.
    fanInMax: given["fanInMax"] ?? Math.max(sizeTieredTable.fanInMax.default, fanIn),
  });
}
