/** Options of the calls of a `Db`, and their checks. */
import { throwIfAborted } from "../common/abort.js";
import { describeType } from "../common/bytes.js";
import { InvalidArgumentError } from "../common/errors.js";
import { checkOptions, requireBoolean, requireSignal } from "../common/options.js";
import { type LifetimeOptions, lifetimeNames, toLifetime } from "./lifetime.js";
import type { LoadProgress } from "./load.js";
import type { WriteRequest } from "./write-pipeline.js";

/** `ttlMs` and `expiresAt` are for the puts and merges of a batch that have none of their own. */
export interface WriteOptions extends LifetimeOptions {
  /** Resolve when the write is durable (true, the default), or as soon as it is visible to this process. */
  durable?: boolean | undefined;
  /** Before the write has its seq, leaves no trace of it; after that only the waiting ends. */
  signal?: AbortSignal | undefined;
}

/** `durable` and `signal` of `WriteOptions`: deletes do not expire. */
export type DeleteOptions = Omit<WriteOptions, keyof LifetimeOptions>;

export interface FlushOptions {
  /** `"wal"` (the default): everything written so far is durable. `"l0"`: and is in SSTs. */
  to?: "wal" | "l0" | undefined;
  signal?: AbortSignal | undefined;
}

export interface LoadOptions {
  /** Called after each SST that is stored, with what is stored so far. What it throws ends the load. */
  onProgress?: ((progress: LoadProgress) => void) | undefined;
  /** Before the load has its seqs, leaves no trace of it; after that only the waiting ends. */
  signal?: AbortSignal | undefined;
}

export interface CloseOptions {
  /**
   * true (the default): everything accepted is made durable and flushed to L0. `"wal"`: made durable and left to replay.
   * false: what is not durable is given up, also by a `close()` that is under way, which then rejects.
   */
  flush?: boolean | "wal" | undefined;
}

export interface CompactOptions {
  /** Ends the waiting only: the compaction may go on. */
  signal?: AbortSignal | undefined;
}

export const deleteOptionNames = ["durable", "signal"] as const;
export const writeOptionNames: readonly string[] = [...deleteOptionNames, ...lifetimeNames];
export const mergeOptionNames: readonly string[] = [...writeOptionNames, "operator"];
const defaultWrite: WriteRequest = { durable: true, signal: undefined, lifetime: 0 };

export function toWriteRequest(
  options: WriteOptions | undefined,
  what: string,
  optionNames: readonly string[],
): WriteRequest {
  if (options === undefined) return defaultWrite;
  checkOptions(options, optionNames, what);
  requireBoolean(options.durable, "durable");
  requireSignal(options.signal);
  throwIfAborted(options.signal);
  const lifetime = toLifetime(options);
  return { durable: options.durable ?? true, signal: options.signal, lifetime };
}

export function requireEntries(entries: unknown): void {
  if (
    typeof entries === "object" &&
    entries !== null &&
    (Symbol.iterator in entries || Symbol.asyncIterator in entries)
  ) {
    return;
  }
  throw new InvalidArgumentError(
    `load() takes an iterable or async iterable of { key, value } or [key, value], not ${describeType(entries)}.`,
  );
}
