/**
 * `retrying`: a store that repeats what may succeed when sent again, and recognises its own writes.
 *
 * - Repeated: throttled, unavailable, conflict (409 is neither won nor lost) and unknown outcomes. Anything else is final.
 * - Between attempts: full jitter, a random wait below a bound that doubles (Marc Brooker, "Exponential Backoff And Jitter").
 * - A `create` that finds the object after an attempt of its own may have been beaten by itself. Its bytes decide.
 * - A `create` that gives up after an attempt that may have been applied says so, whatever the last error was.
 */
import { throwIfAborted } from "../common/abort.js";
import { bodyPool } from "../common/byte-pool.js";
import { equalBytes } from "../common/bytes.js";
import type { Clock } from "../common/clock.js";
import { messageOf, StoreError, type StoreErrorReason } from "../common/errors.js";
import type { Random } from "../common/random.js";
import type {
  ListedObject,
  ListOptions,
  ObjectStore,
  PutSource,
  RequestOptions,
  StoreOperation,
} from "./object-store.js";
import { innerCopy, wrapperOf } from "./wrappers.js";

export interface RetryOptions {
  clock: Clock;
  random: Random;
  /**
   * ms from the beginning of a call (of a listing: from its last news) in which attempts are begun; `Infinity` to go on
   * until aborted. An attempt under way is not cut off: how long one request may take is the store's own timeout.
   */
  deadlineMs: number;
  /** ms; the first wait is random below this, ten times as long when the store throttles. Default 50. */
  baseDelayMs?: number | undefined;
  /** ms; no wait is longer, unless the store asks for it. Default 5,000. */
  maxDelayMs?: number | undefined;
  /** Called before each wait. Must not throw. */
  onRetry?: ((retry: Retry) => void) | undefined;
}

export interface Retry {
  operation: StoreOperation;
  /** The key, the first key of a delete, or the prefix of a listing. */
  key: string;
  /** How many attempts have failed so far, from 1. */
  attempts: number;
  delayMs: number;
  error: StoreError;
}

const retried: ReadonlySet<StoreErrorReason> = new Set([
  "throttled",
  "unavailable",
  "conflict",
  "unknown-outcome",
]);
/** What `throttled` multiplies the base with: S3 scales up over seconds. */
const throttledFactor = 10;
/** ms. A store that asks for more than this is asked again after it. */
const retryAfterMaxMs = 300_000;

/**
 * Aborting rejects with `signal.reason` at once while waiting. A listing that fails midway is begun again, and keys that
 * were yielded already are left out; so it remembers all of its keys.
 */
export function retrying(store: ObjectStore, options: RetryOptions): ObjectStore {
  const run = <T>(
    operation: StoreOperation,
    key: string,
    request: RequestOptions | undefined,
    send: () => Promise<T>,
  ): Promise<T> => new Attempts(options, operation, key, request?.signal).run(send);

  const wrapper: ObjectStore = {
    id: store.id,
    get: (key, request) => run("get", key, request, () => store.get(key, request)),
    head: (key, request) => run("head", key, request, () => store.head(key, request)),
    create: (key, bytes, request) => create(store, options, key, bytes, request),
    put: (key, source, request) => {
      const attempts = new Attempts(options, "put", key, request?.signal);
      return attempts.run(() => store.put(key, source, request), bodyOf(source));
    },
    list: (request) => list(store, options, request),
    delete: (keys, request) =>
      run("delete", keys[0] ?? "", request, () => store.delete(keys, request)),
  };
  if (store.copy !== undefined) {
    wrapper.copy = (from, to, request) => {
      const inner = innerCopy(wrapper, "", from, to, request);
      return run("copy", to, request, () => store.copy!(...inner));
    };
  }
  return wrapperOf(wrapper, store);
}

