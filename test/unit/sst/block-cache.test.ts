import { expect, test } from "vitest";
import { Block } from "../../../src/format/block.js";
import { BlockBuilder } from "../../../src/format/block-builder.js";
import { BlockCache } from "../../../src/sst/block-cache.js";
import { plainRow, toRef } from "./row-model.js";

function block(valueBytes: number): Block {
  const builder = new BlockBuilder(16, 64);
  builder.add(toRef(plainRow("key", 1, { value: new Uint8Array(valueBytes) })), 0);
  return new Block(builder.finish(0, true).copy(), "sst/x.sst", 0);
}

test("the least recently used block leaves first, and the bytes stay within the bound", () => {
  const cache = new BlockCache(4000);
  for (const offset of [0, 1, 2]) cache.add("a", offset, block(800));
  expect(cache.get("a", 0)).toBeDefined();
  cache.add("b", 0, block(800));
  expect([cache.has("a", 0), cache.has("a", 1), cache.has("a", 2), cache.has("b", 0)]).toEqual([
    true,
    false,
    true,
    true,
  ]);
  expect(cache.bytes).toBeLessThanOrEqual(4000);
  expect([cache.count, cache.evictions, cache.hits]).toEqual([3, 1, 1]);
  cache.clear();
  expect([cache.count, cache.bytes, cache.get("b", 0)]).toEqual([0, 0, undefined]);
});

test("a block above the bound, or any block of a cache of 0 bytes, is not kept", () => {
  const cache = new BlockCache(1000);
  cache.add("a", 0, block(2000));
  expect(cache.count).toBe(0);
  const none = new BlockCache(0);
  none.add("a", 0, block(1));
  expect(none.has("a", 0)).toBe(false);
});

test("adding a block twice counts once", () => {
  const cache = new BlockCache(4000);
  cache.add("a", 0, block(100));
  const { bytes } = cache;
  cache.add("a", 0, block(100));
  expect([cache.count, cache.bytes]).toEqual([1, bytes]);
});
