/**
 * `FragmentedTombstones`: range deletes, cut at all their ends into fragments that do not overlap, to be searched by key.
 *
 * Fragment i are the keys from boundary i up to, but without, boundary i + 1; the last one has no end. The newest seq over each
 * is known from the beginning, and answers nearly every read; a read that is older than it asks a tree, which is built with the
 * first such read.
 */
import type { RangeTombstone } from "./range-tombstone.js";
import { runSteps } from "./steps.js";
import { columnsOf, joinSteps, type TombstoneColumns } from "./tombstone-columns.js";
import { newestSeqsSteps, TombstoneTree } from "./tombstone-tree.js";
import { BoundaryWords } from "./tombstone-words.js";

export type { TombstoneColumns } from "./tombstone-columns.js";

/** `hidesAll` looks at no more fragments than these. */
const hidesAllFragmentsMax = 64;
/** What objects and array headers take, about. */
const overheadBytes = 1500;

/** Never changed, but for the tree. */
export class FragmentedTombstones {
  /** Called when the first read that is older than what is newest has built the tree: `memoryBytes` is greater from then on. */
  onGrown: (() => void) | undefined;
  readonly columns: TombstoneColumns;
  readonly fragmentCount: number;
  /** The lowest seq of all; 0 without any. */
  readonly minSeq: number;
  /** The highest seq of all; 0 without any. */
  readonly maxSeq: number;
  readonly #words: BoundaryWords;
  readonly #newestSeqs: Float64Array;
  #tree: TombstoneTree | undefined;

  /** Keeps the columns; they must be as `TombstoneColumns` says, which is not checked. Seqs are above 0. */
  constructor(columns: TombstoneColumns) {
    this.columns = columns;
    this.fragmentCount = columns.offsets.length - 1;
    let min = Number.POSITIVE_INFINITY;
    let max = 0;
    for (const seq of columns.seqs) {
      if (seq < min) min = seq;
      if (seq > max) max = seq;
    }
    this.minSeq = columns.seqs.length === 0 ? 0 : min;
    this.maxSeq = max;
    this.#words = new BoundaryWords(columns.keys, columns.offsets);
    this.#newestSeqs = runSteps(newestSeqsSteps(columns));
  }

  /** In any order, of any seqs; their ranges are not empty. Keeps none of their arrays. */
  static of(tombstones: readonly RangeTombstone[]): FragmentedTombstones {
    return new FragmentedTombstones(columnsOf(tombstones));
  }

  /** The tombstones of `a`, then those of `b`. Takes linear time; may be one of the two when the other is empty. */
  static join(a: FragmentedTombstones, b: FragmentedTombstones): FragmentedTombstones {
    if (a.count === 0) return b;
    if (b.count === 0) return a;
    return new FragmentedTombstones(runSteps(joinSteps(a.columns, b.columns)));
  }

  /** How many tombstones there are. */
  get count(): number {
    return this.columns.seqs.length;
  }

  /** Memory that it takes, about; more once a read needed the tree. */
  get memoryBytes(): number {
    const { keys, offsets, firsts, ends, seqs } = this.columns;
    const columnBytes =
      keys.byteLength + offsets.byteLength + firsts.byteLength + ends.byteLength + seqs.byteLength;
    const indexBytes = this.#words.memoryBytes + this.#newestSeqs.byteLength;
    return overheadBytes + columnBytes + indexBytes + (this.#tree?.memoryBytes ?? 0);
  }

  /** The highest seq, at most `seqMax`, of a tombstone that covers the key `bytes[start, end)`; 0 when none does. */
  coverSeq(bytes: Uint8Array, start: number, end: number, seqMax: number): number {
    if (seqMax < this.minSeq) return 0;
    return this.fragmentSeq(this.fragmentOf(bytes, start, end), seqMax);
  }

  /** The fragment that a key is in; -1 below the first boundary. */
  fragmentOf(bytes: Uint8Array, start: number, end: number): number {
    return this.#words.floor(bytes, start, end);
  }

  /** The highest seq, at most `seqMax`, of a tombstone that covers the fragment; 0 when none does. */
  fragmentSeq(fragment: number, seqMax: number): number {
    const newest = this.newestSeq(fragment);
    if (newest <= seqMax) return newest;
    if (seqMax < this.minSeq) return 0;
    if (this.#tree === undefined) {
      this.#tree = new TombstoneTree(this.columns);
      this.onGrown?.();
    }
    return this.#tree.seqAt(fragment, seqMax);
  }

  /** The highest seq of a tombstone that covers the fragment; 0 when none does. */
  newestSeq(fragment: number): number {
    return fragment >= 0 && fragment < this.fragmentCount ? this.#newestSeqs[fragment]! : 0;
  }

  /**
   * True when every key from `first` to `last`, both included, is covered by a tombstone with seq > `seq`, which is 0 or more, and
   * <= `seqMax`. Answers false, though it may be so, where the keys lie in more than 64 fragments.
   */
  hidesAll(first: Uint8Array, last: Uint8Array, seqMax: number, seq: number): boolean {
    if (this.maxSeq <= seq) return false;
    const from = this.fragmentOf(first, 0, first.length);
    if (this.fragmentSeq(from, seqMax) <= seq) return false;
    const to = this.fragmentOf(last, 0, last.length);
    if (to - from >= hidesAllFragmentsMax) return false;
    for (let fragment = from + 1; fragment <= to; fragment++) {
      if (this.fragmentSeq(fragment, seqMax) <= seq) return false;
    }
    return true;
  }

  /** Where a fragment begins, as a view; undefined for the number of fragments: there is no end. */
  boundary(fragment: number): Uint8Array | undefined {
    const { keys, offsets } = this.columns;
    if (fragment >= this.fragmentCount) return undefined;
    return keys.subarray(offsets[fragment]!, offsets[fragment + 1]!);
  }

  /** The tombstones, in the order in which they were given. */
  *tombstones(): Generator<RangeTombstone, undefined, undefined> {
    const { firsts, ends, seqs } = this.columns;
    for (let i = 0; i < seqs.length; i++) {
      yield { start: this.boundary(firsts[i]!)!, end: this.boundary(ends[i]!), seq: seqs[i]! };
    }
    return undefined;
  }
}
