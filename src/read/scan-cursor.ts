/**
 * `Scan`: the cursor that users hold over the rows of a range.
 *
 * Rows that are in memory are given without waiting; only where bytes have to be fetched does a read become an operation in
 * `#tail`, and while there is one, later calls line up behind it. So reads and seeks happen in the order of the calls.
 */
import { throwIfAborted } from "../common/abort.js";
import {
  compareRanges,
  copyBytes,
  describeType,
  emptyBytes,
  type KeyLike,
  toKeyBytes,
} from "../common/bytes.js";
import { ClosedError, InvalidArgumentError } from "../common/errors.js";
import { type KeyedRows, Step } from "../iterator/row-iterator.js";
import { RowBatch } from "./row-batch.js";
import { ScanIterator } from "./scan-iterator.js";
import type { ScanShape } from "./scan-shape.js";

export interface ScanSource<T> {
  /**
   * Called once, at the first read or seek. The view and the seq are those of the moment the scan was asked for. `rowsLeft` says how
   * many rows will still be taken at most; undefined: there is no limit.
   */
  open(rowsLeft: (() => number) | undefined): KeyedRows;
  /**
   * A fill has failed, for the `attempt`th time on end, counted from 0: resolves when `open` gives the same rows from elsewhere; otherwise rejects
   * with what the scan rejects with. Undefined: they are nowhere else.
   */
  renew?: ((error: unknown, attempt: number) => Promise<void>) | undefined;
  readonly shape: ScanShape<T>;
  /** Throws when the owner of the scan is closed. */
  guard(): void;
  /** How many rows there are to give; undefined: all. */
  readonly limit?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called once, when the scan is closed. */
  onClose?: (() => void) | undefined;
}

/**
 * Rows of a range, in order, as of the moment the scan was asked for. It goes on from where it stands, however it is read: `next`,
 * `nextMany`, `for await` and streams share the cursor. Calls may overlap; they take effect in call order. Reads reject
 * with `ClosedError` once the scan or its owner is closed, and with `signal.reason` once the signal is aborted. After
 * another failure the position has not changed, and the read may be tried again.
 */
export class Scan<T> implements AsyncIterable<T>, AsyncDisposable {
  readonly #source: ScanSource<T>;
  #rows: KeyedRows | undefined;
  /** Where the rows were last sent: by a seek, or because they go on from there. */
  #sought: Uint8Array | undefined;
  /** The next row is left out if it has this key: it has been given by rows in whose place others have come. */
  #given: Uint8Array | undefined;
  /** How often in turn there were others. */
  #renewals = 0;
  /** How many more rows the limit lets through. */
  #left: number;
  #isClosed = false;
  /** Settles, never rejects, when all that was asked for so far has been done; undefined when it has. */
  #tail: Promise<void> | undefined;
  /** Bytes per row of the last batch, to size the buffer of the next. */
  #rowBytes = 128;

  /** @internal */
  constructor(source: ScanSource<T>) {
    this.#source = source;
    this.#left = source.limit ?? Number.POSITIVE_INFINITY;
  }

