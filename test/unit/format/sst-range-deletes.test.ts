/** SSTs with range deletes: what is built verifies, and describes itself as the builder did; without rows, too. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Bytes, concatBytes } from "../../../src/common/bytes.js";
import type { FragmentedTombstones } from "../../../src/common/fragmented-tombstones.js";
import type { RangeTombstone } from "../../../src/common/range-tombstone.js";
import { BlockTrailer, blockTrailerBytes } from "../../../src/format/block-trailer.js";
import type { SstInfo } from "../../../src/format/manifest.js";
import { requiredSectionFlag, SectionId, type SstProperties } from "../../../src/format/sst.js";
import { SstBuilder } from "../../../src/format/sst-builder.js";
import { readFooter, readProperties, sectionOf } from "../../../src/format/sst-tail.js";
import { encodeFooter, encodeProperties } from "../../../src/format/sst-tail-builder.js";
import { verifySst } from "../../../src/format/verify-sst.js";
import { expectEqual } from "../../support/expect-equal.js";
import {
  buildSst,
  databaseId,
  type PlainRow,
  plainRow,
  sizes,
  sortedRows,
  sstId,
  toPlain,
  toRef,
} from "../sst/row-model.js";
import { asTombstones, rangeDeletes, sortedTombstones } from "./tombstone-model.js";

const object = "sst/x.sst";

function verify(bytes: Uint8Array): { info: SstInfo; rows: PlainRow[]; found: string[] } {
  const rows: PlainRow[] = [];
  let found: FragmentedTombstones | undefined;
  const info = verifySst(bytes, {
    ...{ object, databaseId, id: sstId },
    onRow: (row) => void rows.push(toPlain(row)),
    onRangeDeletes: (all) => {
      found = all;
    },
  });
  return { info, rows, found: found === undefined ? [] : asTombstones(found) };
}

test("what is built verifies and gives back every row and range delete, whatever the order in which they came", () => {
  void fc.assert(
    fc.property(
      fc.oneof(fc.constant<PlainRow[]>([]), sortedRows, sortedRows),
      rangeDeletes,
      sizes,
      fc.boolean(),
      (rows, tombstones, size, areFirst) => {
        const builder = new SstBuilder({ id: sstId, databaseId, ...size });
        const add = (): void => {
          for (const tombstone of tombstones) builder.addRangeDelete(tombstone);
        };
        if (areFirst) add();
        for (const row of rows) builder.add(toRef(row));
        expect(builder.rowCount).toBe(rows.length);
        if (!areFirst) add();
        const { chunks, info } = builder.finish();
        const bytes = concatBytes(chunks);
        const verified = verify(bytes);
        expectEqual(verified, { info, rows, found: sortedTombstones(tombstones) });
        expectEqual(buildSst(rows, size, tombstones.toReversed()).bytes, bytes);
        const seqs = [...rows, ...tombstones].map(({ seq }) => seq);
        expect(info).toMatchObject({
          ...{ rowCount: rows.length, minSeq: Math.min(...seqs), maxSeq: Math.max(...seqs) },
          ...{ size: bytes.length },
        });
        expect(info.rangeDeletes.reduce((sum, { count }) => sum + count, 0)).toBe(
          tombstones.length,
        );
      },
    ),
    { numRuns: 150 },
  );
});

const one: RangeTombstone = { start: Uint8Array.of(98), end: Uint8Array.of(99), seq: 7 };

test("the section lies between data and partitions, as one block, which is compressed like data", () => {
  const rows = [plainRow("a", 3), plainRow("x", 9)];
  const { bytes, info } = buildSst(rows, {}, [one]);
  const footer = readFooter(bytes, bytes.length, object);
  expectEqual(
    footer.sections.map(({ id }) => id),
    [
      ...[SectionId.data, SectionId.rangeTombstones | requiredSectionFlag],
      ...[SectionId.partitions, SectionId.topIndex, SectionId.properties],
    ],
  );
  expect(footer.sections[1]).toMatchObject({ offset: info.rangeDeletesOffset });
  expect(sectionOf(footer, SectionId.partitions).offset).toBe(info.metaOffset);
  expect(info).toMatchObject({ minSeq: 3, maxSeq: 9, rowCount: 2 });
  const many = Array.from({ length: 300 }, (_, i) => ({
    ...{ start: Uint8Array.of(1, i >> 4, i & 15), end: Uint8Array.of(1, i >> 4, (i & 15) + 1) },
    seq: 1 + (i % 3),
  }));
  const plain = buildSst(rows, {}, many);
  const small = buildSst(rows, { compression: { codec: "lz4", level: 0 } }, many);
  const sectionBytes = (of: SstInfo): number => of.metaOffset - of.rangeDeletesOffset;
  expect(sectionBytes(small.info)).toBeLessThan(sectionBytes(plain.info) * 0.7);
  expectEqual(verify(small.bytes).found, sortedTombstones(many));
});

test("an SST of nothing but range deletes begins and ends where the first of them begins", () => {
  const before = { ...one, start: Uint8Array.of(97, 5), seq: 12 };
  const { info, bytes } = buildSst([], { unfilteredSstBytesMax: 0 }, [one, before]);
  expect(info).toMatchObject({
    ...{ rowCount: 0, deleteCount: 0, maxExpiresAt: 0, minSeq: 7, maxSeq: 12 },
    ...{ firstKey: before.start, lastKey: before.start, rangeDeletesOffset: 8 },
  });
  expect(info.rangeDeletes).toHaveLength(1);
  expectEqual(verify(bytes).info, info);
  // Also where the span begins farther out, because the key is long.
  const long = { ...one, start: new Uint8Array(5000).fill(98) };
  const far = buildSst([], {}, [long, { ...long, seq: 8 }]);
  expect(far.info).toMatchObject({ firstKey: long.start, lastKey: long.start });
  expectEqual(
    far.info.rangeDeletes.map(({ start, count }) => [start.length, count]),
    [[64, 2]],
  );
  expectEqual(verify(far.bytes).info, far.info);
});

test("range deletes that are prepared in steps make the same SST, and none come after them", () => {
  const { bytes } = buildSst([], {}, [one, { ...one, seq: 9 }]);
  const builder = new SstBuilder({ id: sstId, databaseId });
  builder.addRangeDelete(one);
  builder.addRangeDelete({ ...one, seq: 9 });
  expect([...builder.prepareRangeDeletes()].length).toBeGreaterThan(0);
  expect(() => builder.addRangeDelete(one)).toThrow("broken invariant");
  expectEqual(concatBytes(builder.finish().chunks), bytes);
  expectEqual([...new SstBuilder({ id: sstId, databaseId }).prepareRangeDeletes()], []);
});

test("range deletes that cover nothing, or have no seq, are refused as a defect", () => {
  for (const wrong of [
    { ...one, end: one.start },
    { ...one, end: Uint8Array.of(97) },
    { ...one, seq: 0 },
    { ...one, seq: 1.5 },
  ]) {
    const builder = new SstBuilder({ id: sstId, databaseId });
    expect(() => builder.addRangeDelete(wrong)).toThrow("broken invariant");
  }
});

test("a section of range deletes anywhere else, or twice, is corruption; another that is required is refused", () => {
  const { bytes } = buildSst([plainRow("a", 3)], {}, [one]);
  const footer = readFooter(bytes, bytes.length, object);
  const range = SectionId.rangeTombstones | requiredSectionFlag;
  const readWith = (ids: number[]): unknown => {
    const added = ids.length - footer.sections.length;
    const sections = ids.map((id, i) => {
      const { offset, length } = footer.sections[Math.max(0, i - added)]!;
      return { id, offset, length: i < added ? 0 : length };
    });
    const end = sections.at(-1)!.offset + sections.at(-1)!.length;
    const stored = concatBytes([bytes.subarray(0, end), encodeFooter({ ...footer, sections })]);
    return readFooter(stored, stored.length, object);
  };
  const { data, partitions, topIndex, properties, blobReferences } = SectionId;
  expectEqual(readWith([data, range, partitions, topIndex, properties]), footer);
  for (const ids of [
    [data, partitions, range, topIndex, properties],
    [data, partitions, topIndex, properties, range],
    [range, data, partitions, topIndex, properties],
    [range, data, range, partitions, topIndex, properties],
  ]) {
    expect(() => readWith(ids)).toThrow(expect.objectContaining({ kind: "corruption", object }));
  }
  const blobs = blobReferences | requiredSectionFlag;
  expect(() => readWith([data, blobs, partitions, topIndex, properties])).toThrow(
    expect.objectContaining({ kind: "unsupported" }),
  );
});

test("properties that say something else than rows and range deletes are corruption, though the checksums are right", () => {
  const lying = (rows: PlainRow[], lie: Partial<SstProperties>): Uint8Array => {
    const bytes = buildSst(rows, {}, [one]).bytes.slice();
    const footer = readFooter(bytes, bytes.length, object);
    const { offset, length } = sectionOf(footer, SectionId.properties);
    const end = offset + length - blockTrailerBytes;
    const said = readProperties(bytes.subarray(offset, end), object, offset);
    const payload = encodeProperties({ ...said, ...lie });
    expect(payload).toHaveLength(end - offset);
    bytes.set(payload, offset);
    new BlockTrailer(sstId).seal(bytes, offset, end, offset);
    return bytes;
  };
  expect(verify(lying([], {})).info.rowCount).toBe(0);
  const lies: [PlainRow[], Partial<SstProperties>, RegExp][] = [
    [[], { rangeDeleteCount: 2 }, /rangeDeleteCount is 2, but 1 was found/],
    [[], { minSeq: 6 }, /minSeq is 6, but 7/],
    [[], { maxSeq: 8 }, /maxSeq is 8, but 7/],
    [[], { minCreatedAt: 1 }, /minCreatedAt is 1, but 0/],
    [[], { rowCount: 1 }, /an index block is too short/],
    [[], { firstKey: Uint8Array.of(97) }, /first or last key/],
    [[], { lastKey: Uint8Array.of(99) }, /first or last key/],
    [[plainRow("x", 9)], { minSeq: 9 }, /minSeq is 9, but 7/],
    [[plainRow("x", 9)], { firstKey: one.start as Bytes }, /first or last key/],
  ];
  for (const [rows, lie, message] of lies) {
    expect(() => verify(lying(rows, lie))).toThrow(
      expect.objectContaining({ kind: "corruption", message: expect.stringMatching(message) }),
    );
  }
});
