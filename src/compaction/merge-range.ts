/**
 * `MergedRows`: the rows that a job keeps of the keys from one on, up to but without another, of all its sources; and the place where one
 * output has left off, so that the next goes on without reading anything twice.
 */
import { copyBytes } from "../common/bytes.js";
import type { KeyBounds } from "../common/key-range.js";
import type { RowRef } from "../common/row.js";
import { mergeRows } from "../iterator/merge-iterator.js";
import { Step } from "../iterator/row-iterator.js";
import type { JobContext } from "./job-context.js";
import { RetainedRows } from "./retained-rows.js";
import { SourceRows, windowBytesOf } from "./source-rows.js";

export class MergedRows {
  readonly #rows: RetainedRows;
  #isHeld = false;

  /** `end` undefined: there is none. */
  constructor(context: JobContext, start: Uint8Array, end: Uint8Array | undefined) {
    const { task, tables, rangeDeletes, operators, filter } = context;
    const { retainSeq, expiredAt, isBottom } = task.job;
    const bounds = halfOpen(start, end);
    const windowBytes = windowBytesOf(task.sources.length);
    const sources = task.sources
      .map((source) => new SourceRows(source, tables, bounds, windowBytes))
      .filter(({ hasSsts }) => hasSsts);
    this.#rows = new RetainedRows(mergeRows(sources, false), {
      ...{ retainSeq, expiredAt, isBottom, operators, filter },
      cover: rangeDeletes.coversNothing ? undefined : rangeDeletes.cover(),
    });
  }

  /** Where it stands after `step` gave a row, until the next one. */
  get row(): RowRef {
    return this.#rows.row;
  }

  /** As of a `RowIterator`. */
  step(): Step {
    if (!this.#isHeld) return this.#rows.step();
    this.#isHeld = false;
    return Step.row;
  }

  fill(signal: AbortSignal): Promise<void> {
    return this.#rows.fill(signal);
  }

  /** The next `step` gives the same row again. */
  hold(): void {
    this.#isHeld = true;
  }

  close(): void {
    this.#rows.close();
  }
}

/** The keys from `start` up to, but without, `end`; undefined: there is no end. */
export function halfOpen(start: Uint8Array, end: Uint8Array | undefined): KeyBounds {
  const lower = copyBytes(start);
  return { lower, lowerInclusive: true, upper: end && copyBytes(end), upperInclusive: false };
}
