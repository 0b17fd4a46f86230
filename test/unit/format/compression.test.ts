import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { equalBytes } from "../../../src/common/bytes.js";
import {
  Codec,
  type Compression,
  compressedPayloadBytesMax,
  compressPayload,
  decompressPayload,
} from "../../../src/format/compression.js";
import { hasZstd } from "../../../src/format/zstd.js";

const text = new TextEncoder().encode(
  Array.from({ length: 4000 }, (_, i) =>
    JSON.stringify({
      id: i,
      user: `user-${(i * 7919) % 4001}`,
      isActive: i % 3 === 0,
      score: i ** 2,
    }),
  ).join("\n"),
);

const choices: Compression[] = [
  { codec: "lz4", level: 0 },
  { codec: "deflate", level: 1 },
  { codec: "deflate", level: 9 },
  ...(hasZstd ? ([{ codec: "zstd", level: 3 }] as const) : []),
];

/** Undefined: it is better stored plain. */
function compress(payload: Uint8Array, compression: Compression): Uint8Array | undefined {
  // Not at the start, and with a guard after the room that is there.
  const target = new Uint8Array(7 + payload.length + 1).fill(0xa5);
  const end = compressPayload(payload, compression, target, 7);
  expect(target[7 + payload.length]).toBe(0xa5);
  return end === 0 ? undefined : target.slice(7, end);
}

function decompress(codecId: number, stored: Uint8Array): Uint8Array {
  const padded = Uint8Array.from([1, 2, 3, ...stored, 4, 5]);
  return decompressPayload(codecId, padded, 3, 3 + stored.length, 1234, "sst/x.sst");
}

/** Bytes with runs, repeats near and far, and parts that do not compress. */
const payloads: fc.Arbitrary<Uint8Array> = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.tuple(fc.nat(255), fc.nat(3000)).map(([byte, n]) => new Uint8Array(n).fill(byte)),
      fc.tuple(fc.nat(text.length), fc.nat(5000)).map(([from, n]) => text.slice(from, from + n)),
      fc
        .tuple(fc.uint8Array({ minLength: 1, maxLength: 20 }), fc.nat(600))
        .map(([part, n]) => Uint8Array.from({ length: n }, (_, i) => part[i % part.length]!)),
    ),
    { maxLength: 12 },
  )
  .map((parts) => new Uint8Array(Buffer.concat(parts)));

