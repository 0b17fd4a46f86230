/** The public errors. Each has a literal `kind` that says what the caller can do; `docs/errors.md` has a heading for each. */

export type ErrorKind =
  | "closed"
  | "fenced"
  | "unavailable"
  | "denied"
  | "conflict"
  | "exists"
  | "invalid"
  | "not-found"
  | "gone"
  | "corruption"
  | "unsupported"
  | "unknown"
  | "internal";

/** The base of every error that Moraine throws. Message text may change; `kind` and fields do not. */
export abstract class MoraineError extends Error {
  abstract readonly kind: ErrorKind;

  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
  }
}

type AnyError =
  | ClosedError
  | FencedError
  | TransactionConflictError
  | ExistsError
  | InvalidArgumentError
  | MergeError
  | NotFoundError
  | CorruptionError
  | UnsupportedError
  | TruncatedError
  | SnapshotGoneError
  | UnknownOutcomeError
  | InternalError
  | StoreError;
type OfKind<Error, Kind> = Error extends { kind: infer Kinds }
  ? Kind extends Kinds
    ? Error
    : never
  : never;

/** True when `error` is a `MoraineError`, of the given kind when one is named; then its fields are those of the kind. */
export function isMoraineError(error: unknown, kind?: undefined): error is MoraineError;
export function isMoraineError<Kind extends ErrorKind>(
  error: unknown,
  kind: Kind,
): error is OfKind<AnyError, Kind>;
export function isMoraineError(error: unknown, kind?: ErrorKind): boolean {
  return error instanceof MoraineError && (kind === undefined || error.kind === kind);
}

/** What to say of something that was thrown: anything can be. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The handle was closed, by `close()` or by the error in `cause`. Open a new one. */
export class ClosedError extends MoraineError {
  readonly kind = "closed";
}

/** Another writer owns the database. Writes that were not acknowledged may be lost. */
export class FencedError extends MoraineError {
  readonly kind = "fenced";
  /** The epoch of this writer. */
  readonly ownEpoch: number;
  /** The newest epoch that was seen, or undefined where only a fence was. */
  readonly seenEpoch: number | undefined;

  constructor(
    message: string,
    options: { ownEpoch: number; seenEpoch?: number | undefined; cause?: unknown },
  ) {
    super(message, options);
    this.ownEpoch = options.ownEpoch;
    this.seenEpoch = options.seenEpoch;
  }
}

/** Something that a transaction depends on was written after it began. Nothing of it was written; run it again. */
export class TransactionConflictError extends MoraineError {
  readonly kind = "conflict";
  /** The key that was written, or of the transaction's own one that a range delete covered; undefined where only ranges are known to meet. */
  readonly key: Uint8Array<ArrayBuffer> | undefined;
  /** The range that was read or deleted, where it was one; bounds that are undefined are none. */
  readonly range: ConflictRange | undefined;
  /** The seq of the write. */
  readonly seq: number;

  constructor(
    message: string,
    options: {
      key?: Uint8Array<ArrayBuffer> | undefined;
      range?: ConflictRange | undefined;
      seq: number;
      cause?: unknown;
    },
  ) {
    super(message, options);
    this.key = options.key;
    this.range = options.range;
    this.seq = options.seq;
  }
}

/** A range as a scan takes it. */
export interface ConflictRange {
  readonly gt?: Uint8Array<ArrayBuffer> | undefined;
  readonly gte?: Uint8Array<ArrayBuffer> | undefined;
  readonly lt?: Uint8Array<ArrayBuffer> | undefined;
  readonly lte?: Uint8Array<ArrayBuffer> | undefined;
}

/** Something that was to be created is there already. */
export class ExistsError extends MoraineError {
  readonly kind = "exists";
}

/** The call or a setting is wrong. Nothing has happened. */
export class InvalidArgumentError extends MoraineError {
  readonly kind = "invalid";
}

