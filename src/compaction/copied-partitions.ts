/**
 * `copyPartitions`: partitions of an input into an output as they are: blocks whose checksums are verified and made anew for their place,
 * the filters, and indexes that say where the blocks now are. No row is decoded but the first and the last.
 */
import { keyAfter } from "../common/key-after.js";
import type { TimeSlice } from "../common/time-slice.js";
import type { SstBuilder } from "../format/sst-builder.js";
import type { Table } from "../sst/table.js";
import type { JobContext } from "./job-context.js";
import type { CopySegment } from "./range-segments.js";
import { firstKeyOf, isCleanEdge, lastKeyOf, storedBlocks } from "./stored-blocks.js";

/**
 * Yields whenever chunks of the builder may be taken. Gives the key at which the next output begins, where this one `isFull` before the
 * segment is at its end.
 */
export async function* copyPartitions(
  { tables, signal }: JobContext,
  segment: CopySegment,
  builder: SstBuilder,
  slice: TimeSlice,
  isFull: () => boolean,
): AsyncGenerator<undefined, Uint8Array | undefined, undefined> {
  const { info, first, last, isOne } = segment;
  const table = await tables.open(info, signal);
  const { partitions } = table;
  builder.openCopy(await firstKeyOf(table, first, signal));
  let p = first;
  const lastBlock = partitions.firstBlock(last + 1) - 1;
  for await (const window of storedBlocks(table, partitions.firstBlock(first), lastBlock, signal)) {
    for (let number = window.first; number <= window.last; number++) {
      const stored = table.storedBlock(window, number);
      const isLastOf = number + 1 === partitions.firstBlock(p + 1);
      builder.addCopiedBlock(stored, separatorOf(table, p, number));
      if (slice.isOverAfter(stored.length)) {
        yield;
        await slice.giveTurn();
        signal.throwIfAborted();
      }
      if (!isLastOf) continue;
      builder.closeCopiedPartition(partitions.get(p)!.filterPayload, partitions.rowCount(p));
      const isEnd = p === last;
      if (isEnd || (!isOne && isFull() && (await isCleanEdge(table, p + 1, signal)))) {
        const isEndOfSst = p === partitions.count - 1;
        const lastKey = isEndOfSst ? info.lastKey : lastKeyOf(table.decode(window, number, false));
        builder.closeCopy(lastKey, rowsOf(table, first, p));
        return isEnd ? undefined : keyAfter(partitions.separator(p));
      }
      p++;
    }
  }
  return undefined;
}

function separatorOf(table: Table, p: number, number: number): Uint8Array {
  const { partitions } = table;
  // That of the last block may be above the keys of this SST, and then above those that follow it in the output.
  if (number === table.blockCount - 1) return table.info.lastKey;
  return partitions.get(p)!.index.key(number - partitions.firstBlock(p));
}

function rowsOf(table: Table, first: number, last: number): Parameters<SstBuilder["closeCopy"]>[1] {
  const { partitions, properties } = table;
  let rowCount = 0;
  for (let p = first; p <= last; p++) rowCount += partitions.rowCount(p);
  const { deleteCount, mergeCount, minSeq, maxSeq, minCreatedAt, maxCreatedAt } = properties;
  // Unless all of them are copied at once, there are no others than puts.
  return { rowCount, deleteCount, mergeCount, minSeq, maxSeq, minCreatedAt, maxCreatedAt };
}
