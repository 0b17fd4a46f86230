/**
 * `Transactions`: the open transactions of a database, and their commits.
 *
 * A commit checks and writes in one tick, so that nothing comes in between. The check looks through what is in memory: MemTables and
 * loads of the view, and those that the conflict window keeps. What was written after the transaction began and is in neither is read from
 * SSTs before; when more has left memory by then, again, from where the last look ended.
 */
import { throwIfAborted } from "../common/abort.js";
import type { Clock } from "../common/clock.js";
import { checkOptions, requireOneOf } from "../common/options.js";
import type { Random } from "../common/random.js";
import type { RangeTombstone } from "../common/range-tombstone.js";
import type { MemTable } from "../memtable/mem-table.js";
import { findLaterWrite } from "../read/find-later-write.js";
import { type Conflict, conflictError } from "./conflict.js";
import { ConflictWindow } from "./conflict-window.js";
import type { DbState } from "./db-state.js";
import type { Footprint } from "./footprint.js";
import { expiryOf } from "./lifetime.js";
import { onNewest } from "./newer-views.js";
import type { ReadView } from "./read-view.js";
import {
  type BeginOptions,
  isolations,
  runTransaction,
  type TransactionOptions,
} from "./run-transaction.js";
import type { Pin, Snapshots } from "./snapshots.js";
import { Transaction } from "./transaction.js";
import type { CommitWork, TransactionHost } from "./transaction-host.js";
import type { WritePipeline, WriteResult } from "./write-pipeline.js";

export interface TransactionsOptions {
  readonly state: DbState;
  readonly pipeline: WritePipeline;
  readonly snapshots: Snapshots;
  readonly clock: Clock;
  readonly random: Random;
  readonly conflictWindowBytes: number;
  readonly defaultTtlMs: number;
  readView(): ReadView;
  /** What a commit of nothing answers. */
  emptyWrite(): WriteResult;
}

/** More has left memory than has been looked for in SSTs. */
const checkAgain = Symbol("check again");

export class Transactions implements TransactionHost {
  readonly clock: Clock;
  readonly random: Random;
  readonly #options: TransactionsOptions;
  readonly #window: ConflictWindow;
  /** By seq, because seqs only grow. */
  readonly #open = new Map<Disposable, Pin>();

  constructor(options: TransactionsOptions) {
    this.clock = options.clock;
    this.random = options.random;
    this.#options = options;
    this.#window = new ConflictWindow(options.conflictWindowBytes);
  }

  get count(): number {
    return this.#open.size;
  }

  /** Bytes of flushed MemTables that are kept for the check alone. */
  get windowBytes(): number {
    return this.#window.bytes;
  }

  begin(options?: BeginOptions): Transaction {
    checkOptions(options, ["isolation"], "begin");
    requireOneOf(options?.isolation, "isolation", isolations);
    const isolation = options?.isolation ?? "snapshot";
    const read = this.#options.readView();
    read.requireOpen();
    const transaction = new Transaction(this, read, isolation);
    const pin = { seq: read.seq, close: () => transaction[Symbol.dispose]() };
    this.#open.set(transaction, pin);
    this.#options.snapshots.add(pin);
    return transaction;
  }

  run<T>(
    fn: (transaction: Transaction) => T | Promise<T>,
    options: TransactionOptions | undefined,
  ): Promise<T> {
    return runTransaction(this, fn, options);
  }

  end(transaction: Disposable): void {
    const pin = this.#open.get(transaction);
    if (pin === undefined) return;
    this.#open.delete(transaction);
    this.#options.snapshots.remove(pin);
    this.#window.release(this.#oldestSeq);
  }

  /** These leave the view, oldest first, with its loads up to `lastL0Seq`. */
  retire(tables: readonly MemTable[], lastL0Seq: number): void {
    const loads = this.#options.state.view.loads.filter(({ seq }) => seq <= lastL0Seq);
    this.#window.retire(tables, loads, this.#oldestSeq);
  }

  now(): number {
    return Math.floor(this.clock.now());
  }

  expiryOf(lifetime: number, createdAt: number): number {
    return expiryOf(lifetime === 0 ? this.#options.defaultTtlMs : lifetime, createdAt);
  }

  async commit(work: CommitWork): Promise<WriteResult> {
    const { seq, footprint, batch, durable, signal, onCommitted } = work;
    if (batch.count === 0) {
      onCommitted();
      return this.#options.emptyWrite();
    }
    /** Of what is in SSTs, up to here it is known that nothing conflicts. */
    let checkedSeq = seq;
    const beforeApply = (): void => {
      throwIfAborted(signal);
      if (this.#window.fromSeq > checkedSeq) throw checkAgain;
      const conflict = this.#findInMemory(footprint, seq);
      if (conflict !== undefined) throw conflictError(conflict, seq);
    };
    const request = { durable, signal, lifetime: 0, beforeApply, afterApply: onCommitted };
    const { pipeline } = this.#options;
    const operations = batch.operations();
    for (;;) {
      // Neither another look at SSTs nor a wait for memory is begun for nothing.
      throwIfAborted(signal);
      if (this.#window.fromSeq > checkedSeq) {
        checkedSeq = await this.#checkStored(footprint, seq, checkedSeq, signal);
        continue;
      }
      try {
        return await pipeline.writeBatch(operations, batch.count, request, batch.lifetimes);
      } catch (error) {
        if (error !== checkAgain) throw error;
      }
    }
  }

  /** The oldest seq that an open transaction reads. */
  get #oldestSeq(): number | undefined {
    for (const { seq } of this.#open.values()) return seq;
    return undefined;
  }

  #findInMemory(footprint: Footprint, seq: number): Conflict | undefined {
    const { view } = this.#options.state;
    for (const tables of [view.tables, this.#window.tables]) {
      for (const table of tables) {
        const conflict = footprint.findInTable(table, seq);
        if (conflict !== undefined) return conflict;
      }
    }
    for (const load of [...view.loads, ...this.#window.loads]) {
      const conflict = load.seq > seq ? footprint.findInLoad(load) : undefined;
      if (conflict !== undefined) return conflict;
    }
    return undefined;
  }

  /** Looks for writes after `afterSeq` that are in SSTs; answers up to where there is none. */
  async #checkStored(
    footprint: Footprint,
    seq: number,
    afterSeq: number,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const { keys, ranges } = footprint;
    const meets = (range: RangeTombstone): boolean => footprint.meets(range);
    const asked = { afterSeq, keys, ranges, meets, signal };
    // What was written after an open transaction began is in every newer view too.
    const { read, result: later } = await onNewest(this.#options.readView(), signal, (newest) =>
      findLaterWrite(newest.view, newest.tables, asked),
    );
    read.requireOpen();
    if (later === undefined) return read.view.manifest.lastL0Seq;
    const conflict =
      "key" in later ? footprint.conflictAt(later.key, later.seq) : footprint.conflictWith(later);
    throw conflictError(conflict!, seq);
  }
}
