/** What a pass of the collector is asked for, and what it says that it did. */
import { checkOptions, requireBoolean, requireInteger, requireSignal } from "../common/options.js";

export interface CollectOptions {
  /**
   * ms for which a retired object stays, by the store's clock: time for readers of other processes that hold no pin. 0 is as safe for
   * everything that holds one, and for the writer.
   */
  readonly graceMs: number;
  /** Says what would be deleted, and deletes and commits nothing; only a probe object is written and deleted, for the store's time. */
  readonly dryRun?: boolean | undefined;
  /** Default: none. A dry run has none. */
  readonly budget?: CollectBudget | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A pass that has used it up commits what it has deleted; the next one goes on. Deciding what to delete is not bounded by it. */
export interface CollectBudget {
  /** ms, by the monotonic clock. */
  readonly timeMs?: number | undefined;
  /** Requests, a DELETE of up to 1,000 objects as one. Deciding takes some ten, and one for each checkpoint. */
  readonly requests?: number | undefined;
}

/** Throws `InvalidArgumentError`. A grace above the retention would be cut short: manifests tell ages. */
export function checkCollectOptions(options: CollectOptions, retentionMs: number): void {
  const what = "A collection";
  checkOptions(options, ["graceMs", "dryRun", "budget", "signal"], what);
  requireInteger(options.graceMs, "graceMs", 0, Math.max(dayMs, retentionMs));
  requireBoolean(options.dryRun, "dryRun");
  requireSignal(options.signal);
  checkOptions(options.budget, ["timeMs", "requests"], "The budget of a collection");
  requireInteger(options.budget?.timeMs, "timeMs", 0, Number.MAX_SAFE_INTEGER);
  requireInteger(options.budget?.requests, "requests", 0, Number.MAX_SAFE_INTEGER);
}

const dayMs = 24 * 3_600_000;

export interface FreedObjects {
  readonly ssts: number;
  /** Lists of long runs. */
  readonly runs: number;
  /** Lists of retired objects. */
  readonly lists: number;
  readonly wal: number;
  readonly manifests: number;
  /**
   * Bytes of those whose size is known without a request: SSTs that an earlier pass of this collector saw in a manifest. The retired list has
   * no sizes, so it is at least so much.
   */
  readonly bytes: number;
}

export interface CollectionResult {
  readonly dryRun: boolean;
  /** Objects whose deletion the store has confirmed; one that was gone already counts too. */
  readonly deleted: FreedObjects;
  /** Objects on the retired list that stay for now. */
  readonly kept: {
    /** Retired less than the grace ago. */
    readonly young: number;
    /** Named by a checkpoint. While nothing on the list is old that is not looked at, and they count as young. */
    readonly named: number;
  };
  /**
   * Checkpoints that had expired, and those that were kept for them alone; what they alone named is free from then on. One that others were added
   * to lingers, and is not among them.
   */
  readonly checkpointsDropped: number;
  /** Checkpoints in other databases that were given up, because nothing of this one, a clone, needs what they hold. 0 in a dry run. */
  readonly databasesReleased: number;
  /** Paths of databases that could not be told that this one needs nothing of them any more, as they were not found. The next pass tries again. */
  readonly notReleased: readonly string[];
  readonly requests: number;
  /** False when the budget ended the pass, and there is more to delete now. */
  readonly isDone: boolean;
}

/** Adds up what is freed, for metrics. */
export class FreedCount {
  ssts = 0;
  runs = 0;
  lists = 0;
  wal = 0;
  manifests = 0;
  bytes = 0;

  add(freed: Partial<FreedObjects>): void {
    this.ssts += freed.ssts ?? 0;
    this.runs += freed.runs ?? 0;
    this.lists += freed.lists ?? 0;
    this.wal += freed.wal ?? 0;
    this.manifests += freed.manifests ?? 0;
    this.bytes += freed.bytes ?? 0;
  }

  toJSON(): FreedObjects {
    const { ssts, runs, lists, wal, manifests, bytes } = this;
    return { ssts, runs, lists, wal, manifests, bytes };
  }
}
