/**
 * Random operations on a database and on a sorted map: writes, loads, flushes, closes, crashes, readers, and every way of reading (P4),
 * through every cache, block size, codec and filter. What the runs write is small, so SSTs are made to be read by range all the same.
 * A failure prints the seed and the path; pass both to `fc.assert` to replay it.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { expect, test, vi } from "vitest";
import type { Ulid } from "../../src/common/ids.js";
import { FilterKind } from "../../src/format/sst.js";
import { hasZstd } from "../../src/format/zstd.js";
import {
  delimitedPrefix,
  FileObjectStore,
  fixedPrefix,
  type ObjectStore,
  type OpenOptions,
} from "../../src/index.js";
import type { SstBlocks } from "../../src/sst/block-cache.js";
import { MemoryObjectStore } from "../../src/testing/index.js";
import { expectEqual } from "../support/expect-equal.js";
import { counted, sampled } from "../support/run-counts.js";
import { batchSteps } from "./batch-steps.js";
import { cacheSteps } from "./cache-steps.js";
import { type Caching, cachingArbitrary, seen, withCaching } from "./caching.js";
import { clockSteps } from "./clock-steps.js";
import { stepArbitraries } from "./commands.js";
import { mergeSteps } from "./merge-steps.js";
import { operators } from "./merges.js";
import { Model } from "./model.js";
import { rangeDeleteSteps } from "./range-delete-steps.js";
import { seams } from "./seams.js";
import { seenRangeDeletes } from "./seen.js";
import { snapshotSteps } from "./snapshot-steps.js";
import { World } from "./world.js";

vi.mock("../../src/sst/table-store.js", async (original) => {
  const actual = await original<typeof import("../../src/sst/table-store.js")>();
  type Options = ConstructorParameters<typeof actual.TableStore>[0];
  class Shaped extends actual.TableStore {
    constructor(options: Options) {
      const { smallSstBytes, tailBytesMax } = seams.shape ?? {};
      super({ smallSstBytes, tailBytesMax, ...options });
    }
  }
  return { ...actual, TableStore: Shaped };
});

vi.mock("../../src/format/sst-builder.js", async (original) => {
  const actual = await original<typeof import("../../src/format/sst-builder.js")>();
  type Options = ConstructorParameters<typeof actual.SstBuilder>[0];
  class Shaped extends actual.SstBuilder {
    constructor(options: Options) {
      super({ indexPartitionBytes: seams.shape?.indexPartitionBytes, ...options });
    }

    override finish(): ReturnType<InstanceType<typeof actual.SstBuilder>["finish"]> {
      const built = super.finish();
      if (built.info.rowCount === 0) seenRangeDeletes.sstsWithoutRows++;
      return built;
    }
  }
  return { ...actual, SstBuilder: Shaped };
});

vi.mock("../../src/format/read-filter.js", async (original) => {
  const { readFilter } = await original<typeof import("../../src/format/read-filter.js")>();
  const watched: typeof readFilter = (payload, ...rest) => {
    const filter = readFilter(payload, ...rest);
    const kind = payload[0] === FilterKind.ribbon ? "ribbon" : "bloom";
    const mayContain = (keyHash: number): boolean => {
      const may = filter.mayContain(keyHash);
      if (!may) seen.keyOrPrefixRefusals[kind]++;
      return may;
    };
    return { mayContain };
  };
  return { readFilter: watched };
});

vi.mock("../../src/read/uncovered-rows.js", async (original) => {
  const actual = await original<typeof import("../../src/read/uncovered-rows.js")>();
  type Arguments = ConstructorParameters<typeof actual.UncoveredRows>;
  class Shaped extends actual.UncoveredRows {
    constructor(rows: Arguments[0], cover: Arguments[1], options: Arguments[2]) {
      const { hiddenRowsMax } = seams.shape ?? {};
      const seekOlder: Arguments[2]["seekOlder"] = (...given) => {
        seenRangeDeletes.seeksOverHidden++;
        options.seekOlder(...given);
      };
      super(rows, cover, { hiddenRowsMax, ...options, seekOlder });
    }
  }
  return { ...actual, UncoveredRows: Shaped };
});

vi.mock("../../src/read/candidates.js", async (original) => {
  const actual = await original<typeof import("../../src/read/candidates.js")>();
  const mayHaveRows: typeof actual.mayHaveRows = (info, entrySeq, seqMax, hiddenBelow) => {
    const may = actual.mayHaveRows(info, entrySeq, seqMax, hiddenBelow);
    if (!may && actual.mayHaveRows(info, entrySeq, seqMax, 0)) seenRangeDeletes.sstsOutOfGets++;
    return may;
  };
  return { ...actual, mayHaveRows };
});

vi.mock("../../src/sst/block-cache.js", async (original) => {
  const actual = await original<typeof import("../../src/sst/block-cache.js")>();
  class Planted extends actual.BlockCache {
    override blocksOf(databaseId: Ulid, sstId: Ulid): SstBlocks {
      return super.blocksOf(databaseId, seams.blocksAreShared ? databaseId : sstId);
    }
  }
  return { ...actual, BlockCache: Planted };
});

const KiB = 1024;

const compressions = [
  undefined,
  "lz4",
  { codec: "deflate", level: 6 },
  ...(hasZstd ? (["zstd"] as const) : []),
] as const;

const extractors = [
  undefined,
  fixedPrefix(1),
  fixedPrefix(2),
  delimitedPrefix("b"),
  { name: "whole", extract: (key: Uint8Array) => key.length },
] as const;

const optionsArbitrary: fc.Arbitrary<OpenOptions> = fc
  .record({
    // A MemTable takes some 30 KiB from its first row on, so with the smallest setting each write is a table of its own.
    memTableBytes: fc.constantFrom(4 * KiB, 40 * KiB, undefined),
    unflushedBytesMax: fc.constantFrom(40 * KiB, 256 * KiB),
    blockBytes: fc.constantFrom(64, 300, 4096),
    blockCacheBytes: fc.constantFrom(0, 20_000, undefined),
    compression: fc.constantFrom(...compressions),
    filter: fc.constantFrom("bloom", "ribbon"),
    filterBitsPerKey: fc.constantFrom(0, 10),
    unfilteredSstBytesMax: fc.constantFrom(0, undefined),
    prefixExtractor: fc.constantFrom(...extractors),
    flushIntervalMs: fc.constantFrom(1, 3_600_000),
    walPutsInFlight: fc.constantFrom(1, 4),
    uploadsInFlight: fc.constantFrom(1, 3),
    readAheadBytes: fc.constantFrom(0, undefined),
    loadBufferBytes: fc.constantFrom(4 * KiB, undefined),
    sstBytesMax: fc.constantFrom(4 * KiB, undefined),
    defaultTtlMs: fc.constantFrom(undefined, undefined, 10),
    mergeOperators: fc.constantFrom(undefined, operators, operators),
  })
  .map((options) =>
    options.memTableBytes === undefined ? { ...options, unflushedBytesMax: undefined } : options,
  );

const allSteps = [
  ...stepArbitraries,
  ...cacheSteps,
  ...clockSteps,
  ...snapshotSteps,
  ...mergeSteps,
  ...batchSteps,
  ...rangeDeleteSteps,
];

const agrees = (
  store: ObjectStore,
  caching: Caching,
  options: OpenOptions,
  steps: Iterable<fc.AsyncCommand<Model, World>>,
): Promise<void> => withCaching(caching, options, (all) => agreesWith(store, all, steps));

async function agreesWith(
  store: ObjectStore,
  options: OpenOptions,
  steps: Iterable<fc.AsyncCommand<Model, World>>,
): Promise<void> {
  const world = await World.open(store, options);
  try {
    await fc.asyncModelRun(
      () => ({ model: new Model(world.clock.now(), options.defaultTtlMs), real: world }),
      steps,
    );
  } finally {
    await world.close();
  }
}

test("a database agrees with a sorted map, whatever is done to it", async () => {
  await fc.assert(
    fc.asyncProperty(
      optionsArbitrary,
      cachingArbitrary,
      fc.commands(allSteps, { maxCommands: 60, size: "max" }),
      (options, caching, steps) => agrees(new MemoryObjectStore(), caching, options, steps),
    ),
    counted(250, 57),
  );
  // Agreement says nothing of what was never used.
  const { keyOrPrefixRefusals, windowsWith, ...counts } = seen;
  for (const [name, count] of Object.entries({
    ...counts,
    ...keyOrPrefixRefusals,
    ...seenRangeDeletes,
  })) {
    expect(count, name).toBeGreaterThan(0);
  }
  const codecs = ["deflate", "lz4", "none", ...(hasZstd ? ["zstd"] : [])];
  expectEqual([...windowsWith].sort(), [
    ...["block: 300", "block: 4096", "block: 64"],
    ...["cache: 0", "cache: 20000", "cache: undefined"],
    ...codecs.map((codec) => `codec: ${codec}`),
    ...["filter: bloom", "filter: none", "filter: ribbon"],
    ...extractors.map((extractor) => `prefix: ${extractor?.name}`).sort(),
  ]);
}, 180_000);

test("an SST that is answered from the cached blocks of another is found", async () => {
  seams.blocksAreShared = true;
  try {
    const { failed } = await fc.check(
      fc.asyncProperty(
        optionsArbitrary,
        cachingArbitrary,
        fc.commands(allSteps, { maxCommands: 60, size: "max" }),
        (options, caching, steps) => agrees(new MemoryObjectStore(), caching, options, steps),
      ),
      { numRuns: 300, endOnFailure: true },
    );
    expect(failed).toBe(true);
  } finally {
    seams.blocksAreShared = false;
  }
}, 180_000);

test("a database in a folder agrees with a sorted map", async () => {
  await fc.assert(
    fc.asyncProperty(
      optionsArbitrary,
      cachingArbitrary,
      fc.commands(allSteps, { maxCommands: 30, size: "max" }),
      async (options, caching, steps) => {
        const directory = await mkdtemp(join(tmpdir(), "moraine-model-"));
        try {
          await agrees(new FileObjectStore({ directory }), caching, options, steps);
        } finally {
          await rm(directory, { recursive: true, force: true, maxRetries: 5 });
        }
      },
    ),
    { numRuns: sampled(8) },
  );
});
