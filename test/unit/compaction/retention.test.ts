import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { compareBytes } from "../../../src/common/bytes.js";
import { RowKind } from "../../../src/common/row.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { expectEqual } from "../../support/expect-equal.js";
import { loadEngine } from "../../support/load-engine.js";
import { sampled } from "../../support/run-counts.js";
import {
  type Content,
  decodeOutputs,
  expectApart,
  type History,
  histories,
  jobSizes,
  joinContents,
  newTask,
  now,
  read,
  runTask,
  storeSources,
  withSeqs,
} from "./job-model.js";

beforeAll(loadEngine);

/** Keys of a content, and those at the edges of its range deletes. */
function keysOf({ rows, rangeDeletes }: Content): Uint8Array[] {
  const all = [
    ...rows.map(({ key }) => key),
    ...rangeDeletes.flatMap(({ start, end }) => (end === undefined ? [start] : [start, end])),
  ];
  return [...new Map(all.map((key) => [key.join(), key])).values()];
}

/** The retained one, and some above it. */
function seqsOf({ retainSeq, lastSeq }: History): number[] {
  const seqs = [retainSeq, retainSeq + 1, lastSeq];
  for (let seq = retainSeq; seq <= lastSeq; seq += 3) seqs.push(seq);
  return seqs;
}

function expectSameReads(before: Content, after: Content, history: History): void {
  for (const key of keysOf(before)) {
    for (const seq of seqsOf(history)) {
      for (const at of [now, now + 1, now + 3, now + 7]) {
        const context = `key ${key.join()} at seq ${seq}, time ${at}`;
        expectEqual(read(after, key, seq, at), read(before, key, seq, at), context);
      }
    }
  }
}

test("every read at the retained seq or above sees what it saw", { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(histories, jobSizes, async (history, sizes) => {
      const store = new MemoryObjectStore();
      const sources = await storeSources(store, history.sources, sizes);
      const ranges = await runTask(store, newTask(history, sources, sizes));
      expect(ranges.every(({ done }) => done)).toBe(true);
      const outputs = await decodeOutputs(store, ranges);
      const before = joinContents([...history.sources.map(withSeqs), history.beneath]);
      expectSameReads(before, joinContents([...outputs, history.beneath]), history);
      // Above the retained seq, transactions look for every row.
      const newer = (content: Content) =>
        content.rows
          .filter(({ seq }) => seq > history.retainSeq)
          .sort((a, b) => compareBytes(a.key, b.key) || b.seq - a.seq);
      expectEqual(newer(joinContents(outputs)), newer(joinContents(history.sources.map(withSeqs))));
    }),
    { numRuns: sampled(200) },
  );
});

test("outputs lie one behind the other, and no key is in two of them", {
  timeout: 120_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(histories, jobSizes, async (history, sizes) => {
      const store = new MemoryObjectStore();
      const sources = await storeSources(store, history.sources, sizes);
      const outputs = await decodeOutputs(
        store,
        await runTask(store, newTask(history, sources, sizes)),
      );
      expectApart(outputs);
    }),
    { numRuns: sampled(200) },
  );
});

test("what nobody can see any more is gone", { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(histories, jobSizes, async (history, sizes) => {
      const store = new MemoryObjectStore();
      const sources = await storeSources(store, history.sources, { ...sizes, sstBytesMax: 1e6 });
      const ranges = await runTask(store, newTask(history, sources, sizes));
      const after = joinContents(await decodeOutputs(store, ranges));
      const { retainSeq, isBottom } = history;
      const old = after.rows.filter(({ seq }) => seq <= retainSeq);
      for (const row of old) {
        const newer = old.filter(
          (other) => compareBytes(other.key, row.key) === 0 && other.seq > row.seq,
        );
        expect(newer.every(({ kind }) => kind === RowKind.merge)).toBe(true);
        expect(row.expiresAt === 0 || row.expiresAt > now).toBe(true);
        if (isBottom) expect(row.kind).not.toBe(RowKind.delete);
      }
      const oldRanges = after.rangeDeletes.filter(({ seq }) => seq <= retainSeq);
      if (isBottom) expectEqual(oldRanges, []);
    }),
    { numRuns: sampled(300) },
  );
});
