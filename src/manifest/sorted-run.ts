/** A sorted run as the manifest names it, from its SSTs. */
import { type Bytes, compareBytes, emptyBytes } from "../common/bytes.js";
import type { Ulid } from "../common/ids.js";
import {
  noUlid,
  runSstsInManifestMax,
  type SortedRun,
  type SstInfo,
  type TombstoneSpan,
} from "../format/manifest.js";
import { encodeRunList } from "../format/run-list.js";

export interface BuiltRun {
  readonly run: SortedRun;
  /** The run's own object, which has to be stored before the run is named; undefined where the manifest holds the list. */
  readonly list: Bytes | undefined;
}

/** `ssts` in key order, at least one. */
export function buildSortedRun(
  databaseId: Ulid,
  { id, level }: Pick<SortedRun, "id" | "level">,
  ssts: readonly SstInfo[],
): BuiltRun {
  const total = (of: (sst: SstInfo) => number): number =>
    ssts.reduce((sum, sst) => sum + of(sst), 0);
  const run: SortedRun = {
    ...{ id, ssts, listBytes: 0, level, indexOffset: 0, owner: noUlid, rangeDeletes: [] },
    ...{ firstKey: ssts[0]!.firstKey, lastKey: ssts.at(-1)!.lastKey, sstCount: ssts.length },
    ...{ rowCount: total(({ rowCount }) => rowCount), size: total(({ size }) => size) },
  };
  if (ssts.length <= runSstsInManifestMax) return { run, list: undefined };
  const { bytes, indexOffset } = encodeRunList(databaseId, id, ssts);
  const spans = ssts.flatMap(({ rangeDeletes }) => rangeDeletes);
  const rangeDeletes = spans.length === 0 ? [] : [hullOf(spans)];
  return {
    run: { ...run, ssts: [], listBytes: bytes.length, indexOffset, rangeDeletes },
    list: bytes,
  };
}

/** From the first start to the last end; where there are gaps, no seq covers all of it. */
function hullOf(spans: readonly TombstoneSpan[]): TombstoneSpan {
  let { start, end, endless } = spans[0]!;
  let count = 0;
  let maxSeq = 0;
  for (const span of spans) {
    if (compareBytes(span.start, start) < 0) start = span.start;
    endless ||= span.endless;
    if (compareBytes(span.end, end) > 0) end = span.end;
    count += span.count;
    maxSeq = Math.max(maxSeq, span.maxSeq);
  }
  return { start, end: endless ? emptyBytes : end, endless, count, minSeq: 0, maxSeq };
}
