/** `HeldRequests`: requests of a `FaultyObjectStore` that are held back until a test lets them go. */
import { deferred } from "../../src/common/deferred.js";
import type { FaultyObjectStore, FaultyRequest } from "../../src/testing/index.js";

export class HeldRequests {
  /** Keys of the requests that were held, in the order in which they were made. */
  readonly keys: string[] = [];
  readonly #store: FaultyObjectStore;
  readonly #gates = new Map<string, () => void>();

  /** Holds every request that `matches`, from now on. */
  constructor(store: FaultyObjectStore, matches: (request: FaultyRequest) => boolean) {
    this.#store = store;
    store.intercept = (request) => {
      if (!matches(request)) return undefined;
      const gate = deferred();
      this.keys.push(request.key);
      this.#gates.set(`${request.key} ${request.index}`, gate.resolve);
      return { kind: "delay", until: gate.promise };
    };
  }

  /** How many are held now. */
  get count(): number {
    return this.#gates.size;
  }

  /** Lets those go whose key contains `part`, and holds later ones all the same. */
  releaseOnly(part: string): void {
    for (const [name, resolve] of this.#gates) {
      if (!name.includes(part)) continue;
      this.#gates.delete(name);
      resolve();
    }
  }

  /** Lets all of them go, and holds no more. */
  release(): void {
    this.#store.intercept = undefined;
    this.releaseOnly("");
  }
}
