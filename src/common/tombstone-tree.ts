/**
 * `TombstoneTree`: answers which range deletes lie over a fragment, for reads of any seq.
 *
 * A segment tree over the fragments: node i has the children 2i and 2i + 1, and fragment f is the leaf `fragmentCount` + f. A
 * tombstone lies at the O(log n) nodes that make up exactly its fragments, so that those over a fragment are the ones at the nodes
 * from its leaf up to the root. Neither space nor time grows faster than n log n, however tombstones nest.
 */
import type { Steps } from "./steps.js";
import type { TombstoneColumns } from "./tombstone-columns.js";

/** How many tombstones one step of `newestSeqsSteps` looks at. */
const stepCount = 8192;

/** The highest seq over each fragment; 0 where there is none. */
export function* newestSeqsSteps(columns: TombstoneColumns): Steps<Float64Array> {
  const { seqs } = columns;
  const fragmentCount = columns.offsets.length - 1;
  const highest = new Float64Array(2 * fragmentCount);
  for (let from = 0; from < seqs.length; from += stepCount) {
    raise(highest, columns, from, Math.min(from + stepCount, seqs.length));
    yield;
  }
  // Down to the fragments.
  for (let node = 2; node < highest.length; node++) {
    const above = highest[node >>> 1]!;
    if (highest[node]! < above) highest[node] = above;
  }
  return highest.slice(fragmentCount);
}

/** Puts the seqs of tombstones [from, to) to their nodes, where they are higher. */
function raise(highest: Float64Array, columns: TombstoneColumns, from: number, to: number): void {
  const { firsts, ends, seqs } = columns;
  for (let i = from; i < to; i++) {
    const seq = seqs[i]!;
    forEachNode(highest.length / 2, firsts[i]!, ends[i]!, (node) => {
      if (highest[node]! < seq) highest[node] = seq;
    });
  }
}

export class TombstoneTree {
  readonly #fragmentCount: number;
  /** The seqs of all tombstones, lowest first. A place in it is a rank. */
  readonly #seqs: Float64Array;
  /** The ranks at node i, lowest first: from `starts[i]` to `starts[i + 1]`. */
  readonly #ranks: Uint32Array;
  readonly #starts: Uint32Array;

  constructor(columns: TombstoneColumns) {
    const { firsts, ends, seqs } = columns;
    const fragmentCount = columns.offsets.length - 1;
    this.#fragmentCount = fragmentCount;
    this.#seqs = seqs.slice().sort();
    const starts = new Uint32Array(2 * fragmentCount + 1);
    for (let i = 0; i < seqs.length; i++) {
      forEachNode(fragmentCount, firsts[i]!, ends[i]!, (node) => {
        starts[node]! += 1;
      });
    }
    // Each count becomes where its node ends. Filled from the highest rank down, that moves to where it begins.
    for (let node = 1; node < starts.length; node++) starts[node]! += starts[node - 1]!;
    const ranks = new Uint32Array(starts[starts.length - 1]!);
    const byRank = this.#tombstonesByRank(seqs);
    for (let rank = byRank.length - 1; rank >= 0; rank--) {
      const i = byRank[rank]!;
      forEachNode(fragmentCount, firsts[i]!, ends[i]!, (node) => {
        starts[node]! -= 1;
        ranks[starts[node]!] = rank;
      });
    }
    this.#starts = starts;
    this.#ranks = ranks;
  }

  get memoryBytes(): number {
    return this.#seqs.byteLength + this.#ranks.byteLength + this.#starts.byteLength;
  }

  /** The highest seq, at most `seqMax`, over a fragment; 0 when there is none. */
  seqAt(fragment: number, seqMax: number): number {
    const starts = this.#starts;
    const ranks = this.#ranks;
    /** One more than the highest rank that counts. */
    const rankEnd = countUpTo(this.#seqs, seqMax);
    let found = -1;
    for (let node = this.#fragmentCount + fragment; node > 0; node >>>= 1) {
      const start = starts[node]!;
      let low = start;
      let high = starts[node + 1]!;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (ranks[middle]! < rankEnd) low = middle + 1;
        else high = middle;
      }
      if (low > start && ranks[low - 1]! > found) found = ranks[low - 1]!;
    }
    return found < 0 ? 0 : this.#seqs[found]!;
  }

  /** The tombstone of each rank; equal seqs in any order. */
  #tombstonesByRank(seqs: Float64Array): Uint32Array {
    const byRank = new Uint32Array(seqs.length);
    const taken = new Uint32Array(seqs.length);
    for (let i = 0; i < seqs.length; i++) {
      const last = countUpTo(this.#seqs, seqs[i]!) - 1;
      byRank[last - taken[last]!] = i;
      taken[last]! += 1;
    }
    return byRank;
  }
}

/** How many of `sorted` are at most `limit`. */
function countUpTo(sorted: Float64Array, limit: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Visits the fewest nodes that make up fragments [first, end). */
function forEachNode(
  fragmentCount: number,
  first: number,
  end: number,
  visit: (node: number) => void,
): void {
  let low = fragmentCount + first;
  let high = fragmentCount + end;
  while (low < high) {
    if (low % 2 === 1) visit(low++);
    if (high % 2 === 1) visit(--high);
    low >>>= 1;
    high >>>= 1;
  }
}
