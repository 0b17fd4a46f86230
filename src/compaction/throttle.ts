/** `Throttle`: so many bytes a second for the compactions of a handle, reads and writes together; and a store that keeps to it. */
import { throwIfAborted, whenAborted } from "../common/abort.js";
import type { Clock, Timer } from "../common/clock.js";
import type { ObjectStore, PutSource } from "../object-store/object-store.js";
import { innerCopy, wrapperOf } from "../object-store/wrappers.js";

/** ms. After a rest, what this much time is worth is free at once. */
const burstMs = 250;

interface Waiting {
  readonly bytes: number;
  go(): void;
}

/**
 * A bucket of tokens that may be overdrawn: whoever comes waits until it is not, and then takes all it wants, so that no request is too large for it.
 * First come, first served. It has a timer only while somebody waits.
 */
export class Throttle {
  readonly #clock: Clock;
  readonly #msPerByte: number;
  /** By the monotonic clock: when what was taken has been worked off. */
  #paidAt = Number.NEGATIVE_INFINITY;
  readonly #waiting: Waiting[] = [];
  #timer: Timer | undefined;

  /** `Infinity`: no bound. */
  constructor(bytesPerSecond: number, clock: Clock) {
    this.#clock = clock;
    this.#msPerByte = 1000 / bytesPerSecond;
  }

  /** Resolves when the bytes may be read or written; rejects with `signal.reason`, and then nothing is taken. */
  async take(bytes: number, signal?: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    if (this.#waiting.length === 0 && this.#waitMs() <= 0) {
      this.charge(bytes);
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const stopListening = whenAborted(signal, (reason) => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        if (this.#waiting.length === 0) this.#stopTimer();
        reject(reason);
      });
      const waiting: Waiting = {
        bytes,
        go: () => {
          stopListening();
          resolve();
        },
      };
      this.#waiting.push(waiting);
      this.#timer ??= this.#clock.after(this.#waitMs(), this.#onTimer);
    });
  }

  /** For bytes that were not foreseen; fewer than none where there were fewer. */
  charge(bytes: number): void {
    const earliest = this.#clock.monotonic() - burstMs;
    this.#paidAt = Math.max(this.#paidAt, earliest) + bytes * this.#msPerByte;
  }

  #waitMs(): number {
    return this.#msPerByte === 0 ? 0 : this.#paidAt - this.#clock.monotonic();
  }

  readonly #onTimer = (): void => {
    this.#timer = undefined;
    while (this.#waiting.length > 0) {
      const waitMs = this.#waitMs();
      if (waitMs > 0) {
        this.#timer = this.#clock.after(waitMs, this.#onTimer);
        return;
      }
      const first = this.#waiting.shift()!;
      this.charge(first.bytes);
      first.go();
    }
  };

  #stopTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}

/** `store`, with what it reads and writes taken from `throttle`. A put from a source takes piece after piece, each time that it is sent. */
export function throttled(store: ObjectStore, throttle: Throttle): ObjectStore {
  const wrapper: ObjectStore = {
    id: store.id,
    async get(key, options) {
      const range = options?.range;
      const foreseen = range === undefined ? 0 : "suffix" in range ? range.suffix : range.length;
      await throttle.take(foreseen, options?.signal);
      const object = await store.get(key, options);
      throttle.charge((object?.bytes.length ?? 0) - foreseen);
      return object;
    },
    head: (key, options) => store.head(key, options),
    async create(key, bytes, options) {
      await throttle.take(bytes.length, options?.signal);
      return store.create(key, bytes, options);
    },
    async put(key, source, options) {
      if (typeof source !== "function") await throttle.take(source.length, options?.signal);
      await store.put(key, throttledSource(source, throttle, options?.signal), options);
    },
    list: (options) => store.list(options),
    delete: (keys, options) => store.delete(keys, options),
  };
  if (store.copy !== undefined) {
    // Its bytes stay in the store.
    wrapper.copy = (from, to, options) => store.copy!(...innerCopy(wrapper, "", from, to, options));
  }
  return wrapperOf(wrapper, store);
}

function throttledSource(
  source: PutSource,
  throttle: Throttle,
  signal: AbortSignal | undefined,
): PutSource {
  if (typeof source !== "function") return source;
  return async function* () {
    for await (const chunk of source()) {
      await throttle.take(chunk.length, signal);
      yield chunk;
    }
  };
}
