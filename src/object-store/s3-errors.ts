/** The errors of an S3 server or of the way to it, as `StoreError`s that say what to do. Pure functions. */
import { StoreError, type StoreErrorReason } from "../common/errors.js";
import type { StoreOperation } from "./object-store.js";

/** What a failed request was about. */
export interface S3Request {
  readonly operation: StoreOperation;
  /** The whole key, or the prefix of a listing. */
  readonly object?: string | undefined;
  readonly bucket: string;
  /** Undefined on AWS. */
  readonly endpoint?: string | undefined;
}

/** The parts of an error that decide. Fields are undefined where the error has none. */
interface S3Failure {
  /** S3's error code, or Node's. */
  readonly code: string;
  /** The HTTP status; undefined when no answer came. */
  readonly status: number | undefined;
  readonly message: string;
  /** Requests that the client sent, its own retries included. */
  readonly attempts: number;
  readonly retryAfterMs: number | undefined;
  /** The region that the server says the bucket is in. */
  readonly region: string | undefined;
}

/** The server's or the client's error, in the fields that decide. */
function describeS3Failure(error: unknown): S3Failure {
  const fields = (typeof error === "object" && error !== null ? error : {}) as {
    name?: unknown;
    code?: unknown;
    Code?: unknown;
    message?: unknown;
    Region?: unknown;
    $metadata?: { httpStatusCode?: number; attempts?: number };
    $response?: {
      statusCode?: number;
      headers?: { "retry-after"?: string; "x-amz-bucket-region"?: string; date?: string };
    };
  };
  const headers = fields.$response?.headers ?? {};
  const status = fields.$metadata?.httpStatusCode ?? fields.$response?.statusCode;
  // A service's code is the error's name; Node's network errors have their own `code`.
  const codes = [fields.Code, status === undefined ? fields.code : undefined, fields.name];
  const region = fields.Region ?? headers["x-amz-bucket-region"];
  return {
    code: codes.find((code): code is string => typeof code === "string" && code !== "") ?? "",
    status,
    message: typeof fields.message === "string" ? fields.message : String(error),
    attempts: fields.$metadata?.attempts ?? 1,
    retryAfterMs: retryAfterMs(headers["retry-after"], headers.date),
    region: typeof region === "string" ? region : undefined,
  };
}

/** `Retry-After` in seconds, or as a date that is compared with the answer's own. */
function retryAfterMs(value: string | undefined, date: string | undefined): number | undefined {
  if (value === undefined || value === "") return undefined;
  if (/^\d+(\.\d+)?$/.test(value)) return Math.round(Number(value) * 1_000);
  const until = Date.parse(value) - Date.parse(date ?? "");
  return Number.isNaN(until) ? undefined : Math.max(0, until);
}

/** The error that a body of status 200 reports, in the form of an error of its own. */
export function errorInBody({ code, message }: { code: string; message: string }): Error {
  return Object.assign(new Error(message), {
    name: code,
    // The server had begun, so it is like its own failure unless it says that it refused.
    $metadata: { httpStatusCode: code === "AccessDenied" ? 403 : 500, attempts: 1 },
  });
}

/** The object is not there; a bucket that is not there is another matter. */
export function isAbsent(error: unknown): boolean {
  const { code, status } = describeS3Failure(error);
  return code === "NoSuchKey" || (status === 404 && !/^NoSuch(Bucket|Upload)$/.test(code));
}

/** The condition of a create was false, and no earlier attempt of this call can be the reason. */
export function isExisting(error: unknown): boolean {
  const { status, attempts } = describeS3Failure(error);
  return status === 412 && attempts === 1;
}

export function isInvalidRange(error: unknown): boolean {
  return describeS3Failure(error).status === 416;
}

export function isNoSuchUpload(error: unknown): boolean {
  return describeS3Failure(error).code === "NoSuchUpload";
}

/** New credentials may help, so the request is worth one more attempt with them. */
export function isExpiredToken(error: unknown): boolean {
  return expired.has(describeS3Failure(error).code);
}

const expired = new Set(["ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"]);
const noCredentials = new Set(["CredentialsProviderError", "TokenProviderError"]);
const throttling = new Set([
  "SlowDown",
  "SlowDownRead",
  "SlowDownWrite",
  "Throttling",
  "ThrottlingException",
  "RequestLimitExceeded",
  "TooManyRequests",
  "ServiceUnavailable",
]);
/** No connection came about, so nothing has reached the server. */
const notSent = new Set([
  "ConnectTimeout",
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EAI_FAIL",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EADDRNOTAVAIL",
  "EMFILE",
]);
const otherRegion = new Set([
  "PermanentRedirect",
  "TemporaryRedirect",
  "AuthorizationHeaderMalformed",
  "IllegalLocationConstraintException",
]);
const certificate =
  /^(CERT_|ERR_TLS_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|ERR_SSL_|EPROTO$|HOSTNAME_MISMATCH)/;

