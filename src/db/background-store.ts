/** `backgroundStore`: the store as background work of a handle sees it: its requests give way to others, and end when the handle does. */
import { throwIfAborted, whenAborted } from "../common/abort.js";
import type { ObjectStore, RequestOptions } from "../object-store/object-store.js";
import { innerCopy, wrapperOf } from "../object-store/wrappers.js";

/** Once `ended` is aborted, every request rejects with its reason. */
export function backgroundStore(store: ObjectStore, ended: AbortSignal): ObjectStore {
  async function run<Options extends RequestOptions, Result>(
    options: Options | undefined,
    send: (options: Options) => Promise<Result>,
  ): Promise<Result> {
    throwIfAborted(ended);
    throwIfAborted(options?.signal);
    const controller = new AbortController();
    const abort = (reason: unknown): void => controller.abort(reason);
    const stopListening = [whenAborted(ended, abort), whenAborted(options?.signal, abort)];
    try {
      const { signal } = controller;
      return await send({ ...options, background: true, signal } as Options);
    } finally {
      for (const stop of stopListening) stop();
    }
  }

  const wrapper: ObjectStore = {
    id: store.id,
    get: (key, request) => run(request, (options) => store.get(key, options)),
    head: (key, request) => run(request, (options) => store.head(key, options)),
    create: (key, bytes, request) => run(request, (options) => store.create(key, bytes, options)),
    put: (key, source, request) => run(request, (options) => store.put(key, source, options)),
    delete: (keys, request) => run(request, (options) => store.delete(keys, options)),
    async *list(request) {
      for await (const object of store.list({ ...request, background: true })) {
        throwIfAborted(ended);
        yield object;
      }
    },
  };
  if (store.copy !== undefined) {
    wrapper.copy = (from, to, request) =>
      run(request, (options) => store.copy!(...innerCopy(wrapper, "", from, to, options)));
  }
  return wrapperOf(wrapper, store);
}
