/** `Fault`: what can be planned to happen to one request of a `FaultyObjectStore`. */
import type { StoreOperation } from "../object-store/object-store.js";

export interface FaultyRequest {
  operation: StoreOperation;
  /** The key, the target of a copy, the first key of a delete, or the prefix of a listing. */
  key: string;
  /** How many requests came before this one. */
  index: number;
}

/**
 * - `before`: fails, and is not applied. Default error: "unavailable".
 * - `after`: is applied, and the reply is lost. Default error: "unknown-outcome". A listing breaks off in the middle.
 * - `late`: the reply is lost now, and a write is applied when `releaseLate` is called, or after `afterMs`. Reads only fail.
 * - `delay`: is sent when `until` resolves; not at all when it is aborted before.
 * - `crash`: this request (applied or not) and all that follow never settle: the process is gone.
 */
export type Fault =
  | { kind: "before"; error?: Error | undefined }
  | { kind: "after"; error?: Error | undefined }
  | { kind: "late"; afterMs?: number | undefined; error?: Error | undefined }
  | { kind: "delay"; until: Promise<void> }
  | { kind: "crash"; applied?: boolean | undefined };

export type Intercept = (request: FaultyRequest) => Fault | undefined;
