/** `planRanges`: cuts the keys of a job into ranges of about equal bytes, which can be merged at once. */
import { type Bytes, compareBytes, copyBytes, emptyBytes } from "../common/bytes.js";
import { keyAfter } from "../common/key-after.js";
import type { JobRange } from "../format/compactions.js";
import type { SstInfo } from "../format/manifest.js";
import type { JobContext } from "./job-context.js";

const rangesMax = 8;
/** A range has about so many outputs at least: its last one is not full. */
const outputsMin = 4;
/** Of more SSTs, indexes are not looked at: they are parts enough. */
const openedMax = 64;
/** So many are opened at once. */
const openedAtOnce = 8;

/** Bytes of an SST up to a key behind them. */
interface Part {
  readonly end: Bytes;
  readonly bytes: number;
}

/** In key order, without a gap, from the first key to the last; each but a single one has at least `sstBytesMax` bytes, about. */
export async function planRanges(context: JobContext): Promise<readonly JobRange[]> {
  const { sources, job } = context.task;
  const ssts = sources.flatMap((source) => source.ssts.filter(({ rowCount }) => rowCount > 0));
  const total = ssts.reduce((sum, { size }) => sum + size, 0);
  const count = Math.min(rangesMax, Math.floor(total / (outputsMin * job.sstBytesMax)));
  if (count < 2) return [newRange(emptyBytes, undefined)];
  const parts = ssts.length > openedMax ? ssts.map(wholeOf) : await partsOf(context, ssts);
  parts.sort((a, b) => compareBytes(a.end, b.end));
  const ranges: JobRange[] = [];
  let start: Bytes = emptyBytes;
  let bytes = 0;
  for (const part of parts) {
    bytes += part.bytes;
    const isDue =
      bytes >= (total * (ranges.length + 1)) / count && total - bytes >= job.sstBytesMax;
    if (!isDue || compareBytes(part.end, start) <= 0 || isInMoved(context, part.end)) continue;
    ranges.push(newRange(start, part.end));
    start = part.end;
  }
  ranges.push(newRange(start, undefined));
  return ranges;
}

/** Up to each end of a partition of index and filter. */
async function partsOf({ tables, signal }: JobContext, ssts: readonly SstInfo[]): Promise<Part[]> {
  const parts: Part[] = [];
  for (let i = 0; i < ssts.length; i += openedAtOnce) {
    const opening = ssts.slice(i, i + openedAtOnce).map((info) => tables.open(info, signal));
    for (const table of await Promise.all(opening)) {
      const { partitions, blockCount, info } = table;
      for (let p = 0; p < partitions.count; p++) {
        const blocks = partitions.firstBlock(p + 1) - partitions.firstBlock(p);
        const isLast = p === partitions.count - 1;
        const end = keyAfter(isLast ? info.lastKey : partitions.separator(p));
        parts.push({ end, bytes: (info.size * blocks) / blockCount });
      }
    }
  }
  return parts;
}

function wholeOf(info: SstInfo): Part {
  return { end: keyAfter(info.lastKey), bytes: info.size };
}

/** True when a cut there would part an SST that can move as a whole. */
function isInMoved({ stretches, task }: JobContext, key: Uint8Array): boolean {
  return stretches.some(
    ({ from, to, isWhole, info }) =>
      isWhole &&
      info.size >= task.job.sstBytesMax / 2 &&
      compareBytes(from, key) < 0 &&
      compareBytes(key, to) < 0,
  );
}

function newRange(start: Bytes, end: Bytes | undefined): JobRange {
  return {
    ...{ start, end: end === undefined ? emptyBytes : copyBytes(end), endless: end === undefined },
    ...{ resumeAt: start, done: false, outputs: [] },
  };
}
