/** `probeConditionalCreate`: proof, before a database is made, that a store refuses to create an object twice. */
import { throwIfAborted } from "../common/abort.js";
import { encodeUtf8 } from "../common/bytes.js";
import { StoreError, UnsupportedStoreError } from "../common/errors.js";
import type { Random } from "../common/random.js";
import type { ObjectStore, RequestOptions } from "./object-store.js";
import { ObjectPaths } from "./paths.js";

/**
 * Two creates and one DELETE of an object with a random name. Throws `UnsupportedStoreError` when the second create is
 * not refused: fencing rests on that refusal alone. The object is deleted either way; one that cannot be deleted (a
 * role without that permission) stays behind under `probe/`, and is no error.
 */
export async function probeConditionalCreate(
  store: ObjectStore,
  random: Random,
  options?: RequestOptions,
): Promise<void> {
  const token = hex(random.bytes(16));
  const key = ObjectPaths.probe(token);
  const first = await createProbe(store, key, `first ${token}`, options);
  try {
    if (first !== "created") {
      throw refusal(
        store,
        `said that "${key}" exists, which has a random name and was never written`,
      );
    }
    // Other bytes: the same ones could be taken for a repetition of the first request.
    const second = await createProbe(store, key, `second ${token}`, options);
    if (second !== "exists") {
      throw refusal(store, `let "${key}" be created twice: it ignores "If-None-Match: *"`);
    }
  } finally {
    await store.delete([key], options).catch(() => undefined);
  }
  throwIfAborted(options?.signal);
}

async function createProbe(
  store: ObjectStore,
  key: string,
  text: string,
  options: RequestOptions | undefined,
): Promise<"created" | "exists"> {
  try {
    return await store.create(key, encodeUtf8(text), options);
  } catch (error) {
    if (error instanceof StoreError && error.reason === "unsupported") {
      throw refusal(store, `does not know conditional creates (${error.message})`, error);
    }
    throw error;
  }
}

function refusal(store: ObjectStore, finding: string, cause?: unknown): UnsupportedStoreError {
  return new UnsupportedStoreError(
    `The object store ${store.id} ${finding}. On such a store two writers would destroy each other's data without any error, so no database was created. Use a store with conditional writes (AWS S3, Cloudflare R2, Ceph, MinIO and others have them; docs/protocol.md), upgrade this one, or look for a proxy in between that drops the header.`,
    cause === undefined ? undefined : { cause },
  );
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
