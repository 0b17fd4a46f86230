/** Multipart uploads: bytes cut into parts, sent some at once, and cleaned up after when the upload fails. */
import { whenAborted, withSignal } from "../common/abort.js";
import { concatBytes } from "../common/bytes.js";
import { systemClock } from "../common/clock.js";
import { StoreError } from "../common/errors.js";
import type { PutSource } from "./object-store.js";
import { isNoSuchUpload } from "./s3-errors.js";
import type { S3Part, S3Transport, S3Upload } from "./s3-transport.js";

/** S3's bound on the parts of one upload. */
const partsMax = 10_000;

export interface UploadOptions {
  readonly partBytes: number;
  readonly partsInFlight: number;
  readonly signal: AbortSignal | undefined;
}

/** What an upload is made of. Each may reject, and then the upload is given up. */
export interface UploadRequests {
  /** Instead of an upload, where there is only one part. */
  put(bytes: Uint8Array, signal: AbortSignal): Promise<void>;
  /** Without a signal: whoever makes an upload has to learn its id, or nobody could remove it. */
  start(): Promise<S3Upload>;
  part(
    upload: S3Upload,
    partNumber: number,
    bytes: Uint8Array,
    signal: AbortSignal,
  ): Promise<S3Part>;
  complete(upload: S3Upload, parts: readonly S3Part[], signal: AbortSignal): Promise<void>;
  /** After a failure; does not reject. */
  remove(upload: S3Upload): Promise<void>;
}

/** What a source of parts threw, as `cause`, so that it is not taken for an error of the server. */
export class SourceError extends Error {}

/** Rejects with the first error, or the signal's reason, once no request is under way and the parts are removed. */
export async function uploadParts(
  source: PutSource,
  { partBytes, partsInFlight, signal }: UploadOptions,
  requests: UploadRequests,
): Promise<void> {
  const running = new RunningRequests(signal);
  const parts = cutParts(chunksOf(source, running.signal), partBytes);
  let upload: S3Upload | undefined;
  try {
    const first = (await parts.next()).value!;
    if (first.isLast) {
      await running.send(() => requests.put(first.bytes, running.signal));
    } else {
      upload = await running.send(() => requests.start());
      const sent = await sendParts(upload, first, parts, partsInFlight, running, requests);
      await running.send(() => requests.complete(upload!, sent, running.signal));
    }
    await running.end();
  } catch (error) {
    running.stop(error);
    await running.end();
    await parts.return(undefined).catch(() => undefined);
    if (upload !== undefined) await requests.remove(upload);
    throw running.signal.reason;
  }
}

async function sendParts(
  upload: S3Upload,
  first: CutPart,
  rest: AsyncIterable<CutPart>,
  inFlightMax: number,
  running: RunningRequests,
  requests: UploadRequests,
): Promise<S3Part[]> {
  const sent: S3Part[] = [];
  const send = async ({ partNumber, bytes }: CutPart): Promise<void> => {
    sent[partNumber - 1] = await running.send(() =>
      requests.part(upload, partNumber, bytes, running.signal),
    );
  };
  const parts = startingWith(first, rest);
  const worker = async (): Promise<void> => {
    for await (const part of parts) await send(part);
  };
  await Promise.all(Array.from({ length: inFlightMax }, worker));
  return sent;
}

async function* startingWith(
  first: CutPart,
  rest: AsyncIterable<CutPart>,
): AsyncGenerator<CutPart, undefined> {
  yield first;
  yield* rest;
}

interface CutPart {
  readonly partNumber: number;
  readonly bytes: Uint8Array;
  readonly isLast: boolean;
}

/** Parts of `partBytes` each, and a last one of at most as many, which may be empty. Throws past S3's number of parts. */
async function* cutParts(
  chunks: AsyncIterable<Uint8Array>,
  partBytes: number,
): AsyncGenerator<CutPart, undefined> {
  let partNumber = 1;
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  for await (const chunk of chunks) {
    let rest = chunk;
    while (heldBytes + rest.length > partBytes) {
      held.push(rest.subarray(0, partBytes - heldBytes));
      rest = rest.subarray(partBytes - heldBytes);
      if (partNumber === partsMax) {
        throw new StoreError(
          "invalid",
          "The upload has more than 10,000 parts. Set a larger `partBytes`.",
        );
      }
      yield { partNumber: partNumber++, bytes: joined(held), isLast: false };
      held = [];
      heldBytes = 0;
    }
    held.push(rest);
    heldBytes += rest.length;
  }
  yield { partNumber, bytes: joined(held), isLast: true };
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  return chunks.length === 1 ? chunks[0]! : concatBytes(chunks);
}

/** The chunks of a source, whose own errors are wrapped. */
async function* chunksOf(source: PutSource, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  if (typeof source !== "function") {
    yield source;
    return;
  }
  try {
    yield* abortableParts(source, signal);
  } catch (error) {
    throw signal.aborted ? error : new SourceError("The source failed.", { cause: error });
  }
}

/**
 * Keeps account of an upload's requests. The first that fails, or the caller's signal, stops the others, and no request is
 * started after that. Parts that arrive after the upload was given up would stay in the bucket
 * and be charged for.
 */
class RunningRequests {
  readonly #stop = new AbortController();
  readonly #inFlight = new Set<Promise<unknown>>();
  readonly #stopListening: () => void;

  constructor(caller: AbortSignal | undefined) {
    if (caller?.aborted) this.stop(caller.reason);
    this.#stopListening = whenAborted(caller, (reason) => this.stop(reason));
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
    this.#stopListening();
    await Promise.allSettled(this.#inFlight);
  }
}

/**
 * Aborts an upload until the server no longer knows it. A part that the server was still storing when the upload was
 * aborted can survive, so the abort is sent again while there is something. Gives up after `attemptsMax` tries: then a
 * lifecycle rule of the bucket has to remove the parts.
 */
export async function removeUpload(
  upload: S3Upload,
  send: (request: (transport: S3Transport) => Promise<void>) => Promise<void>,
  attemptsMax = 5,
): Promise<void> {
  const isKnown = async (request: (transport: S3Transport) => Promise<void>): Promise<boolean> => {
    try {
      await send(request);
      return true;
    } catch (error) {
      if (isNoSuchUpload(error)) return false;
      throw error;
    }
  };
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    if (attempt > 0) await systemClock.sleep(100 * 2 ** attempt);
    try {
      if (!(await isKnown((transport) => transport.abortUpload(upload)))) return;
      if (!(await isKnown((transport) => transport.checkUpload(upload)))) return;
    } catch {
      // The error that made the upload fail is the one to report; here only another try helps.
    }
  }
}

/** The source's parts, without waiting for a source that hangs once the signal is aborted. */
async function* abortableParts(
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
