/** Prefix filters of one SST: a scan that asks them gives what it would give without. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeUtf8 } from "../../../src/common/bytes.js";
import { type KeyBounds, toKeyBounds } from "../../../src/common/key-range.js";
import {
  delimitedPrefix,
  fixedPrefix,
  type PrefixExtractor,
  probeOfBounds,
} from "../../../src/format/prefix-extractor.js";
import { verifySst } from "../../../src/format/verify-sst.js";
import { SstIterator } from "../../../src/sst/sst-iterator.js";
import { expectEqual } from "../../support/expect-equal.js";
import { sampled } from "../../support/run-counts.js";
import {
  buildSst,
  drain,
  extractors,
  inBounds,
  plainRow,
  sizes,
  sortedRows,
  storeSst,
} from "./row-model.js";

const newKey = fc.uint8Array({ maxLength: 4 }).map((key) => key.map((byte) => byte & 3));

const filters = fc.record({
  filter: fc.constantFrom("bloom", "ribbon"),
  // Others deny a prefix that is absent far more often than not, so that a wrong denial would show.
  filterBitsPerKey: fc.constantFrom(10, 20),
});

test("a scan gives the rows inside its bounds, whatever the extractor, the filter and the direction", async () => {
  await fc.assert(
    fc.asyncProperty(
      ...[sortedRows, sizes, filters, extractors],
      fc.oneof(fc.nat(), newKey),
      fc.oneof(fc.nat(9), newKey),
      fc.boolean(),
      async (rows, size, filter, extractor, from, to, reverse) => {
        const keyAt = (at: number): Uint8Array => rows[at % rows.length]!.key;
        const lower = typeof from === "number" ? keyAt(from) : from;
        // Down from a prefix of the key, or up to another key.
        const bounds: KeyBounds = toKeyBounds(
          typeof to === "number" ? { prefix: lower.subarray(0, to) } : { gte: lower, lt: to },
        );
        const sst = { ...size, ...filter, prefixExtractor: extractor };
        const { tables, info } = await storeSst(rows, sst);
        const prefix = probeOfBounds(extractor, bounds);
        const expected = inBounds(rows, bounds);
        if (reverse) expected.reverse();
        const iterator = new SstIterator({ tables, info, bounds, prefix, reverse });
        expectEqual(await drain(iterator), expected);
        iterator.seek(lower);
        await drain(iterator);
      },
    ),
    { numRuns: sampled(600) },
  );
});

test("verifySst finds every prefix in its filter, and misses one that is not there", () => {
  fc.assert(
    fc.property(sortedRows, sizes, filters, extractors, (rows, size, filter, prefixExtractor) => {
      const { bytes } = buildSst(rows, { ...size, ...filter, prefixExtractor });
      verifySst(bytes, { object: "sst/x.sst", prefixExtractor });
    }),
    { numRuns: sampled(200) },
  );
  const rows = [plainRow("a:1", 1)];
  const { bytes } = buildSst(rows, { prefixExtractor: fixedPrefix(2) });
  const liar: PrefixExtractor = { name: fixedPrefix(2).name, extract: () => 3 };
  expect(() => verifySst(bytes, { object: "sst/x.sst", prefixExtractor: liar })).toThrow(
    "denies a prefix",
  );
});

const groups = Array.from({ length: 500 }, (_, i) =>
  plainRow(`group ${String(i * 2).padStart(4, "0")}:key`, i + 1, { value: new Uint8Array(300) }),
);

test.each(["bloom", "ribbon"] as const)(
  "a scan of an absent prefix reads no data of a table that is open: %s",
  async (filter) => {
    const prefixExtractor = delimitedPrefix(":");
    const { store, tables, info } = await storeSst(groups, { filter, prefixExtractor });
    const table = await tables.open(info);
    expect(table.properties.prefixExtractor).toBe(prefixExtractor.name);
    const getsOf = async (range: { prefix: string }, reverse: boolean): Promise<number> => {
      const bounds = toKeyBounds(range);
      const prefix = probeOfBounds(prefixExtractor, bounds);
      store.gets = [];
      await drain(new SstIterator({ tables, info, bounds, prefix, reverse }));
      return store.gets.length;
    };
    let gets = 0;
    for (let i = 0; i < 100; i++) {
      const absent = String(i * 10 + 1).padStart(4, "0");
      gets += await getsOf({ prefix: `group ${absent}:` }, i > 50);
    }
    expect(gets).toBeLessThan(10);
    expect(await getsOf({ prefix: "group 0500:" }, false)).toBe(1);
    expect(await getsOf({ prefix: "group 0900:k" }, true)).toBe(1);
  },
);

test("an extractor that throws costs the SST its prefix filter, and nothing else", () => {
  const extract = (key: Uint8Array): number => {
    if (key.at(-1) === 0x38) throw new Error("an extractor");
    return key.length === 10 ? 10 : -1;
  };
  const { bytes, info } = buildSst(groups, { prefixExtractor: { name: "throws", extract } });
  expectEqual(verifySst(bytes, { object: "sst/x.sst" }), info);
  expect(Buffer.from(bytes).includes("throws")).toBe(false);
});

test("the name of the extractor is stored where the filters hold prefixes, and only there", () => {
  const prefixExtractor = fixedPrefix(2);
  const stored = (options: object): boolean =>
    Buffer.from(buildSst(groups, { prefixExtractor, ...options }).bytes).includes(
      Buffer.from(encodeUtf8(prefixExtractor.name)),
    );
  expect(stored({})).toBe(true);
  expect(stored({ filterBitsPerKey: 0 })).toBe(false);
  expect(stored({ unfilteredSstBytesMax: 1 << 20 })).toBe(false);
  expect(stored({ prefixExtractor: undefined })).toBe(false);
});
