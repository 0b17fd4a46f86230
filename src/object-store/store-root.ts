/**
 * The root of a store's namespace: one folder or one prefix of a bucket can be reached by stores of several roots, and a database in it must have one
 * path whichever of them it was opened with. Folders have the root of the file system, S3 stores that of their bucket, other stores their own.
 */
import { isCanonicalKey } from "./keys.js";
import type { ObjectStore } from "./object-store.js";
import { prefixed } from "./prefixed.js";
import { innermost } from "./wrappers.js";

export interface StoreRoot {
  /** Equal ids: the same objects below the same paths. */
  readonly id: string;
  /** Where a path in the store is below the root. */
  readonly pathOf: (path: string) => string;
  /** A store at any path below the root. It shares what the store holds open. */
  readonly at: (path: string) => ObjectStore;
}

const roots = new WeakMap<ObjectStore, StoreRoot>();

/** Of a store whose objects other stores reach below other paths. */
export function rootedAt(store: ObjectStore, root: StoreRoot): void {
  roots.set(store, root);
}

/** As for a store of its own: nobody else reaches its objects. */
function ownRoot(store: ObjectStore): StoreRoot {
  return { id: store.id, pathOf: (path) => path, at: (path) => prefixed(store, path) };
}

/**
 * The root of what `store` wraps in the end. Its `at` gives a prefix of `store` itself as far as that reaches, so that what wraps it sees the
 * requests, and beyond it goes by what is wrapped.
 */
export function rootOf(store: ObjectStore): StoreRoot {
  const inner = innermost(store, "");
  const root = roots.get(inner.store) ?? ownRoot(inner.store);
  const pathOf = (path: string): string => root.pathOf(inner.key + path);
  const own = pathOf("").replace(/\/$/, "");
  const at = (path: string): ObjectStore => {
    if (path === own) return store;
    const below = own === "" ? "" : `${own}/`;
    const rest = path.startsWith(below) ? path.slice(below.length) : "";
    return isCanonicalKey(rest) ? prefixed(store, rest) : root.at(path);
  };
  return { id: root.id, pathOf, at };
}
