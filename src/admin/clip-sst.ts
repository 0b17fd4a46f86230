/**
 * `writeClipped`: rows and range deletes of a span of keys as one SST, streamed: no more of it is in memory than what is on its way. All
 * versions stay as they are, with seqs, times and operands. What has to be sent again is built again.
 */
import { assert } from "../common/assert.js";
import type { Clock } from "../common/clock.js";
import { FragmentedTombstones, type TombstoneColumns } from "../common/fragmented-tombstones.js";
import type { Ulid } from "../common/ids.js";
import type { KeyBounds } from "../common/key-range.js";
import type { Steps } from "../common/steps.js";
import { TimeSlice } from "../common/time-slice.js";
import { RetainedRangeDeletes } from "../compaction/retained-range-deletes.js";
import type { SstInfo } from "../format/manifest.js";
import { SstBuilder, type SstBuilderOptions } from "../format/sst-builder.js";
import { type RowIterator, Step } from "../iterator/row-iterator.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { ObjectPaths } from "../object-store/paths.js";
import type { KeySpan } from "./clip-span.js";

export interface ClipTarget {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly signal: AbortSignal | undefined;
  /** Of the clone. */
  readonly databaseId: Ulid;
  readonly build: Omit<SstBuilderOptions, "id" | "databaseId" | "memory">;
  readonly nextId: () => Ulid;
}

/** What is to be clipped; `rows` may be asked for more than once, and each time gives all rows inside of the bounds, in storage order. */
export interface ClipSource {
  readonly rows: (bounds: KeyBounds) => RowIterator;
  readonly rangeDeletes: readonly TombstoneColumns[];
}

type Pieces = AsyncGenerator<Uint8Array, SstInfo | undefined, undefined>;

/** The SST, which is stored; undefined where nothing of the source is inside the span. */
export async function writeClipped(
  target: ClipTarget,
  source: ClipSource,
  span: KeySpan,
): Promise<SstInfo | undefined> {
  const { store, signal } = target;
  const rangeDeletes = await inSlices(target, clipRangeDeletes(source.rangeDeletes, span));
  let id: Ulid | undefined;
  const pieces = (): Pieces =>
    build(target, source, span, rangeDeletes, () => {
      id ??= target.nextId();
      return id;
    });
  const first = pieces();
  const begun = await first.next();
  if (begun.done === true) return begun.value;
  const stop = new AbortController();
  let info: SstInfo | undefined;
  let isFirst = true;
  const body = async function* (): AsyncGenerator<Uint8Array> {
    try {
      if (isFirst) {
        isFirst = false;
        yield begun.value;
        info = yield* first;
      } else info = yield* pieces();
    } catch (error) {
      // Not the store's failure: sending again would not help.
      stop.abort(error);
      throw error;
    }
  };
  try {
    await store.put(ObjectPaths.sst(id!), body, {
      signal: signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]),
      background: true,
    });
  } finally {
    if (isFirst) await first.return(undefined).catch(() => undefined);
  }
  stop.signal.throwIfAborted();
  assert(info !== undefined, "a put that has resolved has taken all of its source");
  return info;
}

async function* build(
  target: ClipTarget,
  source: ClipSource,
  { start, end }: KeySpan,
  rangeDeletes: TombstoneColumns | undefined,
  id: () => Ulid,
): Pieces {
  const { clock, databaseId, signal } = target;
  const slice = new TimeSlice(clock);
  let builder: SstBuilder | undefined;
  const open = (): SstBuilder => new SstBuilder({ ...target.build, databaseId, id: id() });
  const bounds = { lower: start, lowerInclusive: true, upper: end, upperInclusive: false };
  const rows = source.rows(bounds);
  try {
    for (;;) {
      const step = rows.step();
      if (step === Step.end) break;
      if (step === Step.pending) {
        await rows.fill(signal);
        signal?.throwIfAborted();
        continue;
      }
      const { row } = rows;
      builder ??= open();
      builder.add(row);
      if (!slice.isOverAfter(row.valueEnd - row.valueStart)) continue;
      yield* builder.takeChunks();
      await slice.giveTurn();
      signal?.throwIfAborted();
    }
  } finally {
    rows.close();
  }
  if (builder === undefined && rangeDeletes === undefined) return undefined;
  builder ??= open();
  if (rangeDeletes !== undefined) builder.addRangeDeletes(rangeDeletes);
  await inSlices(target, builder.prepareRangeDeletes());
  const { chunks, info } = builder.finish();
  yield* chunks;
  return info;
}

/** All of them, whatever they cover: which ones are still needed is for a compaction to say. */
function* clipRangeDeletes(
  all: readonly TombstoneColumns[],
  { start, end }: KeySpan,
): Steps<TombstoneColumns | undefined> {
  if (all.length === 0) return undefined;
  const inputs: FragmentedTombstones[] = [];
  for (const columns of all) {
    inputs.push(new FragmentedTombstones(columns));
    yield;
  }
  const kept = yield* RetainedRangeDeletes.of(inputs, { retainSeq: 0, isBottom: false });
  return yield* kept.clip(start, end);
}

async function inSlices<T>(
  { clock, signal }: Pick<ClipTarget, "clock" | "signal">,
  steps: Steps<T>,
): Promise<T> {
  const slice = new TimeSlice(clock);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (slice.isOver) await slice.giveTurn();
    signal?.throwIfAborted();
  }
}
