/**
 * `SimulatedStore`: the handle that one simulated process has on the shared objects. Every request is held until the world
 * decides what becomes of it: a request is applied in one step and replied to in the same or a later one, and either may
 * never happen.
 */
import { throwIfAborted } from "../../src/common/abort.js";
import { concatBytes, copyBytes } from "../../src/common/bytes.js";
import type {
  GetOptions,
  ListedObject,
  ListOptions,
  ObjectMeta,
  ObjectStore,
  PutSource,
  RequestOptions,
  StoredObject,
  StoreOperation,
} from "../../src/object-store/object-store.js";
import type { SimulatedObjects } from "./simulated-objects.js";
import type { SimulatedProcess } from "./simulated-process.js";

export class HeldRequest {
  /** How many requests of its process came before it. */
  readonly index: number;
  readonly process: SimulatedProcess;
  readonly operation: StoreOperation;
  readonly key: string;
  /** Applied, and not yet replied to. */
  applied = false;
  /** Nobody waits for it any more. */
  abandoned = false;
  readonly #perform: () => unknown;
  readonly #resolve: (result: unknown) => void;
  readonly #reject: (reason: unknown) => void;
  #result: unknown;

  constructor(
    about: { index: number; process: SimulatedProcess; operation: StoreOperation; key: string },
    perform: () => unknown,
    resolve: (result: unknown) => void,
    reject: (reason: unknown) => void,
  ) {
    this.index = about.index;
    this.process = about.process;
    this.operation = about.operation;
    this.key = about.key;
    this.#perform = perform;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  get writes(): boolean {
    return this.operation !== "get" && this.operation !== "head" && this.operation !== "list";
  }

  /** May be done twice: a request that is repeated on its way. */
  apply(): void {
    this.#result = this.#perform();
    this.applied = true;
  }

  reply(): void {
    this.#resolve(this.#result);
  }

  fail(error: unknown): void {
    this.#reject(error);
  }

  toString(): string {
    const { process, index, operation, key } = this;
    return `${process.name}#${index} ${operation} ${key.replace(/0{8,}/g, "0*")}`;
  }
}

export class SimulatedStore implements ObjectStore {
  readonly id: string = "simulated";
  readonly #process: SimulatedProcess;
  readonly #objects: SimulatedObjects;
  readonly #hold: (request: HeldRequest) => void;
  #requestCount = 0;

  constructor(
    process: SimulatedProcess,
    objects: SimulatedObjects,
    hold: (request: HeldRequest) => void,
  ) {
    this.#process = process;
    this.#objects = objects;
    this.#hold = hold;
  }

  get requestCount(): number {
    return this.#requestCount;
  }

  get(key: string, options?: GetOptions): Promise<StoredObject | undefined> {
    const { name } = this.#process;
    return this.#send("get", key, options, () => this.#objects.get(name, key, options?.range));
  }

  async head(key: string, options?: RequestOptions): Promise<ObjectMeta | undefined> {
    const { name } = this.#process;
    return this.#send("head", key, options, () => {
      const found = this.#objects.get(name, key);
      return found && { size: found.size, lastModified: found.lastModified };
    });
  }

  create(key: string, bytes: Uint8Array, options?: RequestOptions): Promise<"created" | "exists"> {
    const { name } = this.#process;
    const sent = copyBytes(bytes);
    return this.#send("create", key, options, () => this.#objects.create(name, key, sent));
  }

  async put(key: string, source: PutSource, options?: RequestOptions): Promise<void> {
    const { name } = this.#process;
    const parts: Uint8Array[] = [];
    if (typeof source !== "function") parts.push(source);
    else for await (const part of source()) parts.push(copyBytes(part));
    const sent = concatBytes(parts);
    return this.#send("put", key, options, () => this.#objects.put(name, key, sent));
  }

  async *list(options: ListOptions): AsyncIterable<ListedObject> {
    const { name } = this.#process;
    const { prefix, after } = options;
    yield* await this.#send("list", prefix, options, () => this.#objects.list(name, prefix, after));
  }

  delete(keys: readonly string[], options?: RequestOptions): Promise<void> {
    const { name } = this.#process;
    const sent = [...keys];
    return this.#send("delete", keys[0] ?? "", options, () => this.#objects.delete(name, sent));
  }

  async #send<T>(
    operation: StoreOperation,
    key: string,
    options: RequestOptions | undefined,
    perform: () => T,
  ): Promise<T> {
    const signal = options?.signal;
    throwIfAborted(signal);
    const about = { index: this.#requestCount++, process: this.#process, operation, key };
    return new Promise<T>((resolve, reject) => {
      const onAbort = (): void => {
        request.abandoned = true;
        reject(signal!.reason);
      };
      const ended = (): void => signal?.removeEventListener("abort", onAbort);
      const request = new HeldRequest(
        about,
        perform,
        (result) => {
          ended();
          resolve(result as T);
        },
        (reason) => {
          ended();
          reject(reason);
        },
      );
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#hold(request);
    });
  }
}
