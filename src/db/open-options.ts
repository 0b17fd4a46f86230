/** Options of `Db.open`, checked before anything is opened, and those that `DbReader.open` takes too. */
import { describeType } from "../common/bytes.js";
import { type Clock, systemClock } from "../common/clock.js";
import { InvalidArgumentError } from "../common/errors.js";
import { checkOptions, requireInteger, requireOneOf, requireSignal } from "../common/options.js";
import { type Random, systemRandom } from "../common/random.js";
import { type FilterName, filterNames } from "../format/filter-name.js";
import { type PrefixExtractor, requirePrefixExtractor } from "../format/prefix-extractor.js";
import type { CheckpointRetention } from "../manifest/checkpoint-retention.js";
import { type GivenOperators, toGivenOperators } from "../merge/given-operators.js";
import type { MergeOperator } from "../merge/merge-operator.js";
import { BlockCache } from "../sst/block-cache.js";
import type { DiskCacheOption } from "./caches.js";
import { toRetention } from "./checkpoint-options.js";
import {
  type CheckedCompaction,
  type CompactionOptions,
  compactionOptionNames,
  requireHeeded,
  toCompaction,
} from "./compaction-option.js";
import {
  type CompressionByLevel,
  type CompressionOption,
  toCompression,
} from "./compression-option.js";
import { requireTtl } from "./lifetime.js";
import { type Settings, type SettingsOptions, settingNames, toSettings } from "./settings.js";
import type { WalOption } from "./wal-place.js";

export interface ComponentOptions {
  /** A block cache to share with other handles. Default: one of its own, of `blockCacheBytes`. */
  blockCache?: BlockCache | undefined;
  /**
   * A folder in which ranges of SSTs are kept between processes, and its size. What is damaged or missing there is fetched from the
   * store, and a disk that fails is left alone for a while: no read ever fails by it. Default: none.
   */
  cache?: DiskCacheOption | undefined;
  /** Time, for tests. Default: the system's. */
  clock?: Clock | undefined;
  /** Randomness, for tests. Default: the system's. */
  random?: Random | undefined;
  signal?: AbortSignal | undefined;
  /**
   * Puts the prefixes of keys into the filters of SSTs, so that a scan whose bounds have a prefix in common skips those without it. Only filters
   * made with an extractor of the same name are used. Default: none.
   */
  prefixExtractor?: PrefixExtractor | undefined;
  /**
   * Where the write-ahead log is: true (in the database's store), false (nowhere: a write is durable once it is in L0), a URL, or
   * `{ store, path }`. Default: where it is already, and true for a new database. The place is pinned in the database.
   */
  wal?: WalOption | undefined;
  /**
   * What `merge` may name, by name (1 to 256 characters): the database remembers names, not code. `Db.open` adds new ones and refuses with
   * `InvalidArgumentError` to open without one that is remembered; a reader opens, and reading what was merged with that operator is an
   * `UnsupportedError`. A name must mean the same for as long as there is data with it. Default: none.
   */
  mergeOperators?: { readonly [name: string]: MergeOperator } | undefined;
}

type CommonOptions = ComponentOptions & Pick<SettingsOptions, "blockCacheBytes">;

export interface OpenOptions extends SettingsOptions, ComponentOptions, CompactionOptions {
  /** `"if-missing"` (the default) makes a database where there is none, `"never"` and `"must"` insist. */
  create?: "if-missing" | "never" | "must" | undefined;
  /**
   * The kind of the filters in new SSTs: `"bloom"` (the default), or `"ribbon"`, a quarter smaller, and slower to build and to ask.
   * Every reader takes both.
   */
  filter?: FilterName | undefined;
  /**
   * How new blocks of SSTs are stored: `"none"` (the default), `"lz4"`, `"deflate"`, `"zstd"` (Node 22.15 or later), `{ codec, level }`,
   * or `{ l0, runs }` with one of these each. Nothing is pinned: each open may choose another, and reads take what they find.
   */
  compression?: CompressionOption | undefined;
  /**
   * How long values live that nothing else is said of, in ms from their write, rows of a load among them; `ttlMs: Infinity` excepts a write.
   * Nothing is pinned: it applies to what this handle writes. Default: they do not expire.
   */
  defaultTtlMs?: number | undefined;
  /** Which checkpoints of users are kept when this handle adds one that has no `retention` of its own. Default: all of them. */
  checkpointRetention?: CheckpointRetention | undefined;
}

