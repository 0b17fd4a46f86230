/** The requests of one multipart upload: stopped together, waited for, and cleaned up after when the upload fails. */
import { withSignal } from "../common/abort.js";
import { systemClock } from "../common/clock.js";

/**
 * Keeps account of an upload's requests. The first that fails, or the caller's signal, stops the others, and no request is
 * started after that. Without this the client library would go on sending parts, and parts that arrive after the upload
 * was given up stay in the bucket and are charged for.
 */
export class UploadRequests {
  uploadId: string | undefined;
  readonly #stop = new AbortController();
  readonly #inFlight = new Set<Promise<unknown>>();
  readonly #caller: AbortSignal | undefined;
  readonly #onAbort = (): void => this.stop(this.#caller!.reason);

  constructor(caller: AbortSignal | undefined) {
    this.#caller = caller;
    if (caller?.aborted) this.stop(caller.reason);
    caller?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** Aborted when the upload is given up; its reason is the first error. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  stop(reason: unknown): void {
    this.#stop.abort(reason);
  }

  /** Starts a request unless the upload has been given up. */
  async send<T>(start: () => Promise<T>): Promise<T> {
    this.signal.throwIfAborted();
    const request = start();
    this.#inFlight.add(request);
    try {
      return await request;
    } catch (error) {
      this.stop(error);
      throw error;
    } finally {
      this.#inFlight.delete(request);
    }
  }

  /** Resolves when no request is on its way; no more must be started. */
  async end(): Promise<void> {
    this.#caller?.removeEventListener("abort", this.#onAbort);
    await Promise.allSettled(this.#inFlight);
  }
}

/**
 * Aborts an upload until the server no longer knows it. A part that the server was still storing when the upload was
 * aborted can survive, so the abort is sent again while there is something. `abort` and `exists` answer whether the
 * upload was or is there. Gives up after `attemptsMax` tries: then a lifecycle rule of the bucket has to remove the parts.
 */
export async function removeUpload(
  abort: () => Promise<boolean>,
  exists: () => Promise<boolean>,
  attemptsMax = 5,
): Promise<void> {
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    if (attempt > 0) await systemClock.sleep(100 * 2 ** attempt);
    try {
      if (!(await abort()) || !(await exists())) return;
    } catch {
      // The error that made the upload fail is the one to report; here only another try helps.
    }
  }
}

/** The source's parts, without waiting for a source that hangs once the signal is aborted. */
export async function* abortableParts(
  source: () => AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const parts = source()[Symbol.asyncIterator]();
  let ended = false;
  try {
    while (true) {
      const step = await withSignal(parts.next(), signal);
      if (step.done) {
        ended = true;
        return;
      }
      yield step.value;
    }
  } finally {
    if (!ended) {
      await withSignal(Promise.resolve(parts.return?.()), signal).catch(() => undefined);
    }
  }
}
