/**
 * `BridgedStore`: the store of a thread that has none. Each request goes through a message port to the main thread, whose `StoreBridge` makes
 * it; what the main thread's store answers or throws comes back.
 */
import type { MessagePort } from "node:worker_threads";
import { throwIfAborted, whenAborted } from "../common/abort.js";
import { type Bytes, copyBytes } from "../common/bytes.js";
import type {
  GetOptions,
  ListedObject,
  ListOptions,
  ObjectMeta,
  ObjectStore,
  PutSource,
  RequestOptions,
  StoredObject,
} from "../object-store/object-store.js";
import { postWithBytes } from "./crossing-bytes.js";
import { packError, unpackError } from "./crossing-errors.js";
import { PushedBody } from "./pushed-body.js";
import type { FromThread, StoreRequest, ToThread } from "./store-messages.js";

interface Waiting {
  resolve(value: unknown): void;
  reject(error: unknown): void;
  /** Of a put whose bytes come from a source. */
  readonly body: PushedBody | undefined;
  /** What that source has thrown: the store on the other side only knows a copy of it. */
  sourceFailure: { readonly error: unknown } | undefined;
}

export class BridgedStore implements ObjectStore {
  readonly id: string;
  readonly #port: MessagePort;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  /** `id` is that of the store behind the bridge. */
  constructor(port: MessagePort, id: string) {
    this.id = id;
    this.#port = port;
    port.on("message", (message: ToThread) => this.#take(message));
  }

  get(key: string, options?: GetOptions): Promise<StoredObject | undefined> {
    return this.#send({ operation: "get", key, range: options?.range }, options);
  }

  head(key: string, options?: RequestOptions): Promise<ObjectMeta | undefined> {
    return this.#send({ operation: "head", key }, options);
  }

  create(key: string, body: Uint8Array, options?: RequestOptions): Promise<"created" | "exists"> {
    // A copy, as of all that is sent from here: the caller goes on using its memory, which may be a part of something larger.
    const bytes = copyBytes(body);
    return this.#send({ operation: "create", key, bytes }, options, { bytes });
  }

  put(key: string, source: PutSource, options?: RequestOptions): Promise<void> {
    if (typeof source === "function") {
      return this.#send({ operation: "put", key, bytes: undefined }, options, { source });
    }
    const bytes = copyBytes(source);
    return this.#send({ operation: "put", key, bytes }, options, { bytes });
  }

  delete(keys: readonly string[], options?: RequestOptions): Promise<void> {
    return this.#send({ operation: "delete", keys }, options);
  }

  async *list(options: ListOptions): AsyncIterable<ListedObject> {
    const { prefix, after, limit } = options;
    const request: StoreRequest = { operation: "list", prefix, after, limit };
    for (const object of await this.#send<readonly ListedObject[]>(request, options)) {
      throwIfAborted(options.signal);
      yield object;
    }
  }

  #send<T>(
    request: StoreRequest,
    options: RequestOptions | undefined,
    body: { bytes?: Bytes; source?: () => AsyncIterable<Uint8Array> } = {},
  ): Promise<T> {
    const signal = options?.signal;
    if (signal?.aborted) return Promise.reject(signal.reason);
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const stopListening = whenAborted(signal, (reason) => {
        this.#post({ type: "abort", id });
        this.#settle(id)?.reject(reason);
      });
      this.#waiting.set(id, {
        resolve: (value) => {
          stopListening();
          resolve(value as T);
        },
        reject: (error) => {
          stopListening();
          reject(error);
        },
        body: body.source && this.#bodyOf(id, body.source),
        sourceFailure: undefined,
      });
      this.#post({ type: "request", id, request }, body.bytes);
    });
  }

  #bodyOf(id: number, source: () => AsyncIterable<Uint8Array>): PushedBody {
    return new PushedBody(source, {
      piece: (pass, bytes) => this.#post({ type: "piece", id, pass, bytes }, bytes),
      end: (pass, failure) => {
        const waiting = this.#waiting.get(id);
        if (waiting !== undefined) waiting.sourceFailure = failure;
        this.#post({ type: "end", id, pass, error: failure && packError(failure.error) });
      },
    });
  }

  #take(message: ToThread): void {
    const waiting = this.#waiting.get(message.id);
    // It may have been aborted while the message was on its way.
    if (waiting === undefined) return;
    if (message.type === "pull") waiting.body?.pull(message.pass, message.count);
    else if (message.type === "stop") waiting.body?.stop(message.pass);
    else {
      this.#settle(message.id);
      if (message.type === "answer") waiting.resolve(message.value);
      else waiting.reject(waiting.sourceFailure?.error ?? unpackError(message.error));
    }
  }

  /** Nobody waits for it any more. */
  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    waiting?.body?.stopAll();
    return waiting;
  }

  #post(message: FromThread, bytes?: Bytes): void {
    postWithBytes(this.#port, message, bytes);
  }
}
