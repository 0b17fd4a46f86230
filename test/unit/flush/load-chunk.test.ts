/** `LoadChunk` against the simplest chunk there is: an array of pairs, sorted, of equal keys the last. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareBytes, encodeUtf8 } from "../../../src/common/bytes.js";
import { RowRef } from "../../../src/common/row.js";
import { LoadChunk } from "../../../src/flush/load-chunk.js";
import { expectEqual } from "../../support/expect-equal.js";
import { sampled } from "../../support/run-counts.js";

type Pair = readonly [key: Uint8Array, value: Uint8Array];

const tail = fc.uint8Array({ maxLength: 9 });
/** Keys that differ early, late, only in length, only in zeros at the end, or not at all. */
const key: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.uint8Array({ maxLength: 2 }).map((bytes) => bytes.map((byte) => byte & 3)),
  tail.map((bytes) => Uint8Array.from([1, 2, 3, 4, 5, 6, 7, ...bytes.map((byte) => byte % 3)])),
  fc
    .tuple(fc.nat(8), fc.nat(8))
    .map(([ones, zeros]) =>
      Uint8Array.from([...new Array(ones).fill(1), ...new Array(zeros).fill(0)]),
    ),
  fc.nat(300).map((n) => encodeUtf8(`user/${"x".repeat(60)}/${n}`)),
);
const pairs = fc.array(fc.tuple(key, fc.uint8Array({ maxLength: 20 })), {
  minLength: 1,
  maxLength: 50,
});

function filled(rows: readonly Pair[], chunk: LoadChunk = new LoadChunk()): LoadChunk {
  for (const [rowKey, value] of rows) {
    // What is added is copied: the caller may use its memory again.
    const given = [Uint8Array.from(rowKey), Uint8Array.from(value)] as const;
    chunk.add(...given);
    for (const bytes of given) bytes.fill(99);
  }
  return chunk;
}

/** How many steps it took. */
function sorted(chunk: LoadChunk): number {
  return [...chunk.sortInSteps()].length;
}

function contentOf(chunk: LoadChunk): Pair[] {
  const row = new RowRef();
  return Array.from({ length: chunk.sortedCount }, (_, i): Pair => {
    chunk.rowAt(i, row);
    return [Uint8Array.from(row.key()), Uint8Array.from(row.value())];
  });
}

/** Of equal keys the last to arrive. */
function model(rows: readonly Pair[]): Pair[] {
  const last = new Map(rows.map((pair) => [Buffer.from(pair[0]).toString("latin1"), pair]));
  return [...last.values()].sort((a, b) => compareBytes(a[0], b[0]));
}

test("any rows come out in key order, of each key the last to arrive", () => {
  fc.assert(
    fc.property(pairs, (rows) => {
      const chunk = filled(rows);
      const bytes = rows.reduce((sum, [k, v]) => sum + k.length + v.length, 0);
      expectEqual([chunk.rowCount, chunk.bytes], [rows.length, bytes]);
      sorted(chunk);
      expectEqual(contentOf(chunk), model(rows));
    }),
    { numRuns: sampled(400) },
  );
});

test("it is sorted exactly when the keys ascend, and then nothing is moved", () => {
  fc.assert(
    fc.property(pairs, (rows) => {
      const ascending = rows.every(
        ([rowKey], i) => i === 0 || compareBytes(rows[i - 1]![0], rowKey) < 0,
      );
      expect(filled(rows).isSorted).toBe(ascending);
      const inOrder = model(rows);
      const chunk = filled(inOrder);
      expect(chunk.isSorted).toBe(true);
      expectEqual(contentOf(chunk), inOrder);
    }),
    { numRuns: sampled(200) },
  );
});

test("after clear() nothing of earlier rows is left", () => {
  fc.assert(
    fc.property(pairs, pairs, (before, after) => {
      const chunk = filled(before);
      sorted(chunk);
      chunk.clear();
      expectEqual(
        [chunk.rowCount, chunk.bytes, chunk.memoryBytes, chunk.isSorted],
        [...[0, 0, 0, true]],
      );
      sorted(filled(after, chunk));
      expectEqual(contentOf(chunk), model(after));
    }),
    { numRuns: sampled(200) },
  );
});

test("many rows, in every order that a load meets", () => {
  const rows = Array.from(
    { length: 9001 },
    (_, i): Pair => [encodeUtf8(`key/${String(i).padStart(6, "0")}`), encodeUtf8(String(i))],
  );
  const shuffled = rows.map((_, i) => rows[(i * 3571) % rows.length]!);
  const twice = [...shuffled, ...rows.map(([rowKey]): Pair => [rowKey, encodeUtf8("second")])];
  for (const order of [rows, rows.toReversed(), shuffled, twice]) {
    const chunk = filled(order);
    sorted(chunk);
    const [found, expected] = [contentOf(chunk), model(order)];
    expect(found.length).toBe(expected.length);
    for (const [i, [rowKey, value]] of found.entries()) {
      expect(compareBytes(rowKey, expected[i]![0]) || compareBytes(value, expected[i]![1])).toBe(0);
    }
  }
});

test("a large chunk is sorted in small steps, and one in order in none", () => {
  const rows = Array.from({ length: 50_000 }, (_, i): Pair => {
    return [encodeUtf8(String(((i * 7919) % 100_003) + 1_000_000)), new Uint8Array(0)];
  });
  expect(sorted(filled(rows))).toBeGreaterThan(50);
  expect(sorted(filled(model(rows.slice(0, 1000))))).toBe(0);
});

