/** `seededFaults`: which requests of a `FaultyObjectStore` fail, and how, by the numbers of a seeded generator. */
import { StoreError } from "../common/errors.js";
import type { Random } from "../common/random.js";
import type { Fault, Intercept } from "./fault.js";

/** The share of requests, 0 to 1, that meet each fault; 0 when left out. At most 1 in all. */
export interface FaultRates {
  /** Fails with "unavailable", not applied. */
  before?: number | undefined;
  /** Fails with "throttled", not applied. */
  throttled?: number | undefined;
  /** Fails with "conflict", not applied. Creates only. */
  conflict?: number | undefined;
  /** Applied, and the reply is lost. */
  after?: number | undefined;
  /** The reply is lost, and a write is applied when `releaseLate` is called. */
  late?: number | undefined;
  crash?: number | undefined;
}

/** One number is drawn for each request, so that a fault more or less does not shift those that follow. */
export function seededFaults(random: Random, rates: FaultRates): Intercept {
  return ({ operation, key }) => {
    let left = random.next();
    const hits = (rate = 0): boolean => {
      left -= rate;
      return left < 0;
    };
    if (hits(rates.before)) return { kind: "before" };
    if (hits(rates.throttled)) return failing("throttled", key);
    if (hits(rates.conflict)) return operation === "create" ? failing("conflict", key) : undefined;
    if (hits(rates.after)) return { kind: "after" };
    if (hits(rates.late)) return { kind: "late" };
    if (hits(rates.crash)) return { kind: "crash" };
    return undefined;
  };
}

function failing(reason: "throttled" | "conflict", key: string): Fault {
  const error = new StoreError(reason, `A planned fault: "${key}" is ${reason}.`, { object: key });
  return { kind: "before", error };
}
