import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { compareBytes, equalBytes } from "../../../src/common/bytes.js";
import type { JobTask } from "../../../src/compaction/job.js";
import type { JobRange } from "../../../src/format/compactions.js";
import { delimitedPrefix } from "../../../src/format/prefix-extractor.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import { expectEqual } from "../../support/expect-equal.js";
import { loadEngine } from "../../support/load-engine.js";
import { counted, sampled } from "../../support/run-counts.js";
import { plainRow } from "../sst/row-model.js";
import {
  type Content,
  covers,
  type DecodedOutput,
  decodeOutputs,
  expectApart,
  historiesApart,
  joinContents,
  type ModelSource,
  newTask,
  runTask,
  storeSources,
} from "./job-model.js";

beforeAll(loadEngine);

const sizes = fc.record({
  blockBytes: fc.constantFrom(40, 100, 300),
  indexPartitionBytes: fc.constantFrom(1, 30, 60, 4096),
  sstBytesMax: fc.constantFrom(100, 300, 1000, 3000, 1_000_000),
});

function rowsOf(content: Content) {
  return [...content.rows].sort((a, b) => compareBytes(a.key, b.key) || b.seq - a.seq);
}

/** Which seqs of range deletes lie over each of some keys. */
function seqsOver({ rangeDeletes }: Content, keys: readonly Uint8Array[]): number[][] {
  return keys.map((key) => rangeDeletes.filter((each) => covers(each, key)).map(({ seq }) => seq));
}

test("what is copied and moved is what would have been merged", { timeout: 120_000 }, async () => {
  const found = { copied: 0, moved: 0, loadsCopied: 0, merged: 0 };
  await fc.assert(
    fc.asyncProperty(historiesApart, sizes, async (history, size) => {
      const store = new MemoryObjectStore();
      const sources = await storeSources(store, history.sources, size);
      const task = newTask(history, sources, size);
      const copied = await decodeOutputs(store, await runTask(store, task));
      expectApart(copied);
      const rewriting = newTask(history, sources, size, { rewrites: true });
      const ranges = await runTask(store, rewriting, { filter: () => "keep" });
      const merged = await decodeOutputs(store, ranges);
      expectEqual(rowsOf(joinContents(copied)), rowsOf(joinContents(merged)));
      const keys = rowsOf(joinContents(history.sources)).map(({ key }) => key);
      expectEqual(seqsOver(joinContents(copied), keys), seqsOver(joinContents(merged), keys));
      count(
        found,
        copied,
        sources.flatMap(({ ssts }) => ssts.map(({ id }) => id)),
      );
    }),
    counted(300, 100),
  );
  // Of each there has to have been some, or this has tested nothing.
  expect(Math.min(...Object.values(found)), JSON.stringify(found)).toBeGreaterThan(10);
});

function count(
  found: { copied: number; moved: number; loadsCopied: number; merged: number },
  outputs: readonly DecodedOutput[],
  inputs: readonly string[],
): void {
  for (const { info, copiedBlockCount } of outputs) {
    if (inputs.includes(info.id)) found.moved++;
    else if (copiedBlockCount === 0) found.merged++;
    else if (info.seq > 0) found.loadsCopied++;
    else found.copied++;
  }
}

test("a job that is resumed at any output gives the same bytes", { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(historiesApart, sizes, async (history, size) => {
      const store = new MemoryObjectStore();
      const sources = await storeSources(store, history.sources, size);
      const steps: Parameters<NonNullable<Parameters<typeof runTask>[2]>["progress"] & {}>[0][] =
        [];
      const task = newTask(history, sources, size);
      const whole = await runTask(store, task, { progress: (ranges) => void steps.push(ranges) });
      const outputs = await decodeOutputs(store, whole);
      for (const ranges of steps.slice(0, 12)) {
        const resumed = await runTask(store, newTask(history, sources, size, { ranges }));
        expectEqual(resumed, whole);
        for (const { info, bytes } of await decodeOutputs(store, resumed)) {
          const before = outputs.find((output) => output.info.id === info.id)!;
          expect(equalBytes(bytes, before.bytes)).toBe(true);
        }
      }
    }),
    { numRuns: sampled(100) },
  );
});

