/** The storage interface that everything above stands on: seven operations, small enough for anyone to implement. */
import type { Bytes } from "../common/bytes.js";

/**
 * The contract, checked by `objectStoreSuite` of `moraine/testing`:
 * - Keys are non-empty strings of `/`-separated segments; the caller makes sure that they are canonical.
 * - Absence and "exists" are results. Everything else throws `StoreError` with a `reason`.
 * - Reads and listings see every earlier write (strong consistency); an object is there whole or not at all.
 * - An aborted call rejects with `signal.reason`; whether an aborted write has happened is unknown.
 * - Arrays that are passed in are not changed, and must not be changed until the call has settled. From then on they belong to
 *   the caller alone, who may use their memory for something else: a store that keeps objects in memory keeps copies.
 */
export interface ObjectStore {
  /** Stores with equal ids are one namespace, so a server-side copy is possible between them. */
  readonly id: string;

  /** Undefined when absent. A range past the end gives fewer bytes, or none, and is no error. */
  get(key: string, options?: GetOptions): Promise<StoredObject | undefined>;

  /** Undefined when absent. */
  head(key: string, options?: RequestOptions): Promise<ObjectMeta | undefined>;

  /** Stores the object only if none is there, atomically (`If-None-Match: *`). */
  create(key: string, bytes: Uint8Array, options?: RequestOptions): Promise<"created" | "exists">;

  /** Stores or replaces the object. A source of parts is a factory, so that it can be sent again. */
  put(key: string, source: PutSource, options?: RequestOptions): Promise<void>;

  /** In any order; `after` is a hint: keys that are not above it may come too. */
  list(options: ListOptions): AsyncIterable<ListedObject>;

  /** Absent keys are fine. Tries all, then throws for the first that failed. */
  delete(keys: readonly string[], options?: RequestOptions): Promise<void>;

  /** Copies inside the store, or from a source with an equal id. Replaces the target. */
  copy?(from: string, to: string, options?: CopyOptions): Promise<void>;
}

export interface RequestOptions {
  signal?: AbortSignal | undefined;
  /** Background requests give way to others where requests are limited. */
  background?: boolean | undefined;
}

export interface GetOptions extends RequestOptions {
  range?: ByteRange | undefined;
}

/** The last `suffix` bytes, or `length` bytes from `offset`. */
export type ByteRange = { offset: number; length: number } | { suffix: number };

export interface CopyOptions extends RequestOptions {
  source?: ObjectStore | undefined;
}

export interface ListOptions extends RequestOptions {
  prefix: string;
  after?: string | undefined;
  /** At most this many are yielded. */
  limit?: number | undefined;
}

export type PutSource = Uint8Array | (() => AsyncIterable<Uint8Array>);

export interface ObjectMeta {
  /** Bytes of the whole object. */
  size: number;
  /** ms since 1970 by the store's clock. */
  lastModified: number;
}

export interface StoredObject extends ObjectMeta {
  /** The bytes asked for; they belong to the caller. */
  bytes: Bytes;
}

export interface ListedObject extends ObjectMeta {
  key: string;
}

/** The names of the operations, for counting and for faults. */
export type StoreOperation = "get" | "head" | "create" | "put" | "list" | "delete" | "copy";
