/** The lean transport's sockets: when they are kept, when they are closed, and what they have read by then. */
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { type HttpRequest, HttpSockets } from "../../../src/object-store/s3-http.js";
import { testCertificate, testKey } from "../../support/tls.js";

const mebibyte = 1024 * 1024;
const limits = { socketsMax: 4, connectTimeoutMs: 2_000, requestTimeoutMs: 2_000 };
const ends: (() => void)[] = [];
let connections = 0;

afterEach(() => {
  for (const end of ends.splice(0)) end();
});

async function listen(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  connections = 0;
  server.on("connection", (socket: Socket) => {
    connections++;
    sockets.add(socket);
  });
  ends.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

function socketsTo(port: number, isSecure = false): HttpSockets {
  const sockets = new HttpSockets({ hostname: "127.0.0.1", port, isSecure }, limits);
  ends.push(() => sockets.close());
  return sockets;
}

async function start(listener: RequestListener): Promise<HttpSockets> {
  return socketsTo(await listen(createServer(listener)));
}

/** A server that answers each connection with these bytes, and then ends it. */
async function startRaw(answer: string): Promise<HttpSockets> {
  const server = createTcpServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => socket.end(answer));
  });
  return socketsTo(await listen(server as unknown as Server));
}

function request(over: Partial<HttpRequest> = {}): HttpRequest {
  return { method: "GET", path: "/", headers: { host: "h" }, signal: undefined, ...over };
}

test("one socket serves calls that follow each other, whatever their answers", async () => {
  const sockets = await start((incoming, response) => {
    response.statusCode = Number(incoming.url!.slice(1));
    response.setHeader("content-length", 4);
    incoming.resume().on("end", () => response.end("body"));
  });
  for (const status of [200, 404, 412, 503]) {
    const answer = await sockets.send(request({ path: `/${status}` }));
    expect(answer.status).toBe(status);
  }
  await sockets.send(request({ method: "HEAD", path: "/404" }));
  const body = new Uint8Array(3 * mebibyte);
  const headers = { host: "h", "content-length": String(body.length) };
  await sockets.send(request({ method: "PUT", path: "/200", headers, body }));
  await sockets.send(request({ path: "/200" }));
  expect(connections).toBe(1);
});

describe("the time limit is one of silence", () => {
  const quick = { ...limits, requestTimeoutMs: 400 };
  /** Reads a MiB, then nothing for a while, and so on. */
  const slowReader = (pauseMs: number): RequestListener => {
    return (incoming, response) => {
      let unpaused = 0;
      incoming.on("data", (chunk: Uint8Array) => {
        unpaused += chunk.length;
        if (unpaused < mebibyte) return;
        unpaused = 0;
        incoming.pause();
        setTimeout(() => incoming.resume(), pauseMs);
      });
      incoming.on("end", () => response.end());
    };
  };
  const body = new Uint8Array(24 * mebibyte);
  const headers = { host: "h", "content-length": String(body.length) };
  const put = async (pauseMs: number): Promise<number> => {
    const port = await listen(createServer(slowReader(pauseMs)));
    const sockets = new HttpSockets({ hostname: "127.0.0.1", port, isSecure: false }, quick);
    ends.push(() => sockets.close());
    return (await sockets.send(request({ method: "PUT", headers, body }))).status;
  };

  test("a large body on a slow line takes as long as it takes, while it moves", async () => {
    const start = performance.now();
    expect(await put(60)).toBe(200);
    expect(performance.now() - start).toBeGreaterThan(2 * quick.requestTimeoutMs);
  });

  test("a line that stands still is given up", async () => {
    await expect(put(60_000)).rejects.toMatchObject({ name: "TimeoutError" });
  });
});

test("no more sockets than the limit are opened", async () => {
  const sockets = await start((_, response) => void setTimeout(() => response.end(), 5));
  await Promise.all(Array.from({ length: 20 }, () => sockets.send(request())));
  expect(connections).toBe(4);
});

