/** `S3Transport`: the S3 requests that the store is made of, for whoever sends them. */
import type { Bytes } from "../common/bytes.js";
import type { ByteRange, ObjectMeta } from "./object-store.js";

/**
 * One bucket's requests, one HTTP request for each call, and no repetition. Keys are whole keys. What is no success is
 * thrown as it comes, in the form that `s3-errors.ts` reads: absence too. A call whose signal is aborted rejects at once.
 * The memory of a body is the caller's again when the call has settled: nothing that is read later can be stored.
 */
export interface S3Transport {
  head(key: string, signal: AbortSignal | undefined): Promise<ObjectMeta>;
  /** Reads the whole body: fewer bytes than the server announced are an error. */
  get(
    key: string,
    range: ByteRange | undefined,
    signal: AbortSignal | undefined,
  ): Promise<S3Object>;
  put(
    key: string,
    bytes: Uint8Array,
    condition: "if-absent" | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void>;
  list(page: S3PageRequest, signal: AbortSignal | undefined): Promise<S3Page>;
  /** At most a thousand keys; gives those that the server did not delete. */
  deleteMany(
    keys: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<readonly S3KeyError[]>;
  deleteOne(key: string, signal: AbortSignal | undefined): Promise<void>;
  /** Both keys are of this bucket. */
  copy(from: string, to: string, signal: AbortSignal | undefined): Promise<void>;
  startUpload(key: string): Promise<S3Upload>;
  /** Parts are numbered from 1. */
  uploadPart(
    upload: S3Upload,
    partNumber: number,
    bytes: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<S3Part>;
  completeUpload(
    upload: S3Upload,
    parts: readonly S3Part[],
    signal: AbortSignal | undefined,
  ): Promise<void>;
  abortUpload(upload: S3Upload): Promise<void>;
  /** Resolves while the server knows the upload, and otherwise rejects with NoSuchUpload. */
  checkUpload(upload: S3Upload): Promise<void>;
  /** Reads the credentials anew, as the server has said that these have expired. */
  renewCredentials(): Promise<void>;
  /** Ends what is running, and closes the sockets. */
  close(): void;
}

export interface S3Object {
  readonly bytes: Bytes;
  readonly contentRange: string | undefined;
  /** ms since 1970. */
  readonly lastModified: number | undefined;
}

export interface S3PageRequest {
  readonly prefix: string;
  readonly keysMax: number;
  readonly startAfter: string | undefined;
  /** Of the page before. */
  readonly continuation: string | undefined;
}

export interface S3Page {
  readonly objects: readonly S3ListedObject[];
  readonly isTruncated: boolean;
  readonly continuation: string | undefined;
}

export interface S3ListedObject {
  readonly key: string;
  readonly size: number | undefined;
  /** ms since 1970. */
  readonly lastModified: number | undefined;
}

export interface S3KeyError {
  readonly key: string | undefined;
  readonly code: string;
  readonly message: string;
}

export interface S3Upload {
  readonly key: string;
  readonly id: string;
}

export interface S3Part {
  readonly partNumber: number;
  readonly etag: string;
  /** Where the client sent one with the part. */
  readonly crc32?: string | undefined;
}
