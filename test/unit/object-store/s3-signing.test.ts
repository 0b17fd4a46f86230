/** What both transports send is signed as a server checks it, whatever the keys, the credentials and the server's address. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { resolveAddress } from "../../../src/object-store/s3-address.js";
import { signRequest } from "../../../src/object-store/s3-signing.js";
import { ScriptedS3, transports } from "../../support/scripted-s3.js";

const keys = [
  "plain/key",
  "sp ace/+plus%25/percent",
  "!'()*~._-/&=?#:@,;$",
  "ünïcödé/日本語/🪨",
  "control\u0001/\u007f",
];

describe.each(transports)("%s", (transport) => {
  let server: ScriptedS3;
  beforeEach(async () => {
    server = await ScriptedS3.start((request, response) => {
      response.setHeader("last-modified", new Date(0).toUTCString());
      if (request.query.has("list-type")) response.end("<ListBucketResult></ListBucketResult>");
      else if (request.query.has("delete")) response.end("<DeleteResult></DeleteResult>");
      else if (request.headers["x-amz-copy-source"]) response.end("<CopyObjectResult/>");
      else response.setHeader("content-length", 0).end();
    });
  });
  afterEach(() => server.stop());

  test.each(keys)("every request about %j", async (key) => {
    const store = server.store({ transport, prefix: "pre fix" });
    await store.create(key, new Uint8Array(10));
    await store.put(key, new Uint8Array(3 * 1024 * 1024).fill(7));
    await store.get(key);
    await store.get(key, { range: { offset: 0, length: 10 } });
    await store.head(key);
    await store.copy(key, `${key}2`);
    await store.delete([key]);
    await store.delete([key, `${key}2`]);
    await store.list({ prefix: key, after: key })[Symbol.asyncIterator]().next();
    expect(server.signatureProblems).toEqual([]);
    const named = server.requests.find((request) => request.method === "PUT")!;
    expect(decodeURIComponent(named.path)).toBe(`/bucket/pre fix/${key}`);
    expect(server.requests).toHaveLength(10);
  });

  test("with a session token, which is signed too", async () => {
    const credentials = {
      accessKeyId: "key",
      secretAccessKey: "the-secret",
      sessionToken: "the/token+with=signs",
    };
    await server.store({ transport, credentials }).put("a", new Uint8Array(1));
    expect(server.signatureProblems).toEqual([]);
    expect(server.requests[0]!.headers["x-amz-security-token"]).toBe("the/token+with=signs");
  });

  test("below the path of an endpoint", async () => {
    await server.store({ transport, endpoint: `${server.endpoint}/be low` }).get("a b");
    expect(server.signatureProblems).toEqual([]);
    expect(server.requests[0]!.path).toBe("/be%20low/bucket/a%20b");
  });
});

test("the signature is that of AWS's example, with the range that it signs", () => {
  const { authorization } = Object.fromEntries(
    Object.entries(
      signRequest(
        {
          method: "GET",
          path: "/test.txt",
          headers: { host: "examplebucket.s3.amazonaws.com", range: "bytes=0-9" },
          sha256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        },
        "us-east-1",
        {
          accessKeyId: "AKIAIOSFODNN7EXAMPLE",
          secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        },
        Date.UTC(2013, 4, 24),
      ),
    ).map(([name, value]) => [name.toLowerCase(), value]),
  );
  expect(authorization).toBe(
    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
  );
});

test.each([
  ["bucket", undefined, false, "us-east-1", "https://bucket.s3.us-east-1.amazonaws.com:443", ""],
  ["bucket", undefined, true, "eu-north-1", "https://s3.eu-north-1.amazonaws.com:443", "/bucket"],
  [
    "bu.cket",
    undefined,
    false,
    "us-gov-west-1",
    "https://s3.us-gov-west-1.amazonaws.com:443",
    "/bu.cket",
  ],
  [
    "bucket",
    undefined,
    false,
    "cn-north-1",
    "https://bucket.s3.cn-north-1.amazonaws.com.cn:443",
    "",
  ],
  ["bucket", "https://host:8443/a/b", true, "r", "https://host:8443", "/a/b/bucket"],
  ["bucket", "https://host:8443/a/b", false, "r", "https://bucket.host:8443", "/a/b"],
  ["bu.cket", "http://host", false, "r", "http://bu.cket.host:80", ""],
  ["Bucket_1", "http://host", false, "r", "http://host:80", "/Bucket_1"],
  ["bucket", "http://[::1]:9000", false, "r", "http://::1:9000", "/bucket"],
  ["bucket", "http://127.0.0.1:9000", false, "r", "http://127.0.0.1:9000", "/bucket"],
])(
  "bucket %s at endpoint %s, path style %s, region %s: %s%s",
  (bucket, endpoint, forcePathStyle, region, server, path) => {
    const address = resolveAddress({ bucket, endpoint, forcePathStyle }, region);
    const { isSecure, hostname, port } = address;
    expect(`http${isSecure ? "s" : ""}://${hostname}:${port}`).toBe(server);
    expect(address.path).toBe(path);
  },
);
