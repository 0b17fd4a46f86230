/** `prefixed`: a store that is one path of another, so that a database need not know where it lies. */
import { requireCanonicalKey } from "./keys.js";
import type { ListOptions, ObjectStore } from "./object-store.js";
import { innerCopy, wrapperOf } from "./wrappers.js";

/**
 * All keys below `prefix`, which is canonical segments without a `/` at the end. An empty prefix gives the store itself.
 * The id names the path too; whether a copy from another store is possible is told by `canCopyBetween`.
 * The `object` of an error is the whole key.
 */
export function prefixed(store: ObjectStore, prefix: string): ObjectStore {
  if (prefix === "") return store;
  requireCanonicalKey(prefix);
  const keyPrefix = `${prefix}/`;

  const wrapper: ObjectStore = {
    id: `${store.id}/${prefix}`,
    get: (key, options) => store.get(keyPrefix + key, options),
    head: (key, options) => store.head(keyPrefix + key, options),
    create: (key, bytes, options) => store.create(keyPrefix + key, bytes, options),
    put: (key, source, options) => store.put(keyPrefix + key, source, options),
    async *list(options) {
      const inner: ListOptions = { ...options, prefix: keyPrefix + options.prefix };
      if (options.after !== undefined) inner.after = keyPrefix + options.after;
      for await (const object of store.list(inner)) {
        yield { ...object, key: object.key.slice(keyPrefix.length) };
      }
    },
    delete: (keys, options) =>
      store.delete(
        keys.map((key) => keyPrefix + key),
        options,
      ),
  };
  if (store.copy !== undefined) {
    wrapper.copy = (from, to, options) =>
      store.copy!(...innerCopy(wrapper, keyPrefix, from, to, options));
  }
  return wrapperOf(wrapper, store, keyPrefix);
}
