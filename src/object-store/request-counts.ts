/** `RequestCounts`: how many requests went to a store, by operation, with their bytes, time and errors. */
import type { StoreOperation } from "./object-store.js";
import type { ObservedRequest } from "./observed-request.js";

export interface OperationCounts {
  /** Requests that have settled, failed ones included. */
  requests: number;
  /** Requests that failed; "absent" and "exists" are no failures, and neither is an aborted one. */
  errors: number;
  /** Bytes of bodies sent. */
  bytesPut: number;
  /** Bytes of bodies received. */
  bytesGot: number;
  /** ms, the sum over all requests; those that overlap are added all the same. */
  durationMs: number;
}

export type RequestCountsSnapshot = Record<StoreOperation | "total", OperationCounts>;

const successes: ReadonlySet<string> = new Set(["ok", "absent", "exists", "ended", "aborted"]);

export class RequestCounts {
  readonly #counts: RequestCountsSnapshot = {
    get: noCounts(),
    head: noCounts(),
    create: noCounts(),
    put: noCounts(),
    list: noCounts(),
    delete: noCounts(),
    copy: noCounts(),
    total: noCounts(),
  };

  /** For the observer of `observed`. */
  add(request: ObservedRequest): void {
    addTo(this.#counts[request.operation], request);
    addTo(this.#counts.total, request);
  }

  /** Plain data of its own; counting goes on. */
  snapshot(): RequestCountsSnapshot {
    return structuredClone(this.#counts);
  }
}

function addTo(counts: OperationCounts, request: ObservedRequest): void {
  counts.requests++;
  if (!successes.has(request.outcome)) counts.errors++;
  counts.bytesPut += request.bytesPut;
  counts.bytesGot += request.bytesGot;
  counts.durationMs += request.durationMs;
}

function noCounts(): OperationCounts {
  return { requests: 0, errors: 0, bytesPut: 0, bytesGot: 0, durationMs: 0 };
}
