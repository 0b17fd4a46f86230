/**
 * A store that a process dies with, before a request of its choice; or that only loses the reply of it. To die after a request is to die before the
 * next one.
 */
import { StoreError } from "../../../src/common/errors.js";
import type { ObjectStore } from "../../../src/object-store/object-store.js";

export type Cut = "before" | "lost";
export const cuts: readonly Cut[] = ["before", "lost"];

export interface CutStore {
  readonly store: ObjectStore;
  /** How many requests were asked for. */
  readonly count: () => number;
}

/** `at` counts from 1. After "before" nothing comes through any more; "lost" is one reply. */
export function cutStore(inner: ObjectStore, at: number, cut: Cut): CutStore {
  let count = 0;
  const ask = async <T>(call: () => Promise<T>): Promise<T> => {
    count++;
    if (count > at && cut !== "lost") throw new Error("dead");
    if (count !== at) return call();
    if (cut === "before") throw new Error("dead");
    await call();
    throw new StoreError("unknown-outcome", "The reply was lost.");
  };
  const store: ObjectStore = {
    id: inner.id,
    get: (key, options) => ask(() => inner.get(key, options)),
    head: (key, options) => ask(() => inner.head(key, options)),
    create: (key, bytes, options) => ask(() => inner.create(key, bytes, options)),
    put: (key, source, options) => ask(() => inner.put(key, source, options)),
    async *list(options) {
      const all = await ask(async () => {
        const listed = [];
        for await (const one of inner.list(options)) listed.push(one);
        return listed;
      });
      yield* all;
    },
    delete: (keys, options) => ask(() => inner.delete(keys, options)),
    copy: (from, to, { source: _, ...options } = {}) => ask(() => inner.copy!(from, to, options)),
  };
  return { store, count: () => count };
}
