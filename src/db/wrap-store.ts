/** The store of a handle: counted, limited, retried, and rooted at the database's path; objects of other databases are read through it too. */
import type { Clock } from "../common/clock.js";
import type { Random } from "../common/random.js";
import { ExternalRoutes, routed } from "../object-store/external-routes.js";
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
  /** Where objects of other databases lie. A `ManifestStore` on this store, however wrapped, tells them of each manifest. */
  readonly routes: ExternalRoutes;
  /** The database at another path of the same namespace, counted together with this one. */
  readonly at: (path: string) => ObjectStore;
}

/** Stores of one handle count together where they are given the same `counts`. */
export function wrapStore(
  location: OpenLocation,
  options: { settings: Settings; clock: Clock; random: Random },
  counts: RequestCounts = new RequestCounts(),
): WrappedStore {
  const { settings, clock, random } = options;
  const routes = new ExternalRoutes((path) => location.namespace.at(path));
  // The innermost, so that requests to other databases are counted, limited and retried with all others.
  const everywhere = routed(location.store, location.path, routes);
  const counted = observed(everywhere, (request) => counts.add(request), clock);
  const bounded = limited(counted, { requestsInFlight: settings.requestsInFlight });
  // Outside the limit, so that a request that waits for its next attempt holds no place.
  const tried = retrying(bounded, { clock, random, deadlineMs: settings.storeDeadlineMs });
  const at = (path: string): ObjectStore => {
    const { namespace } = location;
    const other = { store: namespace.at(path), path: "", namespace: { ...namespace, path } };
    return wrapStore({ ...location, ...other }, options, counts).store;
  };
  return { store: prefixed(tried, location.path), counts, routes, at };
}
