/** Random range deletes, what they cover by looking at each of them, and keys that lie at their edges. */
import * as fc from "fast-check";
import { compareBytes } from "../../../src/common/bytes.js";
import type { FragmentedTombstones } from "../../../src/common/fragmented-tombstones.js";
import type { RangeTombstone } from "../../../src/common/range-tombstone.js";

const edges: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 4, arbitrary: fc.uint8Array({ maxLength: 2 }).map((key) => key.map((b) => b & 15)) },
  { weight: 2, arbitrary: fc.nat(99).map((n) => new TextEncoder().encode(`a/shared/prefix/${n}`)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }) },
);
const seqs = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 20 }) },
  { weight: 1, arbitrary: fc.maxSafeNat().map((seq) => Math.max(seq, 1)) },
);

const rangeDelete: fc.Arbitrary<RangeTombstone> = fc
  .record({ a: edges, b: fc.option(edges, { nil: undefined, freq: 12 }), seq: seqs })
  .map(({ a, b, seq }) => {
    if (b === undefined) return { start: a, end: undefined, seq };
    const order = compareBytes(a, b);
    if (order === 0) return { start: a, end: Uint8Array.of(...a, 0), seq };
    return order < 0 ? { start: a, end: b, seq } : { start: b, end: a, seq };
  });

/** Narrow ones, many of which do not touch. */
const scattered: fc.Arbitrary<RangeTombstone[]> = fc
  .uniqueArray(fc.tuple(fc.nat(250), fc.integer({ min: 1, max: 3 }), seqs), {
    ...{ minLength: 17, maxLength: 70 },
    selector: ([at]) => at,
  })
  .map((all) =>
    all.map(([at, length, seq]) => ({
      ...{ start: Uint8Array.of(9, at), end: Uint8Array.of(9, at, length), seq },
    })),
  );

/** At least one, in any order, with ranges that nest, touch, repeat and overlap. */
export const rangeDeletes: fc.Arbitrary<RangeTombstone[]> = fc.oneof(
  fc.array(rangeDelete, { minLength: 1, maxLength: 12 }),
  fc.array(rangeDelete, { minLength: 1, maxLength: 60 }),
  scattered,
);

export function covers({ start, end }: RangeTombstone, key: Uint8Array): boolean {
  return compareBytes(start, key) <= 0 && (end === undefined || compareBytes(key, end) < 0);
}

/** The highest seq of those that cover the key; 0 when none does. */
export function newestOver(tombstones: readonly RangeTombstone[], key: Uint8Array): number {
  return Math.max(0, ...tombstones.filter((each) => covers(each, key)).map(({ seq }) => seq));
}

/** Each edge, just below and just above it. */
export function keysAtEdges(tombstones: readonly RangeTombstone[]): Uint8Array[] {
  const keys: Uint8Array[] = [new Uint8Array(0), Uint8Array.of(255, 255, 255)];
  for (const { start, end } of tombstones) {
    for (const edge of [start, end]) {
      if (edge === undefined) continue;
      keys.push(edge, Uint8Array.of(...edge, 0));
      const last = edge.at(-1);
      if (last === 0) keys.push(edge.slice(0, -1));
      else if (last !== undefined) keys.push(Uint8Array.of(...edge.slice(0, -1), last - 1, 255));
    }
  }
  return keys;
}

/** As values, in an order that says nothing. */
export function sortedTombstones(tombstones: Iterable<RangeTombstone>): string[] {
  const hex = (key: Uint8Array | undefined): string =>
    key === undefined ? "end" : Buffer.from(key).toString("hex");
  return [...tombstones].map(({ start, end, seq }) => `${hex(start)} ${hex(end)} ${seq}`).sort();
}

export const asTombstones = (found: FragmentedTombstones): string[] =>
  sortedTombstones(found.tombstones());
