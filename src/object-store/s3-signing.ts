/** `signRequest`: AWS Signature Version 4 in the headers of a request. The only file that knows the package `aws4`. */
import { createHash } from "node:crypto";
import aws4 from "aws4";
import type { Credentials } from "./s3-credentials.js";

export interface UnsignedRequest {
  readonly method: string;
  /** With its query, percent-encoded by `encodePath` and `encodeQuery`. */
  readonly path: string;
  /** Names in lower case, `host` among them. */
  readonly headers: Readonly<Record<string, string>>;
  /** Of the body, by `sha256Of`. */
  readonly sha256: string;
}

/** The headers to send: those of the request, and the ones that prove who sends it. */
export function signRequest(
  { method, path, headers, sha256 }: UnsignedRequest,
  region: string,
  credentials: Credentials,
  nowMs: number,
): Record<string, string> {
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  const request = {
    service: "s3",
    region,
    method,
    path,
    headers: {
      ...headers,
      "x-amz-content-sha256": sha256,
      "x-amz-date": new Date(nowMs).toISOString().replace(/[:-]|\.\d{3}/g, ""),
    },
    // It signs all headers but a few, of which this one decides what the answer is.
    extraHeadersToInclude: { range: true },
  };
  const keys = { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) };
  return aws4.sign(request, keys).headers as Record<string, string>;
}

const noBytes = createHash("sha256").digest("hex");
const sliceBytes = 1024 * 1024;

/**
 * The SHA-256 of a body in hexadecimal digits. A promise for a large one, which gives others a turn after every MiB;
 * rejects with the signal's reason once that is aborted.
 */
export function sha256Of(
  body: Uint8Array | undefined,
  signal: AbortSignal | undefined,
): string | Promise<string> {
  if (body === undefined || body.length === 0) return noBytes;
  if (body.length <= sliceBytes) return createHash("sha256").update(body).digest("hex");
  return sha256InSlices(body, signal);
}

async function sha256InSlices(body: Uint8Array, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash("sha256");
  for (let offset = 0; offset < body.length; offset += sliceBytes) {
    if (offset > 0) await new Promise((resolve) => setImmediate(resolve));
    signal?.throwIfAborted();
    hash.update(body.subarray(offset, offset + sliceBytes));
  }
  return hash.digest("hex");
}
