/** `MemoryObjectStore`: the reference implementation of the contract. */
import { throwIfAborted } from "../common/abort.js";
import { type Bytes, concatBytes, copyBytes } from "../common/bytes.js";
import { type Clock, systemClock } from "../common/clock.js";
import { StoreError } from "../common/errors.js";
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
} from "./object-store.js";

interface MemoryObject extends ObjectMeta {
  /** In order. What came in parts stays so: to join those of a large object would hold up the event loop. */
  readonly parts: readonly Bytes[];
}

let storeCount = 0;

export class MemoryObjectStore implements ObjectStore {
  readonly id: string;
  readonly #objects = new Map<string, MemoryObject>();
  readonly #clock: Clock;

  constructor(options: { clock?: Clock | undefined; id?: string | undefined } = {}) {
    this.#clock = options.clock ?? systemClock;
    this.id = options.id ?? `memory:${++storeCount}`;
  }

  async get(key: string, options?: GetOptions): Promise<StoredObject | undefined> {
    throwIfAborted(options?.signal);
    const object = this.#objects.get(key);
    if (object === undefined) return undefined;
    const { parts, size, lastModified } = object;
    const { start, end } = resolveRange(options?.range, size);
    return { bytes: copyRange(parts, start, end), size, lastModified };
  }

  async head(key: string, options?: RequestOptions): Promise<ObjectMeta | undefined> {
    throwIfAborted(options?.signal);
    const object = this.#objects.get(key);
    return object && { size: object.size, lastModified: object.lastModified };
  }

  async create(
    key: string,
    bytes: Uint8Array,
    options?: RequestOptions,
  ): Promise<"created" | "exists"> {
    throwIfAborted(options?.signal);
    if (this.#objects.has(key)) return "exists";
    this.#store(key, [copyBytes(bytes)]);
    return "created";
  }

  async put(key: string, source: PutSource, options?: RequestOptions): Promise<void> {
    throwIfAborted(options?.signal);
    if (typeof source !== "function") {
      this.#store(key, [copyBytes(source)]);
      return;
    }
    const parts: Bytes[] = [];
    for await (const part of source()) {
      throwIfAborted(options?.signal);
      parts.push(copyBytes(part));
    }
    this.#store(key, parts);
  }

  async *list(options: ListOptions): AsyncIterable<ListedObject> {
    throwIfAborted(options.signal);
    const keys = [...this.#objects.keys()]
      .filter((key) => key.startsWith(options.prefix) && !(options.after && key <= options.after))
      .sort()
      .slice(0, options.limit);
    for (const key of keys) {
      throwIfAborted(options.signal);
      const object = this.#objects.get(key);
      if (object !== undefined) {
        yield { key, size: object.size, lastModified: object.lastModified };
      }
    }
  }

  async delete(keys: readonly string[], options?: RequestOptions): Promise<void> {
    throwIfAborted(options?.signal);
    for (const key of keys) this.#objects.delete(key);
  }

  async copy(from: string, to: string, options?: CopyOptions): Promise<void> {
    throwIfAborted(options?.signal);
    const source = options?.source ?? this;
    const object = await source.get(from, options?.signal ? { signal: options.signal } : {});
    if (object === undefined) {
      throw new StoreError("invalid", `There is no object "${from}" to copy.`, { object: from });
    }
    this.#store(to, [object.bytes]);
  }

  #store(key: string, parts: readonly Bytes[]): void {
    const size = parts.reduce((sum, { length }) => sum + length, 0);
    this.#objects.set(key, { parts, size, lastModified: this.#clock.now() });
  }
}

function copyRange(parts: readonly Bytes[], start: number, end: number): Bytes {
  const within: Bytes[] = [];
  let offset = 0;
  for (const part of parts) {
    const [from, to] = [Math.max(start - offset, 0), Math.min(end - offset, part.length)];
    if (from < to) within.push(part.subarray(from, to));
    offset += part.length;
  }
  return concatBytes(within);
}

/** The offsets that a range means in an object of `size` bytes. */
export function resolveRange(
  range: ByteRange | undefined,
  size: number,
): { start: number; end: number } {
  if (range === undefined) return { start: 0, end: size };
  if ("suffix" in range) return { start: Math.max(0, size - range.suffix), end: size };
  const start = Math.min(range.offset, size);
  return { start, end: Math.min(start + range.length, size) };
}
