/** `Settings`: every tunable of a handle in one table, with unit, default, bounds and reason. Plain data; print it as JSON. */
import { InvalidArgumentError } from "../common/errors.js";

const KiB = 1024;
const MiB = 1024 * KiB;

export interface Setting {
  readonly default: number;
  readonly min: number;
  readonly max: number;
  /** True where fractions and `Infinity` are allowed. */
  readonly real?: boolean;
  /** Which handles heed it; `DbReader.open` and `Compactor.open` refuse the others. */
  readonly handles: "Db" | "Db, DbReader" | "Db, Compactor" | "Db, DbReader, Compactor";
  readonly reason: string;
}

export type WriterSettingName =
  | "unflushedBytesMax"
  | "flushIntervalMs"
  | "walPutsInFlight"
  | "walPutsPerSecond"
  | "walPutsBurst"
  | "walObjectsMax"
  | "uploadsInFlight"
  | "l0HardMax"
  | "loadBufferBytes"
  | "gcGraceMs"
  | "conflictWindowBytes";

/** What the strategy "size-tiered" heeds; other strategies have options of their own. */
export type SizeTieredSettingName =
  | "compactionFanIn"
  | "compactionSizeRatio"
  | "compactionSpaceAmplificationMax";

/** What a compactor in a process of its own heeds too. */
export type SharedWithCompactorSettingName =
  | "l0SoftMax"
  | "compactionL0Trigger"
  | SizeTieredSettingName
  | "compactionThreads"
  | "compactionBytesPerSecond"
  | "sstBytesMax"
  | "blockBytes"
  | "filterBitsPerKey"
  | "unfilteredSstBytesMax";

/** What a handle that only reads heeds too. */
export type ReadingSettingName = "memTableBytes" | "blockCacheBytes" | "readAheadBytes";

/** What every handle heeds. */
export type StoreSettingName = "requestsInFlight" | "storeDeadlineMs" | "manifestRetentionMs";

export type ReaderSettingName = ReadingSettingName | StoreSettingName;
export type CompactorSettingName = SharedWithCompactorSettingName | StoreSettingName;
export type SettingName =
  | WriterSettingName
  | SharedWithCompactorSettingName
  | ReadingSettingName
  | StoreSettingName;

/** Sized for a function with 256 MB, and still good on a server. Names end in their unit. */
export const settingsTable: Readonly<
  Record<WriterSettingName, Setting & { readonly handles: "Db" }> &
    Record<SharedWithCompactorSettingName, Setting & { readonly handles: "Db, Compactor" }> &
    Record<ReadingSettingName, Setting & { readonly handles: "Db, DbReader" }> &
    Record<StoreSettingName, Setting & { readonly handles: "Db, DbReader, Compactor" }>
