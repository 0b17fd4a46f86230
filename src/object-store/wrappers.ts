/**
 * Which store a wrapper wraps: what a server-side copy needs to know about its source.
 *
 * A copy runs in the innermost store, which knows nothing of wrappers and prefixes. So each wrapper says here what it
 * wraps, and a source given as a wrapper is replaced by the innermost store and the key that it has there.
 */
import type { CopyOptions, ObjectStore } from "./object-store.js";

interface Place {
  store: ObjectStore;
  key: string;
}

interface Link {
  inner: ObjectStore;
  keyPrefix: string;
  /** Where a key lies that is not in `inner`; undefined: it is. */
  elsewhere: ((key: string) => Place | undefined) | undefined;
}

const wrapped = new WeakMap<ObjectStore, Link>();

/**
 * Records that `wrapper` sends its requests to `inner`, with `keyPrefix` before every key, but for those that lie `elsewhere`. Returns the
 * wrapper.
 */
export function wrapperOf<T extends ObjectStore>(
  wrapper: T,
  inner: ObjectStore,
  keyPrefix = "",
  elsewhere?: (key: string) => Place | undefined,
): T {
  wrapped.set(wrapper, { inner, keyPrefix, elsewhere });
  return wrapper;
}

/** What `store` wraps; undefined where it wraps none. */
export function wrappedBy(store: ObjectStore): ObjectStore | undefined {
  return wrapped.get(store)?.inner;
}

const groups = new WeakMap<ObjectStore, string>();

/** Stores of one group can copy from each other though their ids differ: they are parts of one thing. */
export function copiesWithin(store: ObjectStore, group: string): void {
  groups.set(store, group);
}

/** The innermost store behind `store`, and the name that `key` has there. */
export function innermost(store: ObjectStore, key: string): Place {
  let place = { store, key };
  for (let link = wrapped.get(store); link !== undefined; link = wrapped.get(place.store)) {
    place = link.elsewhere?.(place.key) ?? { store: link.inner, key: link.keyPrefix + place.key };
  }
  return place;
}

/** Whether `target.copy` can read from `source`: both are one namespace, whatever wraps them. */
export function canCopyBetween(source: ObjectStore, target: ObjectStore): boolean {
  const groupOf = ({ store }: Place): string => groups.get(store) ?? store.id;
  return (
    target.copy !== undefined && groupOf(innermost(source, "")) === groupOf(innermost(target, ""))
  );
}

/** The arguments of a copy for the store that `wrapper` wraps. */
export function innerCopy(
  wrapper: ObjectStore,
  keyPrefix: string,
  from: string,
  to: string,
  options: CopyOptions | undefined,
): [from: string, to: string, options: CopyOptions | undefined] {
  const source = options?.source;
  if (source === undefined || source === wrapper) {
    if (options === undefined) return [keyPrefix + from, keyPrefix + to, undefined];
    const { source: _, ...others } = options;
    return [keyPrefix + from, keyPrefix + to, others];
  }
  const location = innermost(source, from);
  return [location.key, keyPrefix + to, { ...options, source: location.store }];
}
