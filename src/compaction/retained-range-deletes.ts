/**
 * `RetainedRangeDeletes`: the range deletes of all inputs of a job: what they cover, and what is left of them.
 *
 * Those above the seq that is retained all stay. Of those at or below it, over each key only the newest one counts, and at the bottom,
 * where nothing lies beneath that they could hide, none. What stays is cut to the keys of the SST that it goes into.
 */
import { compareBytes, compareRanges } from "../common/bytes.js";
import { FragmentedTombstones, type TombstoneColumns } from "../common/fragmented-tombstones.js";
import type { RangeTombstone } from "../common/range-tombstone.js";
import { type Steps, stepBytes, stepKeyOverheadBytes } from "../common/steps.js";
import { columnsOf, joinSteps } from "../common/tombstone-columns.js";

export interface RetentionRule {
  readonly retainSeq: number;
  readonly isBottom: boolean;
}

/** Range deletes looked at in one step. */
const stepCount = 16_384;

export class RetainedRangeDeletes {
  /** Of all inputs. */
  readonly all: FragmentedTombstones;
  /** What stays. */
  readonly #kept: FragmentedTombstones;
  readonly #retainSeq: number;

  private constructor(all: FragmentedTombstones, kept: FragmentedTombstones, retainSeq: number) {
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
    const kept = [...(yield* above(all, retainSeq))];
    if (!isBottom) for (const each of yield* newestUpTo(all, retainSeq)) kept.push(each);
    yield;
    return new RetainedRangeDeletes(all, FragmentedTombstones.of(kept), retainSeq);
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
    const kept = this.#kept;
    const { firsts, ends, seqs } = kept.columns;
    const first = Math.max(0, kept.fragmentOf(start, 0, start.length));
    const endFragment = fragmentsBelow(kept, end);
    const clipped: RangeTombstone[] = [];
    for (let i = 0; i < seqs.length; i++) {
      if ((i + 1) % stepCount === 0) yield;
      if (firsts[i]! >= endFragment || ends[i]! <= first) continue;
      clipped.push({
        start:
          firsts[i]! <= first
            ? later(kept.boundary(firsts[i]!)!, start)
            : kept.boundary(firsts[i]!)!,
        end:
          ends[i]! >= endFragment ? earlier(kept.boundary(ends[i]!), end) : kept.boundary(ends[i]!),
        seq: seqs[i]!,
      });
    }
    if (clipped.length === 0) return undefined;
    yield;
    return columnsOf(clipped);
  }
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

function* above(all: FragmentedTombstones, seq: number): Steps<RangeTombstone[]> {
  const found: RangeTombstone[] = [];
  if (all.maxSeq <= seq) return found;
  const { firsts, ends, seqs } = all.columns;
  for (let i = 0; i < seqs.length; i++) {
    if ((i + 1) % stepCount === 0) yield;
    if (seqs[i]! <= seq) continue;
    found.push({ start: all.boundary(firsts[i]!)!, end: all.boundary(ends[i]!), seq: seqs[i]! });
  }
  return found;
}

/** The newest one up to `seqMax` over each key; neighbouring fragments with the same one are not parted. */
function* newestUpTo(all: FragmentedTombstones, seqMax: number): Steps<RangeTombstone[]> {
  const found: RangeTombstone[] = [];
  let start = 0;
  let startSeq = 0;
  let room = stepBytes;
  for (let fragment = 0; fragment <= all.fragmentCount; fragment++) {
    const seq = fragment === all.fragmentCount ? 0 : all.fragmentSeq(fragment, seqMax);
    room -= stepKeyOverheadBytes;
    if (room <= 0) {
      room = stepBytes;
      yield;
    }
    if (seq === startSeq) continue;
    if (startSeq > 0) {
      found.push({ start: all.boundary(start)!, end: all.boundary(fragment), seq: startSeq });
    }
    start = fragment;
    startSeq = seq;
  }
  return found;
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

/** Undefined: there is no end. */
function earlier(a: Uint8Array | undefined, b: Uint8Array | undefined): Uint8Array | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return compareBytes(a, b) < 0 ? a : b;
}
