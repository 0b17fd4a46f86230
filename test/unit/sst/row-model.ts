/** Rows as plain values, random ones, the SSTs made of them, and a store that counts. */
import fc from "fast-check";
import { compareBytes, concatBytes, copyBytes } from "../../../src/common/bytes.js";
import { isAboveLower, isBelowUpper, type KeyBounds } from "../../../src/common/key-range.js";
import type { RangeTombstone } from "../../../src/common/range-tombstone.js";
import { RowKind, RowRef } from "../../../src/common/row.js";
import type { Compression } from "../../../src/format/compression.js";
import { hashKey, mixHash } from "../../../src/format/key-hash.js";
import type { SstInfo } from "../../../src/format/manifest.js";
import {
  delimitedPrefix,
  fixedPrefix,
  type PrefixExtractor,
} from "../../../src/format/prefix-extractor.js";
import { SstBuilder, type SstBuilderOptions } from "../../../src/format/sst-builder.js";
import { hasZstd } from "../../../src/format/zstd.js";
import { type RowIterator, Step } from "../../../src/iterator/row-iterator.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import type { GetOptions, StoredObject } from "../../../src/object-store/object-store.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import { BlockCache } from "../../../src/sst/block-cache.js";
import { TableStore, type TableStoreOptions } from "../../../src/sst/table-store.js";

export const databaseId = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
export const sstId = "01BX5ZZKBKACTAV9WEVGEMMVRZ";

export interface PlainRow {
  key: Uint8Array;
  value: Uint8Array;
  kind: RowKind;
  seq: number;
  createdAt: number;
  expiresAt: number;
  operatorId: number;
}

export function toRef(plain: PlainRow): RowRef {
  return Object.assign(new RowRef(), {
    keyBytes: plain.key,
    keyEnd: plain.key.length,
    valueBytes: plain.value,
    valueEnd: plain.value.length,
    kind: plain.kind,
    seq: plain.seq,
    createdAt: plain.createdAt,
    expiresAt: plain.expiresAt,
    operatorId: plain.operatorId,
  });
}

export function toPlain(row: RowRef): PlainRow {
  const { kind, seq, createdAt, expiresAt, operatorId } = row;
  const key = copyBytes(row.keyBytes, row.keyStart, row.keyEnd);
  const value = copyBytes(row.valueBytes, row.valueStart, row.valueEnd);
  return { key, value, kind, seq, createdAt, expiresAt, operatorId };
}

/** Row, from a key and a number that decides the rest. */
export function plainRow(
  key: Uint8Array | string,
  seq: number,
  over?: Partial<PlainRow>,
): PlainRow {
  return {
    key: typeof key === "string" ? new TextEncoder().encode(key) : key,
    value: new TextEncoder().encode(`value ${seq}`),
    kind: RowKind.put,
    seq,
    createdAt: 1_700_000_000_000 + seq,
    expiresAt: 0,
    operatorId: 0,
    ...over,
  };
}

export function sortRows(rows: PlainRow[]): PlainRow[] {
  const sorted = [...rows].sort((a, b) => compareBytes(a.key, b.key) || b.seq - a.seq);
  return sorted.filter((row, i) => {
    const before = sorted[i - 1];
    return !before || before.seq !== row.seq || compareBytes(before.key, row.key) !== 0;
  });
}

const keys = fc.oneof(
  { weight: 4, arbitrary: fc.uint8Array({ maxLength: 3 }).map((key) => key.map((b) => b & 3)) },
  {
    weight: 2,
    arbitrary: fc
      .array(fc.constantFrom(0, 1, 254, 255), { maxLength: 5 })
      .map((b) => Uint8Array.from(b)),
  },
  {
    weight: 2,
    arbitrary: fc
      .nat(40)
      .map((n) => new TextEncoder().encode(`a/long/prefix/that/is/shared/by/many/${n}`)),
  },
  { weight: 1, arbitrary: fc.nat(200).map((n) => new Uint8Array(150 + n).fill(7)) },
);
const numbers = fc.oneof(fc.nat(60), fc.nat(100_000), fc.maxSafeNat());

/** Sorted rows: versions, all kinds, expiry, empty and long keys, some large values. */
export const sortedRows: fc.Arbitrary<PlainRow[]> = fc
  .array(
    fc.record({
      key: keys,
      value: fc.oneof(
        { weight: 8, arbitrary: fc.uint8Array({ maxLength: 40 }) },
        { weight: 1, arbitrary: fc.nat(9000).map((length) => new Uint8Array(length).fill(length)) },
      ),
      kind: fc.constantFrom(RowKind.put, RowKind.put, RowKind.delete, RowKind.merge),
      seq: numbers,
      createdAt: numbers,
      expiresAt: fc.oneof(fc.constant(0), numbers),
      operatorId: fc.nat(300),
    }),
    { minLength: 1, maxLength: 120 },
  )
  .map((rows) =>
    sortRows(
      rows.map((row) => ({
        ...row,
        value: row.kind === RowKind.delete ? new Uint8Array(0) : row.value,
        operatorId: row.kind === RowKind.merge ? row.operatorId : 0,
      })),
    ),
  );

