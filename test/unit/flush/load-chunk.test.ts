/** `LoadChunk` against the simplest chunk there is: an array of pairs, sorted, of equal keys the last. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { compareBytes, encodeUtf8 } from "../../../src/common/bytes.js";
import { RowRef } from "../../../src/common/row.js";
import { LoadChunk } from "../../../src/flush/load-chunk.js";

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
      expect([chunk.rowCount, chunk.bytes]).toEqual([rows.length, bytes]);
      sorted(chunk);
      expect(contentOf(chunk)).toEqual(model(rows));
    }),
    { numRuns: 400 },
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
      expect(contentOf(chunk)).toEqual(inOrder);
    }),
    { numRuns: 200 },
  );
});

test("after clear() nothing of earlier rows is left", () => {
  fc.assert(
    fc.property(pairs, pairs, (before, after) => {
      const chunk = filled(before);
      sorted(chunk);
      chunk.clear();
      expect([chunk.rowCount, chunk.bytes, chunk.memoryBytes, chunk.isSorted]).toEqual([
        ...[0, 0, 0, true],
      ]);
      sorted(filled(after, chunk));
      expect(contentOf(chunk)).toEqual(model(after));
    }),
    { numRuns: 200 },
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
  expect(content).toEqual([0, 1, 2, 255].map((last, i) => [65_535, last, [4, 3, 0, 2][i]]));
});

test("rows without a byte in them count as memory too", () => {
  const chunk = filled(Array.from({ length: 1000 }, () => [new Uint8Array(0), new Uint8Array(0)]));
  expect(chunk.bytes).toBe(0);
  expect(chunk.memoryBytes).toBeGreaterThanOrEqual(1000);
});
