/** A frozen MemTable to the bytes of one SST, in slices that leave the event loop free in between. */
import type { Clock } from "../common/clock.js";
import type { SstInfo } from "../format/manifest.js";
import { SstBuilder, type SstBuilderOptions } from "../format/sst-builder.js";
import { Step } from "../iterator/row-iterator.js";
import type { MemTable } from "../memtable/mem-table.js";

const sliceMs = 4;
const rowsBetweenLooks = 256;

export interface BuiltSst {
  readonly chunks: readonly Uint8Array[];
  readonly info: SstInfo;
}

export async function buildSst(
  table: MemTable,
  options: SstBuilderOptions,
  clock: Clock,
  signal: AbortSignal,
): Promise<BuiltSst> {
  const builder = new SstBuilder(options);
  const rows = table.iterator(false);
  let sliceEnd = clock.monotonic() + sliceMs;
  for (let count = 1; rows.step() === Step.row; count++) {
    builder.add(rows.row);
    if (count % rowsBetweenLooks === 0 && clock.monotonic() >= sliceEnd) {
      await new Promise<void>((resolve) => clock.endOfTurn(resolve));
      signal.throwIfAborted();
      sliceEnd = clock.monotonic() + sliceMs;
    }
  }
  return builder.finish();
}
