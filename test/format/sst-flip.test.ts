/** Damages small SSTs, plain and compressed, in every way that changes a byte or the length, and demands an error and never another answer (P6). */
import { describe, expect, test } from "vitest";
import { allKeys } from "../../src/common/key-range.js";
import { RowKind, RowRef } from "../../src/common/row.js";
import { BlockTrailer } from "../../src/format/block-trailer.js";
import { type Compression, decompressPayload } from "../../src/format/compression.js";
import { hashKey } from "../../src/format/key-hash.js";
import { fixedPrefix } from "../../src/format/prefix-extractor.js";
import { verifySst } from "../../src/format/verify-sst.js";
import { hasZstd } from "../../src/format/zstd.js";
import { MemoryObjectStore } from "../../src/object-store/memory.js";
import { ObjectPaths } from "../../src/object-store/paths.js";
import { BlockCache } from "../../src/sst/block-cache.js";
import { SstIterator } from "../../src/sst/sst-iterator.js";
import { TableStore } from "../../src/sst/table-store.js";
import { expectEqual } from "../support/expect-equal.js";
import {
  buildSst,
  databaseId,
  drain,
  type PlainRow,
  plainRow,
  sstId,
  toPlain,
} from "../unit/sst/row-model.js";

const rows: PlainRow[] = Array.from({ length: 24 }, (_, i) =>
  plainRow(
    `user:${String(i >> 1).padStart(3, "0")}`,
    90 - i,
    i % 5 === 0 ? { kind: RowKind.delete, value: new Uint8Array(0) } : {},
  ),
);
/** Two of them overlap, so that the spans do not say all and the section is read. */
const rangeDeletes = [
  [0, 7, 3],
  [5, 9, 200],
  [20, 200, 50],
  [30, 31, 200],
].map(([start, end, seq]) => ({
  ...{ start: Uint8Array.of(start!), end: Uint8Array.of(end!), seq: seq! },
}));
const object = ObjectPaths.sst(sstId);

const cases: { name: string; compression: Compression | undefined }[] = [
  { name: "plain", compression: undefined },
  { name: "lz4", compression: { codec: "lz4", level: 0 } },
  { name: "deflate", compression: { codec: "deflate", level: 1 } },
  ...(hasZstd ? [{ name: "zstd", compression: { codec: "zstd", level: 3 } as const }] : []),
];

