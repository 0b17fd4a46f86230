/**
 * `loneStretches`: the keys for which a job has rows in a single SST of its inputs, and no range delete of any. There it has nothing to
 * merge: the SST may be moved, or partitions of it copied, unless it has rows that the job would drop.
 */
import { type Bytes, compareBytes, keyBytesMax } from "../common/bytes.js";
import type { FragmentedTombstones } from "../common/fragmented-tombstones.js";
import { keyAfter } from "../common/key-after.js";
import type { SstInfo } from "../format/manifest.js";
import type { JobSource, JobTask } from "./job.js";
import { rowSeqOf } from "./source-rows.js";

/** Keys from `from` up to, but without, `to`. */
export interface LoneStretch {
  readonly info: SstInfo;
  /** The seq of every row, where rows carry none; 0: they do. */
  readonly rowSeq: number;
  readonly from: Uint8Array;
  readonly to: Uint8Array;
  /** All keys of the SST are in it. */
  readonly isWhole: boolean;
}

/** A stretch over which there are more fragments of range deletes counts as none: there is little to copy in between. */
const fragmentsMax = 256;

/** In key order. Only of SSTs of which a job with these terms drops nothing, as far as a manifest tells. */
export function loneStretches(
  { sources, job }: Pick<JobTask, "sources" | "job">,
  rangeDeletes: FragmentedTombstones,
): readonly LoneStretch[] {
  const edges: Edge[] = [];
  for (const source of sources) {
    for (const info of source.ssts) {
      if (info.rowCount === 0) continue;
      const sst = { source, info };
      edges.push({ key: info.firstKey, sst, isStart: true });
      edges.push({ key: keyAfter(info.lastKey), sst, isStart: false });
    }
  }
  edges.sort((a, b) => compareBytes(a.key, b.key));
  const active = new Set<Sst>();
  const stretches: LoneStretch[] = [];
  for (const [i, { key, sst, isStart }] of edges.entries()) {
    if (isStart) active.add(sst);
    else active.delete(sst);
    const to = edges[i + 1]?.key;
    if (active.size !== 1 || to === undefined || compareBytes(key, to) === 0) continue;
    const [alone] = active;
    if (dropsNothing(alone!, job)) addUncovered(stretches, alone!, key, to, rangeDeletes);
  }
  return stretches;
}

interface Sst {
  readonly source: JobSource;
  readonly info: SstInfo;
}

interface Edge {
  readonly key: Bytes;
  readonly sst: Sst;
  readonly isStart: boolean;
}

function dropsNothing({ source, info }: Sst, { isBottom, retainSeq }: JobTask["job"]): boolean {
  // What is cut behind a key as long as keys can be would begin at one that is none.
  if (info.lastKey.length >= keyBytesMax) return false;
  const rowSeq = rowSeqOf(source, info);
  if ((rowSeq === 0 ? info.minSeq : rowSeq) > retainSeq) return true;
  if (info.shadowedCount > 0 || info.expiringCount > 0 || info.maxExpiresAt !== 0) return false;
  return !isBottom || info.deleteCount === 0;
}

/** Adds what is left of the keys where no range delete lies over them. */
function addUncovered(
  stretches: LoneStretch[],
  { source, info }: Sst,
  from: Uint8Array,
  to: Uint8Array,
  rangeDeletes: FragmentedTombstones,
): void {
  const first = rangeDeletes.fragmentOf(from, 0, from.length);
  const last = rangeDeletes.fragmentOf(to, 0, to.length);
  if (last - first > fragmentsMax) return;
  for (let fragment = first; fragment <= last; fragment++) {
    if (rangeDeletes.newestSeq(fragment) !== 0) continue;
    const start = fragment === first ? from : rangeDeletes.boundary(fragment)!;
    const end = fragment === last ? to : rangeDeletes.boundary(fragment + 1)!;
    if (compareBytes(start, end) >= 0) continue;
    const isWhole =
      compareBytes(start, info.firstKey) === 0 && compareBytes(end, keyAfter(info.lastKey)) === 0;
    stretches.push({ info, rowSeq: rowSeqOf(source, info), from: start, to: end, isWhole });
  }
}
