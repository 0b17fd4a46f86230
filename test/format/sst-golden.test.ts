/**
 * SSTs of every format version, checked in with a description of their rows. They decode for ever: when the format changes, add
 * files of the new version and leave these alone. `MORAINE_WRITE_GOLDEN=1` writes files that are missing, and never replaces one.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { RangeTombstone } from "../../src/common/range-tombstone.js";
import { RowKind } from "../../src/common/row.js";
import { fixedPrefix } from "../../src/format/prefix-extractor.js";
import type { SstBuilderOptions } from "../../src/format/sst-builder.js";
import { verifySst } from "../../src/format/verify-sst.js";
import { hasZstd } from "../../src/format/zstd.js";
import {
  buildSst,
  databaseId,
  type PlainRow,
  plainRow,
  sortRows,
  sstId,
  toPlain,
} from "../unit/sst/row-model.js";

const folder = new URL("./golden/", import.meta.url);

function describe(bytes: Uint8Array): unknown {
  const rows: PlainRow[] = [];
  const tombstones: RangeTombstone[] = [];
  const info = verifySst(bytes, {
    object: "golden",
    databaseId,
    id: sstId,
    prefixExtractor: fixedPrefix(8),
    onRow: (row) => void rows.push(toPlain(row)),
    onRangeDeletes: (all) => void tombstones.push(...all.tombstones()),
  });
  const hex = (value: unknown) =>
    value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value;
  const withHex = (object: object) =>
    Object.fromEntries(Object.entries(object).map(([name, value]) => [name, hex(value)]));
  const { rangeDeletesOffset, rangeDeletes, shadowedCount, expiringCount, ...others } = info;
  const { seq, owner, ...known } = others;
  expect({ seq, owner }).toEqual({ seq: 0, owner: "" });
  // Left out where there are none, as before there could be any.
  const younger = {
    ...(rangeDeletes.length > 0 && {
      rangeDeletesOffset,
      rangeDeletes: rangeDeletes.map(withHex),
    }),
    ...(shadowedCount > 0 && { shadowedCount }),
    ...(expiringCount > 0 && { expiringCount }),
  };
  return {
    info: withHex({ ...known, ...younger }),
    rows: rows.map(withHex),
    ...(tombstones.length > 0 && { rangeDeletes: tombstones.map(withHex) }),
  };
}

function kindsOfRows(): PlainRow[] {
  const value = (length: number) => new Uint8Array(length).fill(length);
  return sortRows([
    plainRow("", 5, { value: value(0) }),
    plainRow("a", 4, { expiresAt: 1_800_000_000_000 }),
    plainRow("a", 3, { kind: RowKind.delete, value: value(0) }),
    plainRow("a", 9, { kind: RowKind.merge, operatorId: 200, value: value(3) }),
    plainRow("ab", Number.MAX_SAFE_INTEGER, { createdAt: 0 }),
    plainRow("ac", 0, { value: value(300) }),
    plainRow(new Uint8Array(200).fill(255), 7, { expiresAt: 1 }),
  ]);
}

function manyRows(): PlainRow[] {
  return Array.from({ length: 150 }, (_, i) =>
    plainRow(`user:${String(i >> 1).padStart(4, "0")}`, 500 - i),
  );
}

/** Blocks that compress, and one that does not. */
function rowsToCompress(): PlainRow[] {
  let state = 1;
  const value = Uint8Array.from({ length: 700 }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  });
  return [...manyRows(), plainRow("user:1000", 1, { value })];
}

/** Nested, touching, apart and of one seq, with a long key, and without an end. */
function rangesToDelete(): RangeTombstone[] {
  const key = (text: string) => new TextEncoder().encode(text);
  const range = (start: string, end: string | undefined, seq: number): RangeTombstone => ({
    ...{ start: key(start), end: end === undefined ? undefined : key(end), seq },
  });
  return [
    range("user:0100", "user:0200", 300),
    range("user:0100", "user:0150", 200),
    range("user:0150", "user:0200", 9_000_000_000),
    range("user:0200", "user:0300", 9_000_000_000),
    range("", "a", 1),
    { start: key("m"), end: new Uint8Array(300).fill(109), seq: Number.MAX_SAFE_INTEGER },
    range("v", undefined, 5),
    range("v", "w", 5),
  ];
}