describe.each(choices)("$codec at level $level", (compression) => {
  const codecId = Codec[compression.codec];

  test("any bytes come back, or are left to be stored plain", () => {
    fc.assert(
      fc.property(payloads, (payload) => {
        const stored = compress(payload, compression);
        if (stored === undefined) return;
        expect(stored.length).toBeLessThanOrEqual(payload.length - (payload.length >> 4));
        expect(equalBytes(decompress(codecId, stored), payload)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test("text shrinks, and each length around a boundary comes back", () => {
    expect(compress(text.slice(0, 4096), compression)!.length).toBeLessThan(2500);
    const lengths = [...Array(80).keys(), 255, 270, 271, 4095, 65_534, 65_535, 65_536, 70_000];
    for (const length of lengths) {
      for (const payload of [new Uint8Array(length), text.slice(100, 100 + length)]) {
        const stored = compress(payload, compression);
        if (stored !== undefined) {
          expect(equalBytes(decompress(codecId, stored), payload), `length ${length}`).toBe(true);
        }
      }
    }
    expect(compress(new Uint8Array(200), compression)).toBeDefined();
  });

  test("what does not shrink by a sixteenth, is tiny, or is very large is left plain", () => {
    let state = 1;
    const random = Uint8Array.from({ length: 4096 }, () => {
      state = Math.imul(state, 1_664_525) + 1_013_904_223;
      return state >>> 24;
    });
    expect(compress(random, compression)).toBeUndefined();
    for (let length = 0; length < 5; length++) {
      expect(compress(new Uint8Array(length), compression)).toBeUndefined();
    }
    const large = new Uint8Array(compressedPayloadBytesMax);
    expect(equalBytes(decompress(codecId, compress(large, compression)!), large)).toBe(true);
    const larger = new Uint8Array(compressedPayloadBytesMax + 1);
    expect(compressPayload(larger, compression, larger, 0)).toBe(0);
  });

  test("damage is corruption or other bytes of the same length, and never another error", () => {
    const payload = text.slice(0, 3000);
    const stored = compress(payload, compression)!;
    for (let bit = 0; bit < stored.length * 8; bit += 5) {
      const damaged = stored.slice();
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      decompressesOrIsCorrupt(codecId, damaged);
    }
    for (let length = 0; length < stored.length; length++) {
      expect(() => decompress(codecId, stored.subarray(0, length))).toThrow(
        expect.objectContaining({ kind: "corruption", object: "sst/x.sst" }),
      );
    }
  });

  test("another length than the true one is corruption", () => {
    const stored = compress(text.slice(0, 3000), compression)!;
    for (const length of [0, 1, 2999, 3001, 6000, 1 << 24, (1 << 24) + 1, 2 ** 32 - 1]) {
      const damaged = stored.slice();
      new DataView(damaged.buffer).setUint32(0, length, true);
      expect(() => decompress(codecId, damaged), `length ${length}`).toThrow(
        expect.objectContaining({ kind: "corruption", object: "sst/x.sst", offset: 1234 }),
      );
    }
  });

  test("random bytes neither crash nor hang, nor take memory that they do not pay for", () => {
    fc.assert(
      fc.property(fc.nat(20_000), fc.uint8Array({ maxLength: 400 }), (length, garbage) => {
        const stored = new Uint8Array(4 + garbage.length);
        new DataView(stored.buffer).setUint32(0, length, true);
        stored.set(garbage, 4);
        decompressesOrIsCorrupt(codecId, stored);
      }),
      { numRuns: 3000 },
    );
    const greedy = Uint8Array.of(0, 0, 0, 1, 255, 255);
    expect(() => decompress(codecId, greedy)).toThrow("says that it was");
  });
});

function decompressesOrIsCorrupt(codecId: number, stored: Uint8Array): void {
  let payload: Uint8Array;
  try {
    payload = decompress(codecId, stored);
  } catch (error) {
    expect(error).toMatchObject({ kind: "corruption" });
    return;
  }
  expect(payload.length).toBe(new DataView(stored.buffer, stored.byteOffset).getUint32(0, true));
  expect(payload.byteOffset).toBe(0);
}

test("LZ4 as in the format's description, by hand", () => {
  const lz4 = (length: number, ...bytes: number[]): Uint8Array =>
    decompress(Codec.lz4, Uint8Array.of(length, 0, 0, 0, ...bytes));
  const ascii = (bytes: Uint8Array): string => String.fromCharCode(...bytes);
  expect(ascii(lz4(3, 0x30, 97, 98, 99))).toBe("abc");
  // Two literals, a match of 4 + 3 from two back, which reaches into itself, then one literal.
  expect(ascii(lz4(10, 0x23, 97, 98, 2, 0, 0x10, 99))).toBe("ababababac");
  // Lengths of 15 and more go on in further bytes.
  const long = Uint8Array.from({ length: 20 }, (_, i) => i);
  expect(lz4(20, 0xf0, 5, ...long)).toEqual(long);
  expect(lz4(1 + 4 + 15 + 2, 0x1f, 7, 1, 0, 1, 0x10, 7)).toEqual(new Uint8Array(22).fill(7));
  for (const bad of [
    [0x23, 97, 98, 3, 0, 0x10, 99], // back beyond the start
    [0x23, 97, 98, 0, 0, 0x10, 99], // back by nothing
    [0x23, 97, 98, 2, 0], // no last literals
    [0x23, 97, 98, 2], // half an offset
    [0xf0, 255, 255], // a length without an end
    [0x2f, 97, 98, 2, 0, 255], // another
    [0x50, 97, 98], // fewer literals than said
  ]) {
    expect(() => lz4(10, ...bad), String(bad)).toThrow("does not decompress");
  }
});

test("bytes after the end of a deflate stream are corruption", () => {
  const stored = compress(text.slice(0, 3000), { codec: "deflate", level: 1 })!;
  expect(() => decompress(Codec.deflate, Uint8Array.from([...stored, 0]))).toThrow(
    "does not decompress",
  );
});

test("a codec of a later version is refused by its number", () => {
  expect(() => decompress(4, text.subarray(0, 100))).toThrow(
    expect.objectContaining({ kind: "unsupported", message: expect.stringContaining("codec 4") }),
  );
});
