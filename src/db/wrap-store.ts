/** The store of a handle: counted, limited, retried, and rooted at the database's path. */
import type { Clock } from "../common/clock.js";
import type { Random } from "../common/random.js";
import { limited } from "../object-store/limited.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { observed } from "../object-store/observed.js";
import { prefixed } from "../object-store/prefixed.js";
import { RequestCounts } from "../object-store/request-counts.js";
import { retrying } from "../object-store/retrying.js";
import type { OpenLocation } from "./location.js";
import type { Settings } from "./settings.js";

export interface WrappedStore {
  readonly store: ObjectStore;
  /** Every request that reached the store, repeated ones included. */
  readonly counts: RequestCounts;
}

/** Stores of one handle count together where they are given the same `counts`. */
export function wrapStore(
  location: OpenLocation,
  options: { settings: Settings; clock: Clock; random: Random },
  counts: RequestCounts = new RequestCounts(),
): WrappedStore {
  const { settings, clock, random } = options;
  const counted = observed(location.store, (request) => counts.add(request), clock);
  const bounded = limited(counted, { requestsInFlight: settings.requestsInFlight });
  // Outside the limit, so that a request that waits for its next attempt holds no place.
  const tried = retrying(bounded, { clock, random, deadlineMs: settings.storeDeadlineMs });
  return { store: prefixed(tried, location.path), counts };
}