> = {
  memTableBytes: {
    default: 16 * MiB,
    min: 4 * KiB,
    max: 1024 * MiB,
    handles: "Db, DbReader",
    reason: "A full MemTable becomes one L0 SST: larger means fewer requests and more memory.",
  },
  unflushedBytesMax: {
    default: 64 * MiB,
    min: 8 * KiB,
    max: 4 * 1024 * MiB,
    handles: "Db",
    reason:
      "Writers wait while MemTables, WAL buffers and SSTs on their way hold more; at least memTableBytes. Half of it and a batch fit in one WAL object.",
  },
  flushIntervalMs: {
    default: 100,
    min: 1,
    max: 3_600_000,
    handles: "Db",
    reason: "Writes that nobody waits for are sent to the WAL after this time at the latest.",
  },
  walPutsInFlight: {
    default: 4,
    min: 1,
    max: 64,
    handles: "Db",
    reason: "WAL objects on their way at once; a successor must fence as many ids and one more.",
  },
  walPutsPerSecond: {
    default: 20,
    min: 0.01,
    max: Number.POSITIVE_INFINITY,
    real: true,
    handles: "Db",
    reason: "The budget of WAL PUTs, where requests cost money. Infinity lifts it.",
  },
  walPutsBurst: {
    default: 200,
    min: 1,
    max: 1_000_000,
    handles: "Db",
    reason: "WAL PUTs that an idle writer has saved up and may spend at once.",
  },
  walObjectsMax: {
    default: 1000,
    min: 1,
    max: 1_000_000,
    handles: "Db",
    reason:
      "A MemTable is flushed after so many WAL objects, however little it holds: the next open reads them all, eight at once.",
  },
  uploadsInFlight: {
    default: 4,
    min: 1,
    max: 64,
    handles: "Db",
    reason: "SSTs uploaded at once; each is in memory until it is stored.",
  },
  l0SoftMax: {
    default: 8,
    min: 1,
    max: Number.POSITIVE_INFINITY,
    real: true,
    handles: "Db, Compactor",
    reason:
      "From so many entries of L0 on writes are slowed down, the more the nearer l0HardMax is; and a compactor takes over from another that leaves so many. Infinity by default where this handle does not compact by itself.",
  },
  l0HardMax: {
    default: 16,
    min: 1,
    max: Number.POSITIVE_INFINITY,
    real: true,
    handles: "Db",
    reason:
      "Tables are held back while L0 has so many entries, until a compaction makes room; loads and a close are not. Infinity by default where this handle does not compact by itself.",
  },
  compactionL0Trigger: {
    default: 4,
    min: 1,
    max: 1000,
    handles: "Db, Compactor",
    reason: "So many entries of L0 are merged: fewer for cheaper reads, more for fewer bytes.",
  },
  compactionFanIn: {
    default: 10,
    min: 2,
    max: 64,
    handles: "Db, Compactor",
    reason:
      "Size-tiered: so many runs of about one size become one: fewer for cheaper reads, more for fewer bytes.",
  },
  compactionSizeRatio: {
    default: 2,
    min: 1,
    max: 100,
    real: true,
    handles: "Db, Compactor",
    reason:
      "Size-tiered: runs are of about one size up to this ratio, and L0 takes along runs that are so many times smaller.",
  },
  compactionSpaceAmplificationMax: {
    default: 1.35,
    min: 1.05,
    max: Number.POSITIVE_INFINITY,
    real: true,
    handles: "Db, Compactor",
    reason:
      "Size-tiered: all runs become one when they and L0 have so many times the bytes of the oldest. Less space for more bytes written; Infinity: never.",
  },
  compactionThreads: {
    default: 1,
    min: 0,
    max: 8,
    handles: "Db, Compactor",
    reason:
      "Threads that compact. 0, a clock of your own, or a function that cannot cross into a thread: in slices of the main thread.",
  },
  compactionBytesPerSecond: {
    default: Number.POSITIVE_INFINITY,
    min: 64 * KiB,
    max: Number.POSITIVE_INFINITY,
    real: true,
    handles: "Db, Compactor",
    reason: "Bytes that compactions read and write in a second, where the network is shared.",
  },
  loadBufferBytes: {
    default: 32 * MiB,
    min: 4 * KiB,
    max: 1024 * MiB,
    handles: "Db",
    reason:
      "Rows that a bulk load holds to sort them; input that is not sorted becomes one L0 entry for each such chunk.",
  },
  gcGraceMs: {
    default: 3_600_000,
    min: 0,
    max: 10 * 365 * 24 * 3_600_000,
    handles: "Db",
    reason:
      "How long objects that are no longer needed are kept: the window of points in time. So far back an old state opens by its time or its manifest's number, and readers of other processes keep what they see without a checkpoint. Nothing of this handle depends on it. At most manifestRetentionMs.",
  },
  sstBytesMax: {
    default: 64 * MiB,
    min: 4 * KiB,
    max: 4 * 1024 * MiB,
    handles: "Db, Compactor",
    reason:
      "Larger data is cut into several SSTs. A bulk load, which holds SSTs in memory until they are stored, cuts earlier where unflushedBytesMax / uploadsInFlight is less.",
  },
  blockBytes: {
    default: 4 * KiB,
    min: 64,
    max: 16 * MiB,
    handles: "Db, Compactor",
    reason: "Payload of an SST block: the unit of caching and of checksums.",
  },
  filterBitsPerKey: {
    default: 10,
    min: 0,
    max: 32,
    real: true,
    handles: "Db, Compactor",
    reason:
      "Bits of Bloom filter for each key; 10 let about 1 % of absent keys pass, as do 7.6 of a ribbon filter. 0: no filter.",
  },
  unfilteredSstBytesMax: {
    default: 4 * KiB,
    min: 0,
    max: 4 * 1024 * MiB,
    handles: "Db, Compactor",
    reason:
      "SSTs up to this size have no filter: it would save no request, since opening reads them whole, and it is a large part of them.",
  },
  blockCacheBytes: {
    default: 64 * MiB,
    min: 0,
    max: 64 * 1024 * MiB,
    handles: "Db, DbReader",
    reason: "Decoded blocks, indexes and filters kept in memory.",
  },
  readAheadBytes: {
    default: 64 * KiB,
    min: 0,
    max: 64 * MiB,
    handles: "Db, DbReader",
    reason:
      "The first window of a scan; windows grow from there, up to 2 MiB and 32 MiB for all SSTs that it reads.",
  },
  conflictWindowBytes: {
    default: 32 * MiB,
    min: 0,
    max: 64 * 1024 * MiB,
    handles: "Db",
    reason:
      "Flushed MemTables that are kept while a transaction is open that may conflict with them. What does not fit is read from SSTs by its commit.",
  },
  requestsInFlight: {
    default: 64,
    min: 1,
    max: 1_000,
    handles: "Db, DbReader, Compactor",
    reason: "Requests of one handle at once; the others wait, those of the foreground in front.",
  },
  storeDeadlineMs: {
    default: 60_000,
    min: 100,
    max: Number.POSITIVE_INFINITY,
    real: true,
    handles: "Db, DbReader, Compactor",
    reason: "How long a failing request is tried again before whoever waits gets the error.",
  },
  manifestRetentionMs: {
    default: 30 * 24 * 3_600_000,
    min: 24 * 3_600_000,
    max: 10 * 365 * 24 * 3_600_000,
    handles: "Db, DbReader, Compactor",
    reason: "How long old manifests are kept; less than a day would let a sleeper fork history.",
  },
};

