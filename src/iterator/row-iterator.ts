/**
 * `RowIterator`: rows in storage order, stepped synchronously and awaited only where bytes have to be fetched.
 *
 * Forward, rows come key up and seq down (the newest version of a key first). In reverse they come key down and, within
 * a key, seq up (the oldest version first): exactly the forward order read backwards.
 *
 *   for (;;) {
 *     const step = rows.step();
 *     if (step === Step.end) break;
 *     if (step === Step.pending) { await rows.fill(signal); continue; }
 *     use(rows.row);
 *   }
 */
import type { RowRef } from "../common/row.js";

export const Step = { end: 0, row: 1, pending: 2 } as const;
export type Step = (typeof Step)[keyof typeof Step];

export interface RowIterator {
  /** Where the iterator stands. Valid after `step()` answered `Step.row`, until the next `step`, `seek` or `close`. */
  readonly row: RowRef;

  /** Moves to the next row. After `Step.pending` the position has not changed: await `fill`, then step again. */
  step(): Step;

  /** Fetches what the next `step` needs. May only be called after `Step.pending`; one at a time. */
  fill(signal?: AbortSignal): Promise<void>;

  /**
   * The next `step` gives the first row at or after `key` in the iterator's direction (forward: key >= `key`, its newest
   * version first; reverse: key <= `key`, its oldest version first). Both ways from the present position. `key` is not kept.
   */
  seek(key: Uint8Array): void;

  /** Frees what the iterator holds. Harmless twice. */
  close(): void;
}
