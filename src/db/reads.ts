/** `Reads`: the reading methods that every handle has. They check their arguments, take the view once, and delegate. */
import { throwIfAborted } from "../common/abort.js";
import {
  type Bytes,
  copyBytes,
  describeType,
  emptyBytes,
  type KeyLike,
  toKeyBytes,
} from "../common/bytes.js";
import { InvalidArgumentError, SnapshotGoneError } from "../common/errors.js";
import { toKeyBounds } from "../common/key-range.js";
import type { Entry } from "../common/row.js";
import { RowKind, RowRef } from "../common/row.js";
import { isVisible } from "../iterator/visible-row.js";
import type { Scan } from "../read/scan-cursor.js";
import {
  entryShape,
  type KeyValue,
  keyShape,
  type ScanShape,
  valueShape,
} from "../read/scan-shape.js";
import { Lookup } from "../sst/lookup.js";
import { newestView, viewAtSeq } from "./newer-views.js";
import {
  checkReadOptions,
  checkScanOptions,
  type ReadOptions,
  type ScanOptions,
} from "./read-options.js";
import type { ReadView } from "./read-view.js";

export abstract class Reads {
  /** The value, or undefined when there is none. The array is the caller's own. */
  get(key: KeyLike, options?: ReadOptions): Promise<Bytes | undefined> {
    return this.#read(key, options, "get", copyValue, undefined);
  }

  /**
   * The answer of `get`, at once, if it takes no request: `{ value }`, where a key without a value has `value: undefined`. Answers
   * undefined when a request would be needed; `get` then makes it. For loops whose keys are mostly in memory: without a
   * promise for each key a read costs a fraction.
   */
  getCached(key: KeyLike, options?: ReadOptions): { value: Bytes | undefined } | undefined {
    checkReadOptions(options, "getCached");
    const bytes = toKeyBytes(key);
    const read = this.#view(options);
    const seqMax = seqOf(read, options);
    const lookup = read.engine.tryGetRow(read.view, read.tables, bytes, seqMax, scratch);
    if (lookup === Lookup.pending) return undefined;
    if (lookup === Lookup.hit && scratch.kind === RowKind.merge) {
      const merged = tryMerged(read, bytes, seqMax, copyValue);
      return merged && { value: merged.taken };
    }
    return { value: takeScratch(lookup, read.now, copyValue, undefined) };
  }

  /** The value with its seq and times, or undefined. */
  getEntry(key: KeyLike, options?: ReadOptions): Promise<Entry | undefined> {
    return this.#read(key, options, "getEntry", toEntry, undefined);
  }

  has(key: KeyLike, options?: ReadOptions): Promise<boolean> {
    return this.#read(key, options, "has", isThere, false);
  }

  /** The values in the order of the keys, all of the same moment. Keys may repeat. */
  async getMany(keys: Iterable<KeyLike>, options?: ReadOptions): Promise<(Bytes | undefined)[]> {
    checkReadOptions(options, "getMany");
    requireKeys(keys);
    const own = Array.from(keys, (key) => copyBytes(toKeyBytes(key)));
    return withNewer(this.#view(options), options, (read, seqMax) =>
      read.engine.getMany(read.view, read.tables, own, {
        seqMax,
        now: read.now,
        operators: read.operators,
        signal: options?.signal,
      }),
    );
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

  /** The same for a scan, which is as of its call, however late it is read. */
  protected scanView(): ReadView {
    return this.readView();
  }

  /** The state that a snapshot of this handle sees; throws when it is none, or closed. */
  protected snapshotView(_snapshot: unknown): ReadView {
    throw new InvalidArgumentError(
      '"snapshot" is an option of the handle that made it. This one has a state of its own.',
    );
  }

  #view(options: ReadOptions | undefined, isScan = false): ReadView {
    const snapshot = options?.snapshot;
    let read: ReadView;
    if (snapshot !== undefined) read = this.snapshotView(snapshot);
    else read = isScan ? this.scanView() : this.readView();
    read.requireOpen();
    throwIfAborted(options?.signal);
    return read;
  }

  /**
   * What `take` makes of the row that a read of the key sees, or `none`. Not an async function: what memory answers would settle
   * three turns of the microtask queue later.
   */
  #read<T, N>(
    key: KeyLike,
    options: ReadOptions | undefined,
    what: string,
    take: (row: RowRef) => T,
    none: N,
  ): Promise<T | N> {
    try {
      checkReadOptions(options, what);
      const bytes = toKeyBytes(key);
      const read = this.#view(options);
      const seqMax = seqOf(read, options);
      const lookup = read.engine.tryGetRow(read.view, read.tables, bytes, seqMax, scratch);
      if (lookup === Lookup.pending) {
        // The caller may change its array from now on.
        return fetchOne(read, copyBytes(bytes), options, take, none);
      }
      if (lookup === Lookup.hit && scratch.kind === RowKind.merge) {
        return readMerged(read, bytes, options, take, none);
      }
      return Promise.resolve(takeScratch(lookup, read.now, take, none));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #scan<T>(options: ScanOptions | undefined, what: string, shape: ScanShape<T>): Scan<T> {
    checkScanOptions(options, what);
    const bounds = toKeyBounds(options ?? {});
    let read = this.#view(options, true);
    const seqMax = seqOf(read, options);
    return new read.engine.Scan({
      open: (rowsLeft) =>
        read.engine.scanRows(read.view, read.tables, {
          bounds,
          seqMax,
          now: read.now,
          operators: read.operators,
          rowsLeft,
          reverse: options?.reverse ?? false,
          readAheadBytes: options?.readAheadBytes ?? read.readAheadBytes,
        }),
      renew: async (error, attempt) => {
        read = await viewAtSeq(read, seqMax, error, attempt, options?.signal);
      },
      shape,
      limit: options?.limit,
      signal: options?.signal,
      guard: read.requireOpen,
      onClose: read.keep?.(seqMax),
    });
  }
}

