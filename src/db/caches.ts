/** `Caches`: what a handle keeps of SSTs: open tables and blocks in memory, and ranges of them on the disk where one was given. */
import type { Clock } from "../common/clock.js";
import type { MoraineError } from "../common/errors.js";
import type { Ulid } from "../common/ids.js";
import type { Random } from "../common/random.js";
import type { PrefixExtractor } from "../format/prefix-extractor.js";
import { cachedRanges } from "../object-store/cached-ranges.js";
import { DiskCache, type DiskCacheStats } from "../object-store/disk-cache.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { BlockCache, type BlockCacheStats } from "../sst/block-cache.js";
import { TableStore } from "../sst/table-store.js";
import type { Settings } from "./settings.js";

/** Where a handle may keep ranges of SSTs between processes. */
export interface DiskCacheOption {
  /** A folder, made when it is missing; processes and databases may share it. Only trusted users may write to it. */
  readonly dir: string;
  /** What the files in it may hold, from 1 MiB; each further process that writes to it at the same time may exceed this by an eighth. */
  readonly bytes: number;
}

export interface CacheOptions {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly random: Random;
  readonly prefixExtractor: PrefixExtractor | undefined;
  /** Undefined: one of its own. */
  readonly blockCache: BlockCache | undefined;
  readonly diskCache: DiskCacheOption | undefined;
}

export interface CachesStats {
  /** Of the whole cache, also where several handles share it. */
  readonly blockCache: BlockCacheStats;
  /** Undefined without a disk cache. */
  readonly diskCache: DiskCacheStats | undefined;
}

export class Caches {
  readonly tables: TableStore;
  readonly #blocks: BlockCache;
  readonly #disk: DiskCache | undefined;

  constructor(store: ObjectStore, databaseId: Ulid, options: CacheOptions) {
    const { settings, clock, random, prefixExtractor, blockCache, diskCache } = options;
    this.#blocks = blockCache ?? new BlockCache(settings.blockCacheBytes);
    this.#disk = diskCache && new DiskCache({ ...diskCache, clock, random });
    const disk = this.#disk;
    this.tables = new TableStore({
      store: disk ? cachedRanges(store, disk, databaseId) : store,
      ...{ databaseId, cache: this.#blocks, prefixExtractor, disk },
      onDamage: disk && ((info) => void disk.drop(this.tables.ownerOf(info), info.id)),
    });
  }

  stats(): CachesStats {
    return { blockCache: this.#blocks.stats(), diskCache: this.#disk?.stats() };
  }

  /**
   * Reads under way reject with `reason`; a shared block cache is left to the others. What waits to be written to the disk has a moment.
   * Twice is harmless.
   */
  async close(reason: MoraineError): Promise<void> {
    this.tables.close(reason);
    await this.#disk?.close();
  }
}
