/**
 * `RangeSegments`: what a range of a job consists of: keys whose rows are merged, partitions of one SST that are copied, and SSTs that move
 * as they are. It follows from the inputs alone, whatever has been done of the range.
 */
import { type Bytes, compareBytes } from "../common/bytes.js";
import { keyAfter } from "../common/key-after.js";
import type { JobRange } from "../format/compactions.js";
import type { SstInfo } from "../format/manifest.js";
import { FilterKind } from "../format/sst.js";
import type { Table } from "../sst/table.js";
import type { JobContext } from "./job-context.js";
import type { LoneStretch } from "./lone-stretches.js";
import { hasCodecOf, isCleanEdge } from "./stored-blocks.js";

/** Keys from `start` up to, but without, `end`; undefined: there is no end. */
export type Segment = MergeSegment | CopySegment | MoveSegment;

export interface MergeSegment {
  readonly kind: "merge";
  readonly start: Uint8Array;
  readonly end: Uint8Array | undefined;
}

/** Partitions of an SST from `first` to `last`. */
export interface CopySegment {
  readonly kind: "copy";
  readonly start: Uint8Array;
  readonly end: Uint8Array;
  readonly info: SstInfo;
  readonly rowSeq: number;
  readonly first: number;
  readonly last: number;
  /** What is known of its rows is known of all of them: no output may end within. */
  readonly isOne: boolean;
}

/** The SST becomes an output. */
export interface MoveSegment {
  readonly kind: "move";
  readonly start: Uint8Array;
  readonly end: Uint8Array;
  readonly info: SstInfo;
}

/** Less is merged: to copy it would leave small blocks and partitions. */
const copyBytesMin = 64 * 1024;

export class RangeSegments {
  readonly #context: JobContext;
  readonly #end: Bytes | undefined;
  /** Those of the range, in key order. */
  readonly #stretches: readonly LoneStretch[];
  readonly #resolved: (Promise<Exclude<Segment, MergeSegment> | undefined> | undefined)[] = [];

  constructor(context: JobContext, range: JobRange) {
    this.#context = context;
    this.#end = range.endless ? undefined : range.end;
    this.#stretches = within(context.stretches, range.start, this.#end);
  }

  /** The segment that goes on at `start`, where an output has left off or a segment ended; undefined at the end of the range. */
  async at(start: Uint8Array): Promise<Segment | undefined> {
    const end = this.#end;
    if (end !== undefined && compareBytes(start, end) >= 0) return undefined;
    for (const [i, { to }] of this.#stretches.entries()) {
      if (compareBytes(to, start) <= 0) continue;
      this.#resolved[i] ??= this.#resolve(this.#stretches[i]!);
      const segment = await this.#resolved[i];
      if (segment === undefined || compareBytes(segment.end, start) <= 0) continue;
      if (compareBytes(start, segment.start) < 0) {
        return { kind: "merge", start, end: segment.start };
      }
      return segment.kind === "copy" ? this.#goOn(segment, start) : segment;
    }
    return { kind: "merge", start, end };
  }

