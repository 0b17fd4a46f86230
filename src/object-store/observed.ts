/** `observed`: a store that reports every request when it has ended. */
import type { Clock } from "../common/clock.js";
import { StoreError } from "../common/errors.js";
import type {
  ListedObject,
  ListOptions,
  ObjectStore,
  PutSource,
  StoreOperation,
} from "./object-store.js";
import type { RequestObserver, RequestOutcome } from "./observed-request.js";
import { innerCopy, wrapperOf } from "./wrappers.js";

/** A listing is one report, however many pages it had. */
export function observed(store: ObjectStore, observer: RequestObserver, clock: Clock): ObjectStore {
  async function observe<T>(
    about: {
      operation: StoreOperation;
      key: string;
      objectCount?: number;
      signal?: AbortSignal | undefined;
    },
    send: (sizes: Sizes) => Promise<T>,
    outcomeOf: (result: T) => RequestOutcome = () => "ok",
  ): Promise<T> {
    const sizes: Sizes = { bytesPut: 0, bytesGot: 0 };
    const startMs = clock.monotonic();
    const report = (outcome: RequestOutcome): void =>
      observer({
        operation: about.operation,
        key: about.key,
        objectCount: about.objectCount ?? 1,
        ...sizes,
        durationMs: clock.monotonic() - startMs,
        outcome,
      });
    let result: T;
    try {
      result = await send(sizes);
    } catch (error) {
      report(failureOf(error, about.signal));
      throw error;
    }
    report(outcomeOf(result));
    return result;
  }

  const wrapper: ObjectStore = {
    id: store.id,
    get: (key, request) =>
      observe(
        { operation: "get", key, signal: request?.signal },
        async (sizes) => {
          const object = await store.get(key, request);
          sizes.bytesGot = object?.bytes.length ?? 0;
          return object;
        },
        (object) => (object === undefined ? "absent" : "ok"),
      ),
    head: (key, request) =>
      observe(
        { operation: "head", key, signal: request?.signal },
        () => store.head(key, request),
        (meta) => (meta === undefined ? "absent" : "ok"),
      ),
    create: (key, bytes, request) =>
      observe(
        { operation: "create", key, signal: request?.signal },
        (sizes) => {
          sizes.bytesPut = bytes.length;
          return store.create(key, bytes, request);
        },
        (result) => (result === "exists" ? "exists" : "ok"),
      ),
    put: (key, source, request) =>
      observe({ operation: "put", key, signal: request?.signal }, (sizes) =>
        store.put(key, counted(source, sizes), request),
      ),
    list: (request) => listObserved(store, observer, clock, request),
    delete: (keys, request) =>
      observe(
        {
          operation: "delete",
          key: keys[0] ?? "",
          objectCount: keys.length,
          signal: request?.signal,
        },
        () => store.delete(keys, request),
      ),
  };
  if (store.copy !== undefined) {
    wrapper.copy = (from, to, request) => {
      const inner = innerCopy(wrapper, "", from, to, request);
      return observe({ operation: "copy", key: to, signal: request?.signal }, () =>
        store.copy!(...inner),
      );
    };
  }
  return wrapperOf(wrapper, store);
}

interface Sizes {
  bytesPut: number;
  bytesGot: number;
}

/** The same source, adding to `sizes.bytesPut` what is taken from it. */
function counted(source: PutSource, sizes: Sizes): PutSource {
  if (typeof source !== "function") {
    sizes.bytesPut = source.length;
    return source;
  }
  return async function* () {
    for await (const part of source()) {
      sizes.bytesPut += part.length;
      yield part;
    }
  };
}

async function* listObserved(
  store: ObjectStore,
  observer: RequestObserver,
  clock: Clock,
  request: ListOptions,
): AsyncIterable<ListedObject> {
  let objectCount = 0;
  let durationMs = 0;
  let outcome: RequestOutcome = "ended";
  let startMs = clock.monotonic();
  try {
    for await (const object of store.list(request)) {
      objectCount++;
      durationMs += clock.monotonic() - startMs;
      yield object;
      startMs = clock.monotonic();
    }
    durationMs += clock.monotonic() - startMs;
    outcome = "ok";
  } catch (error) {
    durationMs += clock.monotonic() - startMs;
    outcome = failureOf(error, request.signal);
    throw error;
  } finally {
    observer({
      operation: "list",
      key: request.prefix,
      objectCount,
      bytesPut: 0,
      bytesGot: 0,
      durationMs,
      outcome,
    });
  }
}

function failureOf(error: unknown, signal: AbortSignal | undefined): RequestOutcome {
  if (signal?.aborted && error === signal.reason) return "aborted";
  return error instanceof StoreError ? error.reason : "error";
}
