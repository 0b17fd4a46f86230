/** States of compactions as objects. It decides nothing. */
import { CorruptionError } from "../common/errors.js";
import type { Ulid } from "../common/ids.js";
import type { Compactions } from "../format/compactions.js";
import { decodeCompactions, encodeCompactions } from "../format/compactions-codec.js";
import { listHighest } from "../manifest/list-highest.js";
import type { SeriesObjects } from "../manifest/numbered-series.js";
import type { ObjectMeta, ObjectStore } from "../object-store/object-store.js";
import { ObjectPaths, parseCompactionsPath } from "../object-store/paths.js";
import { checkStateStep } from "./state-invariants.js";
import type { StoreTime } from "./store-time.js";

export class CompactionsStore implements SeriesObjects<Compactions> {
  readonly prefix: string = ObjectPaths.compactionsPrefix;
  readonly databaseId: Ulid;
  readonly #store: ObjectStore;
  readonly #storeTime: StoreTime | undefined;

  /** Replies that tell the store's time are shown to `storeTime`. */
  constructor(store: ObjectStore, databaseId: Ulid, storeTime?: StoreTime) {
    this.databaseId = databaseId;
    this.#store = store;
    this.#storeTime = storeTime;
  }

  path(number: number): string {
    return ObjectPaths.compactions(number);
  }

  async get(
    number: number,
    signal?: AbortSignal,
  ): Promise<{ value: Compactions; bytes: Uint8Array } | undefined> {
    const path = this.path(number);
    const object = await this.#store.get(path, { signal });
    if (object === undefined) return undefined;
    this.#storeTime?.saw(object.lastModified);
    const value = decodeCompactions(object.bytes, path, number);
    if (value.databaseId !== this.databaseId) {
      throw new CorruptionError(
        path,
        `it belongs to database ${value.databaseId}, not to ${this.databaseId}`,
      );
    }
    return { value, bytes: object.bytes };
  }

  /** When a state was stored, by the store's clock; undefined when it is gone. */
  async head(number: number, signal?: AbortSignal): Promise<ObjectMeta | undefined> {
    const meta = await this.#store.head(this.path(number), { signal });
    if (meta !== undefined) this.#storeTime?.saw(meta.lastModified);
    return meta;
  }

  create(number: number, bytes: Uint8Array, signal?: AbortSignal): Promise<"created" | "exists"> {
    return this.#store.create(this.path(number), bytes, { signal });
  }

  highestNumber(above: number, signal?: AbortSignal): Promise<number | undefined> {
    const { prefix } = this;
    const { compactions: path } = ObjectPaths;
    return listHighest(
      { store: this.#store, prefix, path, parse: parseCompactionsPath },
      above,
      signal,
    );
  }

  encode(state: Compactions): Uint8Array<ArrayBuffer> {
    return encodeCompactions(state);
  }

  checkStep(previous: Compactions, next: Compactions): void {
    checkStateStep(previous, next);
  }
}
