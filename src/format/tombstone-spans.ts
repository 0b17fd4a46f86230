/** What a manifest says about the range deletes of an SST, so that most reads need no more of them. */
import { copyBytes, emptyBytes } from "../common/bytes.js";
import type { FragmentedTombstones } from "../common/fragmented-tombstones.js";
import { type SstInfo, type TombstoneSpan, tombstoneSpansMax } from "./manifest.js";

/** Fragments one after another that are all covered, from `first` up to but without `end`. */
interface Run {
  readonly first: number;
  end: number;
  /** The lowest of the newest seqs over each of them. */
  minSeq: number;
  maxSeq: number;
  count: number;
}

/**
 * Spans in key order, at most `tombstoneSpansMax`. Where there are more stretches without a gap than that, neighbours become one
 * span, as many here as there, and no seq covers all of it.
 */
export function summarizeTombstones(tombstones: FragmentedTombstones): TombstoneSpan[] {
  const runs = runsOf(tombstones);
  const spanCount = Math.min(runs.length, tombstoneSpansMax);
  const spans: TombstoneSpan[] = [];
  for (let i = 0; i < spanCount; i++) {
    const from = Math.floor((i * runs.length) / spanCount);
    const to = Math.floor(((i + 1) * runs.length) / spanCount);
    spans.push(joined(tombstones, runs.slice(from, to)));
  }
  return spans;
}

/** How many range deletes an SST has. */
export function rangeDeleteCount({ rangeDeletes }: SstInfo): number {
  return rangeDeletes.reduce((sum, { count }) => sum + count, 0);
}

function joined(tombstones: FragmentedTombstones, runs: readonly Run[]): TombstoneSpan {
  const end = tombstones.boundary(runs.at(-1)!.end);
  let count = 0;
  let maxSeq = 0;
  for (const run of runs) {
    count += run.count;
    maxSeq = Math.max(maxSeq, run.maxSeq);
  }
  return {
    start: copyBytes(tombstones.boundary(runs[0]!.first)!),
    end: end === undefined ? emptyBytes : copyBytes(end),
    endless: end === undefined,
    count,
    minSeq: runs.length === 1 ? runs[0]!.minSeq : 0,
    maxSeq,
  };
}

function runsOf(tombstones: FragmentedTombstones): Run[] {
  const { firsts } = tombstones.columns;
  /** For each fragment, how many range deletes begin there. */
  const counts = new Uint32Array(tombstones.fragmentCount);
  for (const first of firsts) counts[first]!++;
  const runs: Run[] = [];
  let run: Run | undefined;
  for (let i = 0; i < tombstones.fragmentCount; i++) {
    const seq = tombstones.fragmentSeq(i, Number.MAX_SAFE_INTEGER);
    if (seq === 0) {
      run = undefined;
      continue;
    }
    if (run === undefined) {
      run = { first: i, end: i, minSeq: seq, maxSeq: seq, count: 0 };
      runs.push(run);
    }
    run.end = i + 1;
    run.minSeq = Math.min(run.minSeq, seq);
    run.maxSeq = Math.max(run.maxSeq, seq);
    run.count += counts[i]!;
  }
  return runs;
}
