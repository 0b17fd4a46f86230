/** What fills caches, and what answers from them alone. */
import * as fc from "fast-check";
import { expect } from "vitest";
import type { Db, DbReader, KeyLike, KeyRange } from "../../src/index.js";
import { expectEqual } from "../support/expect-equal.js";
import { seen } from "./caching.js";
import { command, type Step } from "./command.js";
import type { World } from "./world.js";
import { keyArbitrary, rangeArbitrary } from "./writes.js";

async function handleOf(world: World, ofReader: boolean): Promise<Db | DbReader> {
  return ofReader ? world.openReader() : world.db;
}

const warmStep = (range: KeyRange, ofReader: boolean): Step =>
  command("warm", { range, ofReader }, async (_, world) => {
    const handle = await handleOf(world, ofReader);
    const { blocks, bytes, complete, disk } = await handle.warm(range);
    expect(bytes).toBeGreaterThanOrEqual(blocks);
    expect(disk === undefined).toBe(handle.stats().diskCache === undefined);
    seen.warmedBlocks += blocks;
    seen.diskHits += handle.stats().diskCache?.hits ?? 0;
    // A writer may flush meanwhile, and what a small cache holds may leave it.
    const { blockCache } = handle.stats();
    if (!ofReader || !complete || blockCache.bytesMax < 1024 * 1024) return;
    const before = handle.stats().requests.get.requests;
    for await (const _row of handle.scan(range));
    expect(handle.stats().requests.get.requests, "requests for what is warm").toBe(before);
  });

const getCachedStep = (key: KeyLike, ofReader: boolean): Step =>
  command("getCached", { key, ofReader }, async (model, world) => {
    const handle = await handleOf(world, ofReader);
    const seq = ofReader ? handle.seq : model.lastSeq;
    const value = model.rowAt(seq, key)?.value;
    const first = handle.getCached(key);
    if (first !== undefined) {
      seen.cachedAnswers++;
      expectEqual(first.value, value);
    }
    expectEqual(await handle.get(key), value);
    // A writer may have flushed it, a small cache may have no room for it, and a merge may ask for older versions than memory has.
    const isRoomy = handle.stats().blockCache.bytesMax > 1024 * 1024;
    const isKept = ofReader && isRoomy && !world.hasOperators;
    const second = handle.getCached(key);
    if (isKept) expect(second).toBeDefined();
    if (second !== undefined) expectEqual(second.value, value);
  });

export const cacheSteps: fc.Arbitrary<Step>[] = [
  fc.tuple(rangeArbitrary, fc.boolean()).map(([range, ofReader]) => warmStep(range, ofReader)),
  fc.tuple(keyArbitrary, fc.boolean()).map(([key, ofReader]) => getCachedStep(key, ofReader)),
];
