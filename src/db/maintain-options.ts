/** What `maintain` is asked for, and what it answers. */
import type { BudgetOptions } from "./round-budget.js";

export interface MaintainOptions extends BudgetOptions {
  /**
   * Looks for orphans too: objects that were uploaded and never became a part of the database. It lists everything. Default: once a day, by the
   * store's time.
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
