/** `Reads`: the reading methods that every handle has. They check their arguments, take the view once, and delegate. */
import { throwIfAborted } from "../common/abort.js";
import { type Bytes, copyBytes, describeType, type KeyLike, toKeyBytes } from "../common/bytes.js";
import { InvalidArgumentError } from "../common/errors.js";
import { toKeyBounds } from "../common/key-range.js";
import type { Entry } from "../common/row.js";
import { RowRef } from "../common/row.js";
import { isVisible } from "../iterator/visible-row.js";
import type { DbView } from "../read/db-view.js";
import { getRow } from "../read/get.js";
import { getMany } from "../read/get-many.js";
import { scanRows } from "../read/scan.js";
import { Scan } from "../read/scan-cursor.js";
import {
  entryShape,
  type KeyValue,
  keyShape,
  type ScanShape,
  valueShape,
} from "../read/scan-shape.js";
import type { TableStore } from "../sst/table-store.js";
import {
  checkReadOptions,
  checkScanOptions,
  type ReadOptions,
  type ScanOptions,
} from "./read-options.js";

/** What a read is a function of. */
export interface ReadView {
  readonly view: DbView;
  readonly tables: TableStore;
  /** The newest seq that reads see. */
  readonly seq: number;
  /** The newest seq that is durable. */
  readonly durableSeq: number;
  readonly readAheadBytes: number;
  readonly now: () => number;
  /** Throws when the handle is closed. */
  readonly requireOpen: () => void;
}

export abstract class Reads {
  /** The value, or undefined when there is none. The array is the caller's own. */
  async get(key: KeyLike, options?: ReadOptions): Promise<Bytes | undefined> {
    const row = await this.#find(key, options, "get");
    return row && copyBytes(row.valueBytes, row.valueStart, row.valueEnd);
  }

  /** The value with its seq and times, or undefined. */
  async getEntry(key: KeyLike, options?: ReadOptions): Promise<Entry | undefined> {
    const row = await this.#find(key, options, "getEntry");
    return row && toEntry(row);
  }

  async has(key: KeyLike, options?: ReadOptions): Promise<boolean> {
    return (await this.#find(key, options, "has")) !== undefined;
  }

  /** The values in the order of the keys, all of the same moment. Keys may repeat. */
  async getMany(keys: Iterable<KeyLike>, options?: ReadOptions): Promise<(Bytes | undefined)[]> {
    checkReadOptions(options, "getMany");
    requireKeys(keys);
    const own = Array.from(keys, (key) => copyBytes(toKeyBytes(key)));
    const read = this.#view(options);
    return getMany(read.view, read.tables, own, {
      seqMax: seqOf(read, options),
      now: read.now,
      signal: options?.signal,
    });
  }

  /** Rows in key order, as of the call. */
  scan(options?: ScanOptions): Scan<KeyValue> {
    return this.#scan(options, "scan", entryShape);
  }

  keys(options?: ScanOptions): Scan<Bytes> {
    return this.#scan(options, "keys", keyShape);
  }

  values(options?: ScanOptions): Scan<Bytes> {
    return this.#scan(options, "values", valueShape);
  }

  /** The state that a read sees; throws when the handle is closed. */
  protected abstract readView(): ReadView;

  #view(options: ReadOptions | undefined): ReadView {
    const read = this.readView();
    read.requireOpen();
    throwIfAborted(options?.signal);
    return read;
  }

  async #find(
    key: KeyLike,
    options: ReadOptions | undefined,
    what: string,
  ): Promise<RowRef | undefined> {
    checkReadOptions(options, what);
    const bytes = toKeyBytes(key);
    const read = this.#view(options);
    const row = new RowRef();
    const seq = seqOf(read, options);
    const found = await getRow(read.view, read.tables, bytes, seq, row, options?.signal);
    return found && isVisible(row, read.now) ? row : undefined;
  }

  #scan<T>(options: ScanOptions | undefined, what: string, shape: ScanShape<T>): Scan<T> {
    checkScanOptions(options, what);
    const bounds = toKeyBounds(options ?? {});
    const read = this.#view(options);
    const seqMax = seqOf(read, options);
    return new Scan({
      open: () =>
        scanRows(read.view, read.tables, {
          bounds,
          seqMax,
          now: read.now,
          reverse: options?.reverse ?? false,
          readAheadBytes: options?.readAheadBytes ?? read.readAheadBytes,
        }),
      shape,
      limit: options?.limit,
      signal: options?.signal,
      guard: read.requireOpen,
    });
  }
}

const seqOf = (read: ReadView, options: ReadOptions | undefined): number =>
  options?.durability === "durable" ? Math.min(read.seq, read.durableSeq) : read.seq;

/** A string is an iterable of strings too, but nobody means its characters. */
function requireKeys(keys: unknown): void {
  if (typeof keys === "object" && keys !== null && Symbol.iterator in keys) return;
  throw new InvalidArgumentError(
    `getMany() takes an iterable of keys, such as an array, not ${describeType(keys)}.`,
  );
}

function toEntry(row: RowRef): Entry {
  const key = copyBytes(row.keyBytes, row.keyStart, row.keyEnd);
  const value = copyBytes(row.valueBytes, row.valueStart, row.valueEnd);
  const entry: Entry = { key, value, seq: row.seq, createdAt: row.createdAt };
  if (row.expiresAt > 0) entry.expiresAt = row.expiresAt;
  return entry;
}
