/**
 * `RetainedRangeDeletes`: the range deletes of all inputs of a job: what they cover, and what is left of them.
 *
 * Those above the seq that is retained all stay. Of those at or below it, over each key only the newest one counts, and at the bottom,
 * where nothing lies beneath that they could hide, none. What stays is cut to the keys of the SST that it goes into.
 */
import { ByteWriter } from "../common/byte-writer.js";
import { compareBytes, compareRanges } from "../common/bytes.js";
import { FragmentedTombstones, type TombstoneColumns } from "../common/fragmented-tombstones.js";
import type { Steps } from "../common/steps.js";
import { joinSteps } from "../common/tombstone-columns.js";

export interface RetentionRule {
  readonly retainSeq: number;
  readonly isBottom: boolean;
}

/** Range deletes looked at in one step. */
const stepCount = 16_384;

export class RetainedRangeDeletes {
  /** Of all inputs. */
  readonly all: FragmentedTombstones;
  /** What stays, over fragments of `all`. */
  readonly #kept: Covers;
  readonly #retainSeq: number;

  private constructor(all: FragmentedTombstones, kept: Covers, retainSeq: number) {
    this.all = all;
    this.#kept = kept;
    this.#retainSeq = retainSeq;
  }

  static *of(
    inputs: readonly FragmentedTombstones[],
    { retainSeq, isBottom }: RetentionRule,
  ): Steps<RetainedRangeDeletes> {
    let columns = inputs.filter(({ count }) => count > 0).map((input) => input.columns);
    while (columns.length > 1) {
      const joined: TombstoneColumns[] = [];
      for (let i = 0; i + 1 < columns.length; i += 2) {
        joined.push(yield* joinSteps(columns[i]!, columns[i + 1]!));
      }
      if (columns.length % 2 === 1) joined.push(columns.at(-1)!);
      columns = joined;
    }
    const all = columns[0] === undefined ? none : new FragmentedTombstones(columns[0]);
    yield;
    const kept: Covers = { firsts: [], ends: [], seqs: [] };
    if (all.maxSeq > retainSeq) yield* addAbove(kept, all, retainSeq);
    if (!isBottom && all.count > 0) yield* addNewestUpTo(kept, all, retainSeq);
    return new RetainedRangeDeletes(all, kept, retainSeq);
  }

  /** Where none covers any key, there is nothing to ask. */
  get coversNothing(): boolean {
    return this.all.count === 0 || this.all.minSeq > this.#retainSeq;
  }

  /** Answers for ascending keys. */
  cover(): CoverWalk {
    return new CoverWalk(this.all, this.#retainSeq);
  }

  /** What stays over the keys from `start` up to, but without, `end`, cut to them; undefined where nothing does. */
  *clip(start: Uint8Array, end: Uint8Array | undefined): Steps<TombstoneColumns | undefined> {
    const { all } = this;
    const { firsts, ends, seqs } = this.#kept;
    const first = Math.max(0, all.fragmentOf(start, 0, start.length));
    const endFragment = fragmentsBelow(all, end);
    const found: number[] = [];
    /** Whether one begins or ends where a fragment begins; the first and the last are where the keys do. */
    const isEdge = new Uint8Array(Math.max(0, endFragment - first) + 1);
    for (let i = 0; i < seqs.length; i++) {
      if ((i + 1) % stepCount === 0) yield;
      if (firsts[i]! >= endFragment || ends[i]! <= first) continue;
      found.push(i);
      isEdge[Math.max(firsts[i]! - first, 0)] = 1;
      isEdge[Math.min(ends[i]!, endFragment) - first] = 1;
    }
    if (found.length === 0) return undefined;
    const keys = new ByteWriter(1024);
    const offsets = [0];
    /** For each fragment, which of the boundaries that are left it begins at. */
    const places = new Uint32Array(isEdge.length);
    for (let i = 0; i < isEdge.length; i++) {
      if ((i + 1) % stepCount === 0) yield;
      places[i] = offsets.length - 1;
      if (isEdge[i] === 0) continue;
      const isLast = i === isEdge.length - 1;
      const key = isLast ? end : all.boundary(first + i)!;
      if (key === undefined) continue;
      keys.raw(i === 0 ? later(key, start) : key);
      offsets.push(keys.length);
    }
    const clipped = {
      firsts: new Uint32Array(found.length),
      ends: new Uint32Array(found.length),
      seqs: new Float64Array(found.length),
    };
    for (const [to, i] of found.entries()) {
      if ((to + 1) % stepCount === 0) yield;
      clipped.firsts[to] = places[Math.max(firsts[i]! - first, 0)]!;
      clipped.ends[to] = places[Math.min(ends[i]!, endFragment) - first]!;
      clipped.seqs[to] = seqs[i]!;
    }
    return { keys: keys.copy(), offsets: Uint32Array.from(offsets), ...clipped };
  }
}

/** As in `TombstoneColumns`, of boundaries that others have. */
interface Covers {
  readonly firsts: number[];
  readonly ends: number[];
  readonly seqs: number[];
}

const none: FragmentedTombstones = FragmentedTombstones.of([]);

/** The highest seq, up to the retained one, of the range deletes over one key after another. */
export class CoverWalk {
  readonly #tombstones: FragmentedTombstones;
  readonly #seqMax: number;
  #seq = 0;
  /** The end of the fragment of the key before; undefined: it has none. */
  #end: Uint8Array | undefined;
  #isInside = false;

