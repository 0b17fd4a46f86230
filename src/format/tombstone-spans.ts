/**
 * What a manifest says about the range deletes of an SST, so that most reads need no more of them. It is bounded: manifests name
 * many SSTs, and keys may be long.
 */
import { type Bytes, copyBytes, emptyBytes, prefixSuccessor } from "../common/bytes.js";
import { runSteps } from "../common/steps.js";
import type { TombstoneColumns } from "../common/tombstone-columns.js";
import { newestSeqsSteps } from "../common/tombstone-tree.js";
import { type SstInfo, type TombstoneSpan, tombstoneSpansMax } from "./manifest.js";

/** The starts and ends of all spans of an SST have no more bytes, unless they are those of its only range delete. */
const spanKeyBytesMax = 4096;
/** A start or end that need not be exact is cut to so many bytes, or to what it takes to stay clear of the next span. */
const looseKeyBytes = 64;

/** Fragments one after another that are all covered: from `firsts[i]` up to but without `ends[i]`. */
interface Runs {
  readonly count: number;
  readonly firsts: Uint32Array;
  readonly ends: Uint32Array;
}

/** What becomes a span: all from one fragment up to, but without, another. */
interface Group {
  readonly first: number;
  readonly endFragment: number;
  /** It has no gaps, and its ends are exact. */
  readonly isExact: boolean;
  start: Uint8Array;
  /** Undefined: there is no end. */
  end: Uint8Array | undefined;
}

/**
 * Spans in key order, at most `tombstoneSpansMax` and of at most 4096 bytes of keys. Where there are more stretches without a gap, neighbours
 * become one span, as many here as there, and no seq covers all of it: so long ends of it may lie farther out. A single range delete is a span
 * with its ends, however long. `newest` is the highest seq over each fragment.
 */
export function summarizeTombstones(
  { columns }: { readonly columns: TombstoneColumns },
  newest: Float64Array = runSteps(newestSeqsSteps(columns)),
): TombstoneSpan[] {
  const runs = runsOf(newest);
  let groups: Group[] = [];
  for (let count = Math.min(runs.count, tombstoneSpansMax); count > 0; count--) {
    groups = groupsOf(columns, runs, count, true);
    if (keyBytes(groups) <= spanKeyBytesMax) break;
    // Of a single range delete, all is said: readers rely on that.
    if (count === 1 && columns.seqs.length > 1) groups = groupsOf(columns, runs, 1, false);
  }
  /** For each fragment, how many range deletes begin there. */
  const counts = new Uint32Array(newest.length);
  for (const first of columns.firsts) counts[first]!++;
  return groups.map((group) => spanOf(group, newest, counts));
}

/** How many range deletes an SST has. */
export function rangeDeleteCount({ rangeDeletes }: SstInfo): number {
  return rangeDeletes.reduce((sum, { count }) => sum + count, 0);
}

function runsOf(newest: Float64Array): Runs {
  let count = 0;
  for (let i = 0; i < newest.length; i++) {
    if (newest[i] !== 0 && (i === 0 || newest[i - 1] === 0)) count++;
  }
  const firsts = new Uint32Array(count);
  const ends = new Uint32Array(count);
  let run = -1;
  for (let i = 0; i < newest.length; i++) {
    if (newest[i] === 0) continue;
    if (i === 0 || newest[i - 1] === 0) firsts[++run] = i;
    ends[run] = i + 1;
  }
  return { count, firsts, ends };
}

/** Runs in `count` groups. Where `keepsSingle`, a group of a single run has its ends. */
function groupsOf(
  columns: TombstoneColumns,
  runs: Runs,
  count: number,
  keepsSingle: boolean,
): Group[] {
  const groups: Group[] = [];
  for (let i = 0; i < count; i++) {
    const from = Math.floor((i * runs.count) / count);
    const to = Math.floor(((i + 1) * runs.count) / count);
    const first = runs.firsts[from]!;
    const endFragment = runs.ends[to - 1]!;
    const start = boundary(columns, first)!;
    const end = boundary(columns, endFragment);
    groups.push({ first, endFragment, isExact: keepsSingle && to - from === 1, start, end });
  }
  // From the exact end of the one before to a loose start, and from there to the loose end before it: they never overlap.
  for (let i = 0; i < count; i++) {
    const group = groups[i]!;
    if (!group.isExact) group.start = looseStart(group.start, groups[i - 1]?.end);
  }
  for (let i = 0; i < count; i++) {
    const group = groups[i]!;
    if (!group.isExact) group.end = looseEnd(group.end, groups[i + 1]?.start);
  }
  return groups;
}

/** A key of few bytes that is not above `start`, but above `before`. */
function looseStart(start: Uint8Array, before: Uint8Array | undefined): Uint8Array {
  return start.subarray(0, Math.max(looseKeyBytes, sharedLength(start, before) + 1));
}

/** A key of few bytes that is not below `end`, and not above `next`; undefined where there is none above. */
function looseEnd(end: Uint8Array | undefined, next: Uint8Array | undefined): Bytes | undefined {
  if (end === undefined) return undefined;
  const length = Math.max(looseKeyBytes, sharedLength(end, next) + 1);
  return length >= end.length ? copyBytes(end) : prefixSuccessor(end.subarray(0, length));
}

function sharedLength(a: Uint8Array, b: Uint8Array | undefined): number {
  if (b === undefined) return 0;
  const most = Math.min(a.length, b.length);
  let shared = 0;
  while (shared < most && a[shared] === b[shared]) shared++;
  return shared;
}

function keyBytes(groups: readonly Group[]): number {
  return groups.reduce((sum, { start, end }) => sum + start.length + (end?.length ?? 0), 0);
}

function spanOf(group: Group, newest: Float64Array, counts: Uint32Array): TombstoneSpan {
  const { first, endFragment, isExact, start, end } = group;
  let minSeq = Number.MAX_SAFE_INTEGER;
  let maxSeq = 0;
  let count = 0;
  for (let i = first; i < endFragment; i++) {
    const seq = newest[i]!;
    if (seq < minSeq) minSeq = seq;
    if (seq > maxSeq) maxSeq = seq;
    count += counts[i]!;
  }
  return {
    start: copyBytes(start),
    end: end === undefined ? emptyBytes : copyBytes(end),
    endless: end === undefined,
    count,
    minSeq: isExact ? minSeq : 0,
    maxSeq,
  };
}

function boundary({ keys, offsets }: TombstoneColumns, fragment: number): Uint8Array | undefined {
  if (fragment >= offsets.length - 1) return undefined;
  return keys.subarray(offsets[fragment]!, offsets[fragment + 1]!);
}