/** More stretches than a manifest has spans for. */
function scatteredRanges(): RangeTombstone[] {
  return Array.from({ length: 40 }, (_, i) => ({
    ...{
      start: Uint8Array.of(7, i),
      end: Uint8Array.of(7, i, 1 + (i & 3)),
      seq: 1 + ((i * 7) % 40),
    },
  }));
}

/** What is written now. Files of other names are older: their properties lack what came later. */
const golden: Record<string, [PlainRow[], Partial<SstBuilderOptions>, RangeTombstone[]?]> = {
  "sst-v1-hints-kinds": [kindsOfRows(), {}],
  "sst-v1-hints-partitions": [manyRows(), { blockBytes: 200, indexPartitionBytes: 60 }],
  "sst-v1-hints-no-filter": [manyRows().slice(0, 20), { filterBitsPerKey: 0, restartInterval: 4 }],
  "sst-v1-hints-ribbon": [
    manyRows(),
    { ...{ blockBytes: 500, indexPartitionBytes: 200 }, filter: "ribbon" },
  ],
  "sst-v1-hints-prefixes": [
    manyRows().slice(40, 120),
    { blockBytes: 500, indexPartitionBytes: 60, prefixExtractor: fixedPrefix(8) },
  ],
  "sst-v1-hints-lz4": [
    rowsToCompress(),
    { blockBytes: 500, compression: { codec: "lz4", level: 0 } },
  ],
  "sst-v1-hints-range-deletes": [manyRows().slice(0, 30), { blockBytes: 500 }, rangesToDelete()],
  "sst-v1-only-range-deletes": [[], {}, scatteredRanges()],
  "sst-v1-hints-range-deletes-lz4": [
    manyRows().slice(0, 3),
    { compression: { codec: "lz4", level: 0 } },
    scatteredRanges(),
  ],
};

/** What is built with these codecs depends on the version of Node, so its bytes are not compared. */
const zlibGolden: typeof golden = {
  "sst-v1-deflate": [
    rowsToCompress(),
    { blockBytes: 500, compression: { codec: "deflate", level: 1 } },
  ],
  "sst-v1-zstd": [rowsToCompress(), { blockBytes: 500, compression: { codec: "zstd", level: 3 } }],
};

const { MORAINE_WRITE_GOLDEN: writeGolden } = process.env;

if (writeGolden === "1") {
  for (const [name, sst] of Object.entries({ ...golden, ...zlibGolden })) {
    if (existsSync(new URL(`${name}.sst`, folder))) continue;
    if (name === "sst-v1-zstd" && !hasZstd) continue;
    const { bytes } = buildSst(...sst);
    writeFileSync(new URL(`${name}.sst`, folder), bytes);
    writeFileSync(new URL(`${name}.json`, folder), `${JSON.stringify(describe(bytes), null, 1)}\n`);
  }
}

const names = readdirSync(folder).filter((name) => /^sst-.*\.sst$/.test(name));
const readable = names.filter((name) => hasZstd || name !== "sst-v1-zstd.sst");

test.each(readable)("%s decodes to what is written beside it", (name) => {
  const bytes = new Uint8Array(readFileSync(new URL(name, folder)));
  const expected = JSON.parse(readFileSync(new URL(name.replace(/sst$/, "json"), folder), "utf8"));
  expect(describe(bytes)).toEqual(expected);
});

test.each(Object.entries(golden))("version 1 is still written as %s was", (name, sst) => {
  const stored = new Uint8Array(readFileSync(new URL(`${name}.sst`, folder)));
  expect(buildSst(...sst).bytes).toEqual(stored);
});

test.each(Object.entries(zlibGolden).filter(([name]) => readable.includes(`${name}.sst`)))(
  "what %s holds is still written so that it reads the same",
  (name, [rows, options]) => {
    const expected = JSON.parse(readFileSync(new URL(`${name}.json`, folder), "utf8"));
    const { rows: found } = describe(buildSst(rows, options).bytes) as { rows: unknown };
    expect(found).toEqual(expected.rows);
  },
);

test.runIf(!hasZstd)("blocks of zstd are refused by name where Node lacks it", () => {
  const bytes = new Uint8Array(readFileSync(new URL("sst-v1-zstd.sst", folder)));
  expect(() => describe(bytes)).toThrow(
    expect.objectContaining({
      kind: "unsupported",
      message: expect.stringMatching(/zstd.*Node 22\.15 or later/),
    }),
  );
});