function seqOf(read: ReadView, options: ReadOptions | undefined): number {
  if (options === undefined) return read.seq;
  if (read.isTransaction) requireNoSeq(options);
  const seq = options.seq === undefined ? read.seq : requireKept(read, options.seq);
  return options.durability === "durable" ? Math.min(seq, read.durableSeq) : seq;
}

function requireNoSeq({ seq, durability }: ReadOptions): void {
  if (seq === undefined && durability !== "durable") return;
  throw new InvalidArgumentError(
    'A transaction reads the state that it began with. For "seq" and "durability" read from the database.',
  );
}

function requireKept(read: ReadView, seq: number): number {
  if (seq > read.seq) {
    throw new InvalidArgumentError(`"seq" is ${seq}, and the newest here is ${read.seq}.`);
  }
  const { compactedSeq } = read.view.manifest;
  if (seq > 0 && seq < compactedSeq) {
    throw new SnapshotGoneError(
      `What was seen at seq ${seq} is no longer kept: the oldest that is left is ${compactedSeq}.`,
    );
  }
  return seq;
}

/** For reads that do not wait. It holds nothing between them, so that it keeps no memory of a database alive. */
const scratch = new RowRef();

function takeScratch<T, N>(
  lookup: Lookup,
  now: () => number,
  take: (row: RowRef) => T,
  none: N,
): T | N {
  const taken = lookup === Lookup.hit && isVisible(scratch, now) ? take(scratch) : none;
  scratch.keyBytes = scratch.valueBytes = emptyBytes;
  return taken;
}

/** For a key whose newest version is a merge; it is in `scratch`. Undefined when a request is needed. */
function tryMerged<T>(
  read: ReadView,
  key: Uint8Array,
  seqMax: number,
  take: (row: RowRef) => T,
): { readonly taken: T | undefined } | undefined {
  scratch.keyBytes = scratch.valueBytes = emptyBytes;
  const { now, operators } = read;
  const options = { seqMax, now, operators, take };
  return read.engine.tryGetMerged(read.view, read.tables, key, options);
}

function readMerged<T, N>(
  read: ReadView,
  key: Uint8Array,
  options: ReadOptions | undefined,
  take: (row: RowRef) => T,
  none: N,
): Promise<T | N> {
  const merged = tryMerged(read, key, seqOf(read, options), take);
  if (merged !== undefined) return Promise.resolve(merged.taken ?? none);
  // The caller may change its array from now on.
  return fetchOne(read, copyBytes(key), options, take, none);
}

function fetchOne<T, N>(
  first: ReadView,
  key: Uint8Array,
  options: ReadOptions | undefined,
  take: (row: RowRef) => T,
  none: N,
): Promise<T | N> {
  const signal = options?.signal;
  return withNewer(first, options, async (read, seqMax) => {
    const row = new RowRef();
    const { view, tables, now, operators } = read;
    const found = await read.engine.fetchRow(view, tables, key, seqMax, row, signal);
    if (found && row.kind === RowKind.merge) {
      const merging = { seqMax, now, operators, take };
      return (await read.engine.fetchMerged(view, tables, key, merging, signal)) ?? none;
    }
    return found && isVisible(row, now) ? take(row) : none;
  });
}

/** What `attempt` answers for the view, or for a newer one where an object is gone. */
async function withNewer<T>(
  first: ReadView,
  options: ReadOptions | undefined,
  attempt: (read: ReadView, seqMax: number) => Promise<T>,
): Promise<T> {
  const isFixed = first.isFixed === true || options?.seq !== undefined;
  let read = first;
  let seqMax = seqOf(read, options);
  for (let count = 0; ; count++) {
    try {
      return await attempt(read, seqMax);
    } catch (error) {
      if (isFixed) {
        read = await viewAtSeq(read, seqMax, error, count, options?.signal);
      } else {
        read = await newestView(read, error, count, options?.signal);
        seqMax = seqOf(read, options);
      }
    }
  }
}

const isThere = (): boolean => true;

const copyValue = (row: RowRef): Bytes => copyBytes(row.valueBytes, row.valueStart, row.valueEnd);

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
