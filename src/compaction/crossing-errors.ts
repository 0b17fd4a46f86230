/** Errors that cross between threads: a structured clone would lose their classes and fields, so they cross as plain data. */
import { isByteArray } from "../common/bytes.js";
import {
  ClosedError,
  CorruptionError,
  ExistsError,
  FencedError,
  InternalError,
  InvalidArgumentError,
  MergeError,
  MissingObjectError,
  MoraineError,
  NotFoundError,
  SnapshotGoneError,
  StoreError,
  type StoreErrorReason,
  UnknownOutcomeError,
  UnsupportedError,
  UnsupportedStoreError,
} from "../common/errors.js";
import { CompactionFilterError } from "./compaction-filter.js";

export interface CrossingError {
  /** In `classes`, or that of another class. */
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly cause: CrossingError | undefined;
}

/** Causes of causes are told no deeper: they are for people. */
const causesMax = 5;
const fieldNames = [
  "reason",
  "object",
  "offset",
  "retryAfterMs",
  "key",
  "operator",
  "ownEpoch",
  "seenEpoch",
  "code",
] as const;

/** Anything that was thrown. What is no error becomes one that says it. */
export function packError(error: unknown, causesLeft: number = causesMax): CrossingError {
  if (!(error instanceof Error)) {
    const plain = { name: "Error", stack: undefined, fields: {}, cause: undefined };
    return { ...plain, message: String(error) };
  }
  const fields: Record<string, unknown> = {};
  for (const name of fieldNames) {
    const value = (error as unknown as Record<string, unknown>)[name];
    if (typeof value === "string" || typeof value === "number") fields[name] = value;
    else if (isByteArray(value)) fields[name] = value.slice();
  }
  const hasCause = error.cause !== undefined && causesLeft > 0;
  return {
    name:
      Object.keys(classes).find((name) => classes[name]?.Class === error.constructor) ?? error.name,
    message: error.message,
    stack: error.stack,
    fields,
    cause: hasCause ? packError(error.cause, causesLeft - 1) : undefined,
  };
}

/** An error of the same class, message and fields; one of a class that is not Moraine's is an `Error` of that name. */
export function unpackError(packed: CrossingError): Error {
  const { name, message, stack, fields } = packed;
  const options = packed.cause === undefined ? undefined : { cause: unpackError(packed.cause) };
  const error = classes[name]?.make(packed, options) ?? new Error(message, options);
  // Some classes say more than they are told, and said it when the error was made.
  error.message = message;
  if (stack !== undefined) error.stack = stack;
  if (!(error instanceof MoraineError)) {
    error.name = name;
    if (fields["code"] !== undefined) Object.assign(error, { code: fields["code"] });
  }
  return error;
}

type Options = { cause: unknown } | undefined;

interface CrossingClass {
  readonly Class: unknown;
  readonly make: (packed: CrossingError, options: Options) => Error;
}

const plain = (Class: new (message: string, options: Options) => MoraineError): CrossingClass => ({
  Class,
  make: ({ message }, options) => new Class(message, options),
});

/** Their keys are said by nobody else: a bundler may call a class as it likes. */
const classes: Readonly<Record<string, CrossingClass>> = {
  ClosedError: plain(ClosedError),
  ExistsError: plain(ExistsError),
  InternalError: plain(InternalError),
  InvalidArgumentError: plain(InvalidArgumentError),
  NotFoundError: plain(NotFoundError),
  SnapshotGoneError: plain(SnapshotGoneError),
  UnknownOutcomeError: plain(UnknownOutcomeError),
  UnsupportedError: plain(UnsupportedError),
  UnsupportedStoreError: plain(UnsupportedStoreError),
  StoreError: {
    Class: StoreError,
    make: ({ message, fields }, options) =>
      new StoreError(fields["reason"] as StoreErrorReason, message, {
        ...options,
        object: fields["object"] as string | undefined,
        retryAfterMs: fields["retryAfterMs"] as number | undefined,
      }),
  },
  CorruptionError: {
    Class: CorruptionError,
    make: ({ message, fields }, options) =>
      new CorruptionError(fields["object"] as string, message, {
        ...options,
        offset: fields["offset"] as number | undefined,
      }),
  },
  MissingObjectError: {
    Class: MissingObjectError,
    make: ({ fields }) => new MissingObjectError(fields["object"] as string),
  },
  MergeError: {
    Class: MergeError,
    make: ({ message, fields }, options) =>
      new MergeError(message, {
        ...options,
        key: fields["key"] as Uint8Array,
        operator: fields["operator"] as string,
      }),
  },
  CompactionFilterError: {
    Class: CompactionFilterError,
    make: ({ message, fields }, options) =>
      new CompactionFilterError(fields["key"] as Uint8Array, message, options),
  },
  FencedError: {
    Class: FencedError,
    make: ({ message, fields }, options) =>
      new FencedError(message, {
        ...options,
        ownEpoch: fields["ownEpoch"] as number,
        seenEpoch: fields["seenEpoch"] as number | undefined,
      }),
  },
};