export type Settings = { readonly [name in SettingName]: number };
export type SettingsOptions = { [name in SettingName]?: number | undefined };
export type ReaderSettingsOptions = { [name in ReaderSettingName]?: number | undefined };
export type CompactorSettingsOptions = { [name in CompactorSettingName]?: number | undefined };

export const settingNames: readonly SettingName[] = Object.keys(settingsTable) as SettingName[];
const namesFor = (handle: string): readonly SettingName[] =>
  settingNames.filter((name) => settingsTable[name].handles.split(", ").includes(handle));
/** What every handle heeds. */
export const storeSettingNames: readonly StoreSettingName[] = [
  "requestsInFlight",
  "storeDeadlineMs",
  "manifestRetentionMs",
];
export const readerSettingNames: readonly SettingName[] = namesFor("DbReader");
export const compactorSettingNames: readonly SettingName[] = namesFor("Compactor");

/**
 * The table's defaults with the given values in their place. `compacts`: the handle compacts by itself, so that it makes sense to wait for that.
 * Throws `InvalidArgumentError` for a value out of bounds, and for values that contradict each other.
 */
export function toSettings(options: SettingsOptions, compacts: boolean): Settings {
  const settings = { ...valuesOf(options), ...limitsOfL0(options, compacts) };
  requireOrder(settings, "memTableBytes", "unflushedBytesMax", "or a MemTable could never fill up");
  requireOrder(settings, "l0SoftMax", "l0HardMax", "or writers would stop before they are slowed");
  requireOrder(settings, "compactionL0Trigger", "l0SoftMax", "or nothing would compact until then");
  requireOrder(settings, "gcGraceMs", "manifestRetentionMs", "or nothing could tell such an age");
  return settings;
}

/** The same for a compactor, which holds nobody back. */
export function toCompactorSettings(options: CompactorSettingsOptions): Settings {
  const settings = { ...valuesOf(options), ...limitsOfL0(options, true) };
  requireOrder(settings, "compactionL0Trigger", "l0SoftMax", "or nothing would compact until then");
  return settings;
}

/** The same for a handle that heeds no setting of writers: one of them could not contradict another. */
export function toReaderSettings(options: ReaderSettingsOptions): Settings {
  return valuesOf(options);
}

function valuesOf(options: SettingsOptions): Settings {
  const settings: Record<string, number> = {};
  for (const name of settingNames) {
    const setting: Setting = settingsTable[name];
    const value = options[name] === undefined ? setting.default : options[name];
    const whole = setting.real === true || Number.isInteger(value);
    if (typeof value !== "number" || !whole || !(value >= setting.min && value <= setting.max)) {
      throw new InvalidArgumentError(
        `"${name}" must be a ${setting.real === true ? "number" : "whole number"} from ${setting.min} to ${setting.max}, not ${String(value)}. ${setting.reason}`,
      );
    }
    settings[name] = value;
  }
  return settings as Settings;
}

/** Those that are given decide: the others are as near to their defaults as these allow. */
function limitsOfL0(
  given: SettingsOptions,
  compacts: boolean,
): Pick<Settings, "l0SoftMax" | "l0HardMax" | "compactionL0Trigger"> {
  const { l0SoftMax, l0HardMax, compactionL0Trigger } = settingsTable;
  const none = Number.POSITIVE_INFINITY;
  const softest = compacts
    ? Math.max(l0SoftMax.default, 2 * (given.compactionL0Trigger ?? 0))
    : none;
  const hardest = compacts ? Math.max(l0HardMax.default, 2 * (given.l0SoftMax ?? softest)) : none;
  const hard = given.l0HardMax ?? hardest;
  const soft = given.l0SoftMax ?? Math.min(softest, hard);
  const trigger =
    given.compactionL0Trigger ??
    Math.max(1, Math.min(compactionL0Trigger.default, Math.floor(soft)));
  return { l0HardMax: hard, l0SoftMax: soft, compactionL0Trigger: trigger };
}

function requireOrder(
  settings: Settings,
  less: SettingName,
  more: SettingName,
  otherwise: string,
): void {
  if (settings[less] <= settings[more]) return;
  throw new InvalidArgumentError(
    `"${more}" (${settings[more]}) must be at least "${less}" (${settings[less]}), ${otherwise}.`,
  );
}
