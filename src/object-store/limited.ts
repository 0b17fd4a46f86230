/** `limited`: a store that sends a bounded number of requests at once, foreground before background. */
import PQueue from "p-queue";
import { throwIfAborted, whenAborted } from "../common/abort.js";
import { requireInteger } from "../common/options.js";
import type { ListedObject, ListOptions, ObjectStore, RequestOptions } from "./object-store.js";
import { innerCopy, wrapperOf } from "./wrappers.js";

export interface LimitOptions {
  /** How many requests may be under way at once: 1 to 10,000. */
  requestsInFlight: number;
}

/** Keys that a listing takes while it holds its turn: a page of S3. */
const listPageKeys = 1_000;

/**
 * A request that is aborted while it waits for its turn is rejected at once and never sent; one that has been sent keeps
 * its turn until the inner store has settled. A listing takes a turn for each page, not while its consumer thinks.
 *
 * A put whose parts come from a source may itself read from this store: compaction does. So one turn is kept free of
 * such puts, or as many of them as there are turns would wait for each other for ever.
 */
export function limited(store: ObjectStore, options: LimitOptions): ObjectStore {
  const { requestsInFlight } = options;
  requireInteger(requestsInFlight, "requestsInFlight", 1, 10_000);
  const turns = new PQueue({ concurrency: requestsInFlight });
  const streams = new PQueue({ concurrency: Math.max(1, requestsInFlight - 1) });
  const run = <T>(request: RequestOptions | undefined, send: () => Promise<T>): Promise<T> =>
    inTurn(turns, request, send);

  const wrapper: ObjectStore = {
    id: store.id,
    get: (key, request) => run(request, () => store.get(key, request)),
    head: (key, request) => run(request, () => store.head(key, request)),
    create: (key, bytes, request) => run(request, () => store.create(key, bytes, request)),
    put(key, source, request) {
      const send = (): Promise<void> => store.put(key, source, request);
      if (typeof source !== "function") return run(request, send);
      // With a single turn there is none to keep free: streamed puts then only wait for each other.
      return inTurn(streams, request, requestsInFlight === 1 ? send : () => run(request, send));
    },
    list: (request) => listInTurns(store, turns, request),
    delete: (keys, request) => run(request, () => store.delete(keys, request)),
  };
  if (store.copy !== undefined) {
    wrapper.copy = (from, to, request) => {
      const inner = innerCopy(wrapper, "", from, to, request);
      return run(request, () => store.copy!(...inner));
    };
  }
  return wrapperOf(wrapper, store);
}

async function inTurn<T>(
  queue: PQueue,
  request: RequestOptions | undefined,
  send: () => Promise<T>,
): Promise<T> {
  const signal = request?.signal;
  const priority = request?.background ? 0 : 1;
  throwIfAborted(signal);
  if (signal === undefined) return queue.add(send, { priority });
  // The queue would give the turn away when a running task is aborted, while its request is still on the wire. So it
  // sees a signal that follows the caller's only as long as the task waits.
  const waiting = new AbortController();
  const stopListening = whenAborted(signal, (reason) => waiting.abort(reason));
  try {
    return await queue.add(
      () => {
        stopListening();
        return send();
      },
      { priority, signal: waiting.signal },
    );
  } finally {
    stopListening();
  }
}

async function* listInTurns(
  store: ObjectStore,
  turns: PQueue,
  request: ListOptions,
): AsyncIterable<ListedObject> {
  const objects = store.list(request)[Symbol.asyncIterator]();
  let ended = false;
  try {
    while (!ended) {
      const page: ListedObject[] = [];
      let failure: { error: unknown } | undefined;
      await inTurn(turns, request, async () => {
        try {
          while (page.length < listPageKeys && !ended) {
            const next = await objects.next();
            if (next.done) ended = true;
            else page.push(next.value);
          }
        } catch (error) {
          failure = { error };
          ended = true;
        }
      });
      for (const object of page) {
        throwIfAborted(request.signal);
        yield object;
      }
      if (failure !== undefined) throw (failure as { error: unknown }).error;
    }
  } finally {
    if (!ended) await objects.return?.();
  }
}
