/** Range deletes of the model test: what they cover, said plainly, and the ranges that are tried. */
import * as fc from "fast-check";
import { compareBytes } from "../../src/common/bytes.js";
import type { KeyLike, KeyRange, RangeToDelete } from "../../src/index.js";
import { isWithin, nameOf, toBytes } from "./keys.js";

/** An operation, beside puts, deletes and merges of a key. */
export class RangeDelete {
  readonly range: RangeToDelete;
  /** What `deletePrefix` is given; undefined: it is a `deleteRange`. */
  readonly prefix: KeyLike | undefined;

  constructor(range: RangeToDelete, prefix?: KeyLike) {
    this.range = range;
    this.prefix = prefix;
  }

  covers(key: Uint8Array): boolean {
    return "all" in this.range || isWithin(key, this.range);
  }

  /** No key is covered, so nothing is written. */
  get isEmpty(): boolean {
    if ("all" in this.range) return false;
    const { gt, gte = "", prefix = "" } = this.range;
    // The least key that all lower bounds let through.
    const lowest = [toBytes(gte), toBytes(prefix)];
    if (gt !== undefined) lowest.push(Uint8Array.of(...toBytes(gt), 0));
    return !this.covers(lowest.sort(compareBytes).at(-1)!);
  }

  toString(): string {
    if ("all" in this.range) return "deleteRange all";
    const bounds = Object.entries(this.range).map(
      ([name, bound]) => `${name} ${JSON.stringify(nameOf(toBytes(bound).subarray(0, 6)))}`,
    );
    return `${this.prefix === undefined ? "deleteRange" : "deletePrefix"} ${bounds.join(" ")}`;
  }
}

/** Of all kinds, and not too large, as nothing would be left to delete; some are empty or the wrong way round. */
export function rangeDeleteArbitrary(keys: fc.Arbitrary<KeyLike>): fc.Arbitrary<RangeDelete> {
  const prefixes = keys.filter((key) => key.length > 0);
  const lower = fc.constantFrom("gt", "gte", "gte");
  const upper = fc.constantFrom("lt", "lt", "lte");
  const inOrder = ([a, b]: [KeyLike, KeyLike]): [KeyLike, KeyLike] =>
    compareBytes(toBytes(a), toBytes(b)) > 0 ? [b, a] : [a, b];
  const bounds = fc.oneof(
    { weight: 9, arbitrary: fc.tuple(keys, keys).map(inOrder) },
    { weight: 1, arbitrary: fc.tuple(keys, keys) },
  );
  const ofRange = (range: fc.Arbitrary<RangeToDelete>): fc.Arbitrary<RangeDelete> =>
    range.map((one) => new RangeDelete(one));
  const between = fc
    .tuple(lower, upper, bounds)
    .map(([low, high, [a, b]]): KeyRange => ({ [low]: a, [high]: b }));
  const oneKey = keys.map((key): KeyRange => ({ gte: key, lte: key }));
  const oneSided = fc
    .tuple(fc.constantFrom("gt", "gte", "lt", "lte"), keys)
    .map(([name, key]): KeyRange => ({ [name]: key }));
  const several = fc
    .tuple(
      prefixes,
      fc.option(fc.tuple(lower, keys), { nil: undefined }),
      fc.option(fc.tuple(upper, keys), { nil: undefined }),
    )
    .map(
      ([prefix, low, high]): KeyRange => ({
        prefix,
        ...(low && { [low[0]]: low[1] }),
        ...(high && { [high[0]]: high[1] }),
      }),
    );
  return fc.oneof(
    { weight: 6, arbitrary: ofRange(between) },
    { weight: 4, arbitrary: ofRange(oneKey) },
    { weight: 2, arbitrary: ofRange(oneSided) },
    { weight: 2, arbitrary: ofRange(several) },
    { weight: 1, arbitrary: ofRange(fc.constant<RangeToDelete>({ all: true })) },
    {
      weight: 3,
      arbitrary: prefixes.map((prefix) => new RangeDelete({ prefix }, prefix)),
    },
  );
}

const letters = ["", "a", "b", "c"];
const places = [
  ...new Set(letters.flatMap((a) => letters.flatMap((b) => letters.map((c) => a + b + c)))),
];

/** So many, of one key each, that a manifest cannot name each by itself. */
export const manyRangeDeletes: fc.Arbitrary<RangeDelete[]> = fc
  .shuffledSubarray(places, { minLength: 20 })
  .map((keys) => keys.map((key) => new RangeDelete({ gte: key, lte: key })));