test("a job that is cut into ranges gives the same rows", { timeout: 120_000 }, async () => {
  const cuts = fc.array(fc.tuple(fc.nat(255), fc.constantFrom([], [7], [7, 0], [9])), {
    maxLength: 4,
  });
  await fc.assert(
    fc.asyncProperty(historiesApart, sizes, cuts, async (history, size, at) => {
      const store = new MemoryObjectStore();
      const sources = await storeSources(store, history.sources, size);
      const whole = await decodeOutputs(
        store,
        await runTask(store, newTask(history, sources, size)),
      );
      const keys = at.map(([n, rest]) => Uint8Array.of(98, n, ...rest)).sort(compareBytes);
      const starts = [
        new Uint8Array(0),
        ...keys.filter((key, i) => i === 0 || compareBytes(key, keys[i - 1]!) > 0),
      ];
      const ranges = starts.map((start, i) => ({
        ...{ start, end: starts[i + 1] ?? new Uint8Array(0), endless: i === starts.length - 1 },
        ...{ resumeAt: start, done: false, outputs: [] },
      }));
      const cut = newTask(history, sources, size, { ranges });
      const outputs = await decodeOutputs(store, await runTask(store, cut, { rangesInFlight: 3 }));
      expectApart(outputs);
      expectEqual(rowsOf(joinContents(outputs)), rowsOf(joinContents(whole)));
      const all = rowsOf(joinContents(history.sources)).map(({ key }) => key);
      expectEqual(seqsOver(joinContents(outputs), all), seqsOver(joinContents(whole), all));
    }),
    { numRuns: sampled(80) },
  );
});

