/**
 * `StoreBridge`: the main thread's end of a store that a thread uses. What the thread asks for are background requests of the handle's own
 * store: limited, retried and counted with all others.
 */
import type { MessagePort } from "node:worker_threads";
import type { Bytes } from "../common/bytes.js";
import type { Clock } from "../common/clock.js";
import { StoreError } from "../common/errors.js";
import type { ListedObject, ObjectStore } from "../object-store/object-store.js";
import { ownBytes, postWithBytes } from "./crossing-bytes.js";
import { packError, unpackError } from "./crossing-errors.js";
import { PulledBody } from "./pulled-body.js";
import type { FromThread, StoreRequest } from "./store-messages.js";

/** Bytes that are handed to the store, or asked of it, in one turn of the event loop: one in memory copies them in that turn. */
const bytesPerTurn = 1024 * 1024;

interface Running {
  readonly controller: AbortController;
  /** Of a put whose bytes are pulled. */
  body: PulledBody | undefined;
  settled: Promise<void>;
}

interface Answer {
  readonly value: unknown;
  /** Those in `value`. */
  readonly bytes?: Bytes;
}

export class StoreBridge {
  readonly #port: MessagePort;
  readonly #store: ObjectStore;
  readonly #clock: Clock;
  /** Messages that wait for their turn. */
  readonly #queue: FromThread[] = [];
  #isDraining = false;
  readonly #running = new Map<number, Running>();
  #isClosed = false;

  /** `port` does not keep the process alive; it is closed with the bridge. */
  constructor(port: MessagePort, store: ObjectStore, clock: Clock) {
    this.#port = port;
    this.#store = store;
    this.#clock = clock;
    port.on("message", (message: FromThread) => {
      this.#queue.push(message);
      if (!this.#isDraining) void this.#drain();
    });
    port.unref();
  }

  /** How many requests are under way. */
  get requestCount(): number {
    return this.#running.size;
  }

  /** The thread is gone: what it has asked for is aborted. Resolves when the store is done with all of it. Twice is harmless. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#port.close();
    const running = [...this.#running.values()];
    for (const request of running) abort(request);
    await Promise.all(running.map(({ settled }) => settled));
  }

  /** Never rejects. What has arrived together would otherwise be one long turn. */
  async #drain(): Promise<void> {
    this.#isDraining = true;
    let bytes = 0;
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      this.#take(next);
      bytes += bytesOf(next);
      if (bytes < bytesPerTurn) continue;
      await new Promise<void>((resolve) => this.#clock.endOfTurn(resolve));
      bytes = 0;
    }
    this.#isDraining = false;
  }

  #take(message: FromThread): void {
    if (this.#isClosed) return;
    if (message.type === "request") {
      this.#start(message.id, message.request);
      return;
    }
    const running = this.#running.get(message.id);
    // It may have settled while the message was on its way.
    if (running === undefined) return;
    if (message.type === "abort") abort(running);
    else if (message.type === "piece") running.body?.add(message.pass, message.bytes);
    else running.body?.end(message.pass, message.error && unpackError(message.error));
  }

  #start(id: number, request: StoreRequest): void {
    const controller = new AbortController();
    const running: Running = { controller, body: undefined, settled: Promise.resolve() };
    this.#running.set(id, running);
    running.settled = this.#answer(id, request, running).then(
      ({ value, bytes }) => this.#settle(id, { type: "answer", id, value }, bytes),
      (error) => this.#settle(id, { type: "failure", id, error: packError(error) }, undefined),
    );
  }

  #settle(id: number, message: unknown, bytes: Bytes | undefined): void {
    this.#running.delete(id);
    if (!this.#isClosed) postWithBytes(this.#port, message, bytes);
  }

  async #answer(id: number, request: StoreRequest, running: Running): Promise<Answer> {
    const store = this.#store;
    const options = { signal: running.controller.signal, background: true };
    switch (request.operation) {
      case "get": {
        const { key, range } = request;
        const object = await store.get(key, range === undefined ? options : { ...options, range });
        if (object === undefined) return { value: undefined };
        const { size, lastModified } = object;
        const bytes = ownBytes(object.bytes);
        return { value: { bytes, size, lastModified }, bytes };
      }
      case "head": {
        const object = await store.head(request.key, options);
        return { value: object && { size: object.size, lastModified: object.lastModified } };
      }
      case "create":
        return { value: await store.create(request.key, request.bytes, options) };
      case "put": {
        const { key, bytes } = request;
        if (bytes === undefined) {
          running.body = new PulledBody((message) => {
            if (!this.#isClosed) this.#port.postMessage({ ...message, id });
          });
        }
        await store.put(key, bytes ?? running.body!.source, options);
        return { value: undefined };
      }
      case "delete":
        return { value: await store.delete(request.keys, options) };
      case "list": {
        // In one answer: jobs name all they need, and list nothing.
        const objects: ListedObject[] = [];
        const { prefix, after, limit } = request;
        for await (const object of store.list({ prefix, after, limit, ...options })) {
          const { key, size, lastModified } = object;
          objects.push({ key, size, lastModified });
        }
        return { value: objects };
      }
    }
  }
}

function bytesOf(message: FromThread): number {
  if (message.type === "piece") return message.bytes.length;
  if (message.type !== "request") return 0;
  const { request } = message;
  if (request.operation === "put" || request.operation === "create") {
    return request.bytes?.length ?? 0;
  }
  if (request.operation !== "get") return 0;
  const { range } = request;
  if (range === undefined) return bytesPerTurn;
  return "suffix" in range ? range.suffix : range.length;
}

function abort({ controller, body }: Running): void {
  const reason = new StoreError("unavailable", "The thread no longer waits for this request.");
  controller.abort(reason);
  body?.fail(reason);
}
