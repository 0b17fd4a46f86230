import fc from "fast-check";
import { expect, test } from "vitest";
import { type Manifest, RetiredKind } from "../../../src/format/manifest.js";
import {
  claimWriter,
  closeWriter,
  emptyManifest,
  retireBatch,
} from "../../../src/manifest/transitions.js";
import { endsAt, logSpans, StoredPositions, spanAt } from "../../../src/wal/log-spans.js";

const infinite = Number.POSITIVE_INFINITY;

const pinned = {
  walLocation: 1,
  walStoreId: "",
  walPath: "",
  mergeOperators: [],
  encryption: 0,
} as const;

function claimed(manifest: Manifest): Manifest {
  const next = claimWriter({ putsInFlight: 4 })(manifest);
  return { ...next, number: manifest.number + 1 };
}

function flushed(
  manifest: Manifest,
  epoch: number,
  id: number,
  ends: [number, number][] = [],
): Manifest {
  const next = retireBatch({
    epoch: manifest.writerEpoch,
    entries: [],
    walStart: { epoch, id },
    lastL0Seq: 0,
    lastSeq: 0,
    snapshotSeq: 0,
    writerFloor: "",
    logEnds: new Map(ends),
  })(manifest);
  return { ...next, number: manifest.number + 1 };
}

test("what a log has retired and what it still holds are one span", () => {
  const manifest = flushed(claimed(emptyManifest("", pinned)), 1, 5);
  expect(logSpans(manifest)).toEqual([{ epoch: 1, fromId: 1, toId: infinite, retiredBy: 0 }]);
});

test("a log that has ended is a span of its own, and names the manifest that retired its end", () => {
  let manifest = flushed(claimed(emptyManifest("", pinned)), 1, 3);
  manifest = claimed(manifest);
  expect(logSpans(manifest)).toEqual([
    { epoch: 1, fromId: 1, toId: infinite, retiredBy: 0 },
    { epoch: 2, fromId: 1, toId: infinite, retiredBy: 0 },
  ]);
  manifest = flushed(manifest, 2, 4, [[1, 9]]);
  expect(logSpans(manifest)).toEqual([
    { epoch: 1, fromId: 1, toId: 9, retiredBy: 4 },
    { epoch: 2, fromId: 1, toId: infinite, retiredBy: 0 },
  ]);
  manifest = closeWriter({
    epoch: 2,
    walStart: { epoch: 2, id: 6 },
    lastSeq: 0,
    writerFloor: "",
    logEnds: new Map(),
  })(manifest);
  expect(logSpans(manifest).at(-1)).toEqual({ epoch: 2, fromId: 1, toId: 6, retiredBy: 5 });
});

test("a position is in its span, at the end of one, or before the next", () => {
  const spans = [
    { epoch: 2, fromId: 3, toId: 5, retiredBy: 1 },
    { epoch: 4, fromId: 1, toId: infinite, retiredBy: 0 },
  ];
  const at = (epoch: number, id: number): number | undefined => spanAt(spans, { epoch, id })?.epoch;
  expect([at(1, 9), at(2, 1), at(2, 4), at(2, 5), at(3, 1), at(4, 99)]).toEqual([2, 2, 2, 4, 4, 4]);
  expect(at(5, 1)).toBeUndefined();
  expect(endsAt(spans, { epoch: 2, id: 5 })).toBe(true);
  expect(endsAt(spans, { epoch: 2, id: 4 })).toBe(false);
});

const lengths = fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 5 });

test("stored positions are those of the spans, between where they begin and the end", () => {
  fc.assert(
    fc.property(lengths, fc.nat(6), fc.nat(6), (counts, skipped, kept) => {
      const last = counts.length;
      const spans = counts.map((count, i) => {
        const toId = i + 1 === last ? infinite : count + 1;
        return { epoch: i + 1, fromId: 1, toId, retiredBy: 0 };
      });
      const from = { epoch: 1, id: 1 + skipped };
      const end = { epoch: last, id: 1 + kept };
      const expected: string[] = [];
      for (const [i, count] of counts.entries()) {
        const stop = i + 1 === last ? kept : count;
        for (let id = i === 0 ? 1 + skipped : 1; id <= stop; id++) expected.push(`${i + 1}/${id}`);
      }
      const stored = new StoredPositions(spans, from, end);
      const all = Array.from({ length: stored.count }, (_, i) => stored.at(i));
      expect(all.map(({ epoch, id }) => `${epoch}/${id}`)).toEqual(expected);
    }),
  );
});

test("of a log of the chain that ends before the end only the first position is known to be there", () => {
  const spans = [
    { epoch: 1, fromId: 1, toId: infinite, retiredBy: 0 },
    { epoch: 2, fromId: 1, toId: infinite, retiredBy: 0 },
    { epoch: 3, fromId: 1, toId: infinite, retiredBy: 0 },
  ];
  const stored = new StoredPositions(spans, { epoch: 1, id: 4 }, { epoch: 2, id: 3 });
  const all = Array.from({ length: stored.count }, (_, i) => stored.at(i));
  expect(all).toEqual([
    { epoch: 1, id: 4 },
    { epoch: 2, id: 1 },
    { epoch: 2, id: 2 },
  ]);
});

test("only WAL objects of the retired list are spans", () => {
  const sst = { kind: RetiredKind.sst, manifestNumber: 1, ids: [], epoch: 0, fromId: 0, toId: 0 };
  const manifest = { ...emptyManifest("", pinned), retired: [sst] };
  expect(logSpans(manifest)).toEqual([]);
});
