/** What S3 servers do when something breaks, and what both transports make of it. */
import { afterEach, describe, expect, test } from "vitest";
import type { S3ObjectStore, S3ObjectStoreOptions } from "../../../src/object-store/s3.js";
import { type Answer, errorAnswer, ScriptedS3, transports } from "../../support/scripted-s3.js";

const mebibyte = 1024 * 1024;
const some = new Uint8Array(10);
let server: ScriptedS3;

async function start(answer: Answer): Promise<void> {
  server = await ScriptedS3.start(answer);
}

afterEach(async () => {
  await server.stop();
  expect(server.signatureProblems).toEqual([]);
});

/** A server of multipart uploads that fails where `fail` answers. */
function uploads(
  parts: Set<string>,
  fail: (part: string | null, method: string) => Answer | undefined,
): Answer {
  return (request, response, socket) => {
    const part = request.query.get("partNumber");
    const failure = fail(part, request.method);
    if (failure !== undefined) return failure(request, response, socket);
    if (request.query.has("uploads")) {
      response.end(
        "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>",
      );
    } else if (request.method === "DELETE") {
      parts.clear();
      response.writeHead(204).end();
    } else if (request.method === "GET") {
      errorAnswer(404, "NoSuchUpload")(request, response, socket);
    } else {
      if (part !== null) parts.add(part);
      response.setHeader("etag", '"e"');
      response.end();
    }
  };
}

