/** A loopback HTTP server whose answers a test writes, for what real S3 servers do only when something breaks. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { S3ObjectStore, type S3ObjectStoreOptions } from "../../src/object-store/s3.js";
import { signatureProblem } from "./signature-check.js";

export const transports = ["lean", "sdk"] as const;
const secretAccessKey = "the-secret";

export interface ScriptedRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
  readonly bytes: number;
  readonly body: Uint8Array;
}

export type Answer = (request: ScriptedRequest, response: ServerResponse, socket: Socket) => void;

export class ScriptedS3 {
  readonly requests: ScriptedRequest[] = [];
  /** What was wrong with the signatures of requests, which are answered all the same. */
  readonly signatureProblems: string[] = [];
  connections = 0;
  readonly #server = createServer();
  readonly #sockets = new Set<Socket>();
  readonly #stores: S3ObjectStore[] = [];

  /** Answers every request, once its body has been read, by `answer`. */
  static async start(answer: Answer): Promise<ScriptedS3> {
    const scripted = new ScriptedS3();
    scripted.#server.on("connection", (socket) => {
      scripted.connections++;
      scripted.#sockets.add(socket);
    });
    scripted.#server.on("request", (incoming, response) => {
      const chunks: Uint8Array[] = [];
      incoming.on("data", (chunk: Uint8Array) => chunks.push(chunk));
      incoming.on("error", () => undefined);
      incoming.on("end", () => {
        const body = Buffer.concat(chunks);
        const url = new URL(incoming.url!, "http://server");
        const request: ScriptedRequest = {
          method: incoming.method!,
          path: url.pathname,
          query: url.searchParams,
          headers: incoming.headers,
          bytes: body.length,
          body,
        };
        const received = {
          method: request.method,
          target: incoming.url!,
          headers: incoming.headers,
          body,
        };
        const problem = signatureProblem(received, secretAccessKey);
        if (problem !== undefined) scripted.signatureProblems.push(problem);
        scripted.requests.push(request);
        answer(request, response, incoming.socket);
      });
    });
    await new Promise<void>((resolve) => scripted.#server.listen(0, "127.0.0.1", resolve));
    return scripted;
  }

  /** Sockets that are open now. */
  get openSockets(): number {
    return [...this.#sockets].filter((socket) => !socket.destroyed).length;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  store(options?: Partial<S3ObjectStoreOptions>): S3ObjectStore {
    const store = new S3ObjectStore({
      bucket: "bucket",
      endpoint: this.endpoint,
      region: "us-east-1",
      credentials: { accessKeyId: "key", secretAccessKey },
      ...options,
    });
    this.#stores.push(store);
    return store;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#stores.map((store) => store.close()));
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** An answer of S3's form for errors. */
export function errorAnswer(
  status: number,
  code: string,
  headers: Record<string, string> = {},
): Answer {
  return (_, response) => {
    response.writeHead(status, { "content-type": "application/xml", ...headers });
    response.end(
      `<?xml version="1.0"?><Error><Code>${code}</Code><Message>said so</Message></Error>`,
    );
  };
}
