/**
 * `buildOutput`: one output of a job, from the key at which it begins to where it is cut or its range ends. It depends on nothing but the
 * inputs of the job and that key, so that it can be built again: for a request that is sent again, or by whoever resumes the job.
 *
 * An output is cut before the first row of a key, or between partitions that are copied, once its data is large enough; and before an SST
 * that moves, or rows that cannot be in one SST with those before them. The keys from where it begins up to where the next one does are
 * its slot: range deletes are cut to it.
 */
import { type Bytes, copyBytes } from "../common/bytes.js";
import type { Ulid } from "../common/ids.js";
import { overlaps } from "../common/key-range.js";
import type { Steps } from "../common/steps.js";
import { TimeSlice } from "../common/time-slice.js";
import type { SstInfo } from "../format/manifest.js";
import { SstBuilder } from "../format/sst-builder.js";
import { Step } from "../iterator/row-iterator.js";
import { copyPartitions } from "./copied-partitions.js";
import type { JobContext } from "./job-context.js";
import { halfOpen, MergedRows } from "./merge-range.js";
import type { CopySegment, MergeSegment, RangeSegments } from "./range-segments.js";

/** Where an output begins, and what has been made ready for it. */
export interface OutputPlace {
  readonly context: JobContext;
  readonly segments: RangeSegments;
  readonly start: Uint8Array;
  /** The end of the range; undefined: there is none. */
  readonly end: Uint8Array | undefined;
  /** The id of the output, the same each time. */
  readonly id: () => Ulid;
}

export interface FinishedOutput {
  /** Undefined: nothing of these keys is kept. */
  readonly info: SstInfo | undefined;
  /** Where the next output begins; undefined: the range is at its end. */
  readonly next: Uint8Array | undefined;
  /** What the next output goes on with, where it begins among rows that are merged. */
  readonly rows: MergedRows | undefined;
}

/** An output up to this size is built into one piece of memory, and sent with one request. */
export const pieceBytes: number = 8 * 1024 * 1024;

/** What the build of an output may take over. */
export interface BuildParts {
  /** Rows that stand where the output begins. Default: they are read from there. */
  readonly rows?: MergedRows | undefined;
  /** Asked for the memory of the first piece when there is one. Default: it has its own. */
  readonly lend?: ((length: number) => Bytes) | undefined;
}

/** The bytes of the output in pieces, which belong to the caller. None where nothing is kept, or an SST is moved. */
export async function* buildOutput(
  place: OutputPlace,
  parts: BuildParts = {},
): AsyncGenerator<Uint8Array, FinishedOutput, undefined> {
  const build = new OutputBuild(place, parts);
  try {
    return yield* build.run();
  } finally {
    build.close();
  }
}

class OutputBuild {
  readonly #place: OutputPlace;
  readonly #context: JobContext;
  readonly #slice: TimeSlice;
  readonly #lend: BuildParts["lend"];
  #builder: SstBuilder | undefined;
  /** The seq of all rows so far, where they carry none; 0: they do. */
  #rowSeq = 0;
  /** Rows of the segment at hand, while they are merged. */
  #rows: MergedRows | undefined;
  /** Set where the output is cut. */
  #next: Uint8Array | undefined;

  constructor(place: OutputPlace, { rows, lend }: BuildParts) {
    this.#place = place;
    this.#lend = lend;
    this.#context = place.context;
    this.#slice = new TimeSlice(place.context.clock);
    this.#rows = rows;
  }