test("a body comes whole, with a length that was announced and without", async () => {
  const sockets = await start((incoming, response) => {
    if (incoming.url === "/long") response.setHeader("content-length", 2 * mebibyte);
    response.write(new Uint8Array(mebibyte).fill(1));
    response.end(new Uint8Array(mebibyte).fill(2));
  });
  for (const path of ["/long", "/chunked"]) {
    const { body, length } = await sockets.send(request({ path }));
    expect([body.length, body[0], body.at(-1)]).toEqual([2 * mebibyte, 1, 2]);
    expect(length).toBe(path === "/long" ? 2 * mebibyte : undefined);
  }
});

test("a body without length and chunks ends with its connection", async () => {
  const sockets = await startRaw("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it");
  const { body } = await sockets.send(request());
  expect(new TextDecoder().decode(body)).toBe("all of it");
});

test.each([
  ["that ends before its length", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"],
  [
    "that ends before its last chunk",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
  ],
  ["of two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc"],
  ["of a length beyond memory", "HTTP/1.1 200 OK\r\nContent-Length: 9007199254740991\r\n\r\nabc"],
  ["that is no HTTP", "220 mail.example.com ESMTP\r\n"],
  ["that never comes", ""],
])("an answer %s is an error", async (_, answer) => {
  const sockets = await startRaw(answer);
  await expect(sockets.send(request())).rejects.toBeInstanceOf(Error);
});

describe("after a call has settled, its body's memory is not read any more", () => {
  /** Refuses before it reads the body; later it reads what comes, until the connection ends. */
  async function refusing(refuse: (socket: Socket) => void): Promise<{
    sockets: HttpSockets;
    received: Promise<Uint8Array>;
  }> {
    let end: (bytes: Uint8Array) => void;
    const received = new Promise<Uint8Array>((resolve) => {
      end = resolve;
    });
    const server = createTcpServer((socket) => {
      const chunks: Uint8Array[] = [];
      const onEnd = (): void => end(Buffer.concat(chunks));
      socket.on("error", onEnd).on("close", onEnd);
      socket.once("data", (first: Uint8Array) => {
        chunks.push(first);
        socket.pause();
        refuse(socket);
        setTimeout(
          () => socket.on("data", (chunk: Uint8Array) => chunks.push(chunk)).resume(),
          100,
        );
      });
    });
    return { sockets: socketsTo(await listen(server as unknown as Server)), received };
  }

  /** More than the buffers of a loopback connection hold. */
  const body = new Uint8Array(32 * mebibyte);
  const put = (signal?: AbortSignal): HttpRequest =>
    request({
      method: "PUT",
      headers: { host: "h", "content-length": String(body.length) },
      body: body.fill(1),
      signal,
    });

  test("when the server refuses before it has read it", async () => {
    const { sockets, received } = await refusing((socket) => {
      socket.write("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    });
    expect((await sockets.send(put())).status).toBe(403);
    body.fill(2);
    const bytes = await received;
    expect(bytes.length).toBeLessThan(body.length);
    expect(bytes.includes(2)).toBe(false);
  });

  test("when the call is aborted while it is sent", async () => {
    const reason = new Error("enough");
    const controller = new AbortController();
    const { sockets, received } = await refusing(() =>
      setTimeout(() => controller.abort(reason), 10),
    );
    await expect(sockets.send(put(controller.signal))).rejects.toBe(reason);
    body.fill(2);
    const bytes = await received;
    expect(bytes.length).toBeLessThan(body.length);
    expect(bytes.includes(2)).toBe(false);
  });
});

describe("over TLS", () => {
  const listener: RequestListener = (incoming, response) => {
    let bytes = 0;
    incoming.on("data", (chunk: Uint8Array) => {
      bytes += chunk.length;
    });
    incoming.on("end", () => response.end(String(bytes)));
  };

  test("a certificate that nobody trusts is refused, with its code", async () => {
    const server = createSecureServer({ key: testKey, cert: testCertificate }, listener);
    const sockets = socketsTo(await listen(server as unknown as Server), true);
    await expect(sockets.send(request())).rejects.toMatchObject({
      code: "DEPTH_ZERO_SELF_SIGNED_CERT",
    });
  });
});
