/** Options of reads, checked. */
import { type KeyRange, keyRangeNames, requireRangeObject } from "../common/key-range.js";
import {
  checkOptions,
  requireBoolean,
  requireInteger,
  requireOneOf,
  requireSignal,
} from "../common/options.js";

export interface ReadOptions {
  /** `"memory"` (the default) sees every write of this process at once; `"durable"` only what survives a crash. */
  durability?: "memory" | "durable" | undefined;
  signal?: AbortSignal | undefined;
}

export interface ScanOptions extends KeyRange, ReadOptions {
  /** From the last key to the first. Default false. */
  reverse?: boolean | undefined;
  /** At most this many rows. Default: all. */
  limit?: number | undefined;
  /** Bytes of the first window that is fetched of each SST; default 64 KiB. Windows grow from there. */
  readAheadBytes?: number | undefined;
}

const readOptionNames = ["durability", "signal"] as const;
const scanOptionNames = [
  ...keyRangeNames,
  ...readOptionNames,
  "reverse",
  "limit",
  "readAheadBytes",
] as const;

export function checkReadOptions(options: ReadOptions | undefined, what: string): void {
  if (options === undefined) return;
  checkOptions(options, readOptionNames, what);
  requireOneOf(options.durability, "durability", ["memory", "durable"]);
  requireSignal(options.signal);
}

export function checkScanOptions(options: ScanOptions | undefined, what: string): void {
  if (options === undefined) return;
  requireRangeObject(options);
  checkOptions(options, scanOptionNames, what);
  requireOneOf(options.durability, "durability", ["memory", "durable"]);
  requireSignal(options.signal);
  requireBoolean(options.reverse, "reverse");
  requireInteger(options.limit, "limit", 0, Number.MAX_SAFE_INTEGER);
  requireInteger(options.readAheadBytes, "readAheadBytes", 0, 2 ** 30);
}
