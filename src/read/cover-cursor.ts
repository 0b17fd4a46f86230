/**
 * `CoverCursor`: which range delete covers the keys that a source of a scan comes by. It knows the stretch of keys around the last one for
 * which the answer is the same, so that most rows cost one comparison.
 */
import { compareRanges } from "../common/bytes.js";
import type { FragmentedTombstones } from "../common/fragmented-tombstones.js";
import type { SstInfo } from "../format/manifest.js";
import { unknownCover } from "./cover.js";
import { type RangeDeleteReader, seqOfSpan, spanAt } from "./stored-range-deletes.js";

/** Range deletes of one source: in memory, or of an SST. */
export type CoverPart = FragmentedTombstones | SstInfo;

const isStored = (part: CoverPart): part is SstInfo => "rangeDeletes" in part;

/** A part, and what it says around the last key. */
interface Placed {
  part: CoverPart;
  /** Where that begins and ends; undefined: as far as there are keys. */
  from: Uint8Array | undefined;
  to: Uint8Array | undefined;
  /** The range delete there; 0: none. `unknownCover`: the SST has to be read. */
  seq: number;
}

export class CoverCursor {
  /** The stretch: from here on, and up to but without `to`; undefined: as far as there are keys. */
  from: Uint8Array | undefined;
  to: Uint8Array | undefined;
  readonly #placed: readonly Placed[];
  readonly #reader: RangeDeleteReader;
  readonly #seqMax: number;
  #seq = 0;
  #isPlaced = false;

  constructor(parts: readonly CoverPart[], reader: RangeDeleteReader, seqMax: number) {
    this.#placed = parts.map((part) => ({ part, from: undefined, to: undefined, seq: 0 }));
    this.#reader = reader;
    this.#seqMax = seqMax;
  }

  /**
   * The highest seq, at most `seqMax`, of a range delete that covers the key `bytes[start, end)`; 0 when none does, `unknownCover` when `fill` has to
   * be called first.
   */
  coverOf(bytes: Uint8Array, start: number, end: number): number {
    if (this.#isPlaced && holds(this, bytes, start, end)) return this.#seq;
    return this.#place(bytes, start, end);
  }

  /** Reads what the last `coverOf` needed. */
  async fill(signal?: AbortSignal): Promise<void> {
    await Promise.all(
      this.#placed.map(async (placed) => {
        const { part, seq } = placed;
        if (seq !== unknownCover || !isStored(part)) return;
        placed.part = await this.#reader.loadRangeDeletes(part, signal);
      }),
    );
  }

  #place(bytes: Uint8Array, start: number, end: number): number {
    // Of many parts, a step of the scan leaves the stretches of few.
    const isMoving = this.#isPlaced;
    let from: Uint8Array | undefined;
    let to: Uint8Array | undefined;
    let seq = 0;
    let isKnown = true;
    for (const placed of this.#placed) {
      if (!isMoving || !holds(placed, bytes, start, end)) this.#search(placed, bytes, start, end);
      if (placed.seq === unknownCover) isKnown = false;
      else if (placed.seq > seq) seq = placed.seq;
      if (placed.from !== undefined && (from === undefined || isBelow(from, placed.from))) {
        from = placed.from;
      }
      if (placed.to !== undefined && (to === undefined || isBelow(placed.to, to))) to = placed.to;
    }
    this.from = from;
    this.to = to;
    this.#seq = seq;
    this.#isPlaced = isKnown;
    return isKnown ? seq : unknownCover;
  }

  #search(placed: Placed, bytes: Uint8Array, start: number, end: number): void {
    const { part } = placed;
    if (isStored(part)) this.#searchSpans(placed, part, bytes.subarray(start, end));
    else this.#setFragment(placed, part, part.fragmentOf(bytes, start, end));
  }

  #setFragment(placed: Placed, part: FragmentedTombstones, fragment: number): void {
    placed.from = fragment < 0 ? undefined : part.boundary(fragment);
    placed.to = part.boundary(fragment + 1);
    placed.seq = fragment < 0 ? 0 : part.fragmentSeq(fragment, this.#seqMax);
  }

  #searchSpans(placed: Placed, info: SstInfo, key: Uint8Array): void {
    const { rangeDeletes } = info;
    const at = spanAt(info, key);
    const span = rangeDeletes[at];
    if (span === undefined || isBelow(key, span.start)) {
      placed.from = at === 0 ? undefined : rangeDeletes[at - 1]!.end;
      placed.to = span?.start;
      placed.seq = 0;
      return;
    }
    const seq = seqOfSpan(span, this.#seqMax);
    if (seq === undefined) {
      const read = this.#reader.rangeDeletesOf(info);
      if (read === undefined) {
        placed.seq = unknownCover;
        return;
      }
      placed.part = read;
      this.#setFragment(placed, read, read.fragmentOf(key, 0, key.length));
      return;
    }
    placed.from = span.start;
    placed.to = span.endless ? undefined : span.end;
    placed.seq = seq;
  }
}

/** True when the key `bytes[start, end)` is in a stretch. */
function holds(
  { from, to }: { readonly from: Uint8Array | undefined; readonly to: Uint8Array | undefined },
  bytes: Uint8Array,
  start: number,
  end: number,
): boolean {
  if (to !== undefined && compareRanges(bytes, start, end, to, 0, to.length) >= 0) return false;
  return from === undefined || compareRanges(bytes, start, end, from, 0, from.length) >= 0;
}

const isBelow = (a: Uint8Array, b: Uint8Array): boolean =>
  compareRanges(a, 0, a.length, b, 0, b.length) < 0;