async function create(
  store: ObjectStore,
  options: RetryOptions,
  key: string,
  bytes: Uint8Array,
  request: RequestOptions | undefined,
): Promise<"created" | "exists"> {
  const attempts = new Attempts(options, "create", key, request?.signal);
  try {
    const result = await attempts.run(() => store.create(key, bytes, request), bytes);
    if (result === "created" || attempts.failed === 0) return result;
    // The same deadline goes on: this is still the one call.
    const stored = await attempts.run(() => store.get(key, request));
    // Absent: it was created and has been collected since, which only happens to what has been superseded.
    return stored !== undefined && equalBytes(stored.bytes, bytes) ? "created" : "exists";
  } catch (error) {
    throwIfAborted(request?.signal);
    if (!attempts.mayHaveApplied) throw error;
    throw new StoreError(
      "unknown-outcome",
      `It is not known whether "${key}" was created: ${attempts.failed} attempts failed, and at least one may have been applied. The last error: ${messageOf(error)}`,
      { object: key, cause: error },
    );
  }
}

async function* list(
  store: ObjectStore,
  options: RetryOptions,
  request: ListOptions,
): AsyncIterable<ListedObject> {
  const yielded = new Set<string>();
  const limit = request.limit ?? Infinity;
  let attempts: Attempts | undefined;
  while (yielded.size < limit) {
    // With the same limit, also in another order: of `limit` keys, as many are new as are still wanted.
    try {
      for await (const object of store.list(request)) {
        if (yielded.has(object.key)) continue;
        yielded.add(object.key);
        yield object;
        if (yielded.size >= limit) return;
        // News: the next failure is a first one, with a deadline of its own. How long the caller thinks between two
        // keys counts for nothing.
        attempts = undefined;
      }
      return;
    } catch (error) {
      attempts ??= new Attempts(options, "list", request.prefix, request.signal);
      await attempts.waitAfter(error);
    }
  }
}

/** The attempts of one call: counts them, waits between them, and knows when to stop. */
class Attempts {
  /** How many have failed. */
  failed = 0;
  /** Whether one that failed may have taken effect in the store. */
  mayHaveApplied = false;
  readonly #options: RetryOptions;
  readonly #operation: StoreOperation;
  readonly #key: string;
  readonly #signal: AbortSignal | undefined;
  readonly #deadline: number;

  constructor(
    options: RetryOptions,
    operation: StoreOperation,
    key: string,
    signal: AbortSignal | undefined,
  ) {
    this.#options = options;
    this.#operation = operation;
    this.#key = key;
    this.#signal = signal;
    this.#deadline = options.clock.monotonic() + options.deadlineMs;
  }

  /** Sends until it succeeds. A `body` that a failed attempt may still be sending is not used for anything else. */
  async run<T>(send: () => Promise<T>, body?: Uint8Array): Promise<T> {
    for (;;) {
      throwIfAborted(this.#signal);
      try {
        return await send();
      } catch (error) {
        if (body !== undefined) bodyPool.forget(body);
        await this.waitAfter(error);
      }
    }
  }

  /** Returns when the next attempt is due; throws when there is to be none. */
  async waitAfter(error: unknown): Promise<void> {
    throwIfAborted(this.#signal);
    if (!(error instanceof StoreError) || !retried.has(error.reason)) throw error;
    this.failed++;
    if (error.reason === "unavailable" || error.reason === "unknown-outcome") {
      this.mayHaveApplied = true;
    }
    const { clock, onRetry } = this.#options;
    const leftMs = this.#deadline - clock.monotonic();
    const askedMs = Math.min(error.retryAfterMs ?? 0, retryAfterMaxMs);
    if (leftMs <= 0 || askedMs > leftMs) throw error;
    // The last wait ends at the deadline, with one more attempt.
    const delayMs = Math.min(Math.max(this.#jitterMs(error), askedMs), leftMs);
    const { failed: attempts } = this;
    onRetry?.({ operation: this.#operation, key: this.#key, attempts, delayMs, error });
    await clock.sleep(delayMs, this.#signal);
  }

  #jitterMs(error: StoreError): number {
    const { random, baseDelayMs = 50, maxDelayMs = 5_000 } = this.#options;
    const base = error.reason === "throttled" ? baseDelayMs * throttledFactor : baseDelayMs;
    return random.next() * Math.min(maxDelayMs, base * 2 ** Math.min(this.failed - 1, 30));
  }
}

function bodyOf(source: PutSource): Uint8Array | undefined {
  return typeof source === "function" ? undefined : source;
}
