/** Lists of long runs: whole or part by part they say what was written, every key's part is the one found, and nothing else is believed. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { type Bytes, compareBytes, encodeUtf8 } from "../../../src/common/bytes.js";
import {
  noUlid,
  type RunPart,
  type SstInfo,
  type TombstoneSpan,
} from "../../../src/format/manifest.js";
import {
  decodeRunIndex,
  decodeRunList,
  decodeRunPart,
  encodeRunList,
  type RunOfList,
} from "../../../src/format/run-list.js";
import { databaseId, sstOf, ulid } from "../manifest/manifests.js";

const otherDatabaseId = "01BX5ZZKBKACTAV9WEVGEMMVRZ";
const object = "runs/x.run";
const corruption = expect.objectContaining({ kind: "corruption", object });
const key = (number: number): Bytes => encodeUtf8(String(number).padStart(6, "0"));

interface Slot {
  /** From the end of the slot before to the first row, from there to the last, and from there to the end. */
  readonly before: number;
  readonly rows: number;
  readonly behind: number;
  readonly spans: "none" | "all" | "before" | "behind";
}

const slot: fc.Arbitrary<Slot> = fc.record({
  ...{ before: fc.nat(3), rows: fc.nat(3), behind: fc.integer({ min: 1, max: 3 }) },
  spans: fc.constantFrom("none", "none", "all", "before", "behind"),
});

/** SSTs in slots one after another, some with range deletes to the edges of theirs. */
function sstsOf(slots: readonly Slot[]): SstInfo[] {
  let next = 1;
  return slots.map(({ before, rows, behind, spans }, i) => {
    const [start, first, last, end] = [next, next + before, next + before + rows, next];
    next = last + behind;
    const from = spans === "behind" ? last : start;
    const to = spans === "before" ? first : next;
    const span: TombstoneSpan = {
      ...{ start: key(from), end: key(Math.max(to, from + 1)), endless: false },
      ...{ count: 1, minSeq: 5, maxSeq: 5 },
    };
    expect(end).toBe(start);
    return {
      ...sstOf(i + 1, 1, 9),
      ...{ firstKey: key(first), lastKey: key(last) },
      ...(spans !== "none" && { rangeDeletesOffset: 20, rangeDeletes: [span] }),
    };
  });
}

const runId = ulid(99);
const runOf = (encoded: ReturnType<typeof encodeRunList>, sstCount: number): RunOfList => ({
  ...{ id: runId, owner: noUlid, sstCount },
  ...{ listBytes: encoded.bytes.length, indexOffset: encoded.indexOffset },
});

const encoded = (
  slots: readonly Slot[],
  partBytes?: number,
): { ssts: SstInfo[]; bytes: Bytes; run: RunOfList } => {
  const ssts = sstsOf(slots);
  const list = encodeRunList(databaseId, runId, ssts, partBytes);
  return { ssts, bytes: list.bytes, run: runOf(list, ssts.length) };
};

const indexOf = ({ bytes, run }: { bytes: Bytes; run: RunOfList }): readonly RunPart[] =>
  decodeRunIndex(bytes.subarray(run.indexOffset), object, databaseId, run);

test("a list is read as it was written, whole and part by part, and the last part that begins at or before a key has all of it", () => {
  void fc.assert(
    fc.property(fc.array(slot, { minLength: 1, maxLength: 40 }), fc.integer(), (slots, seed) => {
      const partBytes = 1 + (Math.abs(seed) % 1000);
      const { ssts, bytes, run } = encoded(slots, partBytes);
      expect(decodeRunList(bytes, object, databaseId, run)).toEqual(ssts);
      if (run.indexOffset === 0) return;
      const parts = indexOf({ bytes, run });
      const ofParts = parts.map((part) => {
        const view = bytes.subarray(part.offset, part.offset + part.length);
        return decodeRunPart(view, object, databaseId, run, part);
      });
      expect(parts.length).toBeGreaterThan(1);
      expect(ofParts.flat()).toEqual(ssts);
      for (const sst of ssts) {
        const edges = [sst.firstKey, sst.lastKey, ...sst.rangeDeletes.map(({ start }) => start)];
        for (const edge of edges) {
          const at = parts.findLastIndex(({ start }) => compareBytes(start, edge) <= 0);
          expect(ofParts[at]).toContainEqual(sst);
        }
        const part = ofParts.findIndex((all) => all.some(({ id }) => id === sst.id));
        if (sst.rangeDeletes.length > 0) expect(parts[part]!.hasRangeDeletes).toBe(true);
      }
    }),
    { numRuns: 200 },
  );
});

