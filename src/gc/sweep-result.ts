/** What a sweep is asked for, and what it says that it did. */
import { checkOptions, requireBoolean, requireInteger, requireSignal } from "../common/options.js";
import type { CollectBudget } from "./collection-result.js";

export interface SweepOptions {
  /** Says what would be deleted, and deletes nothing but a probe object of its own, which tells the store's time. */
  readonly dryRun?: boolean | undefined;
  /** Default: none. Reading, listing and deleting are all bounded by it. */
  readonly budget?: CollectBudget | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface SweptObjects {
  readonly ssts: number;
  /** Lists of long runs. */
  readonly runs: number;
  /** Lists of retired objects. */
  readonly lists: number;
  readonly wal: number;
  readonly manifests: number;
  /** States of compactions. */
  readonly compactions: number;
  readonly probes: number;
  /** Bytes of all of them, as they were listed. */
  readonly bytes: number;
}

export interface SweepResult {
  readonly dryRun: boolean;
  readonly deleted: SweptObjects;
  /** Objects that are named like ones of this database and belong to another, or cannot be read: left as they are. At most 100. */
  readonly foreign: readonly string[];
  readonly foreignCount: number;
  readonly requests: number;
  /** False when the budget ended the sweep. */
  readonly isDone: boolean;
}

export type SweptKind = Exclude<keyof SweptObjects, "bytes">;

export const nothingSwept: SweptObjects = {
  ...{ ssts: 0, runs: 0, lists: 0, wal: 0, manifests: 0, compactions: 0, probes: 0, bytes: 0 },
};

/** Throws `InvalidArgumentError`. */
export function checkSweepOptions(options: SweepOptions): void {
  checkOptions(options, ["dryRun", "budget", "signal"], "A sweep");
  requireBoolean(options.dryRun, "dryRun");
  requireSignal(options.signal);
  checkOptions(options.budget, ["timeMs", "requests"], "The budget of a sweep");
  requireInteger(options.budget?.timeMs, "timeMs", 0, Number.MAX_SAFE_INTEGER);
  requireInteger(options.budget?.requests, "requests", 0, Number.MAX_SAFE_INTEGER);
}