describe.each(cases)("$name", ({ compression }) => {
  // A frame of zstd has more of a header, so it takes larger blocks to pay.
  const blockBytes = compression?.codec === "zstd" ? 600 : 150;
  const sizes = { blockBytes, indexPartitionBytes: 40 };
  const { bytes, info } = buildSst(rows, { ...sizes, compression }, rangeDeletes);

  /** Everything a reader can ask of the SST, read through the store. */
  async function readAll(damaged: Uint8Array, smallSstBytes: number): Promise<PlainRow[]> {
    const store = new MemoryObjectStore();
    await store.put(object, damaged);
    const tables = new TableStore({ store, databaseId, cache: new BlockCache(0), smallSstBytes });
    const table = await tables.open(info);
    const row = new RowRef();
    for (const expected of rows) {
      const found = await table.get(expected.key, hashKey(expected.key), expected.seq, row);
      expectEqual(found && toPlain(row), expected, "a get");
    }
    const found = await tables.loadRangeDeletes(info);
    expectEqual([...found.tombstones()], rangeDeletes, "range deletes");
    return drain(new SstIterator({ tables, info, bounds: allKeys }));
  }

  /** Resolves with the kind of the error, or undefined where everything was answered, and then rightly. */
  async function outcome(damaged: Uint8Array, smallSstBytes: number): Promise<unknown> {
    try {
      expectEqual(await readAll(damaged, smallSstBytes), rows, "a scan");
      return undefined;
    } catch (error) {
      return (error as { kind?: unknown }).kind ?? error;
    }
  }

  function flips(of: Uint8Array = bytes): { damaged: Uint8Array; at: number }[] {
    return Array.from({ length: of.length * 8 }, (_, bit) => {
      const damaged = of.slice();
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      return { damaged, at: bit >> 3 };
    });
  }

  test("the SST is small, has compressed blocks if it should, and is read rightly when it is whole", async () => {
    const plainBytes = buildSst(rows, sizes, rangeDeletes).bytes.length;
    expect(plainBytes - bytes.length > 50).toBe(compression !== undefined);
    expect(bytes.length).toBeLessThan(3000);
    expectEqual(verifySst(bytes, { object, databaseId, id: sstId }), info);
    expectEqual([await outcome(bytes, 0), await outcome(bytes, 1 << 20)], [undefined, undefined]);
  });

  test("a flip of any bit is corruption to verifySst", () => {
    for (const { damaged, at } of flips()) {
      expect(() => verifySst(damaged, { object }), `byte ${at}`).toThrow(
        expect.objectContaining({ kind: "corruption", object }),
      );
    }
  });

  test("a flip of any bit of ribbon filters and of prefix filters is corruption to verifySst", () => {
    const options = { blockBytes: 400, indexPartitionBytes: 40, prefixExtractor: fixedPrefix(7) };
    const sst = buildSst(rows, { ...options, filter: "ribbon", compression });
    expectEqual(verifySst(sst.bytes, { object }), sst.info);
    for (const { damaged, at } of flips(sst.bytes)) {
      expect(() => verifySst(damaged, { object }), `byte ${at}`).toThrow(
        expect.objectContaining({ kind: "corruption", object }),
      );
    }
  });

  test("a flip of any byte is corruption to gets and scans, but for the header, where it is not read at all", async () => {
    for (const [i, { damaged, at }] of flips().entries()) {
      // One bit of each byte, a different one from byte to byte: all of them take too long.
      if (i % 8 !== at % 8) continue;
      for (const smallSstBytes of [0, 1 << 20]) {
        expect(await outcome(damaged, smallSstBytes), `byte ${at}`).toBe(
          at < 8 && smallSstBytes === 0 ? undefined : "corruption",
        );
      }
    }
  });

  test("a flip of any bit of an SST without rows is corruption to verifySst", () => {
    const sst = buildSst([], { compression }, rangeDeletes);
    expectEqual(verifySst(sst.bytes, { object }), sst.info);
    for (const { damaged, at } of flips(sst.bytes)) {
      expect(() => verifySst(damaged, { object }), `byte ${at}`).toThrow(
        expect.objectContaining({ kind: "corruption", object }),
      );
    }
  });

  test("any other length is corruption", async () => {
    for (let length = 0; length < bytes.length; length++) {
      const damaged = bytes.slice(0, length);
      expect(() => verifySst(damaged, { object }), `length ${length}`).toThrow(
        expect.objectContaining({ kind: "corruption" }),
      );
      expect(await outcome(damaged, length % 2 === 0 ? 0 : 1 << 20)).toBe("corruption");
    }
    for (const end of [[0], [...bytes], [...bytes.subarray(bytes.length - 46)]]) {
      const damaged = Uint8Array.from([...bytes, ...end]);
      expect(() => verifySst(damaged, { object })).toThrow(
        expect.objectContaining({ kind: "corruption" }),
      );
      expect(await outcome(damaged, 0)).toBe("corruption");
    }
  });

  test("these tests notice a reader that skips the checksum: it gives other answers", async () => {
    const { open } = BlockTrailer.prototype;
    BlockTrailer.prototype.open = (source, start, end, offset, name) =>
      decompressPayload(source[end - 5]!, source, start, end - 5, offset, name);
    try {
      let wrong = 0;
      for (const { damaged, at } of flips()) {
        if (at % 16 === 8 && (await outcome(damaged, 0)) !== "corruption") wrong++;
      }
      expect(wrong).toBeGreaterThan(compression === undefined ? 100 : 20);
    } finally {
      BlockTrailer.prototype.open = open;
    }
  });
});
