/** `WriteBatch`: operations that are applied as one, encoded as they are added. */
import { ByteWriter } from "../common/byte-writer.js";
import {
  emptyBytes,
  type KeyLike,
  toKeyBytes,
  toValueBytes,
  type ValueLike,
} from "../common/bytes.js";
import { InvalidArgumentError } from "../common/errors.js";
import { checkOptions } from "../common/options.js";
import type { HalfOpenRange } from "../common/range-tombstone.js";
import { OperationKind } from "../common/row.js";
import { encodeRangeEnd } from "../format/range-delete-operation.js";
import { expiryBytesMax, operationBytesMax, writeOperation } from "../format/wal-record.js";
import type { MergeOperators } from "../merge/merge-operators.js";
import { packOperands } from "../merge/packed-operands.js";
import { type LifetimeOptions, lifetimeNames, toLifetime } from "./lifetime.js";
import { prefixToDelete, type RangeToDelete, rangeToDelete } from "./range-to-delete.js";

/** The most bytes of operations in a batch: it has to fit in one WAL object. */
export const batchBytesMax: number = 1024 * 1024 * 1024;

export interface PutOperation extends LifetimeOptions {
  type: "put";
  key: KeyLike;
  value: ValueLike;
}

export interface DeleteOperation {
  type: "delete";
  key: KeyLike;
}

export interface MergeOptions extends LifetimeOptions {
  /** The name of a merge operator. Default: that of the database, where it has just one. */
  operator?: string | undefined;
}

export interface MergeOperation extends MergeOptions {
  type: "merge";
  key: KeyLike;
  operand: ValueLike;
}

export interface DeleteRangeOperation {
  type: "deleteRange";
  range: RangeToDelete;
}

export type WriteOperation = PutOperation | DeleteOperation | MergeOperation | DeleteRangeOperation;

/** Chunks double up to this size, so that a batch of any size takes about as much memory as it has bytes. */
const chunkBytesMax = 1024 * 1024;

/** Inputs are copied when they are added. A batch may be written more than once, and added to in between. */
export class WriteBatch {
  /** Whole operations, in chunks that are never moved: growing one buffer took four times the bytes of a large batch. */
  readonly #full: Uint8Array[] = [];
  #fullBytes = 0;
  #open = new ByteWriter(1024);
  #count = 0;
  /** Of each operation up to the last that has one; made with the first. */
  #lifetimes: number[] | undefined;
  #lifetimeCount = 0;
  #hasMerges = false;
  #hasRangeDeletes = false;
  /** Of the database that made it; undefined: it takes no merges. */
  readonly #operators: MergeOperators | undefined;

  /** @internal */
  constructor(operators?: MergeOperators) {
    this.#operators = operators;
  }

  /** How many operations there are. */
  get count(): number {
    return this.#count;
  }

  /** Bytes of the operations as the WAL stores them; the expiry of an operation that has its own is counted as eight. */
  get byteLength(): number {
    return this.#fullBytes + this.#open.length + this.#lifetimeCount * expiryBytesMax;
  }

  /** A later put or delete of the key in the same batch replaces it. A ttl counts from each time that the batch is written. */
  put(key: KeyLike, value: ValueLike, options?: LifetimeOptions): this {
    if (options === undefined)
      return this.#add(OperationKind.put, toKeyBytes(key), toValueBytes(value));
    checkOptions(options, lifetimeNames, "put");
    const lifetime = toLifetime(options);
    this.#add(OperationKind.put, toKeyBytes(key), toValueBytes(value));
    return this.#setLifetime(lifetime);
  }

  delete(key: KeyLike): this {
    return this.#add(OperationKind.delete, toKeyBytes(key), emptyBytes);
  }

  /**
   * Merges an operand into the key's value, which the operator works out when the key is read. Where a put or delete of the key
   * is in the batch before it, by itself or with a range, it does so when the batch is written. The last operation of a key decides when its value expires.
   * `InvalidArgumentError` when there is no such operator, and when it refuses the operand.
   */
  merge(key: KeyLike, operand: ValueLike, options?: MergeOptions): this {
    checkOptions(options, mergeOptionNames, "merge");
    const bytes = toKeyBytes(key);
    const { packed, operatorId } = toOperand(this.#operators, operand, options?.operator);
    const lifetime = options === undefined ? 0 : toLifetime(options);
    return this.addRow(OperationKind.merge, bytes, packed, lifetime, operatorId);
  }

  /**
   * Deletes every key of the range, as far as it is written before: earlier batches, and what comes before it in this one. An empty range
   * adds nothing. `InvalidArgumentError` for a range without any bound: every key is `{ all: true }`.
   */
  deleteRange(range: RangeToDelete): this {
    return this.#addRangeDelete(rangeToDelete(range));
  }

  /** `deleteRange` of the keys that begin with `prefix`, which is not empty. */
  deletePrefix(prefix: KeyLike): this {
    return this.#addRangeDelete(prefixToDelete(prefix));
  }

  /** For the engine: a row or a range delete as it is stored. */
  addRow(
    kind: OperationKind,
    key: Uint8Array,
    value: Uint8Array,
    lifetime: number,
    operatorId: number,
  ): this {
    if (kind === OperationKind.merge) this.#hasMerges = true;
    else if (kind === OperationKind.rangeDelete) this.#hasRangeDeletes = true;
    return this.#add(kind, key, value, operatorId).#setLifetime(lifetime);
  }

  /** For the engine: true when some operation is a merge. `InvalidArgumentError` when it is one of another database. */
  hasMergesOf(operators: MergeOperators): boolean {
    if (this.#hasMerges && this.#operators !== operators) {
      throw new InvalidArgumentError(
        "The batch has merges of another database, whose operators may be others. Make it with batch() of the database that it is for.",
      );
    }
    return this.#hasMerges;
  }

  /** For the engine: true when some operation is a range delete, so that `dropCovered` has something to do. */
  get hasRangeDeletes(): boolean {
    return this.#hasRangeDeletes;
  }

  /** The encoded operations, in pieces: views that are valid until the batch changes. For the engine. */
  operations(): readonly Uint8Array[] {
    return this.#full.length === 0 ? [this.#open.view()] : [...this.#full, this.#open.view()];
  }

  /** The lifetimes (lifetime.ts) of the operations, of the first ones at least; undefined where none says anything. For the engine. */
  get lifetimes(): readonly number[] | undefined {
    return this.#lifetimes;
  }

  #addRangeDelete(range: HalfOpenRange | undefined): this {
    if (range === undefined) return this;
    this.#hasRangeDeletes = true;
    return this.#add(OperationKind.rangeDelete, range.start, encodeRangeEnd(range.end));
  }