export const compressions: fc.Arbitrary<Compression | undefined> = fc.constantFrom(
  undefined,
  { codec: "lz4", level: 0 } as const,
  { codec: "deflate", level: 1 } as const,
  ...(hasZstd ? [{ codec: "zstd", level: 3 } as const] : []),
);

export const sizes: fc.Arbitrary<Partial<SstBuilderOptions>> = fc.record({
  compression: compressions,
  blockBytes: fc.constantFrom(64, 200, 1000, 4096, 65_536),
  filter: fc.constantFrom("bloom", "ribbon"),
  filterBitsPerKey: fc.constantFrom(0, 1, 10, 20),
  unfilteredSstBytesMax: fc.constantFrom(0, 0, 3000),
  restartInterval: fc.constantFrom(1, 2, 3, 16),
  indexPartitionBytes: fc.constantFrom(1, 60, 4096),
});

export function probeKeys(rows: PlainRow[]): Uint8Array[] {
  const all: Uint8Array[] = [new Uint8Array(0), Uint8Array.of(255, 255, 255, 255, 255, 255)];
  for (const { key } of rows) {
    all.push(key, Uint8Array.from([...key, 0]));
    if (key.length > 0) all.push(key.subarray(0, key.length - 1));
  }
  return all;
}

export function buildSst(
  rows: PlainRow[],
  options: Partial<SstBuilderOptions> = {},
  rangeDeletes: readonly RangeTombstone[] = [],
): { bytes: Uint8Array; info: SstInfo } {
  const builder = new SstBuilder({ id: sstId, databaseId, ...options });
  for (const row of rows) builder.add(toRef(row));
  for (const tombstone of rangeDeletes) builder.addRangeDelete(tombstone);
  const { chunks, info } = builder.finish();
  return { bytes: concatBytes(chunks), info };
}

/** Counts GETs, and can hold them back. */
export class CountingStore extends MemoryObjectStore {
  gets: string[] = [];
  bytesRead = 0;

  override async get(key: string, options?: GetOptions): Promise<StoredObject | undefined> {
    const range = options?.range;
    this.gets.push(
      range !== undefined && "offset" in range ? `${range.offset}+${range.length}` : "whole",
    );
    await new Promise((resolve) => setImmediate(resolve));
    const stored = await super.get(key, options);
    this.bytesRead += stored?.bytes.length ?? 0;
    return stored;
  }
}

export interface OpenSst {
  store: CountingStore;
  tables: TableStore;
  cache: BlockCache;
  info: SstInfo;
  bytes: Uint8Array;
}

export async function storeSst(
  rows: PlainRow[],
  options: Partial<SstBuilderOptions> = {},
  tableOptions: Partial<TableStoreOptions> = {},
  rangeDeletes: readonly RangeTombstone[] = [],
): Promise<OpenSst> {
  const { bytes, info } = buildSst(rows, options, rangeDeletes);
  const store = new CountingStore();
  await store.put(ObjectPaths.sst(sstId), bytes);
  const cache = tableOptions.cache ?? new BlockCache(1 << 20);
  const tables = new TableStore({ store, databaseId, cache, smallSstBytes: 0, ...tableOptions });
  return { store, tables, cache, info, bytes };
}

export async function drain(
  rows: RowIterator,
  max: number = Number.POSITIVE_INFINITY,
): Promise<PlainRow[]> {
  const all: PlainRow[] = [];
  while (all.length < max) {
    const step = rows.step();
    if (step === Step.end) break;
    if (step === Step.pending) await rows.fill();
    else all.push(toPlain(rows.row));
  }
  return all;
}

export function inBounds(rows: PlainRow[], bounds: KeyBounds): PlainRow[] {
  return rows.filter(
    ({ key }) =>
      isAboveLower(bounds, key, 0, key.length) && isBelowUpper(bounds, key, 0, key.length),
  );
}

/** Extractors as they should be and as they should not: every cut of a key may have a length of its own. */
export const extractors: fc.Arbitrary<PrefixExtractor> = fc.oneof(
  fc.constantFrom(fixedPrefix(1), fixedPrefix(2), delimitedPrefix("a"), delimitedPrefix("/", 3)),
  fc.constantFrom<PrefixExtractor>(
    { name: "zero", extract: () => 0 },
    { name: "whole", extract: (key) => key.length },
    { name: "out of domain", extract: () => -1 },
    { name: "fraction", extract: (key) => key.length / 2 },
    { name: "not a number", extract: () => Number.NaN },
    { name: "too long", extract: (key) => key.length + 1 },
    { name: "last byte", extract: (key) => key[key.length - 1]! & 3 },
  ),
  fc.nat(1000).map((salt) => ({
    name: "random",
    extract: (key: Uint8Array) => (mixHash(hashKey(key) + salt) % (key.length + 2)) - 1,
  })),
);