test("keys of the greatest length, which differ in their last byte", () => {
  const long = (last: number): Uint8Array => new Uint8Array(65_535).fill(last, 65_534);
  const chunk = filled([2, 0, 255, 1, 0].map((last, i): Pair => [long(last), Uint8Array.of(i)]));
  sorted(chunk);
  const content = contentOf(chunk).map(([rowKey, [value]]) => [
    rowKey.length,
    rowKey.at(-1),
    value,
  ]);
  expectEqual(
    content,
    [0, 1, 2, 255].map((last, i) => [65_535, last, [4, 3, 0, 2][i]]),
  );
});

test("rows without a byte in them count as memory too", () => {
  const chunk = filled(Array.from({ length: 1000 }, () => [new Uint8Array(0), new Uint8Array(0)]));
  expect(chunk.bytes).toBe(0);
  expect(chunk.memoryBytes).toBeGreaterThanOrEqual(1000);
});

describe("memory for large rows", () => {
  const KiB = 1024;
  const MiB = 1024 * KiB;
  const slabBytes = 256 * KiB;
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;

  /** A new chunk, and what the process holds for it. */
  function measured(): { chunk: LoadChunk; heldBytes: () => number } {
    const held = (): number => {
      // The first leaves the freeing to a thread, which the second waits for.
      for (let i = 0; i < 2; i++) collectGarbage();
      return process.memoryUsage().arrayBuffers;
    };
    const chunk = new LoadChunk();
    const before = held();
    return { chunk, heldBytes: () => held() - before };
  }

  const values = new Uint8Array(1000 * KiB);
  /** Adds rows of these sizes until it holds `bufferBytes` by its own account. */
  function fill(chunk: LoadChunk, bufferBytes: number, sizeOf: (row: number) => number): void {
    for (let row = 0; chunk.memoryBytes < bufferBytes; row++) {
      chunk.add(encodeUtf8(`key ${String(row).padStart(6, "0")}`), values.subarray(0, sizeOf(row)));
    }
  }

  test("rows that grow from chunk to chunk take no more of it than rows of one size", () => {
    const { chunk, heldBytes } = measured();
    for (let size = 300 * KiB; size < 1000 * KiB; size += 50 * KiB) {
      fill(chunk, 4 * MiB, () => size);
      expect(heldBytes()).toBeLessThan(6 * MiB);
      chunk.clear();
    }
    expect(heldBytes()).toBeLessThan(MiB);
  });

  test("rows of any size from 260 to 600 KiB, for many chunks, take no more of it than they say", () => {
    const { chunk, heldBytes } = measured();
    let seed = 1;
    const random = (): number => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed / 2_147_483_647;
    };
    for (let round = 0; round < 20; round++) {
      fill(chunk, 4 * MiB, () => Math.floor((260 + 340 * random()) * KiB));
      expect(heldBytes()).toBeLessThan(chunk.memoryBytes + MiB);
      chunk.clear();
    }
    expect(heldBytes()).toBeLessThan(MiB);
  });

  test("the ends of slabs that no row fitted into count", () => {
    const { chunk, heldBytes } = measured();
    // One fits into a slab, two do not.
    const value = new Uint8Array(140 * KiB);
    for (let row = 0; row < 20; row++) chunk.add(Uint8Array.of(row), value);
    expect(chunk.bytes).toBe(20 * (value.length + 1));
    // Only that of the last is still free.
    expect(chunk.memoryBytes).toBeGreaterThanOrEqual(20 * slabBytes - 120 * KiB);
    expect(chunk.memoryBytes).toBeGreaterThan(heldBytes() - slabBytes);
    chunk.clear();
    expect(chunk.memoryBytes).toBe(0);
  });

  test("a large row among small ones takes its own, and leaves theirs to them", () => {
    const { chunk, heldBytes } = measured();
    fill(chunk, 8 * MiB, () => KiB);
    for (let round = 0; round < 5; round++) {
      chunk.clear();
      // What earlier rows have left is there, and no reason to end the chunk at once.
      fill(chunk, 8 * MiB, (row) => (row % 1000 === 0 ? 300 * KiB : KiB));
      expect(chunk.rowCount).toBeGreaterThan(5000);
      expect(chunk.memoryBytes - chunk.bytes).toBeLessThan(MiB);
      expect(heldBytes()).toBeLessThan(10 * MiB);
    }
  });

  test("large rows after small ones take the place of what those have left", () => {
    const { chunk, heldBytes } = measured();
    for (const size of [KiB, 600 * KiB, KiB, 300 * KiB, 100 * KiB]) {
      fill(chunk, 8 * MiB, () => size);
      expect(heldBytes()).toBeLessThan(10 * MiB);
      chunk.clear();
    }
  });

  test("rows of all sizes, in chunk after chunk, are each where they were put", () => {
    const chunk = new LoadChunk();
    const sizes = [1, 300, 10, 256, 140, 257, 0, 900, 255, 120, 600, 2];
    for (let round = 0; round < sizes.length; round++) {
      for (let i = 0; i < 60; i++) {
        // Some rounds go down, and are sorted.
        const name = round % 2 === 0 ? i : 59 - i;
        const size = sizes[(i * (round + 1)) % sizes.length]! * KiB;
        chunk.add(Uint8Array.of(name), values.subarray(0, size).fill(i + 1));
      }
      sorted(chunk);
      const row = new RowRef();
      for (let at = 0; at < 60; at++) {
        chunk.rowAt(at, row);
        const i = round % 2 === 0 ? at : 59 - at;
        const found = row.value();
        expectEqual(
          [row.key()[0], found.length],
          [...[at, sizes[(i * (round + 1)) % sizes.length]! * KiB]],
        );
        expect(found.every((byte) => byte === i + 1)).toBe(true);
      }
      chunk.clear();
    }
  });
});
