/** The bytes of a file in parts: written from the source of a put, read as the source of a copy. */
import type { FileHandle } from "node:fs/promises";
import { throwIfAborted } from "../common/abort.js";
import { allocateBytes } from "../common/bytes.js";
import type { PutSource } from "./object-store.js";

/** Bytes that a copy holds in memory. */
const copyBytesAtOnce = 1024 * 1024;

/** What a source of parts has thrown: the caller's own error, which says nothing about the disk. */
export class SourceFailure extends Error {}

/** Writes all of `source` where `file` stands. */
export async function writeSource(
  file: FileHandle,
  source: PutSource,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (typeof source !== "function") return file.writeFile(source);
  const parts = source()[Symbol.asyncIterator]();
  let ended = false;
  try {
    for (;;) {
      const next = await parts.next().catch((cause: unknown) => {
        ended = true;
        throw new SourceFailure("The source of a put failed.", { cause });
      });
      if (next.done) {
        ended = true;
        return;
      }
      throwIfAborted(signal);
      await file.writeFile(next.value);
    }
  } finally {
    if (!ended) await parts.return?.();
  }
}

/** All of `file`, from its beginning; a part is valid until the next one is asked for. */
export async function* readParts(file: FileHandle): AsyncIterable<Uint8Array> {
  const buffer = allocateBytes(copyBytesAtOnce);
  for (let offset = 0; ; ) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
    if (bytesRead === 0) return;
    offset += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}
