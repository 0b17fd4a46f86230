/** `CountingObjectStore`: a store that remembers every request, for tests of request budgets. */
import type {
  ByteRange,
  CopyOptions,
  GetOptions,
  ListedObject,
  ListOptions,
  ObjectMeta,
  ObjectStore,
  PutSource,
  RequestOptions,
  StoredObject,
  StoreOperation,
} from "../object-store/object-store.js";
import { innerCopy, wrapperOf } from "../object-store/wrappers.js";

export interface CountedRequest {
  operation: StoreOperation;
  /** The key, the target of a copy, the first key of a delete, or the prefix of a listing. */
  key: string;
  /** All keys of a delete. */
  keys?: readonly string[];
  range?: ByteRange;
  background: boolean;
  /** Bytes of the body, sent or received; 0 until they are known. */
  bytes: number;
}

/** A request is counted when it is made, whatever becomes of it. A listing counts once, when its first key is asked for. */
export class CountingObjectStore implements ObjectStore {
  readonly id: string;
  readonly inner: ObjectStore;
  /** In the order in which they were made. */
  requests: CountedRequest[] = [];
  /** Present when the inner store has it. */
  readonly copy?: (from: string, to: string, options?: CopyOptions) => Promise<void>;

  constructor(inner: ObjectStore) {
    this.id = inner.id;
    this.inner = inner;
    if (inner.copy !== undefined) {
      this.copy = (from, to, options) => {
        this.#count("copy", to, options);
        return inner.copy!(...innerCopy(this, "", from, to, options));
      };
    }
    wrapperOf(this, inner);
  }

  /** How many requests there were of each operation. */
  get counts(): Record<StoreOperation, number> {
    const counts = { get: 0, head: 0, create: 0, put: 0, list: 0, delete: 0, copy: 0 };
    for (const { operation } of this.requests) counts[operation]++;
    return counts;
  }

  get total(): number {
    return this.requests.length;
  }

  reset(): void {
    this.requests = [];
  }

  async get(key: string, options?: GetOptions): Promise<StoredObject | undefined> {
    const request = this.#count("get", key, options);
    if (options?.range !== undefined) request.range = options.range;
    const object = await this.inner.get(key, options);
    request.bytes = object?.bytes.length ?? 0;
    return object;
  }

  head(key: string, options?: RequestOptions): Promise<ObjectMeta | undefined> {
    this.#count("head", key, options);
    return this.inner.head(key, options);
  }

  create(key: string, bytes: Uint8Array, options?: RequestOptions): Promise<"created" | "exists"> {
    this.#count("create", key, options).bytes = bytes.length;
    return this.inner.create(key, bytes, options);
  }

  put(key: string, source: PutSource, options?: RequestOptions): Promise<void> {
    const request = this.#count("put", key, options);
    if (typeof source !== "function") {
      request.bytes = source.length;
      return this.inner.put(key, source, options);
    }
    const counted = async function* (): AsyncIterable<Uint8Array> {
      request.bytes = 0;
      for await (const part of source()) {
        request.bytes += part.length;
        yield part;
      }
    };
    return this.inner.put(key, counted, options);
  }

  async *list(options: ListOptions): AsyncIterable<ListedObject> {
    this.#count("list", options.prefix, options);
    yield* this.inner.list(options);
  }

  delete(keys: readonly string[], options?: RequestOptions): Promise<void> {
    this.#count("delete", keys[0] ?? "", options).keys = [...keys];
    return this.inner.delete(keys, options);
  }

  #count(
    operation: StoreOperation,
    key: string,
    options: RequestOptions | undefined,
  ): CountedRequest {
    const background = options?.background ?? false;
    const request: CountedRequest = { operation, key, background, bytes: 0 };
    this.requests.push(request);
    return request;
  }
}
