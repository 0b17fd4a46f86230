import { describe, expect, test } from "vitest";
import type { StoreErrorReason } from "../../../src/common/errors.js";
import type { StoreOperation } from "../../../src/object-store/object-store.js";
import { isAbsent, isExisting, toStoreError } from "../../../src/object-store/s3-errors.js";

type Row = [StoreOperation, string, number | undefined, StoreErrorReason, RegExp];

const rows: Row[] = [
  ["get", "NoSuchBucket", 404, "invalid", /"b" does not exist \(endpoint http:\/\/e\): create it/],
  ["get", "AccessDenied", 403, "denied", /s3:ListBucket/],
  ["head", "Forbidden", 403, "denied", /s3:ListBucket/],
  ["create", "AccessDenied", 403, "denied", /s3:PutObject/],
  ["delete", "AccessDenied", 403, "denied", /s3:DeleteObject/],
  ["get", "InvalidAccessKeyId", 403, "denied", /AWS_ACCESS_KEY_ID/],
  ["get", "SignatureDoesNotMatch", 403, "denied", /AWS_SECRET_ACCESS_KEY/],
  ["get", "ExpiredToken", 400, "denied", /expired/],
  ["get", "CredentialsProviderError", undefined, "denied", /no credentials were found/],
  ["create", "ERR_INVALID_CHAR", undefined, "denied", /line end/],
  ["create", "ConnectTimeout", undefined, "unavailable", /ConnectTimeout/],
  ["create", "RequestTimeTooSkewed", 403, "denied", /clock skew/],
  ["create", "SlowDown", 503, "throttled", /SlowDown/],
  ["create", "TooManyRequests", 429, "throttled", /429/],
  ["create", "ConditionalRequestConflict", 409, "conflict", /Try again/],
  ["create", "InternalError", 500, "unknown-outcome", /500/],
  ["put", "BadGateway", 502, "unknown-outcome", /502/],
  ["create", "GatewayTimeout", 504, "unknown-outcome", /504/],
  ["get", "InternalError", 500, "unavailable", /500/],
  ["create", "NotImplemented", 501, "unsupported", /cannot do this/],
  ["get", "PermanentRedirect", 301, "invalid", /another region/],
  ["create", "EntityTooLarge", 400, "invalid", /EntityTooLarge/],
  ["create", "ECONNRESET", undefined, "unknown-outcome", /ECONNRESET/],
  ["put", "EPIPE", undefined, "unknown-outcome", /EPIPE/],
  ["create", "TimeoutError", undefined, "unknown-outcome", /TimeoutError/],
  ["get", "ECONNRESET", undefined, "unavailable", /ECONNRESET/],
  ["create", "ECONNREFUSED", undefined, "unavailable", /ECONNREFUSED/],
  ["create", "ENOTFOUND", undefined, "unavailable", /ENOTFOUND/],
  ["get", "CERT_HAS_EXPIRED", undefined, "invalid", /NODE_EXTRA_CA_CERTS/],
];

describe("errors of S3", () => {
  test.each(rows)("%s with %s (%s) is %s", (operation, name, status, reason, text) => {
    const error = Object.assign(new Error("said so"), {
      name,
      ...(status === undefined ? { code: name } : { $metadata: { httpStatusCode: status } }),
    });
    const mapped = toStoreError(error, {
      operation,
      object: "o",
      bucket: "b",
      endpoint: "http://e",
    });
    expect(mapped).toMatchObject({ reason, object: "o", cause: error });
    expect(mapped.message).toMatch(text);
  });

  test("a missing key is absent, and a missing bucket is not", () => {
    expect(isAbsent({ name: "NoSuchKey", $metadata: { httpStatusCode: 404 } })).toBe(true);
    expect(isAbsent({ name: "NotFound", $metadata: { httpStatusCode: 404 } })).toBe(true);
    expect(isAbsent({ name: "NoSuchBucket", $metadata: { httpStatusCode: 404 } })).toBe(false);
  });

  test("412 means exists, unless the client had sent the request before", () => {
    const error = (attempts: number): object => ({
      name: "PreconditionFailed",
      $metadata: { httpStatusCode: 412, attempts },
    });
    expect(isExisting(error(1))).toBe(true);
    expect(isExisting(error(2))).toBe(false);
    expect(toStoreError(error(2), { operation: "create", bucket: "b" }).reason).toBe(
      "unknown-outcome",
    );
  });

  test.each([
    ["7", "", 7_000],
    ["Sat, 21 Nov 2026 10:00:09 GMT", "Sat, 21 Nov 2026 10:00:00 GMT", 9_000],
    ["soon", "", undefined],
  ])("Retry-After %s is read", (retryAfter, date, expected) => {
    const error = {
      name: "SlowDown",
      $response: { statusCode: 503, headers: { "retry-after": retryAfter, date } },
    };
    expect(toStoreError(error, { operation: "get", bucket: "b" }).retryAfterMs).toBe(expected);
  });
});
