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
import { appendOperation } from "../format/wal-record.js";

/** The most bytes of operations in a batch: it has to fit in one WAL object. */
export const batchBytesMax: number = 1024 * 1024 * 1024;

export interface PutOperation {
  type: "put";
  key: KeyLike;
  value: ValueLike;
}

export interface DeleteOperation {
  type: "delete";
  key: KeyLike;
}

export type WriteOperation = PutOperation | DeleteOperation;

/** Inputs are copied when they are added. A batch may be written more than once, and added to in between. */
export class WriteBatch {
  readonly #writer = new ByteWriter(1024);
  #count = 0;

  /** How many operations there are. */
  get count(): number {
    return this.#count;
  }

  /** Bytes of the operations as the WAL stores them. */
  get byteLength(): number {
    return this.#writer.length;
  }

  put(key: KeyLike, value: ValueLike): this {
    return this.#add(RowKind.put, toKeyBytes(key), toValueBytes(value));
  }

  delete(key: KeyLike): this {
    return this.#add(RowKind.delete, toKeyBytes(key), emptyBytes);
  }

  /** The encoded operations: a view that is valid until the batch changes. For the engine. */
  operations(): Uint8Array {
    return this.#writer.view();
  }

  #add(kind: RowKind, key: Uint8Array, value: Uint8Array): this {
    if (this.#writer.length + key.length + value.length + 32 > batchBytesMax) {
      throw new InvalidArgumentError(
        `The batch would be larger than ${batchBytesMax} bytes. Split it, where it need not be atomic.`,
      );
    }
    appendOperation(this.#writer, kind, key, value, 0, 0);
    this.#count++;
    return this;
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

function addOperation(batch: WriteBatch, operation: Partial<WriteOperation> | undefined): void {
  if (operation?.type === "put") {
    checkOptions(operation, ["type", "key", "value"], "A put");
    batch.put(operation.key as KeyLike, (operation as Partial<PutOperation>).value as ValueLike);
  } else if (operation?.type === "delete") {
    checkOptions(operation, ["type", "key"], "A delete");
    batch.delete(operation.key as KeyLike);
  } else {
    throw new InvalidArgumentError('"type" must be "put" or "delete".');
  }
}
