/**
 * `FragmentedTombstones`: range deletes, cut at all their ends into fragments that do not overlap, to be searched by key.
 *
 * Fragment i are the keys from boundary i up to, but without, boundary i + 1; the last one has no end.
 */
import { compareBytes, compareRanges } from "./bytes.js";
import type { RangeTombstone } from "./range-tombstone.js";

/** Which fragments each tombstone covers. */
export interface TombstoneColumns {
  /** All boundaries, each once, in order, one after another. */
  readonly keys: Uint8Array;
  /** Where each boundary begins in `keys`, and where the last one ends. */
  readonly offsets: Uint32Array;
  /** For each tombstone, its first fragment. */
  readonly firsts: Uint32Array;
  /** For each tombstone, the fragment after its last one: the number of fragments where it has no end. */
  readonly ends: Uint32Array;
  readonly seqs: Float64Array;
}

/** Never changed. */
export class FragmentedTombstones {
  readonly columns: TombstoneColumns;

  constructor(columns: TombstoneColumns) {
    this.columns = columns;
  }

  /** In any order, of any seqs; their ranges are not empty. */
  static of(tombstones: readonly RangeTombstone[]): FragmentedTombstones {
    const ends = tombstones.flatMap(({ start, end }) =>
      end === undefined ? [start] : [start, end],
    );
    ends.sort(compareBytes);
    const boundaries = ends.filter((key, i) => i === 0 || compareBytes(ends[i - 1]!, key) !== 0);
    const offsets = new Uint32Array(boundaries.length + 1);
    for (const [i, key] of boundaries.entries()) offsets[i + 1] = offsets[i]! + key.length;
    const keys = new Uint8Array(offsets[boundaries.length]!);
    for (const [i, key] of boundaries.entries()) keys.set(key, offsets[i]);
    const indexOf = (key: Uint8Array): number =>
      boundaries.findIndex((boundary) => compareBytes(boundary, key) === 0);
    return new FragmentedTombstones({
      keys,
      offsets,
      firsts: Uint32Array.from(tombstones, ({ start }) => indexOf(start)),
      ends: Uint32Array.from(tombstones, ({ end }) =>
        end === undefined ? boundaries.length : indexOf(end),
      ),
      seqs: Float64Array.from(tombstones, ({ seq }) => seq),
    });
  }

  /** How many tombstones there are. */
  get count(): number {
    return this.columns.seqs.length;
  }

  get fragmentCount(): number {
    return this.columns.offsets.length - 1;
  }

  /** The highest seq of all; 0 without any. */
  get maxSeq(): number {
    return this.columns.seqs.reduce((max, seq) => Math.max(max, seq), 0);
  }

  /** Memory that it takes, about. */
  get memoryBytes(): number {
    return this.columns.keys.length + this.count * 64;
  }

  /** The highest seq, at most `seqMax`, of a tombstone that covers the key `bytes[start, end)`; 0 when none does. */
  coverSeq(bytes: Uint8Array, start: number, end: number, seqMax: number): number {
    const fragment = this.fragmentOf(bytes, start, end);
    return fragment < 0 ? 0 : this.fragmentSeq(fragment, seqMax);
  }

  /** The fragment that a key is in; -1 below the first boundary. */
  fragmentOf(bytes: Uint8Array, start: number, end: number): number {
    const { keys, offsets } = this.columns;
    let low = 0;
    let high = this.fragmentCount;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareRanges(keys, offsets[middle]!, offsets[middle + 1]!, bytes, start, end) <= 0) {
        low = middle + 1;
      } else high = middle;
    }
    return low - 1;
  }

  /** The highest seq, at most `seqMax`, of a tombstone that covers the fragment; 0 when none does. */
  fragmentSeq(fragment: number, seqMax: number): number {
    const { firsts, ends, seqs } = this.columns;
    let found = 0;
    for (let i = 0; i < seqs.length; i++) {
      const seq = seqs[i]!;
      if (seq > found && seq <= seqMax && firsts[i]! <= fragment && fragment < ends[i]!)
        found = seq;
    }
    return found;
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
