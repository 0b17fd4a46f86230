/** A frozen MemTable to the bytes of one SST, in slices that leave the event loop free in between. */
import { bodyPool } from "../common/byte-pool.js";
import type { Clock } from "../common/clock.js";
import type { SstInfo } from "../format/manifest.js";
import { SstBuilder, type SstBuilderOptions } from "../format/sst-builder.js";
import { Step } from "../iterator/row-iterator.js";
import type { MemTable } from "../memtable/mem-table.js";

const sliceMs = 4;
const rowsBetweenLooks = 256;
/** After so many bytes a look at the clock costs nothing in comparison, and compressing them takes half a slice. */
const bytesBetweenLooks = 128 * 1024;
/** SSTs of larger tables are sent in pieces, so they are built in pieces. */
const memoryBytesMax = 32 * 1024 * 1024;

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
  options: SstBuilderOptions,
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
  options: SstBuilderOptions,
  clock: Clock,
  signal: AbortSignal,
): Promise<BuiltSst> {
  const builder = new SstBuilder(options);
  const rows = table.iterator(false);
  let sliceEnd = clock.monotonic() + sliceMs;
  let bytesToLook = bytesBetweenLooks;
  for (let count = 1; rows.step() === Step.row; count++) {
    const { row } = rows;
    builder.add(row);
    bytesToLook -= row.valueEnd - row.valueStart;
    if (count % rowsBetweenLooks !== 0 && bytesToLook > 0) continue;
    bytesToLook = bytesBetweenLooks;
    if (clock.monotonic() >= sliceEnd) {
      await new Promise<void>((resolve) => clock.endOfTurn(resolve));
      signal.throwIfAborted();
      sliceEnd = clock.monotonic() + sliceMs;
    }
  }
  return builder.finish();
}
