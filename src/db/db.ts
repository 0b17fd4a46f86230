/** `Db`: a database that is open for writing. Its methods check their arguments and delegate. */
import { throwIfAborted, withSignal } from "../common/abort.js";
import {
  describeType,
  emptyBytes,
  type KeyLike,
  toKeyBytes,
  toValueBytes,
  type ValueLike,
} from "../common/bytes.js";
import { InvalidArgumentError, type MoraineError } from "../common/errors.js";
import type { KeyRange } from "../common/key-range.js";
import { lazy } from "../common/lazy.js";
import {
  asOfNow,
  checkOptions,
  requireBoolean,
  requireFunction,
  requireInteger,
  requireOneOf,
  requireSignal,
} from "../common/options.js";
import type { HalfOpenRange } from "../common/range-tombstone.js";
import { OperationKind } from "../common/row.js";
import { encodeRangeEnd } from "../format/range-delete-operation.js";
import type { WarmResult } from "../read/warm.js";
import type { ChangeFeed } from "./change-feed.js";
import type { ChangesOptions } from "./change-feeds.js";
import { dropCovered } from "./drop-covered.js";
import { type LifetimeOptions, lifetimeNames, toLifetime } from "./lifetime.js";
import type { LoadEntries, LoadProgress, LoadResult } from "./load.js";
import type { Location } from "./location.js";
import type { OpenOptions } from "./open-options.js";
import { prefixToDelete, type RangeToDelete, rangeToDelete } from "./range-to-delete.js";
import { Reads, type ReadView } from "./reads.js";
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
import type { CheckpointInfo, Writer } from "./writer.js";

/** `ttlMs` and `expiresAt` are for the puts and merges of a batch that have none of their own. */
export interface WriteOptions extends LifetimeOptions {
  /** Resolve when the write is durable (true, the default), or as soon as it is visible to this process. */
  durable?: boolean | undefined;
  /** Before the write has its seq, leaves no trace of it; after that only the waiting ends. */
  signal?: AbortSignal | undefined;
}

/** `durable` and `signal` of `WriteOptions`: deletes do not expire. */
export type DeleteOptions = Omit<WriteOptions, keyof LifetimeOptions>;

export interface FlushOptions {
  /** `"wal"` (the default): everything written so far is durable. `"l0"`: and is in SSTs. */
  to?: "wal" | "l0" | undefined;
  signal?: AbortSignal | undefined;
}

export interface CheckpointOptions {
  /** `"all"` (the default): everything accepted before the call. */
  scope?: "all" | undefined;
  /** 1 to 256 characters, unique among the checkpoints that are listed. Default: none. */
  name?: string | undefined;
  /** How long it is kept, in ms, from 1; default: until it is deleted. */
  ttlMs?: number | undefined;
  /** Ends the waiting only: the checkpoint may be made all the same. */
  signal?: AbortSignal | undefined;
}

export interface LoadOptions {
  /** Called after each SST that is stored, with what is stored so far. What it throws ends the load. */
  onProgress?: ((progress: LoadProgress) => void) | undefined;
  /** Before the load has its seqs, leaves no trace of it; after that only the waiting ends. */
  signal?: AbortSignal | undefined;
}

export interface CloseOptions {
  /**
   * true (the default): everything accepted is made durable and flushed to L0. `"wal"`: made durable and left to replay.
   * false: what is not durable is given up, also by a `close()` that is under way, which then rejects.
   */
  flush?: boolean | "wal" | undefined;
}

const opener = lazy(() => import("./open-writer.js"));
const deleteOptionNames = ["durable", "signal"] as const;
const writeOptionNames = [...deleteOptionNames, ...lifetimeNames] as const;
const mergeOptionNames = [...writeOptionNames, "operator"] as const;
const defaultWrite: WriteRequest = { durable: true, signal: undefined, lifetime: 0 };

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
   * Pins the state of the database in its manifest, without copying data: everything accepted before the call is in it, and it can be
   * read for as long as it is listed. `ExistsError` when a checkpoint of that name is.
   */
  async checkpoint(options?: CheckpointOptions): Promise<CheckpointInfo> {
    checkOptions(options, ["scope", "name", "ttlMs", "signal"], "checkpoint");
    requireOneOf(options?.scope, "scope", ["all"]);
    requireInteger(options?.ttlMs, "ttlMs", 1, Number.MAX_SAFE_INTEGER);
    requireSignal(options?.signal);
    const name = checkpointName(options?.name);
    this.#writer.requireOpen();
    throwIfAborted(options?.signal);
    const ttlMs = options?.ttlMs ?? 0;
    return withSignal(this.#writer.checkpoint({ name, ttlMs }), options?.signal);
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

function toWriteRequest(
  options: WriteOptions | undefined,
  what: string,
  optionNames: readonly string[],
): WriteRequest {
  if (options === undefined) return defaultWrite;
  checkOptions(options, optionNames, what);
  requireBoolean(options.durable, "durable");
  requireSignal(options.signal);
  throwIfAborted(options.signal);
  const lifetime = toLifetime(options);
  return { durable: options.durable ?? true, signal: options.signal, lifetime };
}

function requireEntries(entries: unknown): void {
  if (
    typeof entries === "object" &&
    entries !== null &&
    (Symbol.iterator in entries || Symbol.asyncIterator in entries)
  ) {
    return;
  }
  throw new InvalidArgumentError(
    `load() takes an iterable or async iterable of { key, value } or [key, value], not ${describeType(entries)}.`,
  );
}

function checkpointName(name: unknown): string {
  if (name === undefined) return "";
  if (typeof name !== "string" || name.length < 1 || name.length > 256) {
    throw new InvalidArgumentError('"name" must be a string of 1 to 256 characters.');
  }
  return name;
}