const puts = (keys: readonly string[], seq: number): ModelSource => ({
  rows: keys.map((key, i) => plainRow(key, seq + i, { value: new Uint8Array(90) })),
  ...{ rangeDeletes: [], seq: 0, cuts: [] },
});
const numbered = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}${String(i).padStart(6, "0")}`);
const large = { blockBytes: 4096, indexPartitionBytes: 4096, sstBytesMax: 4_000_000 };
const above = { isBottom: false, retainSeq: 1_000_000 };

test("filters of rows that follow copied partitions have their prefixes", async () => {
  const prefixExtractor = delimitedPrefix("/");
  const store = new MemoryObjectStore();
  const parts = [
    puts(["a/1"], 1),
    puts(numbered("bbbb/", 4000), 10),
    puts(["bbbb/9", "bbbb/99"], 9000),
  ];
  const sources = await storeSources(store, parts, { ...large, prefixExtractor });
  const task = newTask(above, sources, large);
  const ranges = await runTask(store, task, { prefixExtractor });
  const [output] = await decodeOutputs(store, ranges, prefixExtractor);
  expect(output!.copiedBlockCount).toBeGreaterThan(90);
  expect(output!.rows.length).toBe(4003);
});

test("filters without the prefixes that are asked for are not copied, nor are blocks that new ones would compress", async () => {
  const store = new MemoryObjectStore();
  const sources = await storeSources(store, [puts(numbered("b/", 4000), 10)], large);
  const task = newTask(above, sources, large);
  const copiedBlocks = async (over: Partial<JobTask["build"]>, options = {}) => {
    const ranges = await runTask(store, { ...task, build: { ...task.build, ...over } }, options);
    return (await decodeOutputs(store, ranges))[0]!.copiedBlockCount;
  };
  expect(await copiedBlocks({})).toBeGreaterThan(90);
  expect(await copiedBlocks({}, { prefixExtractor: delimitedPrefix("/") })).toBe(0);
  expect(await copiedBlocks({ filter: "ribbon" })).toBe(0);
  expect(await copiedBlocks({ compression: { codec: "lz4", level: 0 } })).toBe(0);
  expect(await copiedBlocks({ filterBitsPerKey: 0 })).toBeGreaterThan(90);
});

test("a key whose versions lie in two partitions is never parted, also where the manifest knows nothing of them", async () => {
  const store = new MemoryObjectStore();
  const versions = (key: string, from: number, count: number) =>
    Array.from({ length: count }, (_, i) => plainRow(key, from - i, { value: new Uint8Array(60) }));
  for (const count of [1, 2, 3, 5, 8, 13, 40]) {
    const rows = ["a", "b", "c", "d", "e"].flatMap((key, i) =>
      versions(key, 1000 * (i + 1), count),
    );
    const small = { blockBytes: 100, indexPartitionBytes: 1, sstBytesMax: 300 };
    const all = [{ ...puts([], 1), rows }, puts(["bb", "cc"], 9000)];
    const stored = await storeSources(store, all, small);
    // As of an SST that was written before these were counted.
    const sources = stored.map(({ seq, ssts }) => ({
      ...{ seq, ssts: ssts.map((info) => ({ ...info, shadowedCount: 0 })) },
    }));
    const outputs = await decodeOutputs(
      store,
      await runTask(store, newTask({ isBottom: false, retainSeq: 0 }, sources, small)),
    );
    expectApart(outputs);
    expect(joinContents(outputs).rows.length).toBe(rows.length + 2);
  }
});

test("an SST that moves is not read", async () => {
  const store = new MemoryObjectStore();
  const sources = await storeSources(
    store,
    [puts(numbered("a", 3000), 1), puts(numbered("b", 3000), 5000)],
    large,
  );
  const ids = sources.map(({ ssts }) => ssts[0]!.id);
  await store.delete(ids.map((id) => ObjectPaths.sst(id)));
  const ranges = await runTask(store, newTask(above, sources, { ...large, sstBytesMax: 500_000 }));
  expectEqual(
    ranges.flatMap(({ outputs }) => outputs.map(({ id }) => id)),
    [...ids],
  );
});

test("an SST with range deletes beside its rows does not move: other outputs have those", async () => {
  const store = new MemoryObjectStore();
  const range = { start: Uint8Array.of(120), end: Uint8Array.of(122), seq: 9000 };
  const newer = { ...puts(numbered("b/", 4000), 10), rangeDeletes: [range] };
  const sources = await storeSources(store, [newer, puts(["w", "y", "z"], 1)], large);
  for (const isBottom of [true, false]) {
    const task = newTask({ ...above, isBottom }, sources, { ...large, sstBytesMax: 500_000 });
    const outputs = await decodeOutputs(store, await runTask(store, task));
    expectApart(outputs);
    expect(joinContents(outputs).rows.length).toBe(4002);
    expect(joinContents(outputs).rangeDeletes.length).toBe(isBottom ? 0 : 1);
  }
});

test("what ends with a copied partition can be copied again before keys that the copy has no room for", async () => {
  const store = new MemoryObjectStore();
  // Between two of them there is room for separators that are no keys.
  const spread = (from: number) =>
    puts(
      Array.from({ length: 3000 }, (_, i) => `k/${String((from + i) * 7).padStart(8, "0")}`),
      10 + from,
    );
  const fine = { ...large, indexPartitionBytes: 100, sstBytesMax: 700_000 };
  const parts = [spread(6000), spread(3000), spread(0)];
  const ranges = await runTask(store, newTask(above, await storeSources(store, parts, fine), fine));
  expect(ranges[0]!.outputs.length).toBe(2);
  const [first] = await decodeOutputs(store, ranges);
  const between = Uint8Array.of(...first!.info.lastKey, 1);
  const one = plainRow(between, 50_000);
  const [extra] = await storeSources(store, [{ ...puts([], 1), rows: [one] }], large, 90);
  const again = newTask(above, [extra!, { ssts: [first!.info], seq: 0 }], large);
  const [output] = await decodeOutputs(store, await runTask(store, again));
  expect(output!.copiedBlockCount).toBeGreaterThan(100);
  expectEqual(output!.rows.at(-1)!.key, between);
});

test("what is left of a stretch is copied by whoever resumes, however little it is", async () => {
  const small = { blockBytes: 300, indexPartitionBytes: 1, sstBytesMax: 6000 };
  let copiedCount = 0;
  for (let rowCount = 8; rowCount < 16; rowCount++) {
    const store = new MemoryObjectStore();
    const parts = Array.from({ length: 9 }, (_, i) =>
      puts(numbered(`${9 - i}/`, rowCount), 1 + 100 * i),
    );
    const sources = await storeSources(store, parts, small);
    const steps: (readonly JobRange[])[] = [];
    const progress = (ranges: readonly JobRange[]) => void steps.push(ranges);
    const whole = await runTask(store, newTask(above, sources, small), { progress });
    const outputs = await decodeOutputs(store, whole);
    copiedCount += outputs.filter(({ copiedBlockCount }) => copiedBlockCount > 0).length;
    for (const ranges of steps) {
      const resumed = await runTask(store, newTask(above, sources, small, { ranges }));
      expectEqual(resumed, whole);
      const again = await decodeOutputs(store, resumed);
      expect(again.every(({ bytes }, i) => equalBytes(bytes, outputs[i]!.bytes))).toBe(true);
    }
  }
  expect(copiedCount).toBeGreaterThan(10);
});
