/** `Transaction`: reads of one state of the database, and writes that appear all at once if nobody else wrote what it depends on. */
import { throwIfAborted } from "../common/abort.js";
import {
  emptyBytes,
  type KeyLike,
  toKeyBytes,
  toValueBytes,
  type ValueLike,
} from "../common/bytes.js";
import { ClosedError, InvalidArgumentError } from "../common/errors.js";
import {
  type KeyRange,
  keyRangeNames,
  requireRangeObject,
  toKeyBounds,
} from "../common/key-range.js";
import { checkOptions, requireBoolean, requireSignal } from "../common/options.js";
import { type Entry, RowKind } from "../common/row.js";
import { showKey } from "../common/show-key.js";
import { Footprint } from "./footprint.js";
import { type LifetimeOptions, lifetimeNames, toLifetime } from "./lifetime.js";
import { OwnWrites } from "./own-writes.js";
import type { ReadOptions } from "./read-options.js";
import { ReadSet } from "./read-set.js";
import { Reads, type ReadView } from "./reads.js";
import { batchBytesMax, WriteBatch } from "./write-batch.js";
import type { WriteResult } from "./write-pipeline.js";

/**
 * `"snapshot"`: of two transactions that write the same key one gives way. `"serializable"`: so does one that has read what another wrote,
 * so that all that commit are as if they had run one after another.
 */
export type Isolation = "snapshot" | "serializable";

export interface CommitOptions {
  /** Resolve when the writes are durable (true, the default), or as soon as they are visible to this process. */
  durable?: boolean | undefined;
  /** Before the commit has its seq, calls it off: nothing is written, and the transaction is over. After that only the waiting ends. */
  signal?: AbortSignal | undefined;
}

/** What is to be committed. */
export interface CommitWork {
  /** The seq that the transaction reads at. */
  readonly seq: number;
  readonly footprint: Footprint;
  readonly batch: WriteBatch;
  readonly durable: boolean;
  readonly signal: AbortSignal | undefined;
  onCommitted(): void;
}

/** What a transaction asks of its database. */
export interface TransactionHost {
  now(): number;
  /** When a value that is written at `createdAt` expires, as rows have it. */
  expiryOf(lifetime: number, createdAt: number): number;
  /** Checks and writes in one tick, or rejects; `onCommitted` is called in that tick. */
  commit(work: CommitWork): Promise<WriteResult>;
  /** It has ended, in whatever way. */
  end(transaction: Transaction): void;
}

const states = {
  active: "",
  committing: "is being committed",
  committed: "has been committed",
  failed: "could not be committed",
  rolledBack: "has been rolled back",
} as const;

/**
 * Reads see the database as it was when the transaction began, and over it what the transaction has written; a scan, what had been
 * written when it was asked for. Writes are kept in memory, and nobody else sees them before the commit.
 *
 * The commit rejects with `TransactionConflictError` when a key that was written here has been written by anyone else since the transaction
 * began: by another transaction, a plain write, a batch or a load (of a load, any key that its SSTs cover counts). A serializable one also when what
 * it has read has been: keys, absent ones too, and the part of each scan's range from where the scan began, or was sent by a
 * seek, to the last row that it gave; up to the end of the range when it came there. What has been read and written takes memory until the end.
 *
 * It ends with `commit()`, whether that succeeds or not, with `rollback()` or disposal, and with its database. Then its methods and scans throw
 * or reject with `ClosedError`. Until then all versions that it sees are kept: end it soon.
 */
export class Transaction extends Reads implements Disposable, AsyncDisposable {
  /** The seq of the state that it reads. */
  readonly seq: number;
  readonly #host: TransactionHost;
  readonly #requireHostOpen: () => void;
  readonly #own: OwnWrites;
  readonly #reads = new ReadSet();
  /** Undefined when it has ended. */
  #read: ReadView | undefined;
  #state: keyof typeof states = "active";