  async *run(): AsyncGenerator<Uint8Array, FinishedOutput, undefined> {
    const { segments, start } = this.#place;
    let segment = await segments.at(start);
    while (segment !== undefined) {
      if (segment.kind === "merge") {
        if (this.#rowSeq === 0) yield* this.#merge(segment);
        else if (!(await this.#isGap(segment))) this.#next = segment.start;
      } else if (segment.kind === "copy") {
        if (!(await this.#fits(segment.rowSeq, segment.start))) this.#next = segment.start;
        else yield* this.#copy(segment);
      } else if (this.#hasRows || (await this.#rangeDeletesTo(segment.start)) !== undefined) {
        this.#next = segment.start;
      } else {
        return { info: segment.info, next: segment.end, rows: undefined };
      }
      if (this.#next !== undefined || segment.end === undefined) break;
      segment = await segments.at(segment.end);
    }
    return yield* this.#finish();
  }

  /** Harmless twice. Rows that have been handed on are not closed. */
  close(): void {
    this.#rows?.close();
  }

  get #hasRows(): boolean {
    return (this.#builder?.rowCount ?? 0) > 0;
  }

  /** Whether rows of this seq may come next: rows that carry none have an SST of their own, without range deletes. */
  async #fits(rowSeq: number, start: Uint8Array): Promise<boolean> {
    if (this.#hasRows) return rowSeq === this.#rowSeq;
    return rowSeq === 0 || (await this.#rangeDeletesTo(start)) === undefined;
  }

  /** Nothing of these keys is kept, because there is nothing. */
  async #isGap({ start, end }: MergeSegment): Promise<boolean> {
    const bounds = halfOpen(start, end);
    const hasRows = this.#context.task.sources.some(({ ssts }) =>
      ssts.some((info) => info.rowCount > 0 && overlaps(bounds, info.firstKey, info.lastKey)),
    );
    return !hasRows && (await this.#rangeDeletesTo(end)) === undefined;
  }

  async *#merge(segment: MergeSegment): AsyncGenerator<Uint8Array, void, undefined> {
    const { signal } = this.#context;
    const { sstBytesMax } = this.#context.task.job;
    this.#rows ??= new MergedRows(this.#context, segment.start, segment.end);
    const rows = this.#rows;
    for (;;) {
      const step = rows.step();
      if (step === Step.pending) {
        await rows.fill(signal);
        signal.throwIfAborted();
        continue;
      }
      if (step === Step.end) break;
      const { row } = rows;
      this.#builder ??= this.#open();
      const builder = this.#builder;
      if (builder.bytesWritten >= sstBytesMax && this.#hasRows && builder.isBelow(row.key())) {
        this.#next = copyBytes(row.keyBytes, row.keyStart, row.keyEnd);
        rows.hold();
        return;
      }
      builder.add(row);
      if (!this.#slice.isOverAfter(row.valueEnd - row.valueStart)) continue;
      yield* this.#pieces(builder.takeChunks());
      await this.#slice.giveTurn();
      signal.throwIfAborted();
    }
    rows.close();
    this.#rows = undefined;
  }

  async *#copy(segment: CopySegment): AsyncGenerator<Uint8Array, void, undefined> {
    const { sstBytesMax } = this.#context.task.job;
    this.#builder ??= this.#open();
    const builder = this.#builder;
    if (builder.bytesWritten >= sstBytesMax && this.#hasRows) {
      this.#next = segment.start;
      return;
    }
    this.#rowSeq = segment.rowSeq;
    const isFull = (): boolean => builder.bytesWritten >= sstBytesMax;
    const copying = copyPartitions(this.#context, segment, builder, this.#slice, isFull);
    for (;;) {
      const step = await copying.next();
      yield* this.#pieces(builder.takeChunks());
      if (step.done !== true) continue;
      this.#next = step.value;
      return;
    }
  }

  async *#finish(): AsyncGenerator<Uint8Array, FinishedOutput, undefined> {
    const next = this.#next;
    const rangeDeletes = await this.#rangeDeletesTo(next ?? this.#place.end);
    if (!this.#hasRows && rangeDeletes === undefined) {
      return { info: undefined, next, rows: undefined };
    }
    const builder = this.#builder ?? this.#open();
    if (rangeDeletes !== undefined) builder.addRangeDeletes(rangeDeletes);
    await this.#inSlices(builder.prepareRangeDeletes());
    const { chunks, info } = builder.finish();
    yield* this.#pieces(chunks);
    const rows = this.#rows;
    this.#rows = undefined;
    return { info: this.#rowSeq === 0 ? info : { ...info, seq: this.#rowSeq }, next, rows };
  }

  /** What is kept of the range deletes from where the output begins. */
  #rangeDeletesTo(end: Uint8Array | undefined) {
    return this.#inSlices(this.#context.rangeDeletes.clip(this.#place.start, end));
  }

  async #inSlices<T>(steps: Steps<T>): Promise<T> {
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
      if (this.#slice.isOver) await this.#slice.giveTurn();
      this.#context.signal.throwIfAborted();
    }
  }

  async *#pieces(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array, void, undefined> {
    const { throttle, signal } = this.#context;
    for (const chunk of chunks) {
      await throttle?.take(chunk.length, signal);
      yield chunk;
    }
  }

  #open(): SstBuilder {
    const { task, prefixExtractor } = this.#context;
    const { build, job, databaseId } = task;
    return new SstBuilder({
      ...{ id: this.#place.id(), databaseId, prefixExtractor },
      blockBytes: build.blockBytes,
      compression: build.compression,
      filter: build.filter,
      filterBitsPerKey: build.filterBitsPerKey,
      unfilteredSstBytesMax: build.unfilteredSstBytesMax,
      memory: this.#lend?.(Math.min(pieceBytes, Math.ceil(job.sstBytesMax * 1.1) + 64 * 1024)),
    });
  }
}
