/**
 * `L0Log`: durability without a WAL. A write is durable when the manifest that names its L0 SST is stored, so L0 is the
 * group commit: a durable write starts a flush at once when none is under way, and otherwise rides on the next.
 */
import type { Clock } from "../common/clock.js";
import { type Deferred, deferred } from "../common/deferred.js";
import { type MoraineError, StoreError, UnknownOutcomeError } from "../common/errors.js";
import { outcomeOfSent } from "../common/outcome-of-sent.js";
import type { WalPosition } from "../format/manifest.js";
import type { RecordSlice } from "../memtable/mem-table.js";
import type { WalIndex } from "./wal-index.js";
import type { WriteLog } from "./write-log.js";

export interface L0LogOptions {
  epoch: number;
  clock: Clock;
  /** What older logs hold that L0 does not hold yet. */
  index: WalIndex;
  /** The last seq that L0 holds. */
  lastL0Seq: () => number;
  /** The last seq of all commits that were ever sent, asked for by this log or not: what was written up to here may be stored. */
  sentSeq: () => number;
  /** Freezes what has been written and resolves when L0 holds everything up to `seq`. */
  flush: (seq: number) => Promise<void>;
  /** It is not known whether a flush has happened; called once. */
  onFailed: (error: MoraineError) => void;
}

export class L0Log implements WriteLog {
  readonly bufferedBytes = 0;
  /** No log of this epoch is ever written. */
  readonly durableEndId = 1;
  readonly #options: L0LogOptions;
  #waiters: { seq: number; done: Deferred<void> }[] = [];
  #scheduled = false;
  #flushing = false;
  #failure: MoraineError | undefined;

  constructor(options: L0LogOptions) {
    this.#options = options;
  }

  get durableSeq(): number {
    return this.#options.lastL0Seq();
  }

  append(_record: RecordSlice, seq: number, durable: boolean): Promise<void> | undefined {
    return durable ? this.whenDurable(seq) : undefined;
  }

  whenDurable(seq: number): Promise<void> {
    if (seq <= this.durableSeq) return Promise.resolve();
    if (this.#failure !== undefined) return Promise.reject(this.#failureOf(seq, this.#failure));
    const last = this.#waiters.at(-1);
    // Writes of one turn wait together.
    if (last?.seq === seq) return last.done.promise;
    const done = deferred();
    this.#waiters.push({ seq, done });
    this.#schedule();
    return done.promise;
  }

  /** No log of this epoch is ever written, so replay is over once L0 holds all that older ones held. */
  positionAfter(seq: number): WalPosition {
    return this.#options.index.firstAfter(seq, { epoch: this.#options.epoch, id: 1 });
  }

  fail(error: MoraineError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    const waiting = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiting) waiter.done.reject(this.#failureOf(waiter.seq, error));
  }

  #failureOf(seq: number, error: MoraineError): MoraineError {
    return seq <= this.#options.sentSeq() ? outcomeOfSent(error) : error;
  }

  #schedule(): void {
    if (this.#scheduled || this.#flushing) return;
    this.#scheduled = true;
    this.#options.clock.endOfTurn(() => {
      this.#scheduled = false;
      void this.#flush();
    });
  }

  async #flush(): Promise<void> {
    const last = this.#waiters.at(-1);
    if (last === undefined || this.#failure !== undefined) return;
    this.#flushing = true;
    try {
      await this.#options.flush(last.seq);
    } catch (error) {
      this.#failed(error as MoraineError);
      return;
    }
    this.#flushing = false;
    const durableSeq = this.durableSeq;
    const waiting = this.#waiters;
    this.#waiters = waiting.filter((waiter) => waiter.seq > durableSeq);
    for (const waiter of waiting) if (waiter.seq <= durableSeq) waiter.done.resolve();
    if (this.#waiters.length > 0) this.#schedule();
  }

  /** The flush goes on being tried, so the writes that waited may still be stored: nobody can say. */
  #failed(cause: MoraineError): void {
    if (this.#failure !== undefined) return;
    const error =
      cause instanceof StoreError
        ? new UnknownOutcomeError(
            `It is not known whether these writes were stored: ${cause.message} Reopen the database to find out.`,
            { cause },
          )
        : cause;
    this.fail(error);
    this.#options.onFailed(error);
  }
}