export interface CheckedOpenOptions extends CheckedOptions {
  readonly compaction: CheckedCompaction;
  readonly compression: CompressionByLevel;
  /** 0: none. */
  readonly defaultTtlMs: number;
  readonly checkpointRetention: CheckpointRetention | undefined;
}

export interface CheckedOptions {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal | undefined;
  readonly prefixExtractor: PrefixExtractor | undefined;
  readonly blockCache: BlockCache | undefined;
  readonly diskCache: DiskCacheOption | undefined;
  readonly mergeOperators: GivenOperators;
  /** Of new SSTs; readers make none. */
  readonly filter: FilterName | undefined;
}

export const componentNames: readonly string[] = [
  "blockCache",
  "cache",
  "clock",
  "random",
  "signal",
  "prefixExtractor",
  "wal",
  "mergeOperators",
];

export const ofWriters: readonly string[] = [
  "create",
  "filter",
  "compression",
  "defaultTtlMs",
  "checkpointRetention",
  ...compactionOptionNames,
];

export function checkOpenOptions(options: OpenOptions | undefined): CheckedOpenOptions {
  checkOptions(options, [...ofWriters, ...componentNames, ...settingNames], "Db.open");
  requireOneOf(options?.create, "create", ["if-missing", "never", "must"]);
  requireOneOf(options?.filter, "filter", filterNames);
  requireTtl(options?.defaultTtlMs, "defaultTtlMs");
  const ttlMs = options?.defaultTtlMs ?? Number.POSITIVE_INFINITY;
  const defaultTtlMs = Number.isFinite(ttlMs) ? ttlMs : 0;
  const compaction = toCompaction(options ?? {});
  requireHeeded(options ?? {}, compaction.strategy);
  const compacts = compaction.strategy !== undefined && compaction.background;
  const settings = toSettings(options ?? {}, compacts);
  const compression = toCompression(options?.compression);
  const components = checkComponents(options, options?.filter);
  const checkpointRetention = toRetention(options?.checkpointRetention, "checkpointRetention");
  return { ...components, settings, compression, compaction, defaultTtlMs, checkpointRetention };
}

export function checkComponents(
  options: CommonOptions | undefined,
  filter?: FilterName,
): Omit<CheckedOptions, "settings"> {
  requireSignal(options?.signal);
  requirePrefixExtractor(options?.prefixExtractor);
  requireBlockCache(options);
  return {
    clock: options?.clock ?? systemClock,
    random: options?.random ?? systemRandom,
    signal: options?.signal,
    prefixExtractor: options?.prefixExtractor,
    blockCache: options?.blockCache,
    diskCache: toDiskCache(options?.cache),
    mergeOperators: toGivenOperators(options?.mergeOperators),
    filter,
  };
}

function requireBlockCache(options: CommonOptions | undefined): void {
  const cache: unknown = options?.blockCache;
  if (cache === undefined) return;
  if (!(cache instanceof BlockCache)) {
    throw new InvalidArgumentError(
      `"blockCache" must be a BlockCache, as in new BlockCache(bytes), not ${describeType(cache)}.`,
    );
  }
  if (options?.blockCacheBytes !== undefined) {
    throw new InvalidArgumentError(
      'Give "blockCache" or "blockCacheBytes", not both: a cache has its own bound.',
    );
  }
}

/** A copy: what the caller does to the object later changes nothing. */
function toDiskCache(cache: DiskCacheOption | undefined): DiskCacheOption | undefined {
  if (cache === undefined) return undefined;
  checkOptions(cache, ["dir", "bytes"], "cache");
  const dir: unknown = cache.dir;
  if (typeof dir !== "string" || dir === "" || dir.includes("\0")) {
    throw new InvalidArgumentError('"cache.dir" must be the path of a folder.');
  }
  if (cache.bytes === undefined) throw new InvalidArgumentError('"cache.bytes" is missing.');
  requireInteger(cache.bytes, "cache.bytes", 1024 * 1024, Number.MAX_SAFE_INTEGER);
  return { dir, bytes: cache.bytes };
}
