/**
 * Random operations on a database and on a sorted map: writes, loads, flushes, closes, crashes, readers, and every way of reading (P4).
 * A failure prints the seed and the path; pass both to `fc.assert` to replay it.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { test } from "vitest";
import { hasZstd } from "../../src/format/zstd.js";
import {
  delimitedPrefix,
  FileObjectStore,
  fixedPrefix,
  type ObjectStore,
  type OpenOptions,
} from "../../src/index.js";
import { MemoryObjectStore } from "../../src/testing/index.js";
import { clockSteps } from "./clock-steps.js";
import { Model, stepArbitraries, World } from "./commands.js";
import { mergeSteps } from "./merge-steps.js";
import { operators } from "./merges.js";
import { snapshotSteps } from "./snapshot-steps.js";

const KiB = 1024;

const compressions = [
  undefined,
  "lz4",
  { codec: "deflate", level: 6 },
  ...(hasZstd ? (["zstd"] as const) : []),
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
    prefixExtractor: fc.constantFrom(
      undefined,
      fixedPrefix(1),
      fixedPrefix(2),
      delimitedPrefix("b"),
      { name: "whole", extract: (key: Uint8Array) => key.length },
    ),
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

const allSteps = [...stepArbitraries, ...clockSteps, ...snapshotSteps, ...mergeSteps];

async function agrees(
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
      fc.commands(allSteps, { maxCommands: 60, size: "max" }),
      (options, steps) => agrees(new MemoryObjectStore(), options, steps),
    ),
    { numRuns: 300 },
  );
}, 180_000);

test("a database in a folder agrees with a sorted map", async () => {
  await fc.assert(
    fc.asyncProperty(
      optionsArbitrary,
      fc.commands(allSteps, { maxCommands: 30, size: "max" }),
      async (options, steps) => {
        const directory = await mkdtemp(join(tmpdir(), "moraine-model-"));
        try {
          await agrees(new FileObjectStore({ directory }), options, steps);
        } finally {
          await rm(directory, { recursive: true, force: true, maxRetries: 5 });
        }
      },
    ),
    { numRuns: 8 },
  );
});
