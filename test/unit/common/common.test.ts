/** The small words that everything else is written in. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ByteReader } from "../../../src/common/byte-reader.js";
import { ByteWriter, varintLength } from "../../../src/common/byte-writer.js";
import { compareBytes, prefixSuccessor, toKeyBytes } from "../../../src/common/bytes.js";
import { UlidFactory, ulidBefore, ulidFromBytes, ulidToBytes } from "../../../src/common/ids.js";
import {
  allKeys,
  intersect,
  isEmpty,
  overlaps,
  toKeyBounds,
} from "../../../src/common/key-range.js";
import { suggestion } from "../../../src/common/options.js";
import { seededRandom } from "../../../src/common/random.js";
import { ManualClock } from "../../../src/testing/index.js";
import { isWithin } from "../../model/model.js";

const keyArbitrary = fc
  .uint8Array({ maxLength: 3 })
  .map((key) => Uint8Array.from(key, (byte) => [0, 1, 254, 255][byte & 3]!));

describe("numbers in bytes", () => {
  test("every one is read as it was written, and takes the room that it said", () => {
    void fc.assert(
      fc.property(fc.maxSafeNat(), fc.nat(2 ** 32 - 1), fc.nat(65_535), (large, word, half) => {
        const writer = new ByteWriter(1);
        for (const value of [large, word, half]) writer.varint(value);
        expect(writer.length).toBe(
          [large, word, half].reduce((sum, n) => sum + varintLength(n), 0),
        );
        writer.u64(large);
        writer.u32(word);
        writer.u16(half);
        const reader = new ByteReader(writer.copy(), "object");
        expect([reader.varint(), reader.varint(), reader.varint()]).toEqual([large, word, half]);
        expect([reader.u64(), reader.u32(), reader.u16()]).toEqual([large, word, half]);
        expect(reader.remaining).toBe(0);
      }),
    );
  });

  test("a reader never goes past its end, and says where it stopped", () => {
    const bytes = Uint8Array.of(255, 255, 255);
    for (const read of ["u32", "u64", "varint"] as const) {
      const reader = new ByteReader(bytes, "object", 100);
      expect(() => reader[read]()).toThrow(
        expect.objectContaining({ kind: "corruption", object: "object" }),
      );
    }
    expect(() => new ByteReader(bytes, "object", 100, 1).raw(3)).toThrow(
      expect.objectContaining({ offset: 101 }),
    );
    expect(() => new ByteReader(new Uint8Array(9).fill(255), "object").u64()).toThrow(
      /safe integer/,
    );
  });
});

describe("ranges of keys", () => {
  const rangeArbitrary = fc
    .record({
      lower: fc.option(fc.tuple(fc.constantFrom("gt", "gte"), keyArbitrary)),
      upper: fc.option(fc.tuple(fc.constantFrom("lt", "lte"), keyArbitrary)),
      prefix: fc.option(keyArbitrary),
    })
    .map(({ lower, upper, prefix }) => ({
      ...(lower && { [lower[0]]: lower[1] }),
      ...(upper && { [upper[0]]: upper[1] }),
      ...(prefix && { prefix }),
    }));

  test("hold what their bounds say, and two intersect to what both hold", () => {
    void fc.assert(
      fc.property(rangeArbitrary, rangeArbitrary, keyArbitrary, (one, two, key) => {
        const [a, b] = [toKeyBounds(one), toKeyBounds(two)];
        expect(overlaps(a, key, key)).toBe(isWithin(key, one));
        expect(overlaps(intersect(a, b), key, key)).toBe(isWithin(key, one) && isWithin(key, two));
        if (isEmpty(a)) expect(isWithin(key, one)).toBe(false);
        expect(overlaps(intersect(allKeys, a), key, key)).toBe(isWithin(key, one));
      }),
      { numRuns: 1000 },
    );
  });

  test("the successor of a prefix is the least key above all that begin with it", () => {
    void fc.assert(
      fc.property(keyArbitrary, keyArbitrary, (prefix, key) => {
        const successor = prefixSuccessor(prefix);
        const begins = compareBytes(key.subarray(0, prefix.length), prefix) === 0;
        const isBelow = successor === undefined || compareBytes(key, successor) < 0;
        expect(compareBytes(key, prefix) >= 0 && isBelow).toBe(begins);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("strings as keys", () => {
  test("two different ones are never one key, and each is its UTF-8", () => {
    void fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme" }), (a, b) => {
        expect(Buffer.from(toKeyBytes(a)).toString("utf8")).toBe(a);
        expect(compareBytes(toKeyBytes(a), toKeyBytes(b)) === 0).toBe(a === b);
      }),
    );
  });
});

const ulidPattern = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;

describe("ids", () => {
  test("ascend whatever the clock does, above every floor that was set", () => {
    const clock = new ManualClock();
    const ids = new UlidFactory(clock, seededRandom(1));
    let last = "";
    for (let i = 0; i < 500; i++) {
      if (i % 7 === 0) clock.setWall(clock.now() - 5000);
      if (i % 5 === 0) clock.setWall(clock.now() + 3000);
      if (i === 250) ids.raiseAbove("7ZZZZZZZZZZZZZZZZZZZZZ0000");
      const id = ids.next();
      expect(id).toMatch(ulidPattern);
      expect(id > last).toBe(true);
      last = id;
    }
    expect(last > "7ZZZZZZZZZZZZZZZZZZZZZ0000").toBe(true);
    expect(ids.last).toBe(last);
  });

  test("order as bytes as they do as text, and come back from bytes", () => {
    const bytesArbitrary = fc.uint8Array({ minLength: 16, maxLength: 16 });
    void fc.assert(
      fc.property(bytesArbitrary, bytesArbitrary, (a, b) => {
        const [one, two] = [ulidFromBytes(a), ulidFromBytes(b)];
        expect(one).toMatch(ulidPattern);
        expect(ulidToBytes(one)).toEqual(a);
        expect(Math.sign(compareBytes(a, b))).toBe(one < two ? -1 : one > two ? 1 : 0);
      }),
    );
  });

  test("have a last one before them, which is one less as a number", () => {
    const number = (id: string): bigint =>
      BigInt(`0x${Buffer.from(ulidToBytes(id)).toString("hex")}`);
    // Zeros at the end are what borrows from the digit before them.
    const bytesArbitrary = fc
      .tuple(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.nat(16))
      .map(([bytes, zeros]) => bytes.fill(0, 16 - zeros));
    void fc.assert(
      fc.property(bytesArbitrary, (bytes) => {
        const id = ulidFromBytes(bytes);
        const before = ulidBefore(id);
        expect(before).toMatch(ulidPattern);
        expect(number(before)).toBe(number(id) === 0n ? 0n : number(id) - 1n);
      }),
    );
    const least = "0".repeat(26);
    expect(ulidBefore(least)).toBe(least);
    expect(ulidBefore(`1${"0".repeat(25)}`)).toBe(`0${"Z".repeat(25)}`);
  });
});

test.each([
  ["durabel", ["durable", "signal"], "durable"],
  ["REVERSE", ["reverse", "limit"], "reverse"],
  ["x", ["durable", "signal"], undefined],
  ["prefix", ["gt", "gte", "lt"], undefined],
])("%s among %j means %s", (name, known, meant) => {
  expect(suggestion(name, known)).toBe(meant);
});

test("one seed gives one sequence, and another another", () => {
  const take = (seed: number) => Array.from(seededRandom(seed).bytes(16));
  expect(take(1)).toEqual(take(1));
  expect(take(1)).not.toEqual(take(2));
});
