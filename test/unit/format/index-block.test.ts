import fc from "fast-check";
import { expect, test } from "vitest";
import { compareBytes } from "../../../src/common/bytes.js";
import { IndexBlock } from "../../../src/format/index-block.js";
import { IndexBlockBuilder } from "../../../src/format/index-block-builder.js";
import { shortestSeparator } from "../../../src/format/separator.js";
import { expectEqual } from "../../support/expect-equal.js";

const key = fc
  .array(fc.constantFrom(0, 1, 2, 254, 255), { maxLength: 5 })
  .map((b) => Uint8Array.from(b));

test("searches find what a search of an array finds", () => {
  fc.assert(
    fc.property(
      fc.array(key, { minLength: 1, maxLength: 80 }),
      fc.array(key),
      (unsorted, probes) => {
        const keys = unsorted.sort(compareBytes);
        const builder = new IndexBlockBuilder();
        for (const [i, k] of keys.entries()) builder.add(k, [i * 1e9, i]);
        const block = new IndexBlock(builder.finish(), 2, "sst/test.sst", 0);
        const orEnd = (index: number) => (index < 0 ? keys.length : index);
        expect(block.count).toBe(keys.length);
        keys.forEach((k, i) => {
          expectEqual(block.key(i), k);
          expectEqual([block.column(i, 0), block.column(i, 1)], [i * 1e9, i]);
        });
        for (const probe of [...keys, ...probes]) {
          expect(block.firstAtOrAfter(probe)).toBe(
            orEnd(keys.findIndex((k) => compareBytes(k, probe) >= 0)),
          );
          expect(block.firstAfter(probe)).toBe(
            orEnd(keys.findIndex((k) => compareBytes(k, probe) > 0)),
          );
        }
      },
    ),
  );
});

test("bytes that are no index are corruption", () => {
  for (const payload of [
    [],
    [0, 0, 0, 0],
    [0, 1, 7, 65, 9, 0, 0, 0, 1, 0, 0, 0],
    [1, 0, 7, 0, 0, 0, 0, 1, 0, 0, 0],
  ]) {
    expect(() => new IndexBlock(Uint8Array.from(payload), 1, "sst/x.sst", 0)).toThrow("is damaged");
  }
});

test("a separator is at or above the last key, below the next one, and no longer than the last key", () => {
  fc.assert(
    fc.property(key, key, (a, b) => {
      const [last, next] = compareBytes(a, b) <= 0 ? [a, b] : [b, a];
      let shared = 0;
      while (shared < Math.min(last.length, next.length) && last[shared] === next[shared]) shared++;
      const separator = shortestSeparator(last, last.length, next, 0, next.length, shared);
      expect(compareBytes(separator, last)).toBeGreaterThanOrEqual(0);
      expect(separator.length).toBeLessThanOrEqual(last.length);
      if (compareBytes(last, next) < 0) expect(compareBytes(separator, next)).toBeLessThan(0);
      else expectEqual(separator, last);
    }),
    { numRuns: 2000 },
  );
});

test("a separator of long keys is short", () => {
  const encode = (text: string) => new TextEncoder().encode(text);
  const [last, next] = [encode("user:anna:profile"), encode("user:berta:profile")];
  const separator = shortestSeparator(last, last.length, next, 0, next.length, 5);
  expect(new TextDecoder().decode(separator)).toBe("user:b");
});