/** The `StoreError` for an error that is no result. The error itself becomes its `cause`. */
export function toStoreError(error: unknown, request: S3Request): StoreError {
  const failure = describeS3Failure(error);
  const [reason, text] = classify(failure, request);
  const object = request.object === undefined ? "" : ` of "${request.object}"`;
  return new StoreError(reason, `S3 ${request.operation}${object}: ${text}`, {
    object: request.object,
    retryAfterMs: failure.retryAfterMs,
    cause: error,
  });
}

function classify(failure: S3Failure, request: S3Request): [StoreErrorReason, string] {
  const { code, status } = failure;
  const where = `endpoint ${request.endpoint ?? "of AWS"}`;
  const said = `${code || "an error"}${status === undefined ? "" : ` (${status})`}: ${failure.message}`;
  if (code === "NoSuchBucket") {
    return [
      "invalid",
      `bucket "${request.bucket}" does not exist (${where}): create it or correct the URL.`,
    ];
  }
  const denial = credentialProblem(failure) ?? (status === 403 ? refusal(failure, request) : "");
  if (denial !== "") return ["denied", denial];
  if (otherRegion.has(code) || status === 301) {
    const region = failure.region === undefined ? "its region" : `region "${failure.region}"`;
    return [
      "invalid",
      `bucket "${request.bucket}" belongs to another region or endpoint. Set ${region}.`,
    ];
  }
  // The client gives an InternalError in a body of status 200 the status 503; there the server had begun.
  const busy = status === 429 || (status === 503 && code !== "InternalError");
  if (busy || throttling.has(code)) return ["throttled", said];
  if (code === "RequestTimeout" || code === "NoSuchUpload" || status === 408) {
    return ["unavailable", said];
  }
  if (status === 409) return ["conflict", `${said}. Try again.`];
  if (status === 412) {
    return failure.attempts > 1
      ? ["unknown-outcome", "the client sent the request again by itself. Give it maxAttempts: 1."]
      : ["conflict", said];
  }
  if (status === 501 || status === 405 || code === "NotImplemented") {
    return ["unsupported", `the server cannot do this. It said ${said}`];
  }
  if (status === undefined) return networkProblem(failure, request, where);
  if (status >= 400 && status < 500) return ["invalid", said];
  // No capacity is an answer; the other 5xx and an answer that cannot be read leave a write in doubt.
  if (status === 507) return ["unavailable", `the server has no room: ${said}`];
  return [isWrite(request) ? "unknown-outcome" : "unavailable", said];
}

function isWrite(request: S3Request): boolean {
  return request.operation === "create" || request.operation === "put";
}

/** What to do about the credentials, or undefined when they are not the problem. Never shows any. */
function credentialProblem(failure: S3Failure): string | undefined {
  const { code } = failure;
  if (noCredentials.has(code)) {
    return "no credentials were found. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, choose a profile with AWS_PROFILE, run with a role, or pass `credentials`.";
  }
  if (expired.has(code)) {
    return "the session token has expired, also after the credentials were read again. Renew them, or pass a provider that does.";
  }
  switch (code) {
    case "InvalidAccessKeyId":
      return "the server does not know the access key. Check AWS_ACCESS_KEY_ID, and that it belongs to this endpoint.";
    case "InvalidToken":
      return "the session token is not valid. Check AWS_SESSION_TOKEN, or unset it when the keys are not temporary.";
    case "SignatureDoesNotMatch":
      return "the signature does not match. Check AWS_SECRET_ACCESS_KEY, and that no proxy changes requests.";
    case "RequestTimeTooSkewed":
      return "clock skew: this machine's clock and the server's are too far apart. Set the clock, for example with NTP.";
    case "ERR_INVALID_CHAR":
      return "the credentials have a character that no header can, such as a line end at their end.";
    default:
      return undefined;
  }
}

function refusal(failure: S3Failure, request: S3Request): string {
  const text = `access denied (${failure.code || 403}) in bucket "${request.bucket}".`;
  if (request.operation === "get" || request.operation === "head" || request.operation === "copy") {
    return `${text} S3 also answers 403 for an object that is missing when s3:ListBucket is not permitted. Grant s3:GetObject on the objects and s3:ListBucket on the bucket.`;
  }
  const actions = {
    create: "s3:PutObject",
    put: "s3:PutObject and s3:AbortMultipartUpload",
    list: "s3:ListBucket",
    delete: "s3:DeleteObject",
  };
  return `${text} Grant ${actions[request.operation]}.`;
}

function networkProblem(
  failure: S3Failure,
  request: S3Request,
  where: string,
): [StoreErrorReason, string] {
  const { code, message } = failure;
  if (/^Region is missing/i.test(message)) {
    return ["invalid", "no region is set. Set AWS_REGION, region= in the URL, or `region`."];
  }
  if (certificate.test(code)) {
    return [
      "invalid",
      `the certificate or TLS of the ${where} is not accepted (${code}). Trust its authority with NODE_EXTRA_CA_CERTS, or correct the endpoint.`,
    ];
  }
  const text = `no answer from the ${where}: ${code || "error"}: ${message}`;
  // The only sign of a connection that timed out in the SDK is its text. If that changes, the outcome counts as unknown.
  const sent = !notSent.has(code) && !/did not establish a connection/.test(message);
  return [sent && isWrite(request) ? "unknown-outcome" : "unavailable", text];
}
