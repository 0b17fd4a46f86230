/**
 * `ExternalRoutes` and `routed`: objects of other databases that this one names, under keys of its own store.
 *
 * `databases/<id>/sst/...` is an object of the database with that id, which lies at some path in the same namespace: manifests say where. It is
 * only read: what is written, listed or deleted is always this database's own.
 */
import { assert } from "../common/assert.js";
import type { Ulid } from "../common/ids.js";
import type { ObjectStore } from "./object-store.js";
import { ObjectPaths } from "./paths.js";
import { innermost, wrappedBy, wrapperOf } from "./wrappers.js";

/** What a manifest says of another database. */
export interface ExternalPlace {
  readonly databaseId: Ulid;
  /** In the namespace; empty: its objects lie at this database's own path. */
  readonly path: string;
  /** Nothing reads by it any more, where there is another one. */
  readonly isLeaving: boolean;
}

interface Route {
  /** Of the manifest that says so. */
  readonly number: number;
  readonly path: string;
  /** Undefined: this database's own. */
  readonly store: ObjectStore | undefined;
}

const routes = new WeakMap<ObjectStore, ExternalRoutes>();

/** The routes of a store that was made by `routed`, whatever wraps it; undefined where there are none. */
export function routesOf(store: ObjectStore): ExternalRoutes | undefined {
  for (let at: ObjectStore | undefined = store; at !== undefined; at = wrappedBy(at)) {
    const found = routes.get(at);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Where the other databases lie that manifests of this one name. */
export class ExternalRoutes {
  readonly #at: (path: string) => ObjectStore;
  readonly #byOwner = new Map<Ulid, Route>();

  /** `at` gives the store of a database at a path of the namespace. */
  constructor(at: (path: string) => ObjectStore) {
    this.#at = at;
  }

  /**
   * Takes over what the manifest of that number says. For each database the newest manifest that names it counts, also when an older one, as that of
   * a checkpoint, is read later. One that no manifest names any more, or only as leaving, keeps its route, for views that are still read.
   */
  adopt(manifestNumber: number, externals: readonly ExternalPlace[]): void {
    for (const { databaseId, path, isLeaving } of externals) {
      const known = this.#byOwner.get(databaseId);
      if (known !== undefined && (isLeaving || known.number >= manifestNumber)) continue;
      // A manifest may have several of one database: all that stay are of one path, and go before one that leaves.
      if (isLeaving && externals.some((it) => it.databaseId === databaseId && !it.isLeaving)) {
        continue;
      }
      const store = path === "" ? undefined : known?.path === path ? known.store : this.#at(path);
      this.#byOwner.set(databaseId, { number: manifestNumber, path, store });
    }
  }

  /** Undefined where no manifest that is known names that database. @internal For `routed`. */
  routeOf(owner: Ulid): Pick<Route, "store"> | undefined {
    return this.#byOwner.get(owner);
  }
}

/**
 * `store`, in which the database has the path `path`, with external keys of that database sent to where `to` says. An object of a database
 * that is not known is missing. What has gone from another database's path is looked for at the own one: whoever detaches a database from
 * another puts copies there before anything goes, and reads with an older manifest know nothing of it.
 */
export function routed(store: ObjectStore, path: string, to: ExternalRoutes): ObjectStore {
  const ownPrefix = path === "" ? "" : `${path}/`;
  const externalPrefix = ownPrefix + ObjectPaths.externalPrefix;

  /** Where an external key may lie, the likeliest first. */
  function* placesOf(key: string): Generator<{ store: ObjectStore; key: string }> {
    const slash = key.indexOf("/", externalPrefix.length);
    const route = to.routeOf(key.slice(externalPrefix.length, slash));
    if (route === undefined) return;
    const name = key.slice(slash + 1);
    if (route.store !== undefined) yield { store: route.store, key: name };
    yield { store, key: ownPrefix + name };
  }
  async function read<T>(
    key: string,
    ask: (store: ObjectStore, key: string) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    for (const place of placesOf(key)) {
      const found = await ask(place.store, place.key);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  const isExternal = (key: string): boolean => key.startsWith(externalPrefix);
  const requireOwn = (key: string): void => {
    assert(!isExternal(key), "objects of other databases are only read, by their whole names");
  };

  const wrapper: ObjectStore = {
    id: store.id,
    get: (key, options) =>
      isExternal(key)
        ? read(key, (other, name) => other.get(name, options))
        : store.get(key, options),
    head: (key, options) =>
      isExternal(key)
        ? read(key, (other, name) => other.head(name, options))
        : store.head(key, options),
    create(key, bytes, options) {
      requireOwn(key);
      return store.create(key, bytes, options);
    },
    put(key, source, options) {
      requireOwn(key);
      return store.put(key, source, options);
    },
    list(options) {
      requireOwn(options.prefix);
      return store.list(options);
    },
    delete(keys, options) {
      for (const key of keys) requireOwn(key);
      return store.delete(keys, options);
    },
  };
  const placeOf = (key: string) => {
    if (!isExternal(key)) return undefined;
    const [place] = placesOf(key);
    assert(place !== undefined, "a database whose objects are copied is known");
    return place;
  };
  if (store.copy !== undefined) {
    wrapper.copy = (from, key, options) => {
      requireOwn(key);
      const source = options?.source ?? wrapper;
      if (source === wrapper && !isExternal(from)) {
        const { source: _, ...others } = options ?? {};
        return store.copy!(from, key, others);
      }
      const place = innermost(source, from);
      return store.copy!(place.key, key, { ...options, source: place.store });
    };
  }
  routes.set(wrapper, to);
  return wrapperOf(wrapper, store, "", placeOf);
}
