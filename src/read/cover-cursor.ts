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

export class CoverCursor {
  /** The stretch: from here on, and up to but without `to`; undefined: as far as there are keys. */
  from: Uint8Array | undefined;
  to: Uint8Array | undefined;
  readonly #parts: CoverPart[];
  readonly #reader: RangeDeleteReader;
  readonly #seqMax: number;
  #seq = 0;
  #isPlaced = false;
  /** What has to be read to know. */
  #unread: number[] = [];

  constructor(parts: readonly CoverPart[], reader: RangeDeleteReader, seqMax: number) {
    this.#parts = [...parts];
    this.#reader = reader;
    this.#seqMax = seqMax;
  }

  /**
   * The highest seq, at most `seqMax`, of a range delete that covers the key `bytes[start, end)`; 0 when none does, `unknownCover` when `fill` has to
   * be called first.
   */
  coverOf(bytes: Uint8Array, start: number, end: number): number {
    if (this.#isPlaced && this.#holds(bytes, start, end)) return this.#seq;
    return this.#place(bytes, start, end);
  }

  /** Reads what the last `coverOf` needed. */
  async fill(signal?: AbortSignal): Promise<void> {
    await Promise.all(
      this.#unread.map(async (i) => {
        const part = this.#parts[i]!;
        if (isStored(part)) this.#parts[i] = await this.#reader.loadRangeDeletes(part, signal);
      }),
    );
  }

  #holds(bytes: Uint8Array, start: number, end: number): boolean {
    const { from, to } = this;
    if (to !== undefined && compareRanges(bytes, start, end, to, 0, to.length) >= 0) return false;
    return from === undefined || compareRanges(bytes, start, end, from, 0, from.length) >= 0;
  }

  #place(bytes: Uint8Array, start: number, end: number): number {
    this.from = this.to = undefined;
    this.#seq = 0;
    this.#isPlaced = false;
    this.#unread = [];
    for (let i = 0; i < this.#parts.length; i++) {
      const part = this.#parts[i]!;
      if (!isStored(part)) this.#addFragment(part, part.fragmentOf(bytes, start, end));
      else if (!this.#addSpan(i, part, bytes.subarray(start, end))) this.#unread.push(i);
    }
    if (this.#unread.length > 0) return unknownCover;
    this.#isPlaced = true;
    return this.#seq;
  }

  #addFragment(part: FragmentedTombstones, fragment: number): void {
    this.#narrow(fragment < 0 ? undefined : part.boundary(fragment), part.boundary(fragment + 1));
    if (fragment >= 0) this.#cover(part.fragmentSeq(fragment, this.#seqMax));
  }

  /** False when the SST has to be asked. */
  #addSpan(i: number, info: SstInfo, key: Uint8Array): boolean {
    const { rangeDeletes } = info;
    const at = spanAt(info, key);
    const span = rangeDeletes[at];
    const before = at === 0 ? undefined : rangeDeletes[at - 1]!.end;
    if (span === undefined) {
      this.#narrow(before, undefined);
      return true;
    }
    if (compareRanges(key, 0, key.length, span.start, 0, span.start.length) < 0) {
      this.#narrow(before, span.start);
      return true;
    }
    const seq = seqOfSpan(span, this.#seqMax);
    if (seq !== undefined) {
      this.#narrow(span.start, span.endless ? undefined : span.end);
      this.#cover(seq);
      return true;
    }
    const read = this.#reader.rangeDeletesOf(info);
    if (read === undefined) return false;
    this.#parts[i] = read;
    this.#addFragment(read, read.fragmentOf(key, 0, key.length));
    return true;
  }

  #cover(seq: number): void {
    if (seq > this.#seq) this.#seq = seq;
  }

  #narrow(from: Uint8Array | undefined, to: Uint8Array | undefined): void {
    if (from !== undefined && (this.from === undefined || isBelow(this.from, from))) {
      this.from = from;
    }
    if (to !== undefined && (this.to === undefined || isBelow(to, this.to))) this.to = to;
  }
}

const isBelow = (a: Uint8Array, b: Uint8Array): boolean =>
  compareRanges(a, 0, a.length, b, 0, b.length) < 0;
