/** A frozen MemTable, its rows and its range deletes, to the bytes of one SST, in slices that leave the event loop free in between. */
import { bodyPool } from "../common/byte-pool.js";
import type { Clock } from "../common/clock.js";
import { RowKind, type RowRef } from "../common/row.js";
import type { Steps } from "../common/steps.js";
import { TimeSlice } from "../common/time-slice.js";
import type { SstInfo } from "../format/manifest.js";
import { SstBuilder, type SstBuilderOptions } from "../format/sst-builder.js";
import { Step } from "../iterator/row-iterator.js";
import type { MemTable } from "../memtable/mem-table.js";
import type { RangeDeletes } from "../memtable/range-deletes.js";

/** SSTs of larger tables are sent in pieces, so they are built in pieces. */
const memoryBytesMax = 32 * 1024 * 1024;

export interface BuildOptions extends SstBuilderOptions {
  /** Called with each merge row: it may give it a value that is shorter and means the same. */
  readonly combine?: ((row: RowRef) => void) | undefined;
}

export interface BuiltSst {
  readonly chunks: readonly Uint8Array[];
  readonly info: SstInfo;
}

/**
 * A table takes more memory than its SST, so the SST becomes one chunk, which is sent as it is. `bodyPool` lends it, and
 * `writeSst` gives it back.
 */
export async function buildSst(
  table: MemTable,
  options: BuildOptions,
  clock: Clock,
  signal: AbortSignal,
): Promise<BuiltSst> {
  if (table.bytes > memoryBytesMax) return build(table, options, clock, signal);
  const memory = bodyPool.lend(table.bytes);
  try {
    return await build(table, { ...options, memory }, clock, signal);
  } catch (error) {
    bodyPool.forget(memory);
    throw error;
  }
}

async function build(
  table: MemTable,
  { combine, ...options }: BuildOptions,
  clock: Clock,
  signal: AbortSignal,
): Promise<BuiltSst> {
  const builder = new SstBuilder(options);
  const rows = table.iterator(false);
  const slice = new TimeSlice(clock);
  while (rows.step() === Step.row) {
    const { row } = rows;
    if (row.kind === RowKind.merge) combine?.(row);
    builder.add(row);
    if (!slice.isOverAfter(row.valueEnd - row.valueStart)) continue;
    await slice.giveTurn();
    signal.throwIfAborted();
  }
  if (table.rangeDeletes !== undefined) {
    for (const _ of rangeDeleteSteps(builder, table.rangeDeletes)) {
      if (!slice.isOver) continue;
      await slice.giveTurn();
      signal.throwIfAborted();
    }
  }
  return builder.finish();
}

function* rangeDeleteSteps(builder: SstBuilder, rangeDeletes: RangeDeletes): Steps<void> {
  for (const columns of rangeDeletes.portions()) {
    builder.addRangeDeletes(columns);
    yield;
  }
  yield* builder.prepareRangeDeletes();
}
