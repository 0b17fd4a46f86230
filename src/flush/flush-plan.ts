/** The pure decisions of the flush pipeline: what is dispatched, what one commit retires, and whom it answers. */
import { ExistsError, type MoraineError, NotFoundError } from "../common/errors.js";
import { type Ulid, ulidBefore } from "../common/ids.js";
import type { Checkpoint, L0Entry, SstInfo } from "../format/manifest.js";
import { attachCheckpoint, type NewCheckpoint } from "../manifest/checkpoint-transitions.js";
import type { Transition } from "../manifest/transitions.js";
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

/** A checkpoint that waits for the commit after which L0 holds everything up to `seq`; 0: for any commit. */
export interface PendingCheckpoint extends NewCheckpoint {
  readonly seq: number;
}

/** What has become of checkpoints: they are in the manifest, or could not be attached to it. */
export type Attached = Map<PendingCheckpoint, Checkpoint | MoraineError>;

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
 * `retire` with checkpoints attached, in the order in which they were asked for. One that cannot be attached, because its name is taken or its
 * base is gone, is a mistake of its caller alone: the commit goes on without it. `attached` says what held in the last application.
 */
export function withCheckpoints(
  retire: Transition | undefined,
  checkpoints: readonly PendingCheckpoint[],
  attached: Attached,
): Transition {
  return (manifest) => {
    attached.clear();
    let next = retire === undefined ? manifest : retire(manifest);
    for (const pending of checkpoints) {
      try {
        next = attachCheckpoint(pending)(next);
      } catch (error) {
        if (!(error instanceof ExistsError || error instanceof NotFoundError)) throw error;
        attached.set(pending, error);
        continue;
      }
      // At once: the policy of one that comes after it may end it.
      attached.set(pending, next.checkpoints.find(({ id }) => id === pending.id)!);
    }
    return next;
  };
}
