/** The pure decisions of the flush pipeline: what is dispatched, what one commit retires, and whom it answers. */
import { ExistsError, type MoraineError } from "../common/errors.js";
import type { Ulid } from "../common/ids.js";
import type { Checkpoint, L0Entry, Manifest, SstInfo } from "../format/manifest.js";
import { addCheckpoint, type Transition } from "../manifest/transitions.js";
import type { MemTable } from "../memtable/mem-table.js";

/** A frozen MemTable on its way to L0. */
export interface QueuedTable {
  readonly table: MemTable;
  /** Given at dispatch, in queue order. */
  id: Ulid | undefined;
  /** Set once the SST is stored. */
  sst: SstInfo | undefined;
}

/** A checkpoint that waits for the commit after which L0 holds everything up to `seq`. */
export interface PendingCheckpoint {
  readonly seq: number;
  readonly id: Ulid;
  readonly name: string;
  /** 0: it does not expire. */
  readonly ttlMs: number;
  /** ms since 1970 */
  readonly createdAt: number;
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

/** Everything below this seq is in L0 once the first `retiredCount` tables of the queue are. */
export function flushedBelow(queue: readonly QueuedTable[], retiredCount: number): number {
  return queue[retiredCount]?.table.firstSeq ?? Number.POSITIVE_INFINITY;
}

/** Parts those that a commit covers from those that go on waiting. */
export function splitBySeq<T extends { readonly seq: number }>(
  waiting: readonly T[],
  below: number,
): { covered: T[]; later: T[] } {
  const covered: T[] = [];
  const later: T[] = [];
  for (const waiter of waiting) (waiter.seq < below ? covered : later).push(waiter);
  return { covered, later };
}

/**
 * `retire` with checkpoints attached. One that cannot be attached, because its name is taken, is a mistake of its caller
 * alone: it is put into `refused`, and the commit goes on without it. `refused` says what held in the last application.
 */
export function withCheckpoints(
  retire: Transition | undefined,
  checkpoints: readonly PendingCheckpoint[],
  refused: Map<PendingCheckpoint, MoraineError>,
): Transition {
  return (manifest) => {
    refused.clear();
    const base = retire === undefined ? manifest : retire(manifest);
    let next = base;
    for (const pending of checkpoints) {
      if (nameIsTaken(next, pending)) {
        refused.set(
          pending,
          new ExistsError(
            `There is a checkpoint named "${pending.name}" already. Use another name, or delete that one.`,
          ),
        );
      } else next = addCheckpoint(toCheckpoint(pending, manifest.number + 1))(next);
    }
    return next;
  };
}

function nameIsTaken(manifest: Manifest, pending: PendingCheckpoint): boolean {
  return (
    pending.name !== "" &&
    manifest.checkpoints.some((other) => other.name === pending.name && other.id !== pending.id)
  );
}

/** It is attached only to the number of the commit that creates it. */
function toCheckpoint(pending: PendingCheckpoint, manifestNumber: number): Checkpoint {
  const { id, name, ttlMs, createdAt } = pending;
  return { id, name, ttlMs, createdAt, manifestNumber, refreshedNumber: manifestNumber };
}