/** A merge operator failed on what is merged into a key: it threw, or its answer is no value. Other keys can be read. */
export class MergeError extends MoraineError {
  readonly kind = "invalid";
  /** A copy of the key. */
  readonly key: Uint8Array;
  /** The name of the operator. */
  readonly operator: string;

  /** `cause` is what the operator threw. */
  constructor(message: string, options: { key: Uint8Array; operator: string; cause?: unknown }) {
    super(message, options);
    this.key = options.key.slice();
    this.operator = options.operator;
  }
}

/** A database, checkpoint or manifest that was named does not exist. */
export class NotFoundError extends MoraineError {
  readonly kind = "not-found";
}

/** Stored bytes are damaged, missing or not Moraine's. Do not retry; the fields say where. */
export class CorruptionError extends MoraineError {
  readonly kind = "corruption";
  /** The object's key in the store. */
  readonly object: string;
  /** Byte offset inside the object, where one is known. */
  readonly offset: number | undefined;

  constructor(
    object: string,
    detail: string,
    options?: { offset?: number | undefined; cause?: unknown },
  ) {
    const at = options?.offset === undefined ? "" : ` at byte ${options.offset}`;
    super(`Object "${object}" is damaged${at}: ${detail}`, options);
    this.object = object;
    this.offset = options?.offset;
  }
}

/**
 * An object that a manifest names, or has named, is not in the store. Reads go on from a newer manifest where that does not name it any more;
 * whoever is shown it is shown a `CorruptionError`. @internal
 */
export class MissingObjectError extends CorruptionError {
  constructor(object: string) {
    super(object, "the object is missing");
    this.name = "CorruptionError";
  }
}

/** This version of Moraine, or of Node, cannot do what the data or the call needs. */
export class UnsupportedError extends MoraineError {
  readonly kind = "unsupported";
}

/** The object store ignores conditions, and two writers would destroy each other on it. */
export class UnsupportedStoreError extends UnsupportedError {}

/** The position asked for is no longer kept. */
export class TruncatedError extends MoraineError {
  readonly kind = "gone";
  /** The oldest seq that is left. */
  readonly oldestSeq: number;

  constructor(message: string, options: { oldestSeq: number; cause?: unknown }) {
    super(message, options);
    this.oldestSeq = options.oldestSeq;
  }
}

/** What a snapshot, a scan or a seq needs is no longer kept: it was compacted, and collected. Take a new snapshot, or scan again. */
export class SnapshotGoneError extends MoraineError {
  readonly kind = "gone";
}

/** It is not known whether a write has happened. The handle is closed; reopening tells. */
export class UnknownOutcomeError extends MoraineError {
  readonly kind = "unknown";
}

/** An assertion failed: a defect in Moraine. Please report it. */
export class InternalError extends MoraineError {
  readonly kind = "internal";
}

export type StoreErrorReason =
  | "throttled"
  | "unavailable"
  | "conflict"
  | "denied"
  | "unknown-outcome"
  | "unsupported"
  | "invalid";

const storeErrorKinds = {
  throttled: "unavailable",
  unavailable: "unavailable",
  conflict: "unavailable",
  denied: "denied",
  "unknown-outcome": "unknown",
  unsupported: "unsupported",
  invalid: "invalid",
} as const satisfies Record<StoreErrorReason, ErrorKind>;

/** What an object store throws. Absence and "exists" are results, not errors. */
export class StoreError extends MoraineError {
  readonly kind: "unavailable" | "denied" | "unknown" | "unsupported" | "invalid";
  readonly reason: StoreErrorReason;
  /** The key of the object, or the prefix of a listing. */
  readonly object: string | undefined;
  /** What the store asked us to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(
    reason: StoreErrorReason,
    message: string,
    options?: {
      object?: string | undefined;
      retryAfterMs?: number | undefined;
      cause?: unknown;
    },
  ) {
    super(message, options);
    this.reason = reason;
    this.kind = storeErrorKinds[reason];
    this.object = options?.object;
    this.retryAfterMs = options?.retryAfterMs;
  }
}