  /** @internal */
  constructor(host: TransactionHost, read: ReadView, isolation: Isolation) {
    super();
    const own = new OwnWrites(read.seq);
    this.seq = read.seq;
    this.#host = host;
    this.#requireHostOpen = read.requireOpen;
    this.#own = own;
    this.#read = {
      ...read,
      view: { ...read.view, tables: [own, ...read.view.tables] },
      engine: isolation === "serializable" ? this.#reads.tracking(read.engine, own) : read.engine,
      isTransaction: true,
      requireOpen: () => this.#requireActive(),
    };
  }

  /** True until it is committed, rolled back or closed with its database. */
  get isActive(): boolean {
    return this.#state === "active";
  }

  /** The value with its seq and times. What this transaction wrote has no seq yet: 0, and as `createdAt` the time at which it was written here. */
  override getEntry(key: KeyLike, options?: ReadOptions): Promise<Entry | undefined> {
    const found = super.getEntry(key, options);
    if (this.#own.rowCount === 0 || !this.#isOwn(key)) return found;
    return found.then((entry) => entry && { ...entry, seq: 0 });
  }

  /** Key and value are copied. A ttl counts from the commit; for reads of this transaction, which see it before, from now. */
  put(key: KeyLike, value: ValueLike, options?: LifetimeOptions): void {
    checkOptions(options, lifetimeNames, "put");
    const lifetime = options === undefined ? 0 : toLifetime(options);
    this.#write(RowKind.put, toKeyBytes(key), toValueBytes(value), lifetime);
  }

  delete(key: KeyLike): void {
    this.#write(RowKind.delete, toKeyBytes(key), emptyBytes, 0);
  }

  /** The commit then conflicts with later writes of the key, or of any key of the range, as if a serializable transaction had read it. */
  markRead(keyOrRange: KeyLike | KeyRange): void {
    this.#requireActive();
    if (typeof keyOrRange === "string" || ArrayBuffer.isView(keyOrRange)) {
      this.#reads.addKey(toKeyBytes(keyOrRange));
      return;
    }
    requireRangeObject(keyOrRange);
    checkOptions(keyOrRange, keyRangeNames, "markRead");
    this.#reads.addRange(toKeyBounds(keyOrRange));
  }

  /**
   * What has been written to the key so far is written whatever others have written since: the last one wins. A later write of the key counts
   * again, and what was read of it still does. `InvalidArgumentError` where this transaction has not written it.
   */
  unmarkWrite(key: KeyLike): void {
    this.#requireActive();
    const bytes = toKeyBytes(key);
    if (!this.#own.unmark(bytes)) {
      throw new InvalidArgumentError(`This transaction has not written key ${showKey(bytes)}.`);
    }
  }

  /**
   * Writes all of it, or nothing. A transaction that wrote nothing has no conflict, takes no seq and is durable at once. In whatever way it
   * ends, the transaction is over; for a bad argument nothing happens.
   */
  async commit(options?: CommitOptions): Promise<WriteResult> {
    checkOptions(options, ["durable", "signal"], "commit");
    requireBoolean(options?.durable, "durable");
    requireSignal(options?.signal);
    this.#requireActive();
    this.#state = "committing";
    const { durable = true, signal } = options ?? {};
    try {
      throwIfAborted(signal);
      const batch = new WriteBatch();
      const keys = [...this.#reads.keys()];
      for (const { kind, key, value, lifetime, isMarked } of this.#own.values()) {
        batch.addRow(kind, key, value, lifetime, 0);
        if (isMarked) keys.push(key);
      }
      const footprint = new Footprint(keys, this.#reads.ranges());
      const onCommitted = (): void => this.#end("committed");
      const { seq } = this;
      return await this.#host.commit({ seq, footprint, batch, durable, signal, onCommitted });
    } finally {
      this.#end("failed");
    }
  }

  /** Gives up what was written here. Harmless when it has ended already, but not after a commit, which cannot be taken back. */
  rollback(): void {
    if (this.#state === "committing" || this.#state === "committed") this.#requireActive();
    this.#end("rolledBack");
  }

  /** Rolls back, unless it is being committed or has ended. */
  [Symbol.dispose](): void {
    if (this.#state === "active") this.#end("rolledBack");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this[Symbol.dispose]();
  }

  protected override readView(): ReadView {
    this.#requireActive();
    return this.#read!;
  }

  protected override scanView(): ReadView {
    const read = this.readView();
    if (this.#own.rowCount === 0) return read;
    const [, ...tables] = read.view.tables;
    return { ...read, view: { ...read.view, tables: [this.#own.asOfNow(), ...tables] } };
  }

  #write(kind: RowKind, key: Uint8Array, value: Uint8Array, lifetime: number): void {
    this.#requireActive();
    const createdAt = this.#host.now();
    const expiresAt = kind === RowKind.put ? this.#host.expiryOf(lifetime, createdAt) : 0;
    const write = { kind, key, value, createdAt, expiresAt, lifetime };
    if (!this.#own.add(write, batchBytesMax)) {
      throw new InvalidArgumentError(
        `The transaction would write more than ${batchBytesMax} bytes. Split it, where it need not be atomic.`,
      );
    }
  }

  #isOwn(key: KeyLike): boolean {
    try {
      return this.#own.has(toKeyBytes(key));
    } catch {
      // No key: the read has said so.
      return false;
    }
  }

  #requireActive(): void {
    if (this.#state !== "committed") this.#requireHostOpen();
    if (this.#state === "active") return;
    throw new ClosedError(`The transaction ${states[this.#state]}. Begin a new one.`);
  }

  #end(state: "committed" | "failed" | "rolledBack"): void {
    if (this.#read === undefined) return;
    this.#state = state;
    this.#read = undefined;
    this.#own.clear();
    this.#reads.clear();
    this.#host.end(this);
  }
}