  constructor(tombstones: FragmentedTombstones, seqMax: number) {
    this.#tombstones = tombstones;
    this.#seqMax = seqMax;
  }

  /** Of the key `bytes[start, end)`, which is not below the one before; 0 when none covers it. */
  coverOf(bytes: Uint8Array, start: number, end: number): number {
    const until = this.#end;
    if (
      this.#isInside &&
      (until === undefined || compareRanges(bytes, start, end, until, 0, until.length) < 0)
    ) {
      return this.#seq;
    }
    const tombstones = this.#tombstones;
    const fragment = tombstones.fragmentOf(bytes, start, end);
    this.#isInside = true;
    this.#end = tombstones.boundary(fragment + 1);
    this.#seq = tombstones.fragmentSeq(fragment, this.#seqMax);
    return this.#seq;
  }
}

function* addAbove(kept: Covers, all: FragmentedTombstones, seq: number): Steps<void> {
  const { firsts, ends, seqs } = all.columns;
  for (let i = 0; i < seqs.length; i++) {
    if ((i + 1) % stepCount === 0) yield;
    if (seqs[i]! > seq) add(kept, firsts[i]!, ends[i]!, seqs[i]!);
  }
}

/** The newest one up to `seqMax` over each key; neighbouring fragments with the same one are not parted. */
function* addNewestUpTo(kept: Covers, all: FragmentedTombstones, seqMax: number): Steps<void> {
  let first = 0;
  let firstSeq = 0;
  for (let fragment = 0; fragment <= all.fragmentCount; fragment++) {
    if ((fragment + 1) % stepCount === 0) yield;
    const seq = fragment === all.fragmentCount ? 0 : all.fragmentSeq(fragment, seqMax);
    if (seq === firstSeq) continue;
    if (firstSeq > 0) add(kept, first, fragment, firstSeq);
    first = fragment;
    firstSeq = seq;
  }
}

function add({ firsts, ends, seqs }: Covers, first: number, end: number, seq: number): void {
  firsts.push(first);
  ends.push(end);
  seqs.push(seq);
}

/** How many fragments have keys below `end`. */
function fragmentsBelow(tombstones: FragmentedTombstones, end: Uint8Array | undefined): number {
  if (end === undefined) return tombstones.fragmentCount;
  const fragment = tombstones.fragmentOf(end, 0, end.length);
  if (fragment < 0) return 0;
  return compareBytes(tombstones.boundary(fragment)!, end) === 0 ? fragment : fragment + 1;
}

function later(a: Uint8Array, b: Uint8Array): Uint8Array {
  return compareBytes(a, b) < 0 ? b : a;
}