describe.each(transports)("%s", (transport) => {
  const newStore = (options?: Partial<S3ObjectStoreOptions>): S3ObjectStore =>
    server.store({ transport, ...options });

  test("a server that does not answer is given up after the timeout", async () => {
    await start(() => undefined);
    const store = newStore({ requestTimeoutMs: 100 });
    await expect(store.get("a")).rejects.toMatchObject({ reason: "unavailable" });
    await expect(store.create("a", some)).rejects.toMatchObject({ reason: "unknown-outcome" });
    expect(server.requests).toHaveLength(2);
  });

  test("a body that stalls is given up after the timeout", async () => {
    await start((_, response) => {
      response.writeHead(200, {
        "content-length": "10",
        "last-modified": new Date(0).toUTCString(),
      });
      response.write("abc");
    });
    const store = newStore({ requestTimeoutMs: 100 });
    await expect(store.get("a")).rejects.toMatchObject({ reason: "unavailable" });
  });

  test("a lost reply leaves a create in doubt, and the client sends nothing again", async () => {
    await start((_request, _response, socket) => socket.destroy());
    const store = newStore();
    await expect(store.create("a", some)).rejects.toMatchObject({ reason: "unknown-outcome" });
    await expect(store.put("a", some)).rejects.toMatchObject({ reason: "unknown-outcome" });
    await expect(store.get("a")).rejects.toMatchObject({ reason: "unavailable" });
    expect(server.requests).toHaveLength(3);
  });

  test("409 is a conflict and 412 is exists", async () => {
    await start((request, ...rest) =>
      request.path.endsWith("409")
        ? errorAnswer(409, "ConditionalRequestConflict")(request, ...rest)
        : errorAnswer(412, "PreconditionFailed")(request, ...rest),
    );
    const store = newStore();
    await expect(store.create("409", some)).rejects.toMatchObject({ reason: "conflict" });
    expect(await store.create("412", some)).toBe("exists");
    expect(server.requests.map((request) => request.headers["if-none-match"])).toEqual(["*", "*"]);
  });

  test("503 is throttling, with the time that the server asks for, after one request", async () => {
    await start(errorAnswer(503, "SlowDown", { "retry-after": "3" }));
    const store = newStore();
    await expect(store.put("a", some)).rejects.toMatchObject({
      reason: "throttled",
      retryAfterMs: 3_000,
    });
    expect(server.requests).toHaveLength(1);
  });

  test("a truncated body is unavailable", async () => {
    await start((_request, response, socket) => {
      response.writeHead(200, {
        "content-length": "10",
        "last-modified": new Date(0).toUTCString(),
      });
      response.write("abc", () => socket.destroy());
    });
    await expect(newStore().get("a")).rejects.toMatchObject({ reason: "unavailable" });
  });

  test("the wrong part of an object is unavailable", async () => {
    await start((_, response) => {
      response.writeHead(206, {
        "content-length": "3",
        "content-range": "bytes 0-2/10",
        "last-modified": new Date(0).toUTCString(),
      });
      response.end("abc");
    });
    const get = newStore().get("a", { range: { offset: 1, length: 3 } });
    await expect(get).rejects.toMatchObject({ reason: "unavailable" });
  });

  test("large puts use one connection, and carry no checksum that was not asked for", async () => {
    await start((_, response) => response.end());
    const store = newStore();
    for (let i = 0; i < 5; i++) await store.put(`a${i}`, new Uint8Array(3 * mebibyte));
    expect(server.connections).toBe(1);
    expect(server.requests.map((request) => request.bytes)).toEqual(Array(5).fill(3 * mebibyte));
    const names = server.requests.flatMap((request) => Object.keys(request.headers));
    expect(names.filter((name) => name.startsWith("x-amz-checksum"))).toEqual([]);
  });

  test("an aborted call rejects with the reason, before, during and in the body", async () => {
    await start((request, response) => {
      if (request.path.endsWith("silent")) return;
      response.writeHead(200, {
        "content-length": "10",
        "last-modified": new Date(0).toUTCString(),
      });
      response.write("abc");
    });
    const store = newStore();
    const reason = new Error("enough");
    await expect(store.get("a", { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    for (const key of ["silent", "stalled"]) {
      const controller = new AbortController();
      const get = store.get(key, { signal: controller.signal });
      setTimeout(() => controller.abort(reason), 50);
      await expect(get).rejects.toBe(reason);
    }
  });

  test("a part that fails stops the upload and removes it", async () => {
    const parts = new Set<string>();
    await start(
      uploads(parts, (part) => (part === "2" ? errorAnswer(503, "SlowDown") : undefined)),
    );
    const store = newStore({ multipartBytes: 0, partBytes: 5 * mebibyte, partsInFlight: 2 });
    const put = store.put("a", new Uint8Array(60 * mebibyte));
    await expect(put).rejects.toMatchObject({ reason: "throttled" });
    expect(parts.size).toBe(0);
    expect(server.requests.filter((request) => request.method === "DELETE")).toHaveLength(1);
    expect(server.requests.filter((request) => request.method === "PUT").length).toBeLessThan(12);
  });

  test("200 with an error as its body does not complete an upload", async () => {
    await start(
      uploads(new Set(), (part, method) =>
        part === null && method === "POST" && server.requests.at(-1)!.query.has("uploadId")
          ? errorAnswer(200, "InternalError")
          : undefined,
      ),
    );
    const store = newStore({ multipartBytes: 0, partBytes: 5 * mebibyte });
    const put = store.put("a", new Uint8Array(6 * mebibyte));
    await expect(put).rejects.toMatchObject({ reason: "unknown-outcome" });
    expect(server.requests.at(-1)!.method).toBe("GET");
  });

  test("delete goes on one by one where the server knows no DeleteObjects", async () => {
    await start((request, response, socket) => {
      if (request.method === "POST")
        return errorAnswer(501, "NotImplemented")(request, response, socket);
      response.writeHead(204).end();
    });
    const store = newStore();
    await store.delete(["a", "b"]);
    await store.delete(["c", "d"]);
    const methods = server.requests.map((request) => request.method);
    expect(methods).toEqual(["POST", "DELETE", "DELETE", "DELETE", "DELETE"]);
  });

  test("an expired token is tried again once with credentials that are read anew", async () => {
    await start((request, response, socket) =>
      /Credential=old/.test(request.headers.authorization ?? "")
        ? errorAnswer(400, "ExpiredToken")(request, response, socket)
        : void response.end(),
    );
    let reads = 0;
    const credentials = async () => ({
      accessKeyId: reads++ === 0 ? "old" : "new",
      secretAccessKey: "the-secret",
      expiration: new Date(Date.now() + 3_600_000),
    });
    await newStore({ credentials }).put("a", some);
    expect(server.requests).toHaveLength(2);
  });

  test("a bucket in another region is invalid, and the message names the region", async () => {
    await start((request, response, socket) =>
      request.method === "HEAD"
        ? void response.writeHead(301, { "x-amz-bucket-region": "eu-north-1" }).end()
        : errorAnswer(301, "PermanentRedirect", { "x-amz-bucket-region": "eu-north-1" })(
            request,
            response,
            socket,
          ),
    );
    const store = newStore();
    for (const call of [() => store.head("a"), () => store.get("a"), () => store.put("a", some)]) {
      await expect(call()).rejects.toMatchObject({
        reason: "invalid",
        message: expect.stringContaining('Set region "eu-north-1"'),
      });
    }
  });

  test("a clock that is off is denied with the remedy", async () => {
    await start(errorAnswer(403, "RequestTimeTooSkewed"));
    await expect(newStore().create("a", some)).rejects.toMatchObject({
      reason: "denied",
      message: expect.stringContaining("Set the clock"),
    });
  });

  test("403 for an object is denied with the permission that is missing", async () => {
    await start((request, response, socket) =>
      request.method === "HEAD"
        ? void response.writeHead(403).end()
        : errorAnswer(403, "AccessDenied")(request, response, socket),
    );
    const store = newStore();
    for (const call of [() => store.head("a"), () => store.get("a")]) {
      await expect(call()).rejects.toMatchObject({
        reason: "denied",
        message: expect.stringContaining("s3:ListBucket"),
      });
    }
  });

  test("an answer that is no XML is no listing", async () => {
    await start((_, response) => void response.end("<html><p>Welcome to the hotel!</html>"));
    const first = newStore().list({ prefix: "" })[Symbol.asyncIterator]().next();
    await expect(first).rejects.toMatchObject({ reason: "unavailable" });
  });

  test("a listing that ends too early is unavailable", async () => {
    const page = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
    await start((_request, response, socket) => {
      response.writeHead(200, { "content-length": page.length + 10 });
      response.write(page, () => socket.end());
    });
    const first = newStore().list({ prefix: "" })[Symbol.asyncIterator]().next();
    await expect(first).rejects.toMatchObject({ reason: "unavailable" });
  });

  test("DeleteObjects that fails for one key is told, with the key", async () => {
    await start((_, response) => {
      response.end(
        "<DeleteResult><Error><Key>b&amp;c</Key><Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>",
      );
    });
    await expect(newStore().delete(["a", "b&c"])).rejects.toMatchObject({
      reason: "denied",
      object: "b&c",
    });
  });

  test("200 with an error as its body is no copy", async () => {
    await start((request, response, socket) => {
      const head = { "last-modified": new Date(0).toUTCString(), "content-length": "5" };
      if (request.method === "HEAD") response.writeHead(200, head).end();
      else errorAnswer(200, "SlowDown")(request, response, socket);
    });
    await expect(newStore().copy("a", "b")).rejects.toMatchObject({ reason: "throttled" });
  });

  test("an aborted call frees its socket", async () => {
    await start((request, response) => {
      if (request.path.endsWith("b")) response.end();
    });
    const store = newStore({ socketsMax: 1 });
    for (const key of ["silent", "silent"]) {
      const reason = new Error("enough");
      const controller = new AbortController();
      const put = store.put(key, some, { signal: controller.signal });
      setTimeout(() => controller.abort(reason), 30);
      await expect(put).rejects.toBe(reason);
    }
    await store.put("b", some);
    await until(() => server.openSockets === 1);
  });

  test("a request that gets no socket in time was not sent", async () => {
    await start(() => undefined);
    const store = newStore({ socketsMax: 1, connectTimeoutMs: 100, requestTimeoutMs: 2_000 });
    const first = store.create("a", some).catch((error: unknown) => error);
    await until(() => server.requests.length === 1);
    await expect(store.create("b", some)).rejects.toMatchObject({ reason: "unavailable" });
    await store.close();
    expect(await first).toMatchObject({ reason: "unknown-outcome" });
    expect(server.requests).toHaveLength(1);
  });

  test("close ends what is running and closes the sockets", async () => {
    await start((request, response) => {
      if (request.path.endsWith("a")) response.end();
    });
    const store = newStore();
    await Promise.all([store.put("a", some), store.put("a", some)]);
    const running = [store.put("b", some), store.put("b", some)].map((put) =>
      put.catch((error: unknown) => error),
    );
    await until(() => server.requests.length === 4);
    await store.close();
    for (const put of running) expect(await put).toMatchObject({ reason: "unknown-outcome" });
    await until(() => server.openSockets === 0);
    await expect(store.put("a", some)).rejects.toMatchObject({ kind: "closed" });
  });
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