const slots = (count: number): Slot[] =>
  Array.from({ length: count }, (_, i) => ({
    ...{ before: 1, rows: 1, behind: 1, spans: i % 4 === 1 ? "all" : "none" },
  }));

test("parts have about 64 KiB; a short list is one, without an index", () => {
  expect(encoded(slots(300)).run.indexOffset).toBe(0);
  const { bytes, run, ssts } = encoded(slots(5000));
  const parts = indexOf({ bytes, run });
  for (const { length } of parts.slice(0, -1)) {
    expect(length).toBeGreaterThan(30 * 1024);
    expect(length).toBeLessThan(80 * 1024);
  }
  expect(parts.at(-1)!.length).toBeLessThan(80 * 1024);
  expect(bytes.length - run.indexOffset).toBeLessThan(bytes.length / 500);
  expect(decodeRunList(bytes, object, databaseId, run)).toEqual(ssts);
});

test("a span that lies farther out than its range deletes do never takes keys away from the part before", () => {
  const [first, second] = sstsOf([
    { before: 0, rows: 3, behind: 3, spans: "behind" },
    { before: 3, rows: 3, behind: 3, spans: "all" },
  ]);
  for (const start of [key(1), key(4), key(6)]) {
    const loose = { ...second!, rangeDeletes: [{ ...second!.rangeDeletes[0]!, start }] };
    const list = encodeRunList(databaseId, runId, [first!, loose], 1);
    const [, part] = indexOf({ bytes: list.bytes, run: runOf(list, 2) });
    expect(part!.start).toEqual(first!.rangeDeletes[0]!.end);
  }
});

test("a list with any byte changed, of any other length, or of another database or run is corruption", () => {
  const { bytes, run } = encoded(slots(9), 150);
  const decode = (stored: Uint8Array, database = databaseId, over: Partial<RunOfList> = {}) =>
    decodeRunList(stored, object, database, { ...run, ...over });
  expect(indexOf({ bytes, run }).length).toBeGreaterThan(2);
  for (let at = 0; at < bytes.length; at++) {
    const damaged = bytes.slice();
    damaged[at]! ^= 1 << (at & 7);
    expect(() => decode(damaged), `byte ${at}`).toThrow(corruption);
    expect(() => decode(bytes.slice(0, at)), `length ${at}`).toThrow(corruption);
  }
  expect(() => decode(bytes, otherDatabaseId)).toThrow(corruption);
  expect(() => decode(bytes, databaseId, { id: ulid(98) })).toThrow(corruption);
  expect(() => decode(bytes, databaseId, { sstCount: 8 })).toThrow(corruption);
  expect(() => decode(bytes, databaseId, { indexOffset: run.indexOffset - 1 })).toThrow(corruption);
  expect(() => decode(bytes, databaseId, { indexOffset: 0 })).toThrow(corruption);
});

test("a whole part in the place of another, or under another description, is corruption", () => {
  const { bytes, run } = encoded(slots(20), 1);
  const parts = indexOf({ bytes, run });
  const of = ({ offset, length }: RunPart): Bytes => bytes.slice(offset, offset + length);
  const decode = (stored: Bytes, part: RunPart) =>
    decodeRunPart(stored, object, databaseId, run, part);
  const [first, second] = [parts[0]!, parts[2]!];
  expect(decode(of(first), first)).toHaveLength(first.sstCount);
  const swapped = bytes.slice();
  expect(first.length).toBe(second.length);
  swapped.set(of(second), first.offset);
  swapped.set(of(first), second.offset);
  expect(() => decodeRunList(swapped, object, databaseId, run)).toThrow(corruption);
  expect(() => decode(of(first), second)).toThrow(corruption);
  for (const over of [
    { sstCount: first.sstCount + 1 },
    { start: key(900) },
    { length: first.length + 1 },
    { hasRangeDeletes: !first.hasRangeDeletes },
  ]) {
    expect(() => decode(of(first), { ...first, ...over }), JSON.stringify(over)).toThrow(
      corruption,
    );
  }
});

test("SSTs that overlap, in a part or across parts, are corruption", () => {
  const ssts = sstsOf(slots(6));
  const overlapping = ssts.map((sst, i) =>
    i === 3 ? { ...sst, firstKey: ssts[2]!.lastKey } : sst,
  );
  for (const partBytes of [1, 300, undefined]) {
    const list = encodeRunList(databaseId, runId, overlapping, partBytes);
    expect(() => decodeRunList(list.bytes, object, databaseId, runOf(list, 6))).toThrow(corruption);
  }
});