  /** Of the operation that was added last. */
  #setLifetime(lifetime: number): this {
    if (lifetime === 0) return this;
    this.#lifetimes ??= [];
    while (this.#lifetimes.length < this.#count - 1) this.#lifetimes.push(0);
    this.#lifetimes.push(lifetime);
    this.#lifetimeCount++;
    return this;
  }

  #add(kind: OperationKind, key: Uint8Array, value: Uint8Array, operatorId = 0): this {
    const bytesMax = operationBytesMax(key, value);
    if (this.byteLength + bytesMax > batchBytesMax) {
      throw new InvalidArgumentError(
        `The batch would be larger than ${batchBytesMax} bytes. Split it, where it need not be atomic.`,
      );
    }
    if (this.#open.length + bytesMax > this.#open.bytes.length) this.#nextChunk(bytesMax);
    const open = this.#open;
    open.length = writeOperation(open.bytes, open.length, kind, key, value, 0, operatorId);
    this.#count++;
    return this;
  }

  #nextChunk(bytesMin: number): void {
    const open = this.#open;
    if (open.length > 0) this.#full.push(open.view());
    this.#fullBytes += open.length;
    const bytes = Math.min(open.bytes.length * 2, chunkBytesMax);
    this.#open = new ByteWriter(Math.max(bytes, bytesMin));
  }
}

/** A batch, or an array of operations as one. Throws `InvalidArgumentError` naming the operation that is wrong. */
export function toWriteBatch(input: unknown, operators: MergeOperators): WriteBatch {
  if (input instanceof WriteBatch) return input;
  if (!Array.isArray(input)) {
    throw new InvalidArgumentError("write() takes a WriteBatch or an array of operations.");
  }
  const batch = new WriteBatch(operators);
  for (const [index, operation] of (input as unknown[]).entries()) {
    try {
      addOperation(batch, operation as Partial<WriteOperation> | undefined);
    } catch (error) {
      if (!(error instanceof InvalidArgumentError)) throw error;
      throw new InvalidArgumentError(`Operation ${index}: ${error.message}`);
    }
  }
  return batch;
}

const putNames = ["type", "key", "value", ...lifetimeNames] as const;
const mergeOptionNames = ["operator", ...lifetimeNames] as const;
const mergeNames = ["type", "key", "operand", ...mergeOptionNames] as const;

function addOperation(batch: WriteBatch, operation: Partial<WriteOperation> | undefined): void {
  if (operation?.type === "put") {
    checkOptions(operation, putNames, "A put");
    const { key, value, ttlMs, expiresAt } = operation as PutOperation;
    const isTimed = ttlMs !== undefined || expiresAt !== undefined;
    batch.put(key, value, isTimed ? { ttlMs, expiresAt } : undefined);
  } else if (operation?.type === "delete") {
    checkOptions(operation, ["type", "key"], "A delete");
    batch.delete(operation.key as KeyLike);
  } else if (operation?.type === "merge") {
    checkOptions(operation, mergeNames, "A merge");
    const { key, operand, operator, ttlMs, expiresAt } = operation as MergeOperation;
    batch.merge(key, operand, { operator, ttlMs, expiresAt });
  } else if (operation?.type === "deleteRange") {
    checkOptions(operation, ["type", "range"], "A deleteRange");
    batch.deleteRange(operation.range as RangeToDelete);
  } else {
    throw new InvalidArgumentError('"type" must be "put", "delete", "deleteRange" or "merge".');
  }
}

/** An operand as a row stores it, and its operator. Throws `InvalidArgumentError`. */
export function toOperand(
  operators: MergeOperators | undefined,
  operand: ValueLike,
  operator: unknown,
): { packed: Uint8Array; operatorId: number } {
  const bytes = toValueBytes(operand);
  if (operators === undefined) {
    throw new InvalidArgumentError(
      "This batch takes no merges. Make it with batch() of a database.",
    );
  }
  return { operatorId: operators.idFor(operator, bytes), packed: packOperands([bytes]) };
}
