/** `Transaction`: reads of one state of the database, and writes that appear all at once if nobody else wrote what it depends on. */
import { throwIfAborted } from "../common/abort.js";
import {
  copyBytes,
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
import type { HalfOpenRange } from "../common/range-tombstone.js";
import { type Entry, RowKind } from "../common/row.js";
import { showKey } from "../common/show-key.js";
import { MergeOperators } from "../merge/merge-operators.js";
import type { DbView } from "../read/db-view.js";
import { Footprint } from "./footprint.js";
import { type LifetimeOptions, lifetimeNames, toLifetime } from "./lifetime.js";
import { toBatch } from "./own-batch.js";
import { overOwnWrites } from "./own-engine.js";
import { mergeOnto, type OwnMerge } from "./own-merge.js";
import { OwnWrites } from "./own-writes.js";
import { prefixToDelete, type RangeToDelete, rangeToDelete } from "./range-to-delete.js";
import type { ReadOptions } from "./read-options.js";
import { ReadSet } from "./read-set.js";
import type { ReadView } from "./read-view.js";
import { Reads } from "./reads.js";
import type { CommitOptions, Isolation, TransactionHost } from "./transaction-host.js";
import { batchBytesMax, type MergeOptions, toOperand } from "./write-batch.js";
import type { WriteResult } from "./write-pipeline.js";

export type { CommitOptions, Isolation } from "./transaction-host.js";

const mergeNames = ["operator", ...lifetimeNames] as const;

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
 * The commit rejects with `TransactionConflictError` when a key that was written here, or any key of a range that was deleted here, has been written
 * by anyone else since the transaction began: by another transaction, a plain write, a batch, a range delete that covers it or a load (of a load, any
 * key that its SSTs cover counts). A serializable one also when what it has read has been: keys, absent ones too, and the part of each scan's
 * range from where the scan began, or was sent by a seek, to the last row that it gave; up to the end of the range when it came there. A key
 * whose value was decided by what was written here has not been read. What has been read and written takes memory until the end.
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
  readonly #operators: MergeOperators;
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
    this.#operators = new MergeOperators(read.view.manifest.pinned.mergeOperators, read.operators);
    const engine = overOwnWrites(read.engine, own);
    this.#read = {
      ...read,
      seq: own.seq,
      view: { ...read.view, tables: [own, ...read.view.tables] },
      engine: isolation === "serializable" ? this.#reads.tracking(engine, own) : engine,
      isTransaction: true,
      isFixed: true,
      ownTableCount: 1,
      // It is kept itself, until it ends.
      keep: undefined,
      moveTo: (newer) => this.#moveTo(newer),
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
    return found.then((entry) => (entry?.seq === this.#own.seq ? { ...entry, seq: 0 } : entry));
  }

  /** Key and value are copied. A ttl counts from the commit; for reads of this transaction, which see it before, from now. */
  put(key: KeyLike, value: ValueLike, options?: LifetimeOptions): void {
    checkOptions(options, lifetimeNames, "put");
    const lifetime = options === undefined ? 0 : toLifetime(options);
    const bytes = toKeyBytes(key);
    const own = copyBytes(toValueBytes(value));
    this.#requireActive();
    this.#add(this.#writeOf(RowKind.put, bytes, own, lifetime, 0));
  }

  delete(key: KeyLike): void {
    const bytes = toKeyBytes(key);
    this.#requireActive();
    this.#add(this.#writeOf(RowKind.delete, bytes, emptyBytes, 0, 0));
  }

  /**
   * Merges an operand into the key's value, without reading it: the operator works out the value when the key is read. Where this transaction
   * has put or deleted the key, it does so now. The merge decides anew when the value expires, as a put does. It is a write of the key:
   * where merges by others do no harm, `unmarkWrite` it. `InvalidArgumentError` when there is no such operator, when it refuses the operand, and when
   * another operator has been merged into a value that this transaction does not know; `MergeError` when it fails. Then nothing happens.
   */
  merge(key: KeyLike, operand: ValueLike, options?: MergeOptions): void {
    checkOptions(options, mergeNames, "merge");
    const bytes = toKeyBytes(key);
    const { packed, operatorId } = toOperand(this.#operators, operand, options?.operator);
    const lifetime = options === undefined ? 0 : toLifetime(options);
    this.#requireActive();
    const merge = this.#writeOf(RowKind.merge, bytes, packed, lifetime, operatorId);
    const before = this.#own.find(bytes);
    this.#add(mergeOnto(before, merge, this.#operators, this.#own.covers(bytes)));
  }

  /**
   * Deletes every key of the range, as far as it is written before: in the state that the transaction sees, and by itself. The commit conflicts
   * with later writes of any key of the range. An empty range does nothing. `InvalidArgumentError` for a range without any bound: every key
   * is `{ all: true }`.
   */
  deleteRange(range: RangeToDelete): void {
    this.#deleteRange(rangeToDelete(range));
  }

  /** `deleteRange` of the keys that begin with `prefix`, which is not empty. */
  deletePrefix(prefix: KeyLike): void {
    this.#deleteRange(prefixToDelete(prefix));
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
   * What has been written to the key so far is written whatever others have written since: the last one wins, and a merge is merged into what they
   * wrote. A later write of the key counts again, and what was read of it still does, and so does a range that was deleted. `InvalidArgumentError`
   * where this transaction has not written the key.
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
      const batch = toBatch(this.#own);
      const keys = [...this.#reads.keys()];
      for (const { key, isMarked } of this.#own.values()) if (isMarked) keys.push(key);
      const footprint = new Footprint(keys, this.#reads.ranges(), this.#own.deleted);
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
    const [, ...tables] = read.view.tables;
    const ownTableCount = this.#own.isEmpty ? 0 : 1;
    if (ownTableCount > 0) tables.unshift(this.#own.asOfNow());
    return { ...read, view: { ...read.view, tables }, ownTableCount };
  }

  #moveTo(newer: DbView): void {
    const read = this.#read;
    if (read === undefined || newer.manifest.number <= read.view.manifest.number) return;
    this.#read = { ...read, view: { ...newer, tables: [this.#own, ...newer.tables] } };
  }

  #writeOf(
    kind: RowKind,
    key: Uint8Array,
    value: Uint8Array,
    lifetime: number,
    operatorId: number,
  ): OwnMerge {
    const createdAt = this.#host.now();
    const expiresAt = kind === RowKind.delete ? 0 : this.#host.expiryOf(lifetime, createdAt);
    return { kind, key, value, operatorId, createdAt, expiresAt, lifetime };
  }

  #add(write: OwnMerge): void {
    if (!this.#own.add(write, batchBytesMax)) throw tooLarge();
  }

  #deleteRange(range: HalfOpenRange | undefined): void {
    this.#requireActive();
    if (range === undefined) return;
    if (!this.#own.deleteRange(range, batchBytesMax)) throw tooLarge();
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

function tooLarge(): InvalidArgumentError {
  return new InvalidArgumentError(
    `The transaction would write more than ${batchBytesMax} bytes. Split it, where it need not be atomic.`,
  );
}
