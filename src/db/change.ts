/** `Change`: what a change feed gives, and how it is made of what the log holds. */
import { type Bytes, copyBytes } from "../common/bytes.js";
import { CorruptionError, MissingObjectError, SnapshotGoneError } from "../common/errors.js";
import { allKeys } from "../common/key-range.js";
import { OperationKind } from "../common/row.js";
import { showKey } from "../common/show-key.js";
import type { L0Entry } from "../format/manifest.js";
import { readRangeEnd } from "../format/range-delete-operation.js";
import type { StoredChange, StoredOperation } from "../format/wal-changes.js";
import { Step } from "../iterator/row-iterator.js";
import { unpackOperands } from "../merge/packed-operands.js";
import type { ReadView } from "./read-view.js";

export interface PutChange {
  readonly type: "put";
  readonly key: Bytes;
  readonly value: Bytes;
  /** ms since 1970; undefined: never. */
  readonly expiresAt?: number | undefined;
}

export interface DeleteChange {
  readonly type: "delete";
  readonly key: Bytes;
}

/**
 * Deletes all keys from `gte`, up to but without `lt`, as far as they were written before; operations that follow it in the batch are
 * later. `const { type, ...range } = operation; db.deleteRange(range)` does the same again.
 */
export interface DeleteRangeChange {
  readonly type: "deleteRange";
  /** Empty: from the first key. */
  readonly gte: Bytes;
  /** Left out: to the last key. */
  readonly lt?: Bytes | undefined;
}

/** Operands for the key's value, whatever it was. */
export interface MergeChange {
  readonly type: "merge";
  readonly key: Bytes;
  /** Oldest first, at least one: those that the batch has merged into the key. */
  readonly operands: readonly Bytes[];
  /** The name of their merge operator. */
  readonly operator: string;
  /** When the value that they make expires, ms since 1970; undefined: never. */
  readonly expiresAt?: number | undefined;
}

/** A part of a bulk load: rows of a seq of their own, which may be any number. */
export interface LoadChange {
  readonly type: "load";
  readonly rowCount: number;
  readonly firstKey: Bytes;
  readonly lastKey: Bytes;
  /**
   * The rows in key order, read from the SSTs that the load has stored as they are asked for: memory holds a few windows of them. May be
   * called again, while the handle is open. Rejects with `SnapshotGoneError` once the load has been compacted and its SSTs collected.
   */
  rows(): AsyncGenerator<PutChange, undefined, undefined>;
}

export type ChangeOperation =
  | PutChange
  | DeleteChange
  | DeleteRangeChange
  | MergeChange
  | LoadChange;

/** A batch that is durable, or a part of a load. */
export interface Change {
  /** The position behind this change: a feed that is opened with `from: seq` goes on with the next one. */
  readonly seq: number;
  /** ms since 1970 */
  readonly createdAt: number;
  /**
   * One for each key that the batch has written, and its range deletes, in the order of the batch, without what a later range delete of the
   * same batch covers; or one of type `"load"`. Their arrays may share a buffer.
   */
  readonly operations: readonly ChangeOperation[];
}

export function toChange(stored: StoredChange, readView: () => ReadView): Change {
  const { seq, createdAt, loaded } = stored;
  const operations =
    loaded === undefined
      ? stored.operations.map((operation) => toOperation(operation, readView))
      : [toLoad(loaded, readView)];
  return { seq, createdAt, operations };
}

function toOperation(operation: StoredOperation, readView: () => ReadView): ChangeOperation {
  const { kind, key, value, expiresAt } = operation;
  if (kind === OperationKind.delete) return { type: "delete", key };
  if (kind === OperationKind.put) return toPut(key, value, expiresAt);
  if (kind === OperationKind.rangeDelete) {
    const lt = readRangeEnd(value, 0, value.length);
    return lt === undefined
      ? { type: "deleteRange", gte: key }
      : { type: "deleteRange", gte: key, lt };
  }
  // The claim that put the log into the chain has named them.
  const operator = readView().view.manifest.pinned.mergeOperators[operation.operatorId - 1];
  const object = `merge row of key ${showKey(key)}`;
  if (operator === undefined) {
    throw new CorruptionError(object, `no operator has the id ${operation.operatorId}`);
  }
  const operands = unpackOperands(value, object) as Bytes[];
  const change: MergeChange = { type: "merge", key, operands, operator };
  return expiresAt > 0 ? { ...change, expiresAt } : change;
}

function toPut(key: Bytes, value: Bytes, expiresAt: number): PutChange {
  return expiresAt > 0 ? { type: "put", key, value, expiresAt } : { type: "put", key, value };
}

function toLoad(entry: L0Entry, readView: () => ReadView): LoadChange {
  const { ssts } = entry;
  return {
    type: "load",
    rowCount: ssts.reduce((sum, { rowCount }) => sum + rowCount, 0),
    firstKey: copyBytes(ssts[0]!.firstKey),
    lastKey: copyBytes(ssts[ssts.length - 1]!.lastKey),
    rows: () => loadedRows(entry, readView),
  };
}

async function* loadedRows(
  entry: L0Entry,
  readView: () => ReadView,
): AsyncGenerator<PutChange, undefined, undefined> {
  const read = readView();
  const { engine, view, tables, readAheadBytes, requireOpen } = read;
  const alone = { tables: [], loads: [entry], manifest: { ...view.manifest, l0: [], runs: [] } };
  const rows = engine.scanRows(alone, tables, {
    ...{ bounds: allKeys, reverse: false, seqMax: entry.seq, readAheadBytes },
    // Rows that have expired since were written all the same.
    now: () => 0,
  });
  try {
    for (;;) {
      requireOpen();
      const step = rows.step();
      if (step === Step.end) return undefined;
      if (step === Step.pending) {
        await rows.fill().catch((error: unknown) => failedLoad(read, error));
        continue;
      }
      const { keyBytes, keyStart, keyEnd, valueBytes, valueStart, valueEnd, expiresAt } = rows.row;
      const key = copyBytes(keyBytes, keyStart, keyEnd);
      yield toPut(key, copyBytes(valueBytes, valueStart, valueEnd), expiresAt);
    }
  } finally {
    rows.close();
  }
}

/** What has become of the rows of a load cannot be told from rows that others wrote: nothing goes on in their place. */
async function failedLoad({ newer }: ReadView, error: unknown): Promise<never> {
  if (!(error instanceof MissingObjectError)) throw error;
  // Damage, if it is still named.
  await newer?.after(0, error);
  throw new SnapshotGoneError(
    "The SSTs of this load have been compacted and collected, so that its rows cannot be read apart from others. Read the database as it is, then its changes from this one on.",
    { cause: error },
  );
}
