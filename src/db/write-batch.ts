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
import { RowKind } from "../common/row.js";
import { expiryBytesMax, operationBytesMax, writeOperation } from "../format/wal-record.js";
import { type LifetimeOptions, lifetimeNames, toLifetime } from "./lifetime.js";

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

export type WriteOperation = PutOperation | DeleteOperation;

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
    if (options === undefined) return this.#add(RowKind.put, toKeyBytes(key), toValueBytes(value));
    checkOptions(options, lifetimeNames, "put");
    const lifetime = toLifetime(options);
    this.#add(RowKind.put, toKeyBytes(key), toValueBytes(value));
    return this.#setLifetime(lifetime);
  }

  delete(key: KeyLike): this {
    return this.#add(RowKind.delete, toKeyBytes(key), emptyBytes);
  }

  /** The encoded operations, in pieces: views that are valid until the batch changes. For the engine. */
  operations(): readonly Uint8Array[] {
    return this.#full.length === 0 ? [this.#open.view()] : [...this.#full, this.#open.view()];
  }

  /** The lifetimes (lifetime.ts) of the operations, of the first ones at least; undefined where none says anything. For the engine. */
  get lifetimes(): readonly number[] | undefined {
    return this.#lifetimes;
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

  #add(kind: RowKind, key: Uint8Array, value: Uint8Array): this {
    const bytesMax = operationBytesMax(key, value);
    if (this.byteLength + bytesMax > batchBytesMax) {
      throw new InvalidArgumentError(
        `The batch would be larger than ${batchBytesMax} bytes. Split it, where it need not be atomic.`,
      );
    }
    if (this.#open.length + bytesMax > this.#open.bytes.length) this.#nextChunk(bytesMax);
    const open = this.#open;
    open.length = writeOperation(open.bytes, open.length, kind, key, value, 0, 0);
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
export function toWriteBatch(input: unknown): WriteBatch {
  if (input instanceof WriteBatch) return input;
  if (!Array.isArray(input)) {
    throw new InvalidArgumentError("write() takes a WriteBatch or an array of operations.");
  }
  const batch = new WriteBatch();
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

function addOperation(batch: WriteBatch, operation: Partial<WriteOperation> | undefined): void {
  if (operation?.type === "put") {
    checkOptions(operation, putNames, "A put");
    const { key, value, ttlMs, expiresAt } = operation as PutOperation;
    const isTimed = ttlMs !== undefined || expiresAt !== undefined;
    batch.put(key, value, isTimed ? { ttlMs, expiresAt } : undefined);
  } else if (operation?.type === "delete") {
    checkOptions(operation, ["type", "key"], "A delete");
    batch.delete(operation.key as KeyLike);
  } else {
    throw new InvalidArgumentError('"type" must be "put" or "delete".');
  }
}
