/** `Db`: a database that is open for writing. Its methods check their arguments and delegate. */
import { throwIfAborted, withSignal } from "../common/abort.js";
import {
  emptyBytes,
  type KeyLike,
  toKeyBytes,
  toValueBytes,
  type ValueLike,
} from "../common/bytes.js";
import { InvalidArgumentError, type MoraineError } from "../common/errors.js";
import { type KeyRange, keyRangeNames, toKeyBounds } from "../common/key-range.js";
import { lazy } from "../common/lazy.js";
import {
  asOfNow,
  checkOptions,
  requireBoolean,
  requireFunction,
  requireOneOf,
  requireSignal,
} from "../common/options.js";
import type { HalfOpenRange } from "../common/range-tombstone.js";
import { OperationKind } from "../common/row.js";
import { encodeRangeEnd } from "../format/range-delete-operation.js";
import type { CheckpointInfo } from "../manifest/checkpoint-info.js";
import type { WarmResult } from "../read/warm.js";
import {
  type CloseOptions,
  type CompactOptions,
  type DeleteOptions,
  deleteOptionNames,
  type FlushOptions,
  type LoadOptions,
  mergeOptionNames,
  requireEntries,
  toWriteRequest,
  type WriteOptions,
  writeOptionNames,
} from "./call-options.js";
import type { ChangeFeed } from "./change-feed.js";
import type { ChangesOptions } from "./change-feeds.js";
import {
  type CheckpointOptions,
  checkCheckpointOptions,
  checkpointOptionNames,
} from "./checkpoint-options.js";
import { dropCovered } from "./drop-covered.js";
import type { LoadEntries, LoadResult } from "./load.js";
import type { Location } from "./location.js";
import {
  budgetOptionNames,
  type MaintainOptions,
  type MaintenanceReport,
  requireBudget,
} from "./maintain-options.js";
import type { OpenOptions } from "./open-options.js";
import { prefixToDelete, type RangeToDelete, rangeToDelete } from "./range-to-delete.js";
import type { ReadView } from "./read-view.js";
import { Reads } from "./reads.js";
import type { BeginOptions, TransactionOptions } from "./run-transaction.js";
import type { Snapshot } from "./snapshot.js";
import type { DbStats } from "./stats.js";
import type { Transaction } from "./transaction.js";
import { type WarmOptions, warm } from "./warm.js";
import {
  type MergeOptions,
  toOperand,
  toWriteBatch,
  WriteBatch,
  type WriteOperation,
} from "./write-batch.js";
import type { WriteRequest, WriteResult } from "./write-pipeline.js";
import type { Writer } from "./writer.js";

const opener = lazy(() => import("./open-writer.js"));

export class Db extends Reads {
  readonly #writer: Writer;

  /**
   * Opens the database for writing, and makes it where there is none. Whoever had it open for writing is fenced: none of
   * its later writes is acknowledged.
   */
  static async open(location: Location, options?: OpenOptions): Promise<Db> {
    const given = [asOfNow(location), asOfNow(options)] as const;
    const { openWriter } = await opener();
    return new Db(await openWriter(...given));
  }

  private constructor(writer: Writer) {
    super();
    this.#writer = writer;
  }