  /** The next row as a private copy, or undefined at the end. After a `seek` there may be rows again. */
  next(): Promise<T | undefined> {
    try {
      const step = this.#tail === undefined ? this.#step() : Step.pending;
      if (step === Step.pending) return this.#enqueue(() => this.#readOne(undefined));
      return Promise.resolve(step === Step.row ? this.#take() : undefined);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** The next `count` rows, or those that are left; empty only at the end. They may share a buffer. `count` is a whole number from 1. */
  nextMany(count: number): Promise<T[]> {
    if (!Number.isSafeInteger(count) || count < 1) {
      const given = typeof count === "number" ? count : describeType(count);
      return Promise.reject(
        new InvalidArgumentError(`"count" must be a whole number from 1, not ${given}.`),
      );
    }
    return this.#enqueue(() => this.#readMany(count));
  }

  /**
   * The next read starts at the first row at or after `key` in the scan's direction (in reverse: at or before). Both ways; a key
   * outside the bounds counts as the nearest one inside. The limit goes on counting the rows given so far.
   */
  seek(key: KeyLike): void {
    const target = copyBytes(toKeyBytes(key));
    this.#requireOpen();
    if (this.#tail === undefined) this.#seek(target);
    else {
      void this.#enqueue(async () => {
        if (!this.#isClosed) this.#seek(target);
      }).catch(() => undefined);
    }
  }

  /** The rows that are left. The scan is closed at the end, by cancelling, and by a failure. */
  toReadableStream(): ReadableStream<T> {
    const rows = this[Symbol.asyncIterator]();
    return new ReadableStream<T>(
      {
        pull: async (controller) => {
          const result = await rows.next();
          if (result.done) controller.close();
          else controller.enqueue(result.value);
        },
        cancel: () => this.close(),
      },
      // Without this a stream nobody reads would read ahead.
      { highWaterMark: 0 },
    );
  }

  /** Frees what the scan holds, after the fetch that is under way. Reads that have not begun reject with `ClosedError`. */
  close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      if (this.#tail === undefined) this.#release();
      else this.#tail = this.#tail.then(() => this.#release());
    }
    return this.#tail ?? Promise.resolve();
  }

  /** Goes on from where the cursor stands, and closes the scan at the end, when left early, and after a failure. */
  [Symbol.asyncIterator](): AsyncIterableIterator<T, undefined, undefined> {
    return new ScanIterator<T>({
      step: () => (this.#tail === undefined ? this.#step() : Step.pending),
      take: () => this.#take(),
      wait: (end) => this.#enqueue(() => this.#readOne(end)),
      close: () => this.close(),
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Steps without waiting. After `Step.row` the row has to be taken. */
  #step(): Step {
    this.#requireOpen();
    throwIfAborted(this.#source.signal);
    if (this.#left <= 0) return Step.end;
    const rows = this.#opened();
    const step = rows.step();
    if (this.#given === undefined || step !== Step.row) return step;
    const { keyBytes, keyStart, keyEnd } = rows.row;
    const given = this.#given;
    this.#given = undefined;
    const isGiven = compareRanges(keyBytes, keyStart, keyEnd, given, 0, given.length) === 0;
    return isGiven ? rows.step() : step;
  }

  #seek(target: Uint8Array): void {
    this.#sought = target;
    this.#given = undefined;
    this.#opened().seek(target);
  }

  #take(): T {
    this.#left--;
    const { row } = this.#rows!;
    const { hasKey, hasValue, map } = this.#source.shape;
    return map(
      hasKey ? copyBytes(row.keyBytes, row.keyStart, row.keyEnd) : emptyBytes,
      hasValue ? copyBytes(row.valueBytes, row.valueStart, row.valueEnd) : emptyBytes,
    );
  }

  async #readOne<E>(end: E): Promise<T | E> {
    for (;;) {
      const step = this.#step();
      if (step === Step.row) return this.#take();
      if (step === Step.end) return end;
      await this.#fill();
    }
  }

  async #readMany(count: number): Promise<T[]> {
    const { signal, shape } = this.#source;
    const batch = new RowBatch(shape, Math.min(count, this.#left), this.#rowBytes);
    try {
      while (batch.items.length < count) {
        const step = this.#step();
        if (step === Step.end) break;
        if (step === Step.pending) await this.#fill();
        else {
          this.#left--;
          batch.add(this.#rows!.row);
        }
      }
    } catch (error) {
      // What has been read would be lost: it is given first, and the next call meets the failure.
      if (batch.items.length === 0 || this.#isClosed || signal?.aborted) throw error;
    }
    if (batch.items.length > 0) this.#rowBytes = batch.byteCount / batch.items.length;
    return batch.items;
  }

  async #fill(): Promise<void> {
    const { signal } = this.#source;
    try {
      await this.#rows!.fill(signal);
      this.#renewals = 0;
    } catch (error) {
      throwIfAborted(signal);
      await this.#renew(error);
    }
  }

  /** Goes on from where it stands with other rows. */
  async #renew(error: unknown): Promise<void> {
    const { renew } = this.#source;
    if (renew === undefined) throw error;
    await renew(error, this.#renewals++);
    const before = this.#rows!;
    const place = before.place();
    if (place !== undefined) {
      this.#sought = place.key;
      this.#given = place.isDecided ? place.key : undefined;
    }
    const rows = this.#openRows();
    if (this.#sought !== undefined) rows.seek(this.#sought);
    this.#rows = rows;
    before.close();
  }

  /** Runs the operation when all before it have ended, or at once when there are none. */
  #enqueue<R>(operation: () => Promise<R>): Promise<R> {
    const run = this.#tail === undefined ? operation() : this.#tail.then(operation);
    const onEnd = (): void => {
      if (this.#tail === tail) this.#tail = undefined;
    };
    const tail = run.then(onEnd, onEnd);
    this.#tail = tail;
    return run;
  }

  #opened(): KeyedRows {
    this.#rows ??= this.#openRows();
    return this.#rows;
  }

  #openRows(): KeyedRows {
    const { limit } = this.#source;
    return this.#source.open(limit === undefined ? undefined : () => this.#left);
  }

  #requireOpen(): void {
    if (this.#isClosed) throw new ClosedError("The scan is closed.");
    this.#source.guard();
  }

  #release(): void {
    this.#rows?.close();
    this.#source.onClose?.();
  }
}
