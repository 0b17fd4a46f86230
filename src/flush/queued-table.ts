/** `QueuedTable`: a frozen MemTable on its way to L0, and the pure functions that decide what is retired next. */
import type { Ulid } from "../common/ids.js";
import type { L0Entry, SstInfo } from "../format/manifest.js";
import type { MemTable } from "../memtable/mem-table.js";

export interface QueuedTable {
  readonly table: MemTable;
  /** Given at dispatch, in queue order. */
  id: Ulid | undefined;
  /** Set once the SST is stored. */
  sst: SstInfo | undefined;
}

/** The longest prefix of the queue that is uploaded and whose rows are all durable in the WAL. */
export function selectBatch(queue: readonly QueuedTable[], durableSeq: number): QueuedTable[] {
  const batch: QueuedTable[] = [];
  for (const queued of queue) {
    if (queued.sst === undefined || queued.table.lastSeq > durableSeq) break;
    batch.push(queued);
  }
  return batch;
}

/** The oldest table without an id: ids are given in queue order, so nothing overtakes it. */
export function nextToDispatch(queue: readonly QueuedTable[]): QueuedTable | undefined {
  return queue.find((queued) => queued.id === undefined);
}

export function entriesOf(batch: readonly QueuedTable[]): L0Entry[] {
  return batch.map((queued) => ({ ssts: [queued.sst!], seq: 0 }));
}

/**
 * What the writer's floor may rise to with a batch: just below the least id that stays dispatched but not named, or the
 * last id minted when none does.
 */
export function floorAfter(
  queue: readonly QueuedTable[],
  batch: readonly QueuedTable[],
  lastMinted: Ulid,
): Ulid {
  // Ids ascend along the queue, so the last of the batch is below every id that is still pending.
  const pending = queue.slice(batch.length).some((queued) => queued.id !== undefined);
  return pending ? batch[batch.length - 1]!.id! : lastMinted;
}
