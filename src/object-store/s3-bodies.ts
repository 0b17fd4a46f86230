/** What S3 answers about objects, checked against what was asked for. Pure functions. */
import { StoreError } from "../common/errors.js";
import { resolveRange } from "./memory.js";
import type { ByteRange, ObjectMeta, StoredObject } from "./object-store.js";
import type { S3Object } from "./s3-transport.js";

export function rangeHeader(range: ByteRange): string {
  if ("suffix" in range) return `bytes=-${range.suffix}`;
  return `bytes=${range.offset}-${range.offset + range.length - 1}`;
}

/** Collection of garbage goes by the age of objects, so an answer without a time is of no use. */
export function metaOf(size: number | undefined, lastModified: number | undefined): ObjectMeta {
  if (size === undefined || lastModified === undefined || Number.isNaN(lastModified)) {
    throw new StoreError("unsupported", "The server answered without the object's size or time.");
  }
  return { size, lastModified };
}

/** The object, or the part of it that was asked for; throws `StoreError` "unavailable" for any other part. */
export function storedObject(
  key: string,
  { bytes, contentRange, lastModified }: S3Object,
  range: ByteRange | undefined,
): StoredObject {
  const part = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(contentRange ?? "");
  const meta = metaOf(part === null ? bytes.length : Number(part[3]), lastModified);
  const { start, end } = resolveRange(range, meta.size);
  // Without Content-Range the server sent the whole object.
  if (part === null) {
    return { bytes: range === undefined ? bytes : bytes.slice(start, end), ...meta };
  }
  if (Number(part[1]) !== start || Number(part[2]) !== end - 1 || bytes.length !== end - start) {
    throw new StoreError(
      "unavailable",
      `S3 answered ${bytes.length} bytes of "${key}" as "${contentRange}" where ${start}-${end - 1} was asked for.`,
      { object: key },
    );
  }
  return { bytes, ...meta };
}

/** Fewer or more bytes than announced, or none announced: they are no answer. */
export function wrongLength(
  key: string,
  received: number,
  announced: number | undefined,
): StoreError {
  return new StoreError(
    "unavailable",
    `S3 answered ${received} of ${announced ?? "an unknown number of"} bytes of "${key}".`,
    { object: key },
  );
}
