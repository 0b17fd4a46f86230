/**
 * `OutputBuild`: one output of a job, from the key at which it begins to where it is cut or its range ends. It depends on nothing but the
 * inputs of the job and that key, so that it can be built again: for a request that is sent again, or by whoever resumes the job.
 *
 * An output is cut before the first row of a key once its data is large enough. The keys from where it begins up to where the next one
 * does are its slot: range deletes are cut to it.
 */
import { bodyPool } from "../common/byte-pool.js";
import { type Bytes, copyBytes } from "../common/bytes.js";
import type { Ulid } from "../common/ids.js";
import { TimeSlice } from "../common/time-slice.js";
import type { SstInfo } from "../format/manifest.js";
import { SstBuilder } from "../format/sst-builder.js";
import { Step } from "../iterator/row-iterator.js";
import type { JobContext } from "./job-context.js";
import { MergedRows } from "./merge-range.js";

/** Keys up to, but without, `end`; undefined: there is no end. */
export interface OutputPlace {
  readonly start: Bytes;
  readonly end: Bytes | undefined;
}

export interface FinishedOutput {
  /** Undefined: nothing of these keys is kept. */
  readonly info: SstInfo | undefined;
  /** Where the next output begins; undefined: the range is at its end. */
  readonly next: Bytes | undefined;
  /** What the next output goes on with. */
  readonly rows: MergedRows | undefined;
}

/** An output up to this size is built into one piece of memory, and sent with one request. */
export const pieceBytes: number = 8 * 1024 * 1024;

/**
 * The bytes of the output in pieces, which belong to the caller; what `bodyPool` has lent may be given back. `rows` stands where the output
 * begins; without it, it is read from there.
 */
export async function* buildOutput(
  context: JobContext,
  id: Ulid,
  place: OutputPlace,
  rows: MergedRows = new MergedRows(context, place.start, place.end),
): AsyncGenerator<Uint8Array, FinishedOutput, undefined> {
  const { signal, throttle, task } = context;
  const slice = new TimeSlice(context.clock);
  const builder = newBuilder(context, id);
  let next: Bytes | undefined;
  let isKept = false;
  try {
    for (;;) {
      const step = rows.step();
      if (step === Step.pending) {
        await rows.fill(signal);
        signal.throwIfAborted();
        continue;
      }
      if (step === Step.end) break;
      const { row } = rows;
      if (isFull(builder, task.job.sstBytesMax) && builder.isBelow(row.key())) {
        next = copyBytes(row.keyBytes, row.keyStart, row.keyEnd);
        rows.hold();
        break;
      }
      builder.add(row);
      if (!slice.isOverAfter(row.valueEnd - row.valueStart)) continue;
      yield* pieces(builder.takeChunks());
      await slice.giveTurn();
      signal.throwIfAborted();
    }
    const kept = context.rangeDeletes.clip(place.start, next ?? place.end);
    for (let each = kept.next(); ; each = kept.next()) {
      if (each.done !== true) {
        if (slice.isOver) await slice.giveTurn();
        continue;
      }
      if (each.value !== undefined) builder.addRangeDeletes(each.value);
      break;
    }
    for (const _ of builder.prepareRangeDeletes()) if (slice.isOver) await slice.giveTurn();
    signal.throwIfAborted();
    if (builder.rowCount === 0 && !builder.hasRangeDeletes) {
      return { info: undefined, next: undefined, rows: undefined };
    }
    const { chunks, info } = builder.finish();
    yield* pieces(chunks);
    isKept = next !== undefined;
    return { info, next, rows: isKept ? rows : undefined };
  } finally {
    if (!isKept) rows.close();
  }

  async function* pieces(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
    for (const chunk of chunks) {
      await throttle?.take(chunk.length, signal);
      yield chunk;
    }
  }
}

function isFull(builder: SstBuilder, sstBytesMax: number): boolean {
  return builder.bytesWritten >= sstBytesMax && builder.rowCount > 0;
}

function newBuilder({ task, prefixExtractor }: JobContext, id: Ulid): SstBuilder {
  const { build, job, databaseId } = task;
  return new SstBuilder({
    ...{ id, databaseId, prefixExtractor },
    blockBytes: build.blockBytes,
    compression: build.compression,
    filter: build.filter,
    filterBitsPerKey: build.filterBitsPerKey,
    unfilteredSstBytesMax: build.unfilteredSstBytesMax,
    memory: bodyPool.lend(Math.min(pieceBytes, Math.ceil(job.sstBytesMax * 1.1) + 64 * 1024)),
  });
}
