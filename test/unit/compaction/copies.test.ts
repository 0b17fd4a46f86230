import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { compareBytes, equalBytes } from "../../../src/common/bytes.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { loadEngine } from "../../support/load-engine.js";
import {
  type Content,
  covers,
  type DecodedOutput,
  decodeOutputs,
  expectApart,
  historiesApart,
  joinContents,
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
      expect(rowsOf(joinContents(copied))).toEqual(rowsOf(joinContents(merged)));
      const keys = rowsOf(joinContents(history.sources)).map(({ key }) => key);
      expect(seqsOver(joinContents(copied), keys)).toEqual(seqsOver(joinContents(merged), keys));
      count(
        found,
        copied,
        sources.flatMap(({ ssts }) => ssts.map(({ id }) => id)),
      );
    }),
    { numRuns: 400 },
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
        expect(resumed).toEqual(whole);
        for (const { info, bytes } of await decodeOutputs(store, resumed)) {
          const before = outputs.find((output) => output.info.id === info.id)!;
          expect(equalBytes(bytes, before.bytes)).toBe(true);
        }
      }
    }),
    { numRuns: 100 },
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
      expect(rowsOf(joinContents(outputs))).toEqual(rowsOf(joinContents(whole)));
      const all = rowsOf(joinContents(history.sources)).map(({ key }) => key);
      expect(seqsOver(joinContents(outputs), all)).toEqual(seqsOver(joinContents(whole), all));
    }),
    { numRuns: 150 },
  );
});
