/** `FaultyObjectStore`: a store that fails as stores and networks do, before a request, after it, or much later. */
import { throwIfAborted, withSignal } from "../common/abort.js";
import { concatBytes, copyBytes } from "../common/bytes.js";
import type { Clock } from "../common/clock.js";
import { StoreError } from "../common/errors.js";
import type { Random } from "../common/random.js";
import type {
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
import type { Fault, FaultyRequest, Intercept } from "./fault.js";
import { type FaultRates, seededFaults } from "./seeded-faults.js";

export interface FaultyObjectStoreOptions {
  intercept?: Intercept | undefined;
  /** Needed for `afterMs` of late faults. */
  clock?: Clock | undefined;
}

/**
 * One per process that a test plays: a crash takes this handle, while the inner store stays as it is for others.
 * Copies bodies, so that a late write has the bytes that were sent.
 */
export class FaultyObjectStore implements ObjectStore {
  readonly id: string;
  readonly inner: ObjectStore;
  /** Asked for each request; may be replaced at any time. */
  intercept: Intercept | undefined;
  /** Present when the inner store has it. */
  readonly copy?: (from: string, to: string, options?: CopyOptions) => Promise<void>;
  readonly #clock: Clock | undefined;
  #requestCount = 0;
  #crashed = false;
  #late: (() => Promise<unknown>)[] = [];

  constructor(inner: ObjectStore, options: FaultyObjectStoreOptions = {}) {
    this.id = inner.id;
    this.inner = inner;
    this.intercept = options.intercept;
    this.#clock = options.clock;
    if (inner.copy !== undefined) {
      this.copy = (from, to, request) => {
        const args = innerCopy(this, "", from, to, request);
        return this.#write("copy", to, request, () => inner.copy!(...args));
      };
    }
    wrapperOf(this, inner);
  }

  /** Faults by chance, each request with the given rates (0 to 1); the same seed gives the same faults. */
  static seeded(
    inner: ObjectStore,
    random: Random,
    rates: FaultRates,
    options: { clock?: Clock | undefined } = {},
  ): FaultyObjectStore {
    return new FaultyObjectStore(inner, { ...options, intercept: seededFaults(random, rates) });
  }

  get crashed(): boolean {
    return this.#crashed;
  }

  /** From now on nothing settles. */
  crash(): void {
    this.#crashed = true;
  }

  /** How many writes were sent and not yet applied. */
  get pendingLate(): number {
    return this.#late.length;
  }

  /** Applies late writes, oldest first, at most `count` (default all). Their outcomes are lost; says how many there were. */
  async releaseLate(count: number = Infinity): Promise<number> {
    let applied = 0;
    for (; applied < count && this.#late.length > 0; applied++) {
      await this.#late.shift()!().catch(() => undefined);
    }
    return applied;
  }

  get(key: string, options?: GetOptions): Promise<StoredObject | undefined> {
    return this.#send("get", key, options, () => this.inner.get(key, options));
  }

  head(key: string, options?: RequestOptions): Promise<ObjectMeta | undefined> {
    return this.#send("head", key, options, () => this.inner.head(key, options));
  }

  create(key: string, bytes: Uint8Array, options?: RequestOptions): Promise<"created" | "exists"> {
    const sent = copyBytes(bytes);
    return this.#write("create", key, options, (request) => this.inner.create(key, sent, request));
  }

  async put(key: string, source: PutSource, options?: RequestOptions): Promise<void> {
    throwIfAborted(options?.signal);
    const parts: Uint8Array[] = [];
    if (typeof source !== "function") parts.push(source);
    else for await (const part of source()) parts.push(copyBytes(part));
    const sent = concatBytes(parts);
    return this.#write("put", key, options, (request) => this.inner.put(key, sent, request));
  }

  delete(keys: readonly string[], options?: RequestOptions): Promise<void> {
    const sent = [...keys];
    return this.#write("delete", keys[0] ?? "", options, (request) =>
      this.inner.delete(sent, request),
    );
  }

  async *list(options: ListOptions): AsyncIterable<ListedObject> {
    const { fault, request } = await this.#begin("list", options.prefix, options);
    if (fault?.kind !== "after") {
      if (fault !== undefined) await this.#fail(fault, request);
      for await (const object of this.inner.list(options)) {
        if (this.#crashed) await never();
        yield object;
      }
      return;
    }
    const objects: ListedObject[] = [];
    for await (const object of this.inner.list(options)) objects.push(object);
    yield* objects.slice(0, Math.ceil(objects.length / 2));
    throw fault.error ?? unavailable(request);
  }

  #write<T>(
    operation: StoreOperation,
    key: string,
    options: RequestOptions | undefined,
    apply: (options: RequestOptions | undefined) => Promise<T>,
  ): Promise<T> {
    // Once it is on its way, the caller's signal can no longer stop it.
    return this.#send(
      operation,
      key,
      options,
      () => apply(options),
      () => apply({}),
    );
  }

  async #send<T>(
    operation: StoreOperation,
    key: string,
    options: RequestOptions | undefined,
    apply: () => Promise<T>,
    applyLate?: () => Promise<unknown>,
  ): Promise<T> {
    const { fault, request } = await this.#begin(operation, key, options);
    if (fault?.kind === "after" || (fault?.kind === "crash" && fault.applied)) await apply();
    if (fault?.kind === "late" && applyLate !== undefined) this.#applyLater(fault, applyLate);
    if (fault !== undefined) await this.#fail(fault, request);
    const result = await apply();
    // The reply to a request that was under way when the process died reaches nobody.
    return this.#crashed ? never() : result;
  }

  async #begin(
    operation: StoreOperation,
    key: string,
    options: RequestOptions | undefined,
  ): Promise<{ fault: Fault | undefined; request: FaultyRequest }> {
    if (this.#crashed) await never();
    throwIfAborted(options?.signal);
    const request = { operation, key, index: this.#requestCount++ };
    const fault = this.intercept?.(request);
    if (fault?.kind === "crash") this.#crashed = true;
    if (fault?.kind !== "delay") return { fault, request };
    await withSignal(fault.until, options?.signal);
    if (this.#crashed) await never();
    return { fault: undefined, request };
  }

  async #fail(fault: Fault, request: FaultyRequest): Promise<never> {
    if (fault.kind === "before") throw fault.error ?? unavailable(request);
    if (fault.kind === "after" || fault.kind === "late") throw fault.error ?? replyLost(request);
    return never();
  }

  #applyLater(fault: { afterMs?: number | undefined }, apply: () => Promise<unknown>): void {
    this.#late.push(apply);
    if (fault.afterMs === undefined) return;
    if (this.#clock === undefined)
      throw new Error('"afterMs" needs a clock: pass one to the store.');
    this.#clock.after(fault.afterMs, () => {
      const index = this.#late.indexOf(apply);
      if (index < 0) return;
      this.#late.splice(index, 1);
      apply().catch(() => undefined);
    });
  }
}

function never(): Promise<never> {
  return new Promise(() => undefined);
}

function unavailable({ operation, key }: FaultyRequest): StoreError {
  return new StoreError("unavailable", `A planned fault: ${operation} "${key}" failed.`, {
    object: key,
  });
}

function replyLost({ operation, key }: FaultyRequest): StoreError {
  return new StoreError(
    "unknown-outcome",
    `A planned fault: the reply to ${operation} "${key}" was lost.`,
    { object: key },
  );
}
