/** Options of `DbReader.open`, checked before anything is opened. */
import { InvalidArgumentError } from "../common/errors.js";
import { checkOptions, requireBoolean, requireInteger } from "../common/options.js";
import {
  type CheckedOptions,
  type ComponentOptions,
  checkComponents,
  componentNames,
  ofWriters,
} from "./open-options.js";
import {
  type ReaderSettingsOptions,
  readerSettingNames,
  settingNames,
  toReaderSettings,
} from "./settings.js";
import type { Standing } from "./standing-state.js";

export interface ReaderOptions extends ReaderSettingsOptions, ComponentOptions {
  /** Id or name of a checkpoint to read; the reader then stands still. Default: the latest state, followed. */
  checkpoint?: string | undefined;
  /**
   * Number of an old manifest to read; the reader then stands still. Possible while nothing that it names has been collected: for `gcGraceMs` of
   * whoever collects, and while a checkpoint keeps it. Rows that were only in the log then are not seen.
   */
  manifestNumber?: number | undefined;
  /** The same for the last manifest that was made by then, ms since 1970. */
  at?: number | undefined;
  /**
   * The reader holds a checkpoint in the manifest for what it shows, so that nothing of it is ever collected under its snapshots and scans. It
   * refreshes it, makes another for each newer state that it goes on to, and drops it when it closes. Needs permission to write. With
   * `checkpoint`: it holds a copy of that one. Not with `manifestNumber` or `at`. Default: false.
   */
  pin?: boolean | undefined;
  /** When the pins of a reader that has died expire: from 10,000 ms to 7 days, default 10 minutes. It refreshes them three times as often. */
  pinTtlMs?: number | undefined;
  /** false: it does not follow the write-ahead log, and sees what is in L0, with one GET for a poll. Default: true. */
  tail?: boolean | undefined;
  /** How often one that follows looks for news: from 10 ms, default 1,000, doubling to 10,000 (or this, if it is more) without any. */
  pollIntervalMs?: number | undefined;
}

export interface CheckedReaderOptions extends CheckedOptions {
  /** Undefined: it follows. */
  readonly standing: Standing | undefined;
  readonly pin: boolean;
  readonly pinTtlMs: number;
  readonly tail: boolean;
  readonly pollIntervalMs: number;
}

const ofReaders = [
  ...["checkpoint", "manifestNumber", "at", "pin", "pinTtlMs", "tail", "pollIntervalMs"],
] as const;

const defaultPollIntervalMs = 1_000;
const defaultPinTtlMs = 10 * 60 * 1000;

export function checkReaderOptions(options: ReaderOptions | undefined): CheckedReaderOptions {
  checkOptions(options, [...ofReaders, ...componentNames, ...readerSettingNames], "DbReader.open", {
    names: [...ofWriters, ...settingNames],
    what: "Db.open",
  });
  const { pin = false, tail = true, ...given } = options ?? {};
  requireBoolean(pin, "pin");
  requireBoolean(tail, "tail");
  requireInteger(given.pollIntervalMs, "pollIntervalMs", 10, 3_600_000);
  requireInteger(given.pinTtlMs, "pinTtlMs", 10_000, 7 * 24 * 3_600_000);
  const standing = toStanding(given);
  if (!pin && given.pinTtlMs !== undefined) {
    throw new InvalidArgumentError('"pinTtlMs" is of readers with "pin: true".');
  }
  if (pin && standing !== undefined && standing.checkpoint === undefined) {
    throw new InvalidArgumentError(
      'An old manifest cannot be pinned: part of what it names may be on its way out. Leave "pin" out, or open a checkpoint.',
    );
  }
  if (standing !== undefined) {
    if (!tail) throw new InvalidArgumentError(ofFollowers("tail"));
    if (given.pollIntervalMs !== undefined) {
      throw new InvalidArgumentError(ofFollowers("pollIntervalMs"));
    }
  }
  return {
    ...{ ...checkComponents(options), settings: toReaderSettings(given), standing, pin, tail },
    pinTtlMs: given.pinTtlMs ?? defaultPinTtlMs,
    pollIntervalMs: given.pollIntervalMs ?? defaultPollIntervalMs,
  };
}

const ofFollowers = (name: string): string =>
  `"${name}" is of readers that follow; this one stands still. Leave it out.`;

function toStanding(options: ReaderOptions): Standing | undefined {
  const { manifestNumber, at } = options;
  const checkpoint: unknown = options.checkpoint;
  if (checkpoint !== undefined && (typeof checkpoint !== "string" || checkpoint === "")) {
    throw new InvalidArgumentError('"checkpoint" must be the id or the name of a checkpoint.');
  }
  requireInteger(manifestNumber, "manifestNumber", 1, Number.MAX_SAFE_INTEGER);
  requireInteger(at, "at", 0, Number.MAX_SAFE_INTEGER);
  const given = [checkpoint, manifestNumber, at].filter((value) => value !== undefined);
  if (given.length > 1) {
    throw new InvalidArgumentError('Give one of "checkpoint", "manifestNumber" and "at".');
  }
  if (checkpoint !== undefined) return { checkpoint };
  if (manifestNumber !== undefined) return { manifestNumber };
  return at === undefined ? undefined : { at };
}
