/** Options of reads, checked. */
import { InvalidArgumentError } from "../common/errors.js";
import { type KeyRange, keyRangeNames, requireRangeObject } from "../common/key-range.js";
import {
  checkOptions,
  requireBoolean,
  requireInteger,
  requireOneOf,
  requireSignal,
} from "../common/options.js";
import type { SnapshotOption } from "./snapshot-option.js";

export interface ReadOptions {
  /** `"memory"` (the default) sees every write of this process at once; `"durable"` only what survives a crash. */
  durability?: "memory" | "durable" | undefined;
  /** Reads what this snapshot of the same handle sees. Default: what there is now. */
  snapshot?: SnapshotOption | undefined;
  /**
   * Reads the state after the write with this seq: any up to the handle's own, as far back as versions are kept (`SnapshotGoneError`
   * below). A load of several entries has several seqs, of which only the last ends a state. Not with `snapshot`. Default: the newest.
   */
  seq?: number | undefined;
  signal?: AbortSignal | undefined;
}

export interface ScanOptions extends KeyRange, ReadOptions {
  /** From the last key to the first. Default false. */
  reverse?: boolean | undefined;
  /** At most this many rows. Default: all. */
  limit?: number | undefined;
  /**
   * Bytes of the first window that is fetched of each SST, one block at least; default 64 KiB. Windows grow from there, up to 2 MiB. Those
   * of one scan hold 32 MiB at most, or two of these if that is more: where many SSTs are read side by side they stay smaller, down
   * to 64 KiB.
   */
  readAheadBytes?: number | undefined;
}

const readOptionNames = ["durability", "snapshot", "seq", "signal"] as const;
const scanOptionNames = [
  ...keyRangeNames,
  ...readOptionNames,
  "reverse",
  "limit",
  "readAheadBytes",
] as const;

const durabilities = ["memory", "durable"] as const;

export function checkReadOptions(options: ReadOptions | undefined, what: string): void {
  if (options === undefined) return;
  checkOptions(options, readOptionNames, what);
  requireReadOptions(options);
}

export function checkScanOptions(options: ScanOptions | undefined, what: string): void {
  if (options === undefined) return;
  requireRangeObject(options);
  checkOptions(options, scanOptionNames, what);
  requireReadOptions(options);
  requireBoolean(options.reverse, "reverse");
  requireInteger(options.limit, "limit", 0, Number.MAX_SAFE_INTEGER);
  requireInteger(options.readAheadBytes, "readAheadBytes", 0, 2 ** 30);
}

function requireReadOptions(options: ReadOptions): void {
  requireOneOf(options.durability, "durability", durabilities);
  requireInteger(options.seq, "seq", 0, Number.MAX_SAFE_INTEGER);
  if (options.seq !== undefined && options.snapshot !== undefined) {
    throw new InvalidArgumentError('Give "seq" or "snapshot", not both: a snapshot has its own.');
  }
  requireSignal(options.signal);
}
