/**
 * Where a run of the model test keeps what it reads, and how large the parts are that it reads: whole SSTs or windows of blocks, indexes
 * at once or by partition, in a block cache of each handle's own, in one that they share, and on the disk. Counts what was used, since
 * agreement says little of code that did not run.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll } from "vitest";
import { BlockCache, type OpenOptions } from "../../src/index.js";
import { SstPartitions } from "../../src/sst/partitions.js";
import { Table } from "../../src/sst/table.js";
import { type SstShape, seams } from "./seams.js";
import { watch } from "./seen.js";

export interface Caching {
  readonly shape: SstShape;
  /** The writer and the readers have one block cache. */
  readonly isShared: boolean;
  readonly hasDisk: boolean;
}

export const cachingArbitrary: fc.Arbitrary<Caching> = fc.record({
  shape: fc.record({
    smallSstBytes: fc.constantFrom(0, 0, 300, undefined),
    tailBytesMax: fc.constantFrom(0, 200, undefined),
    indexPartitionBytes: fc.constantFrom(1, 100, undefined),
    hiddenRowsMax: fc.constantFrom(0, 2, undefined),
  }),
  isShared: fc.boolean(),
  // It takes time.
  hasDisk: fc.constantFrom(false, false, false, false, true),
});

/** All cache folders are in one: a process that was crashed may go on writing, and make its own again. */
let folders: Promise<string> | undefined;
let folderCount = 0;

async function newFolder(): Promise<string> {
  folders ??= mkdtemp(join(tmpdir(), "moraine-model-caches-"));
  return join(await folders, String(folderCount++));
}

afterAll(async () => {
  if (folders === undefined) return;
  await new Promise((resolve) => setTimeout(resolve, 200));
  await rm(await folders, { recursive: true, force: true, maxRetries: 5 });
});

/** Runs with `options` and what `caching` adds to them. */
export async function withCaching(
  caching: Caching,
  options: OpenOptions,
  run: (options: OpenOptions) => Promise<void>,
): Promise<void> {
  const { shape, isShared, hasDisk } = caching;
  const dir = hasDisk ? await newFolder() : undefined;
  const { windows } = seen;
  seams.shape = shape;
  try {
    await run({
      ...options,
      ...(isShared && {
        blockCacheBytes: undefined,
        blockCache: new BlockCache(options.blockCacheBytes ?? 64 * 1024 * 1024),
      }),
      cache: dir === undefined ? undefined : { dir, bytes: 1024 * 1024 },
    });
    if (seen.windows > windows) for (const used of describe(options)) seen.windowsWith.add(used);
  } finally {
    seams.shape = undefined;
    if (dir !== undefined) await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** What blocks are like, and what is there to find them. */
function describe(options: OpenOptions): string[] {
  const { blockCacheBytes, blockBytes, compression = "none" } = options;
  const { filter, filterBitsPerKey, prefixExtractor } = options;
  const codec =
    typeof compression === "object" && "codec" in compression ? compression.codec : compression;
  return [
    `cache: ${blockCacheBytes}`,
    `block: ${blockBytes}`,
    `codec: ${codec}`,
    `filter: ${filterBitsPerKey === 0 ? "none" : filter}`,
    `prefix: ${prefixExtractor?.name}`,
  ];
}

/** How often what happened, in all runs. */
export const seen: {
  windows: number;
  windowsOfSeveralBlocks: number;
  partitionsFetched: number;
  keyOrPrefixRefusals: Record<"bloom" | "ribbon", number>;
  prefixRefusals: number;
  cachedAnswers: number;
  warmedBlocks: number;
  diskHits: number;
  /** The options with which windows were fetched, as `name: value`. */
  windowsWith: Set<string>;
} = {
  windows: 0,
  windowsOfSeveralBlocks: 0,
  partitionsFetched: 0,
  keyOrPrefixRefusals: { bloom: 0, ribbon: 0 },
  prefixRefusals: 0,
  cachedAnswers: 0,
  warmedBlocks: 0,
  diskHits: 0,
  windowsWith: new Set(),
};

watch(Table.prototype, "fetch", (_, [first, last]) => {
  seen.windows++;
  if (last > first) seen.windowsOfSeveralBlocks++;
});
watch(Table.prototype, "mayContainPrefix", (may) => {
  if (!may) seen.prefixRefusals++;
});
watch(SstPartitions.prototype, "load", (loading, _, partitions) => {
  const look = (): void => {
    if (partitions.fetchedBytes > 0) seen.partitionsFetched++;
  };
  loading.then(look, () => undefined);
});
