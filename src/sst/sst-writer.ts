/** `writeSst`: stores the chunks of an SST as one object. */
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

/** Resolves when the object is stored. May be called again with the same chunks after a failure: the bytes are the same. */
export async function writeSst(
  store: ObjectStore,
  path: string,
  chunks: readonly Uint8Array[],
  options: WriteSstOptions = {},
): Promise<void> {
  let size = 0;
  for (const chunk of chunks) size += chunk.length;
  if (size <= singlePutBytesMax) {
    await store.put(path, chunks.length === 1 ? chunks[0]! : concatBytes(chunks), options);
    return;
  }
  const source = async function* (): AsyncGenerator<Uint8Array> {
    yield* chunks;
  };
  await store.put(path, source, options);
}