  /** The rest of a segment that an output has ended in. */
  async #goOn(segment: CopySegment, start: Uint8Array): Promise<CopySegment> {
    if (compareBytes(start, segment.start) === 0) return segment;
    const { partitions } = await this.#context.tables.open(segment.info, this.#context.signal);
    let { first } = segment;
    while (compareBytes(keyAfter(partitions.separator(first)), start) <= 0) first++;
    return { ...segment, start, first };
  }

  async #resolve(stretch: LoneStretch): Promise<Exclude<Segment, MergeSegment> | undefined> {
    const { task, tables, signal } = this.#context;
    const { sstBytesMax } = task.job;
    const { info, rowSeq, isWhole, from, to } = stretch;
    // Range deletes of an SST may lie beside its rows, where other outputs have theirs.
    const isLarge = isWhole && info.rangeDeletes.length === 0 && info.size >= sstBytesMax / 2;
    const { compression } = task.build;
    if (isLarge && compression === undefined)
      return { kind: "move", start: from, end: to, info: moved(stretch) };
    const bytesMin = Math.min(copyBytesMin, sstBytesMax / 8);
    if (info.size < bytesMin) return undefined;
    const table = await tables.open(info, signal);
    if (!(await hasCodecOf(table, compression, signal))) return undefined;
    if (isLarge) return { kind: "move", start: from, end: to, info: moved(stretch) };
    if (!this.#hasOurFilters(table)) return undefined;
    const isOne = table.properties.deleteCount + table.properties.mergeCount > 0;
    if (isOne && !isWhole) return undefined;
    // Above the retained seq there may be any rows, of which partitions say nothing.
    if (info.shadowedCount + info.expiringCount + info.maxExpiresAt > 0) return undefined;
    const found = await this.#partitionsWithin(table, stretch);
    if (found === undefined) return undefined;
    // Rows without a seq cannot be in one SST with others: what is copied of them has an output of its own.
    if (bytesOf(table, found) < (rowSeq === 0 ? bytesMin : sstBytesMax / 4)) return undefined;
    const { first, last } = found;
    const { partitions } = table;
    const start = first === 0 ? info.firstKey : keyAfter(partitions.separator(first - 1));
    const end = keyAfter(last === partitions.count - 1 ? info.lastKey : partitions.separator(last));
    return { kind: "copy", start, end, info, rowSeq, first, last, isOne };
  }

  /** What a reader of the output would look for in its filters. */
  #hasOurFilters({ properties }: Table): boolean {
    const { build } = this.#context.task;
    const ours =
      build.filterBitsPerKey === 0
        ? FilterKind.none
        : build.filter === "ribbon"
          ? FilterKind.ribbon
          : FilterKind.blockedBloom;
    const prefixes = this.#context.prefixExtractor?.name ?? "";
    if (ours === FilterKind.none) return true;
    return (
      properties.filterKind === ours && (prefixes === "" || properties.prefixExtractor === prefixes)
    );
  }

  /** Those of which all keys are in the stretch, and no key of which is in a partition outside. */
  async #partitionsWithin(
    table: Table,
    { info, from, to }: LoneStretch,
  ): Promise<{ first: number; last: number } | undefined> {
    const { partitions } = table;
    const { signal } = this.#context;
    let first = compareBytes(from, info.firstKey) > 0 ? 1 : 0;
    while (
      first > 0 &&
      first < partitions.count &&
      compareBytes(keyAfter(partitions.separator(first - 1)), from) < 0
    ) {
      first++;
    }
    let last = partitions.count - 1;
    if (compareBytes(to, keyAfter(info.lastKey)) < 0) {
      while (last >= 0 && compareBytes(keyAfter(partitions.separator(last)), to) > 0) last--;
    }
    while (first <= last && !(await isCleanEdge(table, first, signal))) first++;
    while (first <= last && !(await isCleanEdge(table, last + 1, signal))) last--;
    return first <= last ? { first, last } : undefined;
  }
}

function moved({ info, rowSeq }: LoneStretch): SstInfo {
  return rowSeq === info.seq ? info : { ...info, seq: rowSeq };
}

/** About. */
function bytesOf(table: Table, { first, last }: { first: number; last: number }): number {
  const { partitions } = table;
  const blocks = partitions.firstBlock(last + 1) - partitions.firstBlock(first);
  return (table.dataBytes * blocks) / table.blockCount;
}

function within(
  stretches: readonly LoneStretch[],
  start: Uint8Array,
  end: Uint8Array | undefined,
): readonly LoneStretch[] {
  const found: LoneStretch[] = [];
  for (const stretch of stretches) {
    const from = compareBytes(stretch.from, start) < 0 ? start : stretch.from;
    const to = end !== undefined && compareBytes(end, stretch.to) < 0 ? end : stretch.to;
    if (compareBytes(from, to) >= 0) continue;
    found.push({
      ...stretch,
      from,
      to,
      isWhole: stretch.isWhole && from === stretch.from && to === stretch.to,
    });
  }
  return found;
}