  /** Resolves when the value is durable, or with `durable: false` when it is visible. */
  put(key: KeyLike, value: ValueLike, options?: WriteOptions): Promise<WriteResult> {
    return this.#write(options, "put", writeOptionNames, (request) =>
      this.#writer.pipeline.writeOne(
        OperationKind.put,
        toKeyBytes(key),
        toValueBytes(value),
        request,
      ),
    );
  }

  /** Deletes the key; whether it was there is not looked up. */
  delete(key: KeyLike, options?: DeleteOptions): Promise<WriteResult> {
    return this.#write(options, "delete", deleteOptionNames, (request) =>
      this.#writer.pipeline.writeOne(OperationKind.delete, toKeyBytes(key), emptyBytes, request),
    );
  }

  /**
   * Deletes every key of the range that is written before, whatever their number, at the cost of one write; writes after it stay. Bounds
   * are those of `scan`. An empty range writes nothing, like an empty batch. `InvalidArgumentError` for a range without any bound: every
   * key is `{ all: true }`.
   */
  deleteRange(range: RangeToDelete, options?: DeleteOptions): Promise<WriteResult> {
    return this.#write(options, "deleteRange", deleteOptionNames, (request) =>
      this.#deleteRange(rangeToDelete(range), request),
    );
  }

  /** `deleteRange` of the keys that begin with `prefix`, which is not empty. */
  deletePrefix(prefix: KeyLike, options?: DeleteOptions): Promise<WriteResult> {
    return this.#write(options, "deletePrefix", deleteOptionNames, (request) =>
      this.#deleteRange(prefixToDelete(prefix), request),
    );
  }

  /**
   * Merges an operand into the key's value, without reading it: the operator works out the value when the key is read. The merge decides
   * anew when the value expires. `InvalidArgumentError` when there is no such operator, and when it refuses the operand.
   */
  merge(
    key: KeyLike,
    operand: ValueLike,
    options?: WriteOptions & MergeOptions,
  ): Promise<WriteResult> {
    return this.#write(options, "merge", mergeOptionNames, (request) => {
      const { pipeline, mergeOperators } = this.#writer;
      const bytes = toKeyBytes(key);
      const { packed, operatorId } = toOperand(mergeOperators, operand, options?.operator);
      return pipeline.writeOne(OperationKind.merge, bytes, packed, request, operatorId);
    });
  }

  /**
   * Writes all operations of the batch, or none; of several puts and deletes of one key the last counts, merges keep their order, and a
   * range delete counts for what comes before it. An empty batch takes no seq and is durable at once. `MergeError` when an operator fails
   * that the batch needs to have a value.
   */
  write(
    batch: WriteBatch | readonly WriteOperation[],
    options?: WriteOptions,
  ): Promise<WriteResult> {
    return this.#write(options, "write", writeOptionNames, (request) => {
      const { mergeOperators } = this.#writer;
      const given = toWriteBatch(batch, mergeOperators);
      if (given.count === 0) return Promise.resolve(this.#writer.emptyWrite());
      const hasMerges = given.hasMergesOf(mergeOperators);
      const left = given.hasRangeDeletes ? dropCovered(given, mergeOperators) : given;
      const encoded = hasMerges ? this.#writer.foldBatch(left, request.lifetime) : left;
      const { count, lifetimes } = encoded;
      return this.#writer.pipeline.writeBatch(encoded.operations(), count, request, lifetimes);
    });
  }

  /** A new, empty batch. */
  batch(): WriteBatch {
    return new WriteBatch(this.#writer.mergeOperators);
  }

  /**
   * Loads many rows at once: they are sorted, written straight into SSTs and uploaded in parallel, and appear all at once,
   * after everything written before; nothing of a load that fails, is aborted or cut off by `close()` is ever seen or left behind.
   * Resolves when the load is durable. Of several entries of one key the last counts.
   *
   * Sorted entries (ascending keys, each once) are cheapest to read afterwards. Others are sorted in chunks of
   * `loadBufferBytes`. Memory: such a chunk, and SSTs of up to `sstBytesMax` and together about `unflushedBytesMax`.
   */
  async load(entries: LoadEntries, options?: LoadOptions): Promise<LoadResult> {
    checkOptions(options, ["onProgress", "signal"], "load");
    requireFunction(options?.onProgress, "onProgress");
    requireSignal(options?.signal);
    requireEntries(entries);
    this.#writer.requireOpen();
    throwIfAborted(options?.signal);
    return this.#writer.load(entries, {
      onProgress: options?.onProgress,
      signal: options?.signal,
    });
  }

  /** A handle that reads what there is now, whatever is written later. It holds memory until it is closed: see `Snapshot`. */
  snapshot(): Snapshot {
    this.#writer.requireOpen();
    return this.#writer.snapshots.take(this.readView());
  }

  /** Begins a transaction on what there is now. Commit it, roll it back or dispose of it: it holds memory and old versions until then. */
  begin(options?: BeginOptions): Transaction {
    return this.#writer.transactions.begin(options);
  }

  /**
   * Runs the function in a transaction and commits it; answers what the function does. On a conflict the function is run again, after a
   * short random wait, so it should have no effect but through its transaction; after the last attempt rejects with
   * `TransactionConflictError`. What the function throws rolls back and is passed on. Where it ends the transaction itself, it is run once.
   */
  transaction<T>(
    fn: (transaction: Transaction) => T | Promise<T>,
    options?: TransactionOptions,
  ): Promise<T> {
    return this.#writer.transactions.run(fn, options);
  }

  /** Resolves when everything written before the call is durable, with the seq up to which that holds. */
  async flush(options?: FlushOptions): Promise<{ durableSeq: number }> {
    checkOptions(options, ["to", "signal"], "flush");
    requireOneOf(options?.to, "to", ["wal", "l0"]);
    requireSignal(options?.signal);
    this.#writer.requireOpen();
    throwIfAborted(options?.signal);
    return withSignal(this.#writer.flush(options?.to ?? "wal"), options?.signal);
  }

  /**
   * Pins the state of the database in its manifest, without copying data: it can be read for as long as it is listed. Everything accepted before
   * the call is in it, or with `scope: "durable"` everything that was durable; that one writes no data. `ExistsError` when a checkpoint of that
   * name is listed, `NotFoundError` when `base` or `source` is not.
   */
  async checkpoint(options?: CheckpointOptions): Promise<CheckpointInfo> {
    checkOptions(options, checkpointOptionNames, "checkpoint");
    const checked = checkCheckpointOptions(options, ["all", "durable"]);
    this.#writer.requireOpen();
    throwIfAborted(options?.signal);
    return withSignal(this.#writer.checkpoint(checked, options?.signal), options?.signal);
  }

  /**
   * Merges all that is stored of a key range, or of every key, into one sorted run, and resolves when that is committed. What was written before is
   * flushed first. Whoever compacts in another process stands by from then on. `UnsupportedError` where the handle was opened with `compaction: false`.
   */
  async compact(range?: KeyRange, options?: CompactOptions): Promise<void> {
    checkOptions(range, keyRangeNames, "compact");
    const bounds = range && toKeyBounds(range);
    checkOptions(options, ["signal"], "compact");
    requireSignal(options?.signal);
    this.#writer.requireOpen();
    throwIfAborted(options?.signal);
    return withSignal(this.#writer.compact(bounds, options?.signal), options?.signal);
  }

  /**
   * One round of what is due: compactions, then the collection of what nothing needs any more, then, once a day, a sweep for orphans. For functions that
   * are frozen between their events, with `background: false`. A budget is looked at between SSTs: a round goes over it by one of `sstBytesMax` at most,
   * and the next round goes on where this one stopped.
   */
  async maintain(options?: MaintainOptions): Promise<MaintenanceReport> {
    checkOptions(options, [...budgetOptionNames, "sweep", "signal"], "maintain");
    requireBudget(options);
    requireBoolean(options?.sweep, "sweep");
    requireSignal(options?.signal);
    this.#writer.requireOpen();
    throwIfAborted(options?.signal);
    return this.#writer.maintain({ ...options });
  }

  /**
   * Brings the SSTs of a key range (default: all keys) into the block cache, their indexes, filters and data, in few large requests that
   * give way to others. Stops when the cache is full; with a disk cache it goes on until that is. Rows in memory need no warming.
   */
  warm(range?: KeyRange, options?: WarmOptions): Promise<WarmResult> {
    return warm(() => this.readView(), range, options);
  }

  /**
   * The changes of the database in the order of their seqs, each once it is durable: those after `from`, then new ones as they come. What is
   * behind `from` is read from the write-ahead log. Where that is gone, the feed rejects with `TruncatedError`, whose `oldestSeq` is a
   * position that is left. `FencedError` when another writer takes over: its changes are in a feed of a handle that is opened then.
   * `UnsupportedError` where the database has no log.
   */
  changes(options?: ChangesOptions): ChangeFeed {
    return this.#writer.feeds.open(options);
  }

  /** The last seq that this handle has given, or found. */
  get seq(): number {
    return this.#writer.pipeline.lastSeq;
  }

  stats(): DbStats {
    return this.#writer.stats();
  }

  /** Resolves when it is closed: with the error that closed it, or undefined after `close()`. Never rejects. */
  get closed(): Promise<MoraineError | undefined> {
    return this.#writer.closed;
  }

  /** Closing twice is harmless. Rejects when accepted writes could not be made durable, with the reason. */
  async close(options?: CloseOptions): Promise<void> {
    checkOptions(options, ["flush"], "close");
    const flush: unknown = options?.flush;
    if (flush !== undefined && flush !== "wal" && typeof flush !== "boolean") {
      throw new InvalidArgumentError('"flush" must be true, false or "wal".');
    }
    return this.#writer.close(options?.flush ?? true);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  protected override readView(): ReadView {
    return this.#writer.readView();
  }

  protected override snapshotView(snapshot: unknown): ReadView {
    return this.#writer.snapshots.viewOf(snapshot);
  }

  #deleteRange(range: HalfOpenRange | undefined, request: WriteRequest): Promise<WriteResult> {
    if (range === undefined) return Promise.resolve(this.#writer.emptyWrite());
    const { pipeline } = this.#writer;
    const end = encodeRangeEnd(range.end);
    return pipeline.writeOne(OperationKind.rangeDelete, range.start, end, request);
  }

  /**
   * Nothing of a call with bad arguments happens, and every failure is a rejection. Not an async function: that would
   * answer with a promise of its own, two turns of the microtask queue after the one that it is given.
   */
  #write(
    options: WriteOptions | undefined,
    what: string,
    optionNames: readonly string[],
    write: (request: WriteRequest) => Promise<WriteResult>,
  ): Promise<WriteResult> {
    try {
      const request = toWriteRequest(options, what, optionNames);
      this.#writer.requireOpen();
      return write(request);
    } catch (error) {
      return Promise.reject(error);
    }
  }
}
