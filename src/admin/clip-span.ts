/** `KeySpan`: the keys that a clone takes, and how what is stored lies to them, range deletes included. */
import { type Bytes, compareBytes, copyBytes, emptyBytes } from "../common/bytes.js";
import { keyAfter } from "../common/key-after.js";
import { type KeyRange, toKeyBounds } from "../common/key-range.js";
import { showKey } from "../common/show-key.js";
import type { SortedRun, TombstoneSpan } from "../format/manifest.js";

/** From `start` up to, but without, `end`; undefined: there is no end. */
export interface KeySpan {
  readonly start: Bytes;
  readonly end: Bytes | undefined;
}

/** Keys of rows, and what range deletes cover: of an SST, or of all that a run says of itself. */
export type Stored = Pick<SortedRun, "firstKey" | "lastKey" | "rangeDeletes">;

/** Throws `InvalidArgumentError` for bounds that contradict one another. An empty range gives an empty span. */
export function toKeySpan(range: KeyRange): KeySpan {
  const { lower, lowerInclusive, upper, upperInclusive } = toKeyBounds(range);
  const start = lower === undefined ? emptyBytes : lowerInclusive ? lower : keyAfter(lower);
  const end = upper === undefined ? undefined : upperInclusive ? keyAfter(upper) : upper;
  return { start, end: end !== undefined && compareBytes(end, start) < 0 ? start : end };
}

/** Of at least one. What is across has something on both sides of a bound, as far as is known without reading it. */
export function placeOf(span: KeySpan, stored: readonly Stored[]): "inside" | "across" | "outside" {
  const { start, end } = hullOf(stored)!;
  const isBelowEnd = span.end === undefined || compareBytes(start, span.end) < 0;
  const isAboveStart = end === undefined || compareBytes(end, span.start) > 0;
  if (!isBelowEnd || !isAboveStart) return "outside";
  const startsInside = compareBytes(start, span.start) >= 0;
  const endsInside =
    span.end === undefined || (end !== undefined && compareBytes(end, span.end) <= 0);
  return startsInside && endsInside ? "inside" : "across";
}

/** The least span that has everything; undefined where there is nothing. */
export function hullOf(all: Iterable<Stored>): KeySpan | undefined {
  let start: Uint8Array | undefined;
  let end: Uint8Array | undefined;
  let endless = false;
  const add = (from: Uint8Array, to: Uint8Array | undefined): void => {
    if (start === undefined || compareBytes(from, start) < 0) start = from;
    if (to === undefined) endless = true;
    else if (end === undefined || compareBytes(to, end) > 0) end = to;
  };
  for (const { firstKey, lastKey, rangeDeletes } of all) {
    add(firstKey, keyAfter(lastKey));
    for (const { start, end, endless } of rangeDeletes as readonly TombstoneSpan[]) {
      add(start, endless ? undefined : end);
    }
  }
  return start && { start: copyBytes(start), end: endless ? undefined : copyBytes(end!) };
}

export function haveKeysInCommon(a: KeySpan, b: KeySpan): boolean {
  return (
    (b.end === undefined || compareBytes(a.start, b.end) < 0) &&
    (a.end === undefined || compareBytes(b.start, a.end) < 0)
  );
}

/** The keys of both, which have some in common. */
export function intersectSpans(a: KeySpan, b: KeySpan): KeySpan {
  const isEarlier = b.end !== undefined && (a.end === undefined || compareBytes(b.end, a.end) < 0);
  return {
    start: compareBytes(a.start, b.start) < 0 ? b.start : a.start,
    end: isEarlier ? b.end : a.end,
  };
}

/** As messages say it. */
export function showSpan({ start, end }: KeySpan): string {
  return `from ${showKey(start)} ${end === undefined ? "on" : `to below ${showKey(end)}`}`;
}
