/** Bodies and metadata of S3's answers, checked, and bodies of its requests. */
import { Readable } from "node:stream";
import { allocateBytes, type Bytes } from "../common/bytes.js";
import { StoreError } from "../common/errors.js";
import { resolveRange } from "./memory.js";
import type { ByteRange, ObjectMeta, StoredObject } from "./object-store.js";
import { abortableParts } from "./s3-multipart.js";

/** The fields of an answer to GetObject that are used. */
export interface S3Answer {
  ContentLength?: number | undefined;
  ContentRange?: string | undefined;
  LastModified?: Date | undefined;
  Body?: unknown;
}

export function rangeHeader(range: ByteRange): string {
  if ("suffix" in range) return `bytes=-${range.suffix}`;
  return `bytes=${range.offset}-${range.offset + range.length - 1}`;
}

/** Collection of garbage goes by the age of objects, so an answer without a time is of no use. */
export function metaOf(size: number | undefined, lastModified: Date | undefined): ObjectMeta {
  if (size === undefined || lastModified === undefined) {
    throw new StoreError("unsupported", "The server answered without the object's size or time.");
  }
  return { size, lastModified: lastModified.getTime() };
}

/** Reads the whole body; throws `StoreError` "unavailable" unless it is the range that was asked for. */
export async function readObject(
  key: string,
  answer: S3Answer,
  range: ByteRange | undefined,
): Promise<StoredObject> {
  const body = await readBody(key, answer);
  const part = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(answer.ContentRange ?? "");
  const meta = metaOf(part === null ? answer.ContentLength : Number(part[3]), answer.LastModified);
  const { start, end } = resolveRange(range, meta.size);
  // Without Content-Range the server sent the whole object.
  if (part === null) return { bytes: range === undefined ? body : body.slice(start, end), ...meta };
  if (Number(part[1]) !== start || Number(part[2]) !== end - 1 || body.length !== end - start) {
    throw new StoreError(
      "unavailable",
      `S3 answered ${body.length} bytes of "${key}" as "${answer.ContentRange}" where ${start}-${end - 1} was asked for.`,
      { object: key },
    );
  }
  return { bytes: body, ...meta };
}

/** All of the body, so that its socket is free again; fewer bytes than announced are an error. */
async function readBody(key: string, answer: S3Answer): Promise<Bytes> {
  const expected = answer.ContentLength ?? 0;
  const bytes = allocateBytes(expected);
  let length = 0;
  for await (const chunk of (answer.Body ?? []) as AsyncIterable<Uint8Array>) {
    if (length + chunk.length <= expected) bytes.set(chunk, length);
    length += chunk.length;
  }
  if (length !== expected) {
    throw new StoreError("unavailable", `S3 answered ${length} of ${expected} bytes of "${key}".`, {
      object: key,
    });
  }
  return new Uint8Array(bytes.buffer, bytes.byteOffset, length);
}

/** What a source of parts threw, as `cause`, so that it is not taken for an error of the server. */
export class SourceError extends Error {}

/** A source of parts as the stream that the client library reads. */
export function readableOf(source: () => AsyncIterable<Uint8Array>, signal: AbortSignal): Readable {
  async function* parts(): AsyncGenerator<Uint8Array> {
    try {
      yield* abortableParts(source, signal);
    } catch (error) {
      throw signal.aborted ? error : new SourceError("The source failed.", { cause: error });
    }
  }
  return Readable.from(parts(), { objectMode: true, highWaterMark: 1 });
}
