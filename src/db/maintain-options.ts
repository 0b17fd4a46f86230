/** What `maintain` is asked for, and what it answers. */
import { requireInteger } from "../common/options.js";

/** Each is looked at between SSTs. None is the default: a round goes on until nothing is due. */
export interface BudgetOptions {
  /** ms, from 1 */
  timeMs?: number | undefined;
  /** Bytes that are read and written, from 1. */
  bytes?: number | undefined;
  /** Requests to the store, from 1. */
  requests?: number | undefined;
}

export const budgetOptionNames = ["timeMs", "bytes", "requests"] as const;

/** Throws `InvalidArgumentError`. */
export function requireBudget(options: BudgetOptions | undefined): void {
  for (const name of budgetOptionNames) {
    requireInteger(options?.[name], name, 1, Number.MAX_SAFE_INTEGER);
  }
}

export interface MaintainOptions extends BudgetOptions {
  /**
   * Looks for orphans too: objects that were uploaded and never became a part of the database. It lists everything. Default: in the first round of
   * a day in UTC, by this handle's clock: the manifest says when a handle last began one, and a new database has none on its first day.
   */
  sweep?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

/** What a round of `maintain` has done. */
export interface MaintenanceReport {
  /** Jobs that were done. */
  readonly compactions: number;
  /** What compactions have read and written, in bytes. */
  readonly bytesCompacted: number;
  readonly objectsDeleted: number;
  /** Requests of the round; repeated ones count once. */
  readonly requests: number;
  /** False when the budget has ended the round: there is more to do now. */
  readonly isDone: boolean;
}
