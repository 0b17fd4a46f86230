/**
 * Waiting with an `AbortSignal`: only the waiting ends, what is waited for goes on.
 *
 * A signal has one listener, however many wait with it. One read waits for many things at once, and a caller may give one signal to
 * many reads: Node warns of a leak from the eleventh listener on, and looks at all that are there when it adds one.
 */

/** Throws `signal.reason` when the signal is aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw signal.reason;
}

/** Settles as `promise` does, or rejects with `signal.reason` if that comes first. */
export function withSignal<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  if (signal.aborted) {
    promise.catch(() => undefined);
    return Promise.reject(signal.reason);
  }
  return new Promise((resolve, reject) => {
    const waiting = waitingWith(signal);
    waiting.add(reject);
    promise.then(
      (value) => {
        waiting.delete(reject);
        resolve(value);
      },
      (error) => {
        waiting.delete(reject);
        reject(error);
      },
    );
  });
}

/**
 * Calls back when the signal is aborted, once, in the tick of the abort; what it answers takes that back, and is harmless to call late.
 * A signal that is aborted already calls nobody: look first. `onAbort` must not throw.
 */
export function whenAborted(
  signal: AbortSignal | undefined,
  onAbort: (reason: unknown) => void,
): () => void {
  if (signal === undefined || signal.aborted) return nothingToTakeBack;
  const waiting = waitingWith(signal);
  // A function of its own for each call: two that wait with the same one are two.
  const call: OnAbort = (reason) => onAbort(reason);
  waiting.add(call);
  return () => waiting.delete(call);
}

const nothingToTakeBack = (): void => undefined;

type OnAbort = (reason: unknown) => void;

const waitingBySignal = new WeakMap<AbortSignal, Waiting>();

function waitingWith(signal: AbortSignal): Waiting {
  let waiting = waitingBySignal.get(signal);
  if (waiting === undefined) {
    waiting = new Waiting(signal);
    waitingBySignal.set(signal, waiting);
  }
  return waiting;
}

/** Who waits with one signal. It listens while there is anybody. */
class Waiting {
  readonly #signal: AbortSignal;
  readonly #callbacks = new Set<OnAbort>();

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  add(onAbort: OnAbort): void {
    if (this.#callbacks.size === 0) this.#signal.addEventListener("abort", this.#onAbort);
    this.#callbacks.add(onAbort);
  }

  delete(onAbort: OnAbort): void {
    if (this.#callbacks.delete(onAbort) && this.#callbacks.size === 0) this.#stopListening();
  }

  readonly #onAbort = (): void => {
    const { reason } = this.#signal;
    for (const onAbort of this.#callbacks) onAbort(reason);
    this.#callbacks.clear();
    this.#stopListening();
  };

  #stopListening(): void {
    this.#signal.removeEventListener("abort", this.#onAbort);
  }
}
