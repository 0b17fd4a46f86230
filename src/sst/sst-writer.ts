/** `writeSst`: stores the chunks of an SST as one object. */
import { bodyPool } from "../common/byte-pool.js";
import { concatBytes } from "../common/bytes.js";
import type { ObjectStore } from "../object-store/object-store.js";

/**
 * Up to this size an SST is one plain PUT, so that a flush of a MemTable of the default size costs one request; above it is
 * handed over in pieces, so that the store may send it in parts.
 */
const singlePutBytesMax = 32 * 1024 * 1024;

export interface WriteSstOptions {
  signal?: AbortSignal | undefined;
  /** Gives way to other requests. */
  background?: boolean | undefined;
}

/**
 * Resolves when the object is stored, and then the chunks may no longer be read: what was lent goes back to `bodyPool`. May
 * be called again with the same chunks after a failure: the bytes are the same.
 */
export async function writeSst(
  store: ObjectStore,
  path: string,
  chunks: readonly Uint8Array[],
  options: WriteSstOptions = {},
): Promise<void> {
  try {
    await send(store, path, chunks, options);
  } catch (error) {
    for (const chunk of chunks) bodyPool.forget(chunk);
    throw error;
  }
  for (const chunk of chunks) bodyPool.giveBack(chunk);
}

async function send(
  store: ObjectStore,
  path: string,
  chunks: readonly Uint8Array[],
  options: WriteSstOptions,
): Promise<void> {
  let size = 0;
  for (const chunk of chunks) size += chunk.length;
  if (size <= singlePutBytesMax) {
    await store.put(path, chunks.length === 1 ? chunks[0]! : concatBytes(chunks), options);
    return;
  }
  let started = false;
  const source = async function* (): AsyncGenerator<Uint8Array> {
    // Sent again: an attempt that failed may still be sending.
    if (started) for (const chunk of chunks) bodyPool.forget(chunk);
    started = true;
    yield* chunks;
  };
  await store.put(path, source, options);
}
