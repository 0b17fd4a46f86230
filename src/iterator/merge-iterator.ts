/**
 * `MergeIterator`: several row iterators as one, in storage order.
 *
 * A tournament tree of losers over source indexes: `#tree[0]` is the source that stands at the first row, and inner node
 * i (1 <= i < sources) holds the loser of the match that was played there. Source i is leaf `sources + i`. When the winner
 * has moved, only the matches on its way to the root are played again: log2(sources) comparisons per row, no allocation.
 */
import { compareRanges } from "../common/bytes.js";
import { RowRef } from "../common/row.js";
import { emptyIterator } from "./empty-iterator.js";
import { type RowIterator, Step } from "./row-iterator.js";

/**
 * The rows of all sources in storage order, or in exactly the reverse order. Where two sources hold the same (key, seq), the
 * row of the earlier one comes first, in both directions. All sources must run in the direction that `reverse` names.
 * The sources belong to the result, which closes them.
 */
export function mergeRows(sources: readonly RowIterator[], reverse: boolean): RowIterator {
  if (sources.length === 0) return emptyIterator();
  return sources.length === 1 ? sources[0]! : new MergeIterator(sources, reverse);
}

export class MergeIterator implements RowIterator {
  readonly row: RowRef = new RowRef();
  readonly #sources: readonly RowIterator[];
  /** The sources' rows, which are the same objects for their whole lives. */
  readonly #rows: readonly RowRef[];
  readonly #reverse: boolean;
  readonly #tree: Int32Array;
  /** 1 where the source has no more rows. */
  readonly #ended: Uint8Array;
  /** 1 where the source has to be stepped before matches can be played. */
  readonly #behind: Uint8Array;
  /** False while more sources than the winner may have moved, so that every match has to be played. */
  #ordered = false;
  /** Sources whose last step was pending. */
  #pending: number[] = [];

  constructor(sources: readonly RowIterator[], reverse: boolean) {
    this.#sources = sources;
    this.#rows = sources.map((source) => source.row);
    this.#reverse = reverse;
    this.#tree = new Int32Array(sources.length);
    this.#ended = new Uint8Array(sources.length);
    this.#behind = new Uint8Array(sources.length).fill(1);
  }

  step(): Step {
    if (this.#ordered) {
      const winner = this.#tree[0]!;
      // An ended winner means that all have ended.
      if (this.#ended[winner] === 1) return Step.end;
      const step = this.#sources[winner]!.step();
      if (step === Step.pending) {
        this.#pending = [winner];
        return Step.pending;
      }
      if (step === Step.end) this.#ended[winner] = 1;
      this.#replay(winner);
    } else {
      if (!this.#catchUp()) return Step.pending;
      this.#playAll();
      this.#ordered = true;
    }
    const winner = this.#tree[0]!;
    if (this.#ended[winner] === 1) return Step.end;
    this.row.copyFrom(this.#rows[winner]!);
    return Step.row;
  }

  /** Fills every pending source at once. Rejects with the first failure after all have come to an end. */
  async fill(signal?: AbortSignal): Promise<void> {
    const pending = this.#pending;
    if (pending.length === 1) return this.#sources[pending[0]!]!.fill(signal);
    // Not Promise.all: a source that is still filling must not be filled again by a caller that tries again.
    const results = await Promise.allSettled(
      pending.map((source) => this.#sources[source]!.fill(signal)),
    );
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  seek(key: Uint8Array): void {
    for (const source of this.#sources) source.seek(key);
    this.#behind.fill(1);
    this.#ordered = false;
  }

  /**
   * Moves the sources that have a target, as `targetOf` says, on to that, those that stand before it. Only after a `step` that gave a row; the
   * next one gives the row after that, of what is left.
   */
  seekOn(targetOf: (source: number) => Uint8Array | undefined): void {
    for (const [i, source] of this.#sources.entries()) {
      const key = this.#ended[i] === 1 ? undefined : targetOf(i);
      if (key === undefined) continue;
      const { keyBytes, keyStart, keyEnd } = this.#rows[i]!;
      const order = compareRanges(keyBytes, keyStart, keyEnd, key, 0, key.length);
      if (this.#reverse ? order <= 0 : order >= 0) continue;
      source.seek(key);
      this.#behind[i] = 1;
    }
    // The row of the winner has been given.
    this.#behind[this.#tree[0]!] = 1;
    this.#ordered = false;
  }

  close(): void {
    for (const source of this.#sources) source.close();
  }

  /** Steps every source that is behind, so that what is pending is known all at once. True when none is behind any more. */
  #catchUp(): boolean {
    const pending: number[] = [];
    for (let source = 0; source < this.#sources.length; source++) {
      if (this.#behind[source] === 0) continue;
      const step = this.#sources[source]!.step();
      if (step === Step.pending) {
        pending.push(source);
        continue;
      }
      this.#behind[source] = 0;
      this.#ended[source] = step === Step.end ? 1 : 0;
    }
    this.#pending = pending;
    return pending.length === 0;
  }

  /** Plays the matches between a leaf and the root; the last winner becomes `#tree[0]`. */
  #replay(source: number): void {
    const tree = this.#tree;
    let winner = source;
    for (let node = (source + tree.length) >> 1; node > 0; node >>= 1) {
      const loser = tree[node]!;
      if (this.#isBefore(loser, winner)) {
        tree[node] = winner;
        winner = loser;
      }
    }
    tree[0] = winner;
  }

  /** Plays every match, from the leaves up. */
  #playAll(): void {
    const count = this.#tree.length;
    const winners = new Int32Array(2 * count);
    for (let source = 0; source < count; source++) winners[count + source] = source;
    for (let node = count - 1; node > 0; node--) {
      const left = winners[2 * node]!;
      const right = winners[2 * node + 1]!;
      const leftWins = this.#isBefore(left, right);
      winners[node] = leftWins ? left : right;
      this.#tree[node] = leftWins ? right : left;
    }
    this.#tree[0] = count === 1 ? 0 : winners[1]!;
  }

  /** True when source a's row comes before source b's. */
  #isBefore(a: number, b: number): boolean {
    if (this.#ended[a] === 1) return false;
    if (this.#ended[b] === 1) return true;
    const left = this.#rows[a]!;
    const right = this.#rows[b]!;
    const byKey = compareRanges(
      left.keyBytes,
      left.keyStart,
      left.keyEnd,
      right.keyBytes,
      right.keyStart,
      right.keyEnd,
    );
    const order = byKey === 0 ? right.seq - left.seq : byKey;
    if (order === 0) return a < b;
    return this.#reverse ? order > 0 : order < 0;
  }
}
