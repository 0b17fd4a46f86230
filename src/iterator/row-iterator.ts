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
import type { Bytes } from "../common/bytes.js";
import type { RowRef } from "../common/row.js";

export const Step = { end: 0, row: 1, pending: 2 } as const;
export type Step = (typeof Step)[keyof typeof Step];

export interface RowIterator {
  /**
   * Where the iterator stands. Valid after `step()` answered `Step.row`, until the next `step`, `seek` or `close`. It is
   * the same object for the life of the iterator.
   *
   * The buffers it points to stay as they are for as long as somebody refers to them, with one exception: the key may
   * stand in scratch memory of the iterator, and then it is overwritten by the next `step` or `seek`. Who keeps a row
   * longer than that copies the key; the value may be kept by `RowRef.copyFrom`.
   */
  readonly row: RowRef;

  /**
   * Moves to the next row. After `Step.pending` the position has not changed: await `fill`, then step again. A step that
   * was not preceded by `fill` then answers `Step.pending` again; after `Step.end` it answers `Step.end`, until a `seek`.
   */
  step(): Step;

  /**
   * Fetches what the next `step` needs. May only be called after `Step.pending`; one at a time, and neither `step` nor
   * `seek` while it is under way. After a rejection the position has not changed, and `step` asks for the same again.
   */
  fill(signal?: AbortSignal): Promise<void>;

  /**
   * The next `step` gives the first row at or after `key` in the iterator's direction (forward: key >= `key`, its newest
   * version first; reverse: key <= `key`, its oldest version first). Both ways from the present position. `key` is not kept.
   */
  seek(key: Uint8Array): void;

  /** Frees what the iterator holds. Harmless twice. */
  close(): void;
}

/** One row per key, as a read sees them. */
export interface KeyedRows extends RowIterator {
  /**
   * After `Step.pending`: how far it has come, so that another iterator can go on. Undefined: it stands where it began, or where the last seek
   * sent it.
   */
  place(): KeyPlace | undefined;
}

export interface KeyPlace {
  /** A copy. */
  readonly key: Bytes;
  /** True: all has been said of the key. False: it comes next, if there is a row for it; nothing before it is left to say. */
  readonly isDecided: boolean;
}
