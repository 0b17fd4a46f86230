/** The pure decisions of the flush pipeline: what is dispatched, what one commit retires, and whom it answers. */
import { ExistsError, type MoraineError } from "../common/errors.js";
import { type Ulid, ulidBefore } from "../common/ids.js";
import type { Checkpoint, L0Entry, Manifest, SstInfo } from "../format/manifest.js";
import { plainCheckpoint } from "../manifest/plain-checkpoint.js";
import { addCheckpoint, type Transition } from "../manifest/transitions.js";
import type { MemTable } from "../memtable/mem-table.js";

/** A frozen MemTable on its way to L0. */
export interface QueuedTable {
  readonly table: MemTable;
  readonly loaded?: undefined;
  /** Given at dispatch, in queue order. */
  id: Ulid | undefined;
  /** Set once the SST is stored. */
  sst: SstInfo | undefined;
}

/** A bulk load whose SSTs are stored, under ids that were given before its place in the queue. */
export interface QueuedLoad {
  readonly table?: undefined;
  readonly loaded: readonly L0Entry[];
}

/** What becomes a part of L0, in the order of its seqs. */
export type Queued = QueuedTable | QueuedLoad;

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

export const firstSeqOf = (queued: Queued): number =>
  queued.loaded === undefined ? queued.table.firstSeq : queued.loaded[0]!.seq;

export const lastSeqOf = (queued: Queued): number =>
  queued.loaded === undefined ? queued.table.lastSeq : queued.loaded.at(-1)!.seq;

/** The longest prefix of the queue that is uploaded and whose rows are all durable in the WAL. */
export function selectBatch(queue: readonly Queued[], durableSeq: number): Queued[] {
  const batch: Queued[] = [];
  for (const queued of queue) {
    const uploaded = queued.loaded !== undefined || queued.sst !== undefined;
    if (!uploaded || lastSeqOf(queued) > durableSeq) break;
    batch.push(queued);
  }
  return batch;
}

/** The oldest table without an id: ids are given in queue order, so nothing overtakes it. */
export function nextToDispatch(queue: readonly Queued[]): QueuedTable | undefined {
  for (const queued of queue) {
    if (queued.loaded === undefined && queued.id === undefined) return queued;
  }
  return undefined;
}

/** Entries that L0 will have more once all that is dispatched is in it. */
export function pendingEntries(queue: readonly Queued[]): number {
  let count = 0;
  for (const queued of queue) {
    if (queued.loaded !== undefined) count += queued.loaded.length;
    else if (queued.id !== undefined) count++;
  }
  return count;
}

export function entriesOf(batch: readonly Queued[]): L0Entry[] {
  return batch.flatMap((queued) => queued.loaded ?? [{ ssts: [queued.sst!], seq: 0 }]);
}

/** The ids that are given and that no manifest names yet. */
function idsOf(queued: Queued): readonly Ulid[] {
  if (queued.loaded === undefined) return queued.id === undefined ? [] : [queued.id];
  return queued.loaded.flatMap((entry) => entry.ssts.map((sst) => sst.id));
}

/**
 * What the writer's floor may rise to with the first `retiredCount` of the queue: just below the least id that is given and
 * neither named by then nor given up, or the last id minted when there is none. `reserved` are ids of loads under way.
 */
export function floorAfter(
  queue: readonly Queued[],
  retiredCount: number,
  reserved: Iterable<Ulid>,
  lastMinted: Ulid,
): Ulid {
  let least: Ulid | undefined;
  for (const id of [...queue.slice(retiredCount).flatMap(idsOf), ...reserved]) {
    if (least === undefined || id < least) least = id;
  }
  return least === undefined ? lastMinted : ulidBefore(least);
}

/** Everything below this seq is in L0 once the first `retiredCount` of the queue are. */
export function flushedBelow(queue: readonly Queued[], retiredCount: number): number {
  const next = queue[retiredCount];
  return next === undefined ? Number.POSITIVE_INFINITY : firstSeqOf(next);
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
  return {
    ...plainCheckpoint,
    ...{ id, name, ttlMs, createdAt, manifestNumber, refreshedNumber: manifestNumber },
  };
}
