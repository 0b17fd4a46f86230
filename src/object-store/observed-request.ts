/** `ObservedRequest`: what is known of a request when it has ended. */
import type { StoreErrorReason } from "../common/errors.js";
import type { StoreOperation } from "./object-store.js";

export interface ObservedRequest {
  operation: StoreOperation;
  /** The key, the target of a copy, the first key of a delete, or the prefix of a listing. */
  key: string;
  /** How many objects were named: 1, the keys of a delete, or what a listing yielded. */
  objectCount: number;
  /** Bytes of bodies that were sent, counting what was sent again. */
  bytesPut: number;
  /** Bytes of bodies that were received. */
  bytesGot: number;
  /** ms by the monotonic clock; of a listing only while a key was waited for. */
  durationMs: number;
  outcome: RequestOutcome;
}

/** `ended`: a listing whose consumer stopped early. `error`: something that is no `StoreError`. */
export type RequestOutcome =
  | "ok"
  | "absent"
  | "exists"
  | "ended"
  | "aborted"
  | "error"
  | StoreErrorReason;

/** Called when a request has settled. Must not throw. */
export type RequestObserver = (request: ObservedRequest) => void;
