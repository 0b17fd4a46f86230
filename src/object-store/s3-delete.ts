/** Deletion of many keys: in requests of a thousand where the server can, one by one where it cannot. */
import { throwIfAborted } from "../common/abort.js";
import { StoreError } from "../common/errors.js";

/** S3's bound on the keys of one DeleteObjects request. */
const keysMax = 1_000;
const inFlightMax = 16;

export interface S3DeleteRequests {
  /** DeleteObjects; throws `StoreError`. */
  many(keys: readonly string[]): Promise<void>;
  /** DeleteObject; throws `StoreError`. */
  one(key: string): Promise<void>;
}

export class S3Deletion {
  /** False once the server has refused DeleteObjects, where single requests worked. */
  #many = true;

  /** Tries all, then throws for the first that failed; stops when aborted. */
  async deleteAll(
    keys: readonly string[],
    requests: S3DeleteRequests,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    let first: { error: unknown } | undefined;
    for (let i = 0; i < keys.length; i += keysMax) {
      try {
        await this.#deleteSome(keys.slice(i, i + keysMax), requests, signal);
      } catch (error) {
        throwIfAborted(signal);
        first ??= { error };
      }
    }
    if (first !== undefined) throw first.error;
  }

  async #deleteSome(
    keys: readonly string[],
    requests: S3DeleteRequests,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (keys.length === 1 || !this.#many) return deleteEach(keys, requests, signal);
    try {
      await requests.many(keys);
    } catch (error) {
      // Some servers know no DeleteObjects, or not the checksum that the client always sends with it.
      const refused = error instanceof StoreError && /^(unsupported|invalid)$/.test(error.reason);
      if (!refused) throw error;
      await deleteEach(keys, requests, signal);
      this.#many = false;
    }
  }
}

async function deleteEach(
  keys: readonly string[],
  requests: S3DeleteRequests,
  signal: AbortSignal | undefined,
): Promise<void> {
  let first: { error: unknown } | undefined;
  const rest = keys.values();
  const worker = async (): Promise<void> => {
    for (const key of rest) {
      try {
        await requests.one(key);
      } catch (error) {
        throwIfAborted(signal);
        first ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(keys.length, inFlightMax) }, worker));
  if (first !== undefined) throw first.error;
}
