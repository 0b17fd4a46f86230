/** `inBackground`: a store whose requests all give way to others, and are counted. */
import type { ObjectStore } from "../object-store/object-store.js";
import { wrapperOf } from "../object-store/wrappers.js";

export interface RequestCount {
  requests: number;
}

/** What one page of a listing holds at most, in every store that bills for listings. */
const listPageKeys = 1000;

/** A listing counts once for each page that its keys would fill; requests that a store below sends again count once. */
export function inBackground(store: ObjectStore, count: RequestCount): ObjectStore {
  const background = true;
  const counted = <T>(request: Promise<T>): Promise<T> => {
    count.requests++;
    return request;
  };
  const wrapper: ObjectStore = {
    id: store.id,
    get: (key, options) => counted(store.get(key, { ...options, background })),
    head: (key, options) => counted(store.head(key, { ...options, background })),
    create: (key, bytes, options) => counted(store.create(key, bytes, { ...options, background })),
    put: (key, source, options) => counted(store.put(key, source, { ...options, background })),
    async *list(options) {
      let listed = 0;
      count.requests++;
      for await (const object of store.list({ ...options, background })) {
        if (listed > 0 && listed % listPageKeys === 0) count.requests++;
        listed++;
        yield object;
      }
    },
    delete: (keys, options) => counted(store.delete(keys, { ...options, background })),
  };
  return wrapperOf(wrapper, store);
}
