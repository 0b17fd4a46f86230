/** The options of `Admin.open`, checked. */
import { type Clock, systemClock } from "../common/clock.js";
import { checkOptions, requireSignal } from "../common/options.js";
import { type Random, systemRandom } from "../common/random.js";
import {
  type ReaderSettingsOptions,
  readerSettingNames,
  type Settings,
  toReaderSettings,
} from "../db/settings.js";
import type { WalOption } from "../db/wal-place.js";

export interface AdminOptions extends ReaderSettingsOptions {
  /** Where the log is, when that is a store of its own: as of `Db.open`. */
  wal?: WalOption | undefined;
  /** Time, for tests. Default: the system's. */
  clock?: Clock | undefined;
  /** Randomness, for tests. Default: the system's. */
  random?: Random | undefined;
  signal?: AbortSignal | undefined;
}

export interface CheckedAdminOptions {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal | undefined;
}

export function checkAdminOptions(
  options: AdminOptions | undefined,
  what: string,
): CheckedAdminOptions {
  const { wal: _, clock, random, signal, ...settings } = options ?? {};
  checkOptions(options, ["wal", "clock", "random", "signal", ...readerSettingNames], what);
  requireSignal(signal);
  return {
    settings: toReaderSettings(settings),
    clock: clock ?? systemClock,
    random: random ?? systemRandom,
    signal,
  };
}
