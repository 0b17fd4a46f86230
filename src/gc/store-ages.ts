/** `StoreAges`: how long ago manifests were stored, by the store's clock alone. */
import { encodeUtf8 } from "../common/bytes.js";
import { StoreError } from "../common/errors.js";
import type { Random } from "../common/random.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { ObjectPaths } from "../object-store/paths.js";

/** One for each pass: its "now" is when it was first asked. */
export class StoreAges {
  readonly #store: ObjectStore;
  readonly #random: Random;
  readonly #signal: AbortSignal | undefined;
  readonly #storedAt: Map<number, number>;
  #now: Promise<number> | undefined;

  /** `storedAt` has when manifests were stored, by number, and is filled in: they never change. */
  constructor(
    store: ObjectStore,
    options: {
      readonly random: Random;
      readonly storedAt: Map<number, number>;
      readonly signal: AbortSignal | undefined;
    },
  ) {
    this.#store = store;
    this.#random = options.random;
    this.#storedAt = options.storedAt;
    this.#signal = options.signal;
  }

  /** The store's time, ms since 1970: three requests when it is first asked for. */
  now(): Promise<number> {
    this.#now ??= this.#probe();
    return this.#now;
  }

  /** Since a manifest was stored, in ms; undefined when it is gone, and so older than anything that can be asked. One HEAD. */
  async ageOf(manifestNumber: number): Promise<number | undefined> {
    let storedAt = this.#storedAt.get(manifestNumber);
    if (storedAt === undefined) {
      const path = ObjectPaths.manifest(manifestNumber);
      storedAt = (await this.#store.head(path, { signal: this.#signal }))?.lastModified;
      if (storedAt === undefined) return undefined;
      this.#storedAt.set(manifestNumber, storedAt);
    }
    return (await this.now()) - storedAt;
  }

  async isOlder(manifestNumber: number, ms: number): Promise<boolean> {
    return ((await this.ageOf(manifestNumber)) ?? Number.POSITIVE_INFINITY) >= ms;
  }

  /** Only an object that was just written tells what time it is there. */
  async #probe(): Promise<number> {
    const token = Array.from(this.#random.bytes(16), (byte) => byte.toString(16).padStart(2, "0"));
    const path = ObjectPaths.probe(token.join(""));
    const request = { signal: this.#signal };
    await this.#store.create(path, encodeUtf8("now"), request);
    try {
      const found = await this.#store.head(path, request);
      if (found !== undefined) return found.lastModified;
      throw new StoreError("unavailable", `The object "${path}" was created and is not there.`, {
        object: path,
      });
    } finally {
      // What stays behind is swept some day.
      await this.#store.delete([path], request).catch(() => undefined);
    }
  }
}
