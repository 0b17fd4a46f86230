/**
 * `ListedRunIterator`: the rows of a run whose list stands in an object of its own. The list is read as the scan goes on, part by part: when
 * the last SST of a part is near its end, the next part is read and its first window fetched.
 */
import { withSignal } from "../common/abort.js";
import { copyBytes } from "../common/bytes.js";
import { RowRef } from "../common/row.js";
import type { SortedRun } from "../format/manifest.js";
import { type RowIterator, Step } from "../iterator/row-iterator.js";
import { type OpenList, type PartOfRun, partAt } from "../sst/run-lists.js";
import type { TableStore } from "../sst/table-store.js";
import { highestSeq, type Sequence } from "./candidates.js";
import { partsWithin } from "./listed-runs.js";
import { SortedRunIterator, type SortedRunOptions } from "./sorted-run-iterator.js";

export interface ListedRunOptions extends SortedRunOptions {
  /** Which SSTs of a part have to be read. */
  sequenceOf(part: PartOfRun): Sequence;
}

/** What is read, or will be read, of one part. */
interface PartRows {
  readonly number: number;
  /** Undefined until the part is loaded. */
  rows: SortedRunIterator | undefined;
  sequence: Sequence;
  /** No row of it has a seq above this one; undefined until somebody asks. */
  maxSeq: number | undefined;
  /** It is being loaded ahead of time. */
  loading: Promise<void> | undefined;
}

/** Gives rows inside the bounds. Rows that carry no seq get that of their SST. */
export class ListedRunIterator implements RowIterator {
  readonly row: RowRef = new RowRef();
  readonly #run: SortedRun;
  readonly #tables: TableStore;
  readonly #options: ListedRunOptions;
  #list: OpenList | undefined;
  /** The parts that the bounds can reach. */
  #first = 0;
  #last = -1;
  #current: PartRows | undefined;
  #next: PartRows | undefined;
  /** Where the rows of the first part begin; undefined: where the bounds do. */
  #seekKey: Uint8Array | undefined;
  /** Until a seek. */
  #isAtEnd = false;
  #isClosed = false;

  constructor(run: SortedRun, tables: TableStore, options: ListedRunOptions) {
    this.#run = run;
    this.#tables = tables;
    this.#options = options;
  }

  step(): Step {
    for (;;) {
      if (this.#isAtEnd || this.#isClosed) return Step.end;
      const rows = this.#locate();
      if (rows === undefined) return Step.pending;
      const step = rows.step();
      if (rows.isNearEnd && this.#next === undefined) this.#prefetchNext();
      if (step !== Step.end) return step;
      this.#moveOn();
    }
  }

  async fill(signal?: AbortSignal): Promise<void> {
    const { runLists } = this.#tables;
    if (this.#list === undefined) this.#setList(await runLists.open(this.#run, signal));
    const current = this.#placed();
    if (current.loading !== undefined) await withSignal(current.loading, signal);
    if (current.rows !== undefined) return current.rows.fill(signal);
    this.#enter(current, await runLists.load(this.#list!, current.number, signal));
  }

  seek(key: Uint8Array): void {
    const current = this.#current;
    this.#seekKey = copyBytes(key);
    this.#isAtEnd = false;
    if (current !== undefined && current.number === this.#partAt(key)) {
      this.#dropNext();
      current.rows?.seek(key);
      return;
    }
    this.#leave();
  }

  close(): void {
    this.#leave();
    this.#isClosed = true;
  }

  /** No row of the part that is being read has a seq above this one; undefined: that is not known. */
  get maxSeq(): number | undefined {
    const current = this.#current;
    if (current?.rows === undefined) return undefined;
    const { ssts, entrySeq } = current.sequence;
    current.maxSeq ??= ssts.reduce((max, info) => Math.max(max, highestSeq(info, entrySeq)), 0);
    return current.maxSeq;
  }

  /** The key, or the nearest one that `maxSeq` still says something of, from where this stands on the way to it. */
  clampToPart(key: Uint8Array): Uint8Array {
    const number = this.#current!.number;
    const at = partAt(this.#list!, key);
    if (at === number) return key;
    const { parts } = this.#list!;
    return this.#options.reverse ? parts[number]!.start : parts[number + 1]!.start;
  }

  /** The rows of the part at hand, if that takes no request. */
  #locate(): SortedRunIterator | undefined {
    if (this.#list === undefined) {
      const list = this.#tables.runLists.getIfOpen(this.#run);
      if (list === undefined) return undefined;
      this.#setList(list);
    }
    const current = this.#placed();
    if (current.rows === undefined && current.loading === undefined) {
      const part = this.#tables.runLists.getIfLoaded(this.#list!, current.number);
      if (part !== undefined) this.#enter(current, part);
    }
    return current.rows;
  }

  /** The part at hand: where it begins, or was last sent by a seek, there is always one. */
  #placed(): PartRows {
    if (this.#current === undefined) {
      const { reverse } = this.#options;
      const start = reverse ? this.#last : this.#first;
      const number = this.#seekKey === undefined ? start : this.#partAt(this.#seekKey);
      this.#current = newPart(number);
    }
    return this.#current;
  }

  #setList(list: OpenList): void {
    const { lower, upper } = this.#options.bounds;
    this.#list = list;
    const { first, last } = partsWithin(list, lower, upper);
    this.#first = first;
    this.#last = last;
  }

  /** Of the parts that the bounds can reach, the one to look for a key in. */
  #partAt(key: Uint8Array): number {
    return Math.min(Math.max(partAt(this.#list!, key), this.#first), this.#last);
  }

  #partAfter({ number: before }: PartRows): PartRows | undefined {
    const number = before + (this.#options.reverse ? -1 : 1);
    if (number < this.#first || number > this.#last) return undefined;
    return newPart(number);
  }

  #enter(entered: PartRows, part: PartOfRun): void {
    const sequence = this.#options.sequenceOf(part);
    entered.sequence = sequence;
    entered.rows = new SortedRunIterator(sequence, this.#tables, this.#options, this.row);
    if (this.#seekKey !== undefined && entered === this.#current) entered.rows.seek(this.#seekKey);
  }

  #moveOn(): void {
    const from = this.#current!;
    from.rows?.close();
    this.#seekKey = undefined;
    this.#current = this.#next ?? this.#partAfter(from);
    this.#next = undefined;
    this.#isAtEnd = this.#current === undefined;
  }

  #prefetchNext(): void {
    const next = this.#partAfter(this.#current!);
    if (next === undefined) return;
    this.#next = next;
    next.loading = this.#tables.runLists.load(this.#list!, next.number).then(
      (part) => {
        next.loading = undefined;
        if (this.#next !== next && this.#current !== next) return;
        this.#enter(next, part);
        next.rows!.prefetch();
      },
      () => {
        // Whoever gets there asks again, and is told.
        next.loading = undefined;
      },
    );
  }

  #leave(): void {
    this.#current?.rows?.close();
    this.#current = undefined;
    this.#dropNext();
  }

  #dropNext(): void {
    this.#next?.rows?.close();
    this.#next = undefined;
  }
}

const noSsts: Sequence = { ssts: [], entrySeq: 0 };

function newPart(number: number): PartRows {
  return { number, rows: undefined, sequence: noSsts, maxSeq: undefined, loading: undefined };
}
