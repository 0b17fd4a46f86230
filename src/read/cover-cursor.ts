/**
 * `CoverCursor`: which range delete covers the keys that a source of a scan comes by. It knows the stretch of keys around the last one for
 * which the answer is the same, so that most rows cost one comparison. Range deletes of a run whose list stands in an object of its own are
 * looked for part by part, by a cursor over those of the part at hand.
 */
import { compareRanges, emptyBytes } from "../common/bytes.js";
import type { FragmentedTombstones } from "../common/fragmented-tombstones.js";
import type { SortedRun, SstInfo } from "../format/manifest.js";
import { type OpenList, type PartOfRun, partAt, type RunLists } from "../sst/run-lists.js";
import { unknownCover } from "./cover.js";
import { type RangeDeleteReader, seqOfSpan, spanAt } from "./stored-range-deletes.js";

/** Range deletes of one source: in memory, of an SST, or of a run with a list of its own. */
export type CoverPart = FragmentedTombstones | SstInfo | SortedRun;

/** What reads them. */
export type CoverReader = RangeDeleteReader & { readonly runLists: RunLists };

const isRun = (part: CoverPart): part is SortedRun => "listBytes" in part;
const isStored = (part: CoverPart): part is SstInfo => "rangeDeletes" in part && !isRun(part);

/** Range deletes of the keys from `from` up to `to`, which are those of one part of a run. */
interface PartCover {
  readonly from: Uint8Array | undefined;
  readonly to: Uint8Array | undefined;
  readonly cursor: CoverCursor;
}

/** A part, and what it says around the last key. */
interface Placed {
  part: CoverPart;
  /** Where that begins and ends; undefined: as far as there are keys. */
  from: Uint8Array | undefined;
  to: Uint8Array | undefined;
  /** The range delete there; 0: none. `unknownCover`: the SST has to be read, or the list of the run. */
  seq: number;
  /** Of a run: the part of its list that was looked into last. */
  inPart: PartCover | undefined;
}

export class CoverCursor {
  /** The stretch: from here on, and up to but without `to`; undefined: as far as there are keys. */
  from: Uint8Array | undefined;
  to: Uint8Array | undefined;
  readonly #placed: readonly Placed[];
  readonly #reader: CoverReader;
  readonly #seqMax: number;
  #seq = 0;
  #isPlaced = false;
  /** What the last `coverOf` asked for, when it did not know. */
  #key: Uint8Array = emptyBytes;

  constructor(parts: readonly CoverPart[], reader: CoverReader, seqMax: number) {
    const around = { from: undefined, to: undefined, seq: 0, inPart: undefined };
    this.#placed = parts.map((part) => ({ part, ...around }));
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
        if (seq !== unknownCover) return;
        if (isStored(part)) placed.part = await this.#reader.loadRangeDeletes(part, signal);
        else if (isRun(part)) await this.#fillRun(placed, part, signal);
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
    if (!isKnown) this.#key = bytes.slice(start, end);
    return isKnown ? seq : unknownCover;
  }

  #search(placed: Placed, bytes: Uint8Array, start: number, end: number): void {
    const { part } = placed;
    if (isRun(part)) this.#searchRun(placed, part, bytes.subarray(start, end));
    else if (isStored(part)) this.#searchSpans(placed, part, bytes.subarray(start, end));
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

  #searchRun(placed: Placed, run: SortedRun, key: Uint8Array): void {
    // All of them lie within one span.
    const span = run.rangeDeletes[0]!;
    const isBefore = isBelow(key, span.start);
    if (isBefore || !(span.endless || isBelow(key, span.end))) {
      placed.from = isBefore ? undefined : span.end;
      placed.to = isBefore ? span.start : undefined;
      placed.seq = 0;
      return;
    }
    let inPart = placed.inPart;
    if (inPart === undefined || !holds(inPart, key, 0, key.length)) {
      inPart = placed.inPart = this.#partCoverIfLoaded(run, key);
    }
    placed.seq = inPart?.cursor.coverOf(key, 0, key.length) ?? unknownCover;
    if (inPart === undefined || placed.seq === unknownCover) return;
    // The cursor knows nothing of what lies beyond the part.
    placed.from = higher(inPart.from, inPart.cursor.from);
    placed.to = lower(inPart.to, inPart.cursor.to);
  }

  async #fillRun(placed: Placed, run: SortedRun, signal: AbortSignal | undefined): Promise<void> {
    if (placed.inPart !== undefined) return placed.inPart.cursor.fill(signal);
    const { runLists } = this.#reader;
    const list = await runLists.open(run, signal);
    const numbers = partsToAsk(list, this.#key);
    const parts = await Promise.all(numbers.map((number) => runLists.load(list, number, signal)));
    placed.inPart = this.#partCover(list, this.#key, numbers, parts);
  }

  #partCoverIfLoaded(run: SortedRun, key: Uint8Array): PartCover | undefined {
    const { runLists } = this.#reader;
    const list = runLists.getIfOpen(run);
    if (list === undefined) return undefined;
    const numbers = partsToAsk(list, key);
    const parts: PartOfRun[] = [];
    for (const number of numbers) {
      const part = runLists.getIfLoaded(list, number);
      if (part === undefined) return undefined;
      parts.push(part);
    }
    return this.#partCover(list, key, numbers, parts);
  }

  #partCover(
    { parts: all }: OpenList,
    key: Uint8Array,
    numbers: readonly number[],
    parts: readonly PartOfRun[],
  ): PartCover {
    const number = partAt({ parts: all }, key);
    const holders = parts.flatMap((part, i) => {
      if (numbers[i] === number) return part.holders;
      // Of a neighbour only the SST that is next to the part.
      const next = part.ssts.at(numbers[i]! < number ? -1 : 0)!;
      return part.holders.includes(next) ? [next] : [];
    });
    return {
      from: number === 0 ? undefined : all[number]!.start,
      to: all[number + 1]?.start,
      cursor: new CoverCursor(holders, this.#reader, this.#seqMax),
    };
  }
}

/** The parts of a list that may name a range delete over the key: the one that has it, and, as spans may reach too far, those beside. */
function partsToAsk(list: OpenList, key: Uint8Array): number[] {
  const number = partAt(list, key);
  return [number - 1, number, number + 1].filter((n) => list.parts[n]?.hasRangeDeletes);
}

function higher(a: Uint8Array | undefined, b: Uint8Array | undefined): Uint8Array | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return isBelow(a, b) ? b : a;
}

function lower(a: Uint8Array | undefined, b: Uint8Array | undefined): Uint8Array | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return isBelow(a, b) ? a : b;
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
