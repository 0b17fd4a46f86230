/** `Deletions`: what a pass deletes, in batches, and what of it has been confirmed: that, and no more, is taken off. */
import type { Clock } from "../common/clock.js";
import type { Ulid } from "../common/ids.js";
import { RetiredKind, type RetiredObjects } from "../format/manifest.js";
import { isWal, walRange } from "../manifest/retired-wal.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { ObjectPaths } from "../object-store/paths.js";
import type { RequestCount } from "./background-store.js";
import type { CollectBudget } from "./collection-result.js";

/** One object that is to go. */
export interface Deletable {
  readonly key: string;
  readonly isWal: boolean;
  readonly confirm: () => void;
}

/** What S3 takes in one request. */
const batchKeysMax = 1000;

/** Whether there is budget left, for a batch and for what has to follow it. */
export class BudgetLeft {
  readonly #budget: CollectBudget;
  readonly #clock: Clock;
  readonly #count: RequestCount;
  readonly #endMs: number;
  readonly #requestsMax: number;

  constructor(budget: CollectBudget, clock: Clock, count: RequestCount) {
    this.#budget = budget;
    this.#clock = clock;
    this.#count = count;
    this.#endMs = clock.monotonic() + (budget.timeMs ?? Number.POSITIVE_INFINITY);
    this.#requestsMax = count.requests + (budget.requests ?? Number.POSITIVE_INFINITY);
  }

  allows(requests: number): boolean {
    if (this.#count.requests + requests > this.#requestsMax) return false;
    return this.#budget.timeMs === undefined || this.#clock.monotonic() < this.#endMs;
  }
}

/** Deletes them in order, up to 1,000 with one request. False when the budget ended it. `walStores` have logs: all are asked. */
export async function deleteAll(
  objects: Iterable<Deletable>,
  options: {
    readonly store: ObjectStore;
    readonly walStores: readonly ObjectStore[];
    readonly budget: BudgetLeft;
    readonly signal: AbortSignal | undefined;
  },
): Promise<boolean> {
  const { store, walStores, budget, signal } = options;
  const send = async (batch: readonly Deletable[]): Promise<boolean> => {
    const stores = batch[0]?.isWal ? walStores : [store];
    // One more is kept for the commit.
    if (!budget.allows(stores.length + 1)) return false;
    const keys = batch.map(({ key }) => key);
    for (const one of stores) await one.delete(keys, { signal });
    for (const { confirm } of batch) confirm();
    return true;
  };
  let batch: Deletable[] = [];
  for (const object of objects) {
    const isFull = batch.length === batchKeysMax;
    if (isFull || (batch.length > 0 && batch[0]!.isWal !== object.isWal)) {
      if (!(await send(batch))) return false;
      batch = [];
    }
    batch.push(object);
  }
  return batch.length === 0 || send(batch);
}

/** The objects of entries of a retired list, and how to note that one of them is gone. */
export function* deletablesOf(
  entries: readonly RetiredObjects[],
  onGone: (entry: RetiredObjects, id: Ulid | number) => void,
): Iterable<Deletable> {
  for (const entry of entries) {
    if (isWal(entry)) {
      for (let id = entry.fromId; id < entry.toId; id++) {
        const key = ObjectPaths.wal(entry.epoch, id);
        yield { key, isWal: true, confirm: () => onGone(entry, id) };
      }
      continue;
    }
    for (const id of entry.ids) {
      const key = entry.kind === RetiredKind.run ? ObjectPaths.run(id) : ObjectPaths.sst(id);
      yield { key, isWal: false, confirm: () => onGone(entry, id) };
    }
  }
}

/** What of some entries is gone, as `takeOffRetired` takes it. */
export class GoneEntries {
  readonly #ids = new Map<RetiredObjects, Ulid[]>();
  readonly #walEnds = new Map<RetiredObjects, number>();

  add(entry: RetiredObjects, id: Ulid | number): void {
    if (typeof id === "number") {
      // Ranges are deleted from their beginning on.
      this.#walEnds.set(entry, id + 1);
      return;
    }
    const ids = this.#ids.get(entry);
    if (ids === undefined) this.#ids.set(entry, [id]);
    else ids.push(id);
  }

  get entries(): readonly RetiredObjects[] {
    const gone = [...this.#ids].map(([entry, ids]) => ({ ...entry, ids }));
    for (const [{ epoch, fromId, manifestNumber }, end] of this.#walEnds) {
      gone.push(walRange(epoch, fromId, end, manifestNumber) as (typeof gone)[number]);
    }
    return gone;
  }

  /** Whether all of an entry is. */
  has(entry: RetiredObjects): boolean {
    return (this.#ids.get(entry)?.length ?? 0) === entry.ids.length;
  }
}
